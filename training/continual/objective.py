"""The loss of a step: current rows, rehearsed rows and penalties in one forward pass.

    L = a L_current + (1 - a) L_rehearsed + penalties,   a = 1 / (number of tasks met, the current one included)

Rehearsed rows are as many whatever the number of tasks; their importance grows through a alone. Each part is
reconstruction + latent + classification, all with weight 1 (van de Ven et al. 2020, Methods, "Loss function").
"""

import tensorflow as tf

from ...layers import Noise
from ...pipelines import StreamSettings
from .method import Method, Rehearsed, state
from .model import ContinualModel, rows_of
from .settings import Settings


class Objective(tf.Module):
    """The losses of a task; `first` without rehearsal and `later` with it are two graphs for any number of tasks.

    Arguments:
      model: the network that learns.
      stream: of the tasks.
      settings: the section `continual`: augmentation and temperature.
      methods: of the run; those that penalize add to every step, the one that rehearses gives rows to it.
      replay_batch: rehearsed rows a replica and step.
    """

    def __init__(
        self,
        model: ContinualModel,
        stream: StreamSettings,
        settings: Settings,
        methods: list[Method],
        replay_batch: int,
    ):
        super().__init__(name="objective")
        self._model, self._stream, self._settings, self._replay_batch = model, stream, settings, replay_batch
        self._rehearsal = next((method for method in methods if method.rehearses), None)
        self._penalties = [method for method in methods if method.penalizes]
        self.task = state(0)

    def first(self, batch: dict, noise: Noise, training: bool) -> dict:
        """Losses of a step without rehearsal; see `loop.Phase.losses`."""
        return self._losses(batch, noise, training, None)

    def later(self, batch: dict, noise: Noise, training: bool) -> dict:
        """Losses of a step with rehearsal, from the second task on."""
        return self._losses(batch, noise, training, self._rehearsal)

    def _losses(self, batch: dict, noise: Noise, training: bool, rehearsal: Method | None) -> dict:
        model, label = self._model, batch["label"]
        task = tf.convert_to_tensor(self.task)
        images = batch["image"]
        if self._settings.augment and len(images.shape) > 2:
            images = _augmented(images, self._settings.augment, noise)
        current = rows_of(model, images)
        tasks = tf.fill(tf.shape(label), task)
        inputs, context, soft = current, model.context(label, tasks), None
        rehearsed = None
        if rehearsal is not None:
            rehearsed = rehearsal.rows(current, self._replay_batch // noise.parts, task, noise)
            if rehearsed.inputs is not None:
                inputs = tf.concat([current, rehearsed.inputs], axis=0)
                context = tf.concat([context, rehearsed.context], axis=0)
                soft = rehearsed.targets
        terms = model.terms(inputs, context, label, soft, noise, tasks if model.task_gates else None, training)
        logits = terms.pop("logits")
        known = tf.shape(label)[0]
        terms = {name: (values[:known], values[known:]) for name, values in terms.items()}
        classification = -tf.gather(self._log_probabilities(logits[:known], task), label, batch_dims=1)
        result = {name: part for name, (part, _) in terms.items()}
        result["classification"] = classification
        total = model.weighted(result)
        if rehearsed is not None:
            answered = logits if rehearsed.inputs is None else logits[known:]
            old = self._rehearsed_terms(answered, rehearsed, task)
            if rehearsed.inputs is not None:
                old |= {name: part for name, (_, part) in terms.items()}
            share = 1.0 / tf.cast(task + 1, tf.float32)
            old = {name: tf.reduce_mean(rehearsed.weights * values) for name, values in old.items()}
            total = share * total + (1.0 - share) * model.weighted(old)
            result |= {f"rehearsed_{name}": tf.ones_like(total) * value for name, value in old.items()}
        if self._penalties:
            penalty = tf.add_n([method.extra_loss() for method in self._penalties])
            total += penalty
            result["penalty"] = tf.ones_like(total) * penalty
        return {"total": total, **result}

    def _log_probabilities(self, logits: tf.Tensor, task: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
        """float32 [n, classes]: log-softmax over the active units, each in its own block."""
        active = tf.ones([self._stream.outputs])
        if self._stream.scenario == "class":
            active = tf.sequence_mask((task + 1) * self._stream.classes_per_task, self._stream.outputs, tf.float32)
        log_probabilities = self._model.log_probabilities(logits, active, temperature)
        return tf.reshape(log_probabilities, [-1, self._stream.outputs])

    def _rehearsed_terms(self, logits: tf.Tensor, rehearsed: Rehearsed, task: tf.Tensor) -> dict:
        """Distillation at temperature T, weighed T^2 so that its gradients keep their size; or cross-entropy."""
        temperature = self._settings.temperature if rehearsed.soft else 1.0
        log_probabilities = self._log_probabilities(logits, task, temperature)
        entropy = -tf.reduce_sum(rehearsed.targets * log_probabilities, axis=-1)
        return {"classification": temperature**2 * entropy}


def _augmented(images: tf.Tensor, padding: int, noise: Noise) -> tf.Tensor:
    """Each image shifted by up to `padding` pixels either way, what comes in mirrored, and flipped half the time."""
    count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    sides = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    padded = tf.pad(images, sides, mode="SYMMETRIC")
    shifts = tf.cast(noise.uniform("shift", [count, 2]) * (2 * padding + 1), tf.int32)
    rows = tf.gather(padded, shifts[:, :1] + tf.range(height), axis=1, batch_dims=1)
    columns = tf.gather(rows, shifts[:, 1:] + tf.range(width), axis=2, batch_dims=1)
    flip = noise.uniform("flip", [count, 1, 1, 1]) < 0.5
    return tf.where(flip, columns[:, :, ::-1], columns)
