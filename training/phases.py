"""What a run is made of: its settings, its phases with their hooks, and where each phase lies among the steps."""

import dataclasses
import math
import os
from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

from ..errors import UserError

# Settings of the section `train` that count something: the least that each may be.
_LEAST = {
    "steps": 0, "batch_size": 1, "steps_per_call": 1, "log_every": 0, "checkpoint_every": 0, "evaluate_every": 0,
    "picture_every": 0, "keep_checkpoints": 1, "max_skipped": 0, "accumulate": 1,
}  # fmt: skip
PRECISIONS = ("float32", "mixed_bfloat16")
MOST = 2**31 - 1  # What TensorFlow counts with 32 bits.


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """The section `train` of a config: how long a run is and how the loop runs it.

    Only `steps`, `epochs`, `batch_size` and `ema_decay` bear on what is learned.

    Attributes:
      steps: length of the run (of a task, where the run is a stream of tasks). Set this or `epochs`.
      epochs: length of the run in passes over the data; 0 leaves it to `steps`.
      batch_size: rows per step over all replicas.
      accumulate: in how many parts each replica works through its rows of a step, one after the other; their gradients
        are summed, so a step is the same one in less memory. Refused where an objective needs all rows at once.
      steps_per_call: most steps in one graph call between two looks at signals; more is faster for tiny models.
      log_every: steps between two lines of losses; 0 is never.
      checkpoint_every: steps between two checkpoints; 0 is at the end of each phase only.
      evaluate_every: steps between two evaluations; 0 is never.
      picture_every: steps between two sets of pictures; 0 is never.
      keep_checkpoints: how many of the latest checkpoints are kept.
      ema_decay: decay of a moving average of the weights, kept beside them; 0 is none.
      jit: XLA-compile the gradient function (one replica only).
      on_nonfinite: "stop" at the first loss or gradient that is not finite, or "skip" such steps.
      max_skipped: with "skip", how many skipped steps in a row are tolerated.
      precision: "float32", or "mixed_bfloat16": products of activations and weights in 16 bits; weights, sums and
        what a network gives stay in 32.
      cluster_timeout: seconds that training over several processes waits for one of them.

    Raises:
      UserError: a number that means nothing, as a batch of no rows.

    Example:
      >>> TrainSettings(steps=100).batch_size
      100
    """

    steps: int = 0
    epochs: float = 0.0
    batch_size: int = 100
    accumulate: int = 1
    steps_per_call: int = 50
    log_every: int = 200
    checkpoint_every: int = 2000
    evaluate_every: int = 0
    picture_every: int = 0
    keep_checkpoints: int = 3
    ema_decay: float = 0.0
    jit: bool = False
    on_nonfinite: str = "stop"
    max_skipped: int = 10
    precision: str = "float32"
    cluster_timeout: float = 300.0

    def __post_init__(self):
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not least <= value <= MOST:
                raise UserError(f"train.{name} is {value}; expected {least} to {MOST}")
        if not (self.epochs >= 0.0 and math.isfinite(self.epochs)):
            raise UserError(f"train.epochs is {self.epochs:g}; expected 0 or more passes over the data")
        if not 0.0 <= self.ema_decay < 1.0:
            raise UserError(f"train.ema_decay is {self.ema_decay:g}; expected at least 0 and below 1")
        if not 1.0 <= self.cluster_timeout <= MOST:
            raise UserError(f"train.cluster_timeout is {self.cluster_timeout:g}; expected 1 to {MOST} seconds")
        if self.precision not in PRECISIONS:
            raise UserError(f"train.precision is '{self.precision}'; expected one of {', '.join(PRECISIONS)}")
        if self.on_nonfinite not in ("stop", "skip"):
            raise UserError(f"train.on_nonfinite is '{self.on_nonfinite}'; expected 'stop' or 'skip'")


@dataclasses.dataclass(frozen=True)
class LoopSettings(TrainSettings):
    """The section `train` and the seed of the run: all that the loop goes by.

    Attributes:
      seed: keys all noise.
    """

    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.seed <= MOST:
            raise UserError(f"seed is {self.seed}; expected 0 to {MOST}")


@dataclasses.dataclass(frozen=True)
class Hooks:
    """What a phase calls at its events; every hook may be None.

    Attributes:
      begin: () -> None, when the phase starts and again when it is resumed, after the weights were restored.
      calibrate: () -> None, before every checkpoint.
      finish: () -> None, once after the last step, before its checkpoint: what it changes is kept or done again.
      observe: (gradients) -> None or a function, inside every applied step before the update; what it returns is
        called after the update.
    """

    begin: Callable[[], None] | None = None
    calibrate: Callable[[], None] | None = None
    finish: Callable[[], None] | None = None
    observe: Callable[[list], Callable[[], None] | None] | None = None


