"""What a method of continual learning is: a class with facts about itself, hooks, and its state in variables.

A method is one file with one subclass of `Method`. It declares its name, its settings and where it may be used, and
overrides the hooks it needs; `registry.register_method` makes it known by name. Everything else (the objective, the
phases, the section `continual`, the recipes, the refusals) follows from these declarations.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import tensorflow as tf

from ...layers import Noise
from ...pipelines import Images, Stream, StreamSettings
from .model import ContinualModel
from .options import Options

# Stands for every rehearsing method in `Method.excludes`.
REHEARSING = "rehearsing"


@dataclasses.dataclass(frozen=True)
class Rehearsed:
    """Rows for one step on one replica.

    Attributes:
      inputs: float32 [r, units] as `model.represent` gives them, or None for the current rows themselves.
      targets: float32 [r, classes], a distribution over all output units; over several blocks of units where more
        than one of them is asked.
      context: float32 [r, contexts], open gates.
      weights: float32 [r], mean one.
      soft: whether targets are probabilities of a copy of the network (distillation).
    """

    inputs: tf.Tensor | None
    targets: tf.Tensor
    context: tf.Tensor
    weights: tf.Tensor
    soft: bool


class TaskData(Protocol):
    """What a method may ask of the tasks met so far; see `tasks.TaskImages`."""

    def represented(self, number: int) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Yields (rows float32 [n, units], labels int32 [n]) of task `number`, in batches."""
        ...

    def fisher(self, number: int, most: int) -> list:
        """Fisher information of the classifying variables on at most `most` images of task `number`."""
        ...


@dataclasses.dataclass(frozen=True)
class MethodContext:
    """What a method is built from, inside the strategy's scope.

    Attributes:
      model: the network that learns.
      copy: () -> another network of the same settings.
      stream: of the tasks.
      settings: the whole section `continual`, read-only; see `settings.Settings`.
      options: the method's own settings, of its class's `options`.
      tasks: the images of the tasks.
      held: Keras variables that classification runs through, which a penalty may hold.
      trained: all Keras variables that the loop trains, in its order, `held` among them.
      seed: of the run.
    """

    model: ContinualModel
    copy: Callable[[], ContinualModel]
    stream: StreamSettings
    settings: Any
    options: Any
    tasks: TaskData
    held: list
    trained: list
    seed: int


