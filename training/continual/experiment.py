"""A network, a stream of tasks and methods against forgetting, as phases of the loop."""

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import ml_collections
import numpy as np
import tensorflow as tf

from ... import models, pipelines
from ...errors import UserError
from ..loop import Hooks, Phase
from ..phases import check_batch_size
from ..transfer import take
from .learned import first_tasks, grow, learned_in
from .method import Method, MethodContext
from .model import ContinualModel
from .objective import Objective
from .registry import methods
from .settings import Settings, checked
from .tasks import TaskImages


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What `loop.train` needs for a stream.

    Attributes:
      model: the network that learns.
      phases: one per task, or one over all of them.
      state: everything else that checkpoints hold: copies, memories, importances, the task counter.
      first: number of the first task that is learned, beyond 0 where an earlier run has learned those before.
    """

    model: ContinualModel
    phases: list[Phase]
    state: tf.Module
    first: int = 0


def make_experiment(
    config: ml_collections.ConfigDict, stream: pipelines.Stream, strategy: tf.distribute.Strategy, begun: bool = False
) -> Experiment:
    """An experiment from a config, made inside the strategy's scope.

    Args:
      config: with sections `stream`, `continual`, `model`, `train`, ...; `train.steps` is a task's steps.
      stream: the training images' tasks.
      strategy: it will run under.
      begun: whether there is a checkpoint, with the convolutional stack that was taken over.

    Raises:
      UserError: settings that make no model or no run.

    Example:
      made = make_experiment(config, streams["train"], strategy)
      loop.train(loop.Context(made.model, settings, strategy, workdir, made.state), made.phases)
    """
    settings = settings_of(config)
    batch_size, replicas = int(config.train.batch_size), strategy.num_replicas_in_sync
    replay_batch = settings.replay_batch or batch_size
    for name, size in (("train.batch_size", batch_size), ("continual.replay_batch", replay_batch)):
        check_batch_size(name, size, replicas)
        if size // replicas % config.train.accumulate:
            raise UserError(
                f"train.accumulate is {config.train.accumulate}, but {name} is {size}, {size // replicas} a replica; "
                "expected a number that divides it"
            )
    if config.train.steps < 1 or config.train.epochs > 0:
        raise UserError(
            f"train.steps is {config.train.steps} and train.epochs is {config.train.epochs}; a stream takes "
            "train.steps steps for every task, and no epochs"
        )
    gathering = [name for name in settings.methods if not methods()[name].gradient]
    if gathering:
        _check_gathering(gathering[0], config, strategy)
    else:
        _check_sizes(stream, batch_size, replicas)
    with strategy.scope():
        model = _network(config)
        _check_frozen(model, settings)
        if settings.pretrained and not begun:
            _take_features(model, settings.pretrained)
        if stream.settings.scenario == "domain":
            model.seen.assign(np.ones(stream.settings.outputs, np.float32))  # All tasks share all units.
        tasks = TaskImages(model, stream, config.seed)
        chosen = _methods(config, model, stream, settings, tasks)
        tasks.choose_by(chosen)
        rehearsal = next((method for method in chosen if method.rehearses), None)
        objective = Objective(model, stream.settings, settings, chosen, replay_batch // replicas)
    holder = tf.Module(name="continual")
    # The names and the order of what is kept are those of every checkpoint.
    holder.objective, holder.methods = objective, [method for method in chosen if method.stateful]
    one_phase = any(method.one_phase for method in chosen)
    first = 0
    if settings.learned:
        if one_phase:
            raise UserError(f"{chosen[0].name} learns all tasks at once; continual.learned is not for it")
        first = _take_learned(settings.learned, config, stream, strategy, model, holder)
    observe, count = _observe(chosen), 1 if one_phase else len(stream)
    whole_batch = models.family(config.model.family).whole_batch(model.config)
    if gathering:
        return Experiment(model, _passes(config, tasks, chosen, objective, range(first, count)), holder, first)
    separate = next((method for method in chosen if method.separate), None)
    phases = [
        Phase(
            name=f"task {number + 1} of {count}" if count == len(stream) else "all tasks",
            steps=int(config.train.steps) * (len(stream) if one_phase else 1),
            batch_size=batch_size,
            losses=separate.losses if separate else objective.later if rehearsal and number else objective.first,
            variables=model.trainable_variables,
            stream=tasks.batches(number, batch_size, replicas, config.data.service),
            optimizer=config.optimizer.to_dict(),
            schedule=config.schedule.to_dict(),
            continues=number > first and not separate,
            hooks=Hooks(
                # One phase over everything is in its last task from the start.
                begin=_begin(tasks, chosen, objective, len(stream) - 1 if one_phase else number),
                finish=_finish(chosen, number),
                observe=observe,
            ),
            whole_batch=whole_batch,
        )
        for number in range(first, count)
    ]
    return Experiment(model, phases, holder, first)


def _take_learned(
    folder: str,
    config: ml_collections.ConfigDict,
    stream: pipelines.Stream,
    strategy: tf.distribute.Strategy,
    model: ContinualModel,
    state: tf.Module,
) -> int:
    """Puts what an earlier run has learned into the model and the methods, and returns how many tasks that were."""
    learned = learned_in(folder, config, stream)
    earlier = learned.config.copy_and_resolve_references()
    earlier.continual.learned = ""  # What that run began with is in its own checkpoint.
    earlier.train = config.train.copy_and_resolve_references()
    # Its weights must be those of this network: only what belongs to classes and tasks has room to grow.
    earlier.model = config.model.copy_and_resolve_references()
    before = make_experiment(earlier, first_tasks(stream, learned.tasks), strategy, begun=True)
    grow(learned, before, Experiment(model, [], state))
    return learned.tasks


def _passes(
    config: ml_collections.ConfigDict, tasks: TaskImages, chosen: list[Method], objective: Objective, numbers: range
) -> list[Phase]:
    """The phases of a method that learns without a gradient: one pass over each task, however long train.steps is."""
    (method,) = chosen
    size = int(config.train.batch_size)
    return [
        Phase(
            name=f"task {number + 1} of {numbers.stop}",
            steps=-(-len(tasks.images(number)) // size),
            batch_size=size,
            losses=objective.first,
            variables=[],
            stream=tasks.one_pass(number, size),
            optimizer=config.optimizer.to_dict(),
            schedule=config.schedule.to_dict(),
            continues=number > numbers.start,
            hooks=Hooks(
                begin=_begin(tasks, chosen, objective, number),
                calibrate=method.settle,
                finish=_finish(chosen, number),
            ),
            whole_batch=f"{method.name} takes rows in without a gradient",
            take_in=method.take_in,
        )
        for number in numbers
    ]


def stream_settings(config: ml_collections.ConfigDict) -> pipelines.StreamSettings:
    """The section `stream`; raises UserError."""
    return pipelines.StreamSettings(**_plain(config.stream))


def model_settings(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """The section `model` with the sizes that follow from the stream."""
    stream = stream_settings(config)
    height, width, channels = config.data.image_shape
    padded = (height + 2 * stream.padding, width + 2 * stream.padding, channels)
    counts = {name: getattr(stream, name) for name in ("tasks", "blocks", "domains")}
    sizes = {"image_shape": padded, "classes": stream.outputs, **counts}
    return {**config.model.to_dict(), **sizes}


def settings_of(config: ml_collections.ConfigDict) -> Settings:
    """The section `continual`, checked against scenario and model; raises UserError."""
    return checked(_plain(config.continual), config.stream.scenario, config.model.to_dict())


def _check_sizes(stream: pipelines.Stream, batch_size: int, replicas: int) -> None:
    """Refuses a task smaller than a batch before the first task is learned, not when its turn comes."""
    number, images = min(enumerate(stream.tasks, 1), key=lambda item: len(item[1]))
    held = f"task {number} of {len(stream)} has only {len(images)} images"
    check_batch_size("train.batch_size", batch_size, replicas, len(images), held)


def _check_gathering(name: str, config: ml_collections.ConfigDict, strategy: tf.distribute.Strategy) -> None:
    """Refuses what belongs to gradients."""
    if strategy.num_replicas_in_sync > 1:
        raise UserError(
            f"{name} gathers moments row by row, which {strategy.num_replicas_in_sync} replicas would each do for "
            "themselves; expected --strategy=one"
        )
    for setting, value, usual in (
        ("train.ema_decay", config.train.ema_decay, 0),
        ("continual.augment", config.continual.augment, 0),
        ("train.accumulate", config.train.accumulate, 1),
        ("train.precision", config.train.precision, "float32"),
    ):
        if value != usual:
            raise UserError(f"{setting} is {value}, but {name} learns without a gradient in one pass; expected {usual}")


def _network(config: ml_collections.ConfigDict) -> ContinualModel:
    return cast(ContinualModel, models.build(model_settings(config), config.seed))


def _plain(section: ml_collections.ConfigDict) -> dict[str, Any]:
    content = section.to_dict()
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def _methods(
    config: ml_collections.ConfigDict,
    model: ContinualModel,
    stream: pipelines.Stream,
    settings: Settings,
    tasks: TaskImages,
) -> list[Method]:
    """The methods of a run in the order of the registry, the rehearsing one last."""
    chosen = [method for name, method in methods().items() if name in settings.methods]

    def context(method: type[Method]) -> MethodContext:
        return MethodContext(
            model=model,
            copy=lambda: _network(config),
            stream=stream.settings,
            settings=settings,
            options=settings.options[method.name],
            tasks=tasks,
            held=model.classifying_variables,
            trained=model.trainable_variables,
            seed=config.seed,
        )

    return [method.build(context(method)) for method in sorted(chosen, key=lambda method: method.rehearses)]


def _begin(tasks: TaskImages, chosen: list[Method], objective: Objective, number: int) -> Callable[[], None]:
    def begin():
        objective.task.assign(number)
        tasks.begin(number)
        for method in chosen:
            method.before_task(number)

    return begin


def _finish(chosen: list[Method], number: int) -> Callable[[], None]:
    def finish():
        for method in chosen:
            method.after_task(number)

    return finish


def _observe(chosen: list[Method]) -> Callable | None:
    """The hook `gradients_seen` of all methods that have it, as one; see `loop.Hooks.observe`."""
    watching = [method for method in chosen if type(method).gradients_seen is not Method.gradients_seen]
    if not watching:
        return None

    def observe(gradients: list) -> Callable[[], None]:
        afterwards = [method.gradients_seen(gradients) for method in watching]

        def compare():
            for call in afterwards:
                if call is not None:
                    call()

        return compare

    return observe


def _check_frozen(model: ContinualModel, settings: Settings) -> None:
    if model.config.internal and not settings.pretrained:
        raise UserError(
            "internal replay freezes the convolutional stack, which is untrained: set continual.pretrained to a "
            "run folder (reverie train --config=features_cifar10)"
        )


def _take_features(model: ContinualModel, folder: str) -> None:
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
