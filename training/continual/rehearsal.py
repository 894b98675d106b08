"""Where the rehearsed rows of a step come from: imagination, a memory, or the current images themselves.

A copy of the network, taken at the end of the last task, labels them (and imagines them). The weight of rehearsal
against current images is the objective's matter.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from ...layers import Noise
from .method import Method, state
from .reservoir import Reservoir


@dataclasses.dataclass(frozen=True)
class Rehearsed:
    """Rows for one step on one replica.

    Attributes:
      inputs: float32 [r, units] as `model.represent` gives them, or None for the current rows themselves.
      targets: float32 [r, classes], a distribution over all output units; over several blocks of units where more
        than one of them is asked.
      context: float32 [r, contexts], open gates.
      weights: float32 [r], mean one.
      soft: whether targets are probabilities of the copy (distillation).
    """

    inputs: tf.Tensor | None
    targets: tf.Tensor
    context: tf.Tensor
    weights: tf.Tensor
    soft: bool


class Copy(Method):
    """A copy of the network as it was at the end of the last task.

    Arguments:
      model: the network that learns.
      copy: another one of the same settings, built inside the strategy's scope.
      stream: `pipelines.StreamSettings`.
      settings: `ContinualSettings`.
    """

    def __init__(self, model, copy, stream, settings, name: str):
        super().__init__(name=name)
        copy.trainable = False
        self._model, self.copy, self._stream, self._settings = model, copy, stream, settings

    def after_task(self, task: int) -> None:
        for kept, variable in zip(self.copy.weights, self._model.weights, strict=True):
            kept.assign(variable.numpy())

    def _answers(self, inputs, blocks, task):
        """The copy's answers as targets: float32 [r, classes].

        Args:
          inputs: float32 [r, units].
          blocks: float32 [r, blocks], how far each block of units is asked.
          task: int32 scalar, the current task: only classes of earlier ones are answered with.
        """
        soft = self._settings.distillation
        hidden, _ = self.copy.activations(inputs)
        temperature = self._settings.temperature if soft else 1.0
        log_probabilities = self.copy.log_probabilities(self.copy.logits(hidden), self._active(task), temperature)
        if soft:
            answers = tf.exp(log_probabilities)
        else:
            answers = tf.one_hot(tf.argmax(log_probabilities, axis=-1), log_probabilities.shape[-1])
        return tf.reshape(answers * blocks[..., None], [-1, self._stream.outputs])

    def _active(self, task):
        """float32 [classes]: the classes of earlier tasks; with blocks or shared units, all."""
        if self._stream.scenario != "class":
            return tf.ones([self._stream.outputs])
        return tf.sequence_mask(task * self._stream.classes_per_task, self._stream.outputs, tf.float32)

    def _earlier_blocks(self, count, task):
        """float32 [count, blocks]: all earlier blocks in equal parts."""
        if self._stream.blocks == 1:
            return tf.ones([count, 1])
        earlier = tf.sequence_mask(task, self._stream.blocks, tf.float32) / tf.cast(tf.maximum(task, 1), tf.float32)
        return tf.repeat(earlier[None], count, axis=0)


class CurrentInputs(Copy):
    """Learning without forgetting (Li and Hoiem 2017): the copy's answers on the current images."""

    def rows(self, current, count: int, task, noise: Noise) -> Rehearsed:
        """See `Generative.rows`; there are as many rows as current ones."""
        del count, noise
        size = tf.shape(current)[0]
        targets = self._answers(current, self._earlier_blocks(size, task), task)
        return Rehearsed(None, targets, targets, tf.ones([size]), self._settings.distillation)