@dataclasses.dataclass(frozen=True)
class Phase:
    """Some steps of one objective on one stream with one optimizer.

    Attributes:
      name: for logs.
      steps: how many.
      batch_size: rows per step over all replicas.
      losses: (batch, noise, training) -> dict of float32 [rows], "total" among them.
      variables: Keras variables to train.
      stream: (first step, input context) -> dataset whose elements are one replica's share of a batch.
      optimizer: the config section of that name; see `optimizers.make_optimizer`.
      schedule: the config section of that name; see `schedules.ScheduleSettings`.
      continues: whether the optimizer and the schedule go on from the phase before, which then trains the same
        variables on the same batch size; where `losses` is the same function too, its graph is used again.
      hooks: what is called at the phase's events.
      constraints: ((variable, value -> admitted value), ...), held after every update.
      parts: batch -> [(() -> losses, variables)], or None: the same objective in parts that share no weights, whose
        gradients are computed and applied one after the other, so that memory holds those of one part only.
      whole_batch: why the losses of a row are not its own and the rows of a step cannot be worked through in parts, as
        "xcov penalizes a covariance over all rows of a step"; "" where they can.
      take_in: for what learns without a gradient, instead of `losses`: batch -> (losses, update), where losses are a
        dict of float32 [rows], "total" among them, and update() puts the rows into variables of its own. It is called
        where the losses are finite. On one replica only, with no `variables`.
    """

    name: str
    steps: int
    batch_size: int
    losses: Callable
    variables: list
    stream: Callable
    optimizer: Mapping
    schedule: Mapping
    continues: bool = False
    hooks: Hooks = Hooks()
    constraints: tuple = ()
    parts: Callable | None = None
    whole_batch: str = ""
    take_in: Callable | None = None


def check_batch_size(setting: str, size: int, replicas: int, images: int = MOST, held: str = "") -> int:
    """A number of rows a step that replicas share evenly and that there are images for.

    Args:
      setting: where it comes from, for errors.
      size: rows a step, over all replicas.
      replicas: how many.
      images: how many there are.
      held: where, for errors, as "mnist holds only 5 images".

    Raises:
      UserError: anything else.

    Example:
      >>> check_batch_size("train.batch_size", 64, 2, 60000, "mnist holds only 60000 images")
      64
    """
    if size < 1 or size % replicas:
        raise UserError(f"{setting} is {size}; expected a positive multiple of {replicas} replica(s)")
    if size > images:
        most = images - images % replicas
        right = f"{most} or less" if most else "more images"
        raise UserError(f"{setting} is {size}, but {held}; expected {right}")
    return size


def stream_of(reader: Callable, source: object, batch_size: int, seed: int, replicas: int) -> Callable:
    """The `stream` of a phase.

    Args:
      reader: `pipelines.batches` or `pipelines.rows`.
      source: what it reads.
      batch_size, seed, replicas: see there; asynchronous workers read each with a seed of its own.
    """

    def stream(first_step: int, input_context):
        return reader(
            source,
            batch_size,
            seed=seed + getattr(input_context, "seed_offset", 0),
            start_step=first_step,
            input_context=input_context,
            replicas=replicas,
        )

    return stream


@dataclasses.dataclass(frozen=True)
class Context:
    """What all phases of a run share.

    Attributes:
      model: built inside `strategy.scope()`.
      settings: how the loop runs.
      strategy: from `strategies.make_strategy`.
      workdir: the run folder, a path; where several processes train, the one folder that all of them can read.
      state: what else belongs to the run's state, kept in every checkpoint; or None.
    """

    model: keras.Model
    settings: LoopSettings
    strategy: tf.distribute.Strategy
    workdir: str | os.PathLike[str]
    state: tf.Module | None = None


@dataclasses.dataclass(frozen=True)
class Span:
    """Consecutive steps of a run.

    Attributes:
      start: the first of them.
      steps: how many.

    Example:
      >>> Span(3, 9).end
      12
    """

    start: int
    steps: int

    @property
    def end(self) -> int:
        """The first step after them."""
        return self.start + self.steps


@dataclasses.dataclass(frozen=True)
class PlannedPhase:
    """A phase in its place.

    Attributes:
      phase: what is done.
      number: its place among the phases, from 0.
      own: its steps.
      chain: the steps of all phases around it that share its optimizer and schedule.
      shown: the steps that one progress bar counts: those of the chain's neighboring phases of the same name.
    """

    phase: Phase
    number: int
    own: Span
    chain: Span
    shown: Span


def plan(phases: list[Phase]) -> list[PlannedPhase]:
    """Puts phases one after the other, from step 0 on."""
    planned, start = [], 0
    for number, phase in enumerate(phases):
        chain, shown = _around(phases, number, one_name=False), _around(phases, number, one_name=True)
        planned.append(PlannedPhase(phase, number, Span(start, phase.steps), chain, shown))
        start += phase.steps
    return planned


def _around(phases: list[Phase], number: int, one_name: bool) -> Span:
    """The steps of the run of phases around `number` that share one optimizer, or a name too."""

    def goes_on(later: int) -> bool:
        return phases[later].continues and (not one_name or phases[later].name == phases[later - 1].name)

    first = number
    while first > 0 and goes_on(first):
        first -= 1
    last = number
    while last + 1 < len(phases) and goes_on(last + 1):
        last += 1
    return Span(sum(phase.steps for phase in phases[:first]), sum(phase.steps for phase in phases[first : last + 1]))