class Method(tf.Module):
    """A method against forgetting; every hook does nothing here.

    All that a method remembers from task to task is in `tf.Variable`s (see `state`), which travel with the
    checkpoints: a run stopped anywhere then resumes as if it had not been stopped.

    Class attributes:
      name: in `continual.methods`.
      recipe: in recipes (`--config=replay_split_mnist:RECIPE`); "" is `name`.
      summary: one line.
      options: a frozen dataclass of its own settings, a subclass of `Options`; its fields are entries of the section
        `continual`.
      strength: the option that a recipe's number sets, or "".
      rehearses: whether it gives rows to rehearse; then it overrides `rows`. At most one method of a run does.
      penalizes: whether it adds to the loss; then it overrides `extra_loss`.
      components: those that the network has when the method's recipe names none, of `configs.recipes.COMPONENTS`.
      needs_generator: whether the network must be able to imagine (`model.generator`).
      stateful: whether it has anything to keep in checkpoints.
      gradient: whether the network is trained by gradients; without, the method overrides `take_in`, each task is one
        pass over its images in their own order, and runs on one device.
      separate: whether each task trains weights of its own, by the method's `losses` instead of the objective and with
        a fresh optimizer.
      one_phase: whether all tasks are trained in one phase instead of one after the other.
      alone: why no other method can be combined with it, as the start of a sentence; "" where others can.
      scenarios: those it can learn in.
      scenario_reason: why not in others, to follow its name; "{scenario}" stands for the requested one.
      excludes: name of another method, or REHEARSING -> what is wrong with both, to follow the two names.

    Example:
      class Decay(Method):
          name, summary, penalizes = "decay", "keeps weights small", True

          def __init__(self, variables):
              super().__init__()
              self._variables = variables

          @classmethod
          def build(cls, context):
              return cls(context.held)

          def extra_loss(self):
              return tf.add_n([tf.reduce_sum(tf.square(variable)) for variable in self._variables])

      continual.register_method(Decay)
    """

    name: ClassVar[str] = ""
    recipe: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    options: ClassVar[type[Options]] = Options
    strength: ClassVar[str] = ""
    rehearses: ClassVar[bool] = False
    penalizes: ClassVar[bool] = False
    components: ClassVar[tuple[str, ...]] = ()
    needs_generator: ClassVar[bool] = False
    stateful: ClassVar[bool] = True
    gradient: ClassVar[bool] = True
    separate: ClassVar[bool] = False
    one_phase: ClassVar[bool] = False
    alone: ClassVar[str] = ""
    scenarios: ClassVar[tuple[str, ...]] = ("task", "domain", "class")
    scenario_reason: ClassVar[str] = "does not work in the {scenario}-incremental scenario"
    excludes: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def build(cls, context: MethodContext) -> "Method":
        """The method for one run."""
        del context
        return cls()

    # ---- hooks

    def before_task(self, task: int) -> None:
        """Called when task number `task` (from 0) starts, and again when a stopped run resumes inside it."""

    def images(self, stream: Stream, number: int) -> Images | None:
        """What task `number` trains on, or None for the task's own images."""

    def rows(self, current: tf.Tensor, count: int, task: tf.Tensor, noise: Noise) -> Rehearsed:
        """Rows to rehearse in one step on one replica, from the second task on.

        Args:
          current: float32 [b, units], the current rows.
          count: rows wanted.
          task: int32 scalar, the current task, at least 1.
          noise: of this step, or of the part of it whose rows are wanted; see `layers.Noise`.
        """
        raise NotImplementedError

    def extra_loss(self) -> tf.Tensor:
        """A penalty added to the loss of every step: float32 scalar, differentiable."""
        return tf.constant(0.0)

    def losses(self, batch: dict, noise: Noise, training: bool) -> dict:
        """The losses of a step of a method that trains by an objective of its own; see `loop.Phase.losses`."""
        raise NotImplementedError

    def gradients_seen(self, gradients: list) -> Callable[[], None] | None:
        """Called inside every applied step before the update, with the gradients of all trained variables.

        Returns:
          What to call after the update, or None.
        """

    def take_in(self, batch: dict) -> tuple[dict, Callable[[], None]]:
        """A step of a method that learns without a gradient, instead of the objective; a graph is made of it.

        Args:
          batch: "image" float32 [b, height, width, channels] or cached features [b, units], "label" int32 [b].

        Returns:
          (losses, update): float32 [b] by name, "total" among them; and what puts the rows into the method's variables,
          called where the losses are finite.
        """
        raise NotImplementedError

    def settle(self) -> None:
        """Called before every checkpoint: brings the network to what the method has gathered."""

    def after_task(self, task: int) -> None:
        """Called once after the last step of a task, before its checkpoint is written."""

    # ---- what it asks of a config

    @classmethod
    def configure(cls, config: Any, chosen: bool, value: float | None) -> None:
        """Writes into a config what a recipe means for this method.

        Args:
          config: with the sections `continual` and `model`.
          chosen: whether the recipe names the method.
          value: the number of the method in this experiment, or None.
        """
        if cls.strength:
            default = getattr(cls.options(), cls.strength)
            config.continual[cls.strength] = default if value is None else value
        if chosen and cls.needs_generator:
            config.model.generator = True

    @classmethod
    def check_model(cls, chosen: bool, model: Mapping) -> None:
        """Refuses a network that the method cannot work with.

        Args:
          chosen: whether the method is in use.
          model: the section `model`.

        Raises:
          UserError: the network is not made for it.
        """


def state(value: Any, name: str | None = None) -> tf.Variable:
    """A variable that no optimizer touches and that is the same on every replica.

    Args:
      value: initial value, array or tensor.
      name: of the variable.

    Example:
      >>> state(0).trainable
      False
    """
    aggregation = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return tf.Variable(value, trainable=False, aggregation=aggregation, name=name)


def add_in_place(variable: tf.Variable, change: tf.Tensor) -> None:
    """variable += change on this replica; the caller sees to it that every replica adds the same."""
    tf.raw_ops.AssignAddVariableOp(resource=variable.handle, value=change)