class Generative(Copy):
    """Rehearsal of what the copy imagines and labels.

    With class-conditional modes the class of every row is drawn first: among all earlier classes (class
    incremental), among all classes (domain), or, with a block of units a task, within one earlier task, so that each
    block is rehearsed on rows of its own. The class drawn is never the label: the copy labels what it imagined.
    """

    def rows(self, current, count: int, task, noise: Noise) -> Rehearsed:
        """Imagines and labels.

        Args:
          current: float32 [b, units], the current rows (not used here).
          count: rows wanted.
          task: int32 scalar, the current task, at least 1.
          noise: of this step.
        """
        del current
        config, stream = self.copy.config, self._stream
        per_task = stream.classes_per_task
        earlier = tf.maximum(task, 1)
        own_task = stream.blocks > 1 and (config.conditional or config.gating > 0.0)
        weights = tf.ones([count])
        # Rows take turns over the earlier tasks; a random start, so that a small batch reaches all of them.
        turn = (tf.range(count) + tf.cast(noise.uniform("turn", []) * tf.cast(earlier, tf.float32), tf.int32)) % earlier
        uniform = noise.uniform("class", [count])
        if own_task:
            label = turn * per_task + _whole(uniform, per_task)
            blocks = tf.one_hot(turn, stream.blocks)
            share = tf.math.unsorted_segment_sum(tf.ones([count]), turn, stream.tasks)
            weights = 1.0 / tf.gather(share, turn)
            weights *= count / tf.reduce_sum(weights)
        else:
            label = _whole(uniform, per_task if stream.scenario == "domain" else earlier * per_task)
            blocks = self._earlier_blocks(count, task)
        if config.conditional:
            z = self.copy.prior.sample(label, noise.key("imagined"))
        else:
            z = noise.normal("imagined", [count, config.latents])
        gate_task = turn if own_task else _whole(noise.uniform("gate", [count]), earlier)
        inputs = tf.stop_gradient(self.copy.imagine(z, self.copy.context(label, gate_task)))
        targets = tf.stop_gradient(self._answers(inputs, blocks, task))
        # A gate keyed by task stays that of the imagined row; one keyed by class follows the answer.
        context = tf.one_hot(gate_task, config.tasks) if config.gate_by == "task" else targets
        return Rehearsed(inputs, targets, context, weights, self._settings.distillation)


class Buffer(Method):
    """Experience replay: rows stored from earlier tasks, with their true labels.

    Arguments:
      model, stream, settings: as in `Copy`.
      images: task -> `pipelines.Images` with the representations to store from.
      seed: of which rows are kept.
      read: `Images` -> (rows [n, units], labels [n]) in batches.
    """

    def __init__(self, model, stream, settings, units: int, images, seed: int):
        super().__init__(name="buffer")
        self._model, self._stream, self._images, self._seed = model, stream, images, seed
        # Stored as bytes where they are pixels: a quarter of the memory.
        self._bytes = not model.config.mean and not model.config.internal
        self.memory = state(np.zeros([settings.memory, units], np.uint8 if self._bytes else np.float32))
        self.labels = state(np.zeros([settings.memory], np.int32))
        self.keys = state(np.zeros([settings.memory], np.float64))
        self.filled = state(0)

    def rows(self, current, count: int, task, noise: Noise) -> Rehearsed:
        """Rows drawn from the memory with replacement; see `Generative.rows`."""
        del current
        place = tf.random.stateless_uniform([count], noise.key("memory"), 0, tf.maximum(self.filled, 1), tf.int32)
        inputs = tf.cast(tf.gather(self.memory, place), tf.float32)
        inputs = inputs / 255.0 if self._bytes else inputs
        label = tf.gather(self.labels, place)
        # In the task and class scenarios a label tells its task.
        of_task = label // self._stream.classes_per_task if self._stream.scenario != "domain" else tf.zeros_like(label)
        targets = tf.one_hot(label, self._stream.outputs)
        return Rehearsed(inputs, targets, self._model.context(label, of_task), tf.ones([count]), soft=False)

    def after_task(self, task: int) -> None:
        reservoir = Reservoir(self.memory.shape[0])
        filled = int(self.filled.numpy())
        if filled:
            reservoir.rows, reservoir.labels = self.memory.numpy()[:filled], self.labels.numpy()[:filled]
            reservoir.keys = self.keys.numpy()[:filled]
        random = np.random.default_rng([self._seed, task])
        for rows, labels in self._images(task):
            stored = np.round(rows * 255.0).astype(np.uint8) if self._bytes else rows
            reservoir.offer(stored, labels, random.random(len(labels)))
        filled = len(reservoir.labels)
        for variable, values in ((self.memory, reservoir.rows), (self.labels, reservoir.labels),
                                 (self.keys, reservoir.keys)):  # fmt: skip
            whole = np.zeros(variable.shape, variable.dtype.as_numpy_dtype)
            whole[:filled] = values
            variable.assign(whole)
        self.filled.assign(filled)


def _whole(uniform, count):
    """Uniform numbers in [0, 1) as whole numbers 0..count-1."""
    count = tf.cast(count, tf.int32)
    return tf.minimum(tf.cast(uniform * tf.cast(count, tf.float32), tf.int32), count - 1)
