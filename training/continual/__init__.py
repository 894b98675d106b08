"""Continual learning: a network, a stream of tasks and methods against forgetting, as phases of the loop.

experiment = build(config, streams, strategy)
loop.train(experiment.model, experiment.phases, ..., state=experiment.state)
"""

import dataclasses

import numpy as np
import tensorflow as tf

from ... import models, pipelines
from ...errors import UserError
from ..loop import Hooks, Phase
from ..transfer import take
from .fisher import dense_fisher, general_fisher
from .objective import Objective
from .penalties import EWC, SI, OnlineEWC
from .rehearsal import Buffer, CurrentInputs, Generative
from .settings import METHODS, ContinualSettings, checked


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What `loop.train` needs for a stream.

    Attributes:
      model: the network that learns.
      phases: one a task.
      state: everything else that checkpoints hold: copies, memories, importances, the task counter.
    """

    model: tf.Module
    phases: list
    state: tf.Module


def stream_settings(config) -> pipelines.StreamSettings:
    """The `stream` section."""
    return pipelines.StreamSettings(**_plain(config.stream))


def model_settings(config) -> dict:
    """The `model` section with the sizes that follow from the stream."""
    stream = stream_settings(config)
    height, width, channels = config.data.image_shape
    padded = (height + 2 * stream.padding, width + 2 * stream.padding, channels)
    sizes = {"image_shape": padded, "classes": stream.outputs, "tasks": stream.tasks, "blocks": stream.blocks}
    return {**config.model.to_dict(), **sizes}


def _plain(section) -> dict:
    content = section.to_dict()
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def settings_of(config) -> ContinualSettings:
    """The `continual` section, checked against scenario and model; raises UserError."""
    return checked(_plain(config.continual), config.stream.scenario, config.model.to_dict())


def build(config, stream: pipelines.Stream, strategy: tf.distribute.Strategy) -> Experiment:
    """An experiment from a config, made inside the strategy's scope.

    Args:
      config: with sections `stream`, `continual`, `model`, `train`, ...; `train.steps` is a task's steps.
      stream: the training images' tasks.

    Raises:
      UserError: settings that make no model or no run.
    """
    settings = settings_of(config)
    batch_size, replicas = int(config.train.batch_size), strategy.num_replicas_in_sync
    replay_batch = settings.replay_batch or batch_size
    for name, size in (("train.batch_size", batch_size), ("continual.replay_batch", replay_batch)):
        if size < 1 or size % replicas:
            raise UserError(f"{name} is {size}; expected a positive multiple of {replicas} replica(s)")
    if config.train.steps < 1 or config.train.epochs > 0:
        raise UserError(
            f"train.steps is {config.train.steps} and train.epochs is {config.train.epochs}; a stream takes "
            "train.steps steps for every task, and no epochs"
        )
    with strategy.scope():
        model = models.build(model_settings(config), config.seed)
        _check_frozen(model, settings)
        if settings.pretrained:
            _take_features(model, settings.pretrained)
        if stream.settings.scenario == "domain":
            model.seen.assign(np.ones(stream.settings.outputs, np.float32))  # All tasks share all units.
        tasks = _Tasks(config, model, stream, settings)
        rehearsal, methods = _methods(config, model, stream, settings, tasks)
        everything = [*methods, *([rehearsal] if rehearsal else [])]
        objective = Objective(model, stream.settings, settings, rehearsal, methods, replay_batch // replicas)
    holder = tf.Module(name="continual")
    holder.objective, holder.methods = objective, everything
    observe = next((method.observe for method in methods if isinstance(method, SI)), None)
    count = 1 if "joint_iid" in settings.methods else stream.settings.tasks
    length = int(config.train.steps) * (stream.settings.tasks if count == 1 else 1)
    phases = [
        Phase(
            name="all tasks" if count < len(stream) else f"task {number + 1} of {count}",
            steps=length,
            batch_size=batch_size,
            losses=objective.later if rehearsal and number else objective.first,
            variables=model.trainable_variables,
            stream=tasks.stream(number, batch_size, replicas),
            optimizer=config.optimizer.to_dict(),
            schedule=config.schedule.to_dict(),
            continues=number > 0,
            hooks=Hooks(
                # One phase over everything is in its last task from the start.
                begin=_begin(tasks, everything, objective, number if count > 1 else len(stream) - 1),
                finish=_finish(everything, number),
                observe=observe,
            ),
        )
        for number in range(count)
    ]
    return Experiment(model, phases, holder)


def _begin(tasks, methods: list, objective, number: int):
    def begin():
        objective.task.assign(number)
        tasks.begin(number)
        for method in methods:
            method.before_task(number)

    return begin


def _finish(methods: list, number: int):
    def finish():
        for method in methods:
            method.after_task(number)

    return finish


def _methods(config, model, stream, settings: ContinualSettings, tasks) -> tuple:
    """(rehearsal or None, [penalties])."""
    rehearsal, penalties = None, []
    if settings.rehearsal == "buffer":
        units = int(np.prod(model.represented_shape))
        rehearsal = Buffer(model, stream.settings, settings, units, tasks.represented, config.seed)
    elif settings.rehearsal:
        copy = models.build(model_settings(config), config.seed)
        kind = {"lwf": CurrentInputs, "generative": Generative}[settings.rehearsal]
        rehearsal = kind(model, copy, stream.settings, settings, settings.rehearsal)
    held = model.classifying_variables
    if "ewc" in settings.methods:
        penalties.append(EWC(held, tasks.fisher, settings.ewc_strength))
    if "online_ewc" in settings.methods:
        penalties.append(OnlineEWC(held, tasks.fisher, settings.ewc_strength, settings.ewc_gamma))
    if "si" in settings.methods:
        penalties.append(SI(held, model.trainable_variables, settings.si_strength, settings.si_damping))
    return rehearsal, penalties


class _Tasks:
    """The images of each task as the network rehearses them: pixels, or features computed once a task."""

    def __init__(self, config, model, stream: pipelines.Stream, settings: ContinualSettings):
        self._config, self._model, self._stream, self._settings = config, model, stream, settings
        self._cached: dict = {}

    def begin(self, number: int) -> None:
        """Tells the model which classes and tasks it has met."""
        stream = self._stream.settings
        seen = np.arange(stream.outputs) < (number + 1) * stream.classes_per_task
        self._model.seen.assign((seen | (stream.scenario == "domain")).astype(np.float32))
        self._model.tasks_seen.assign(float(number + 1))

    def images(self, number: int) -> pipelines.Images:
        """What task `number` trains on."""
        if "joint_iid" in self._settings.methods:
            return self._stream.upto(len(self._stream) - 1)
        return self._stream.upto(number) if self._settings.joint else self._stream.tasks[number]

    def stream(self, number: int, batch_size: int, replicas: int):
        """See `loop.Phase.stream`."""

        def make(first_step, input_context):
            images = self._featured(number) if self._model.config.internal else self.images(number)
            # Each task has an order of its own; the same task of two methods has the same.
            seed = self._config.seed * 1000 + number
            return pipelines.batches(
                images, batch_size, seed=seed, start_step=first_step, input_context=input_context, replicas=replicas
            )

        return make

    def _featured(self, number: int) -> pipelines.Images:
        """The task's images as features of the frozen stack, computed once: only the last task's are kept."""
        if number not in self._cached:
            images = self.images(number)
            rows = np.concatenate([rows for rows, _ in self._read(images)])
            self._cached = {
                number: pipelines.Images(f"features of {images.name}", rows.shape[1:], images.labels, pixels=rows)
            }
        return self._cached[number]

    def represented(self, number: int):
        """Yields (rows float32 [n, units], labels int32 [n]) of task `number`, in batches."""
        return self._read(self.images(number))

    def _read(self, images):
        represent = tf.function(self._model.represent, reduce_retracing=True)
        for batch in pipelines.in_order(images, 500):
            yield represent(batch["image"]).numpy(), batch["label"].numpy()

    def fisher(self, number: int) -> list:
        """Fisher information on a random sample of the task's images."""
        images, count = self.images(number), self._settings.fisher_images
        random = np.random.default_rng([self._config.seed, number])
        chosen = np.sort(random.permutation(len(images))[:count])
        rows = np.concatenate([rows for rows, _ in self._chosen(images, chosen)])
        active = self._stream.settings.active(number)
        task = number if self._model.config.task_gating else None
        dense = self._model.features is None or self._model.config.internal
        return (dense_fisher if dense else general_fisher)(self._model, rows, active, task)

    def _chosen(self, images, chosen):
        """As `_read`, of some rows only."""
        for start, (rows, labels) in zip(range(0, len(images), 500), self._read(images), strict=False):
            here = chosen[(chosen >= start) & (chosen < start + 500)] - start
            if len(here):
                yield rows[here], labels[here]


def _check_frozen(model, settings: ContinualSettings) -> None:
    if model.config.internal and not settings.pretrained:
        raise UserError(
            "internal replay freezes the convolutional stack, which nobody has trained: set continual.pretrained to a "
            "run folder (reverie train --config=features_cifar10)"
        )


def _take_features(model, folder: str) -> None:
    """Puts another run's convolutional stack into the model.

    Raises:
      UserError: no such run, or another stack.
    """
    if model.features is None:
        raise UserError("continual.pretrained is given, but the model has no convolutional stack (model.convolutions)")
    part = tf.Module()
    part.features = model.features
    stack = f"a convolutional stack {model.config.convolutions} on {model.config.image_shape}"
    take(folder, "continual.pretrained", part, stack)


__all__ = [
    "METHODS",
    "ContinualSettings",
    "Experiment",
    "build",
    "checked",
    "model_settings",
    "settings_of",
    "stream_settings",
]
