"""Learning-rate schedules: pure functions of our own step counter, made by Keras."""

import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

from ..errors import UserError

# What helps where numbers pass all bounds; a run in stages has a rate for each.
LOWER = "lower the learning rate (schedule.rate, or stages.<stage>.rate of a run in stages)"
NAMES = ("constant", "cosine", "linear", "exponential", "steps")


@dataclasses.dataclass(frozen=True)
class ScheduleSettings:
    """The section `schedule` of a config.

    Attributes:
      name: one of NAMES.
      rate: peak learning rate.
      restarts: whether the schedule starts again with each phase (each task of a stream); the loop sees to it.
      warmup_steps: steps of linear rise from 0.
      final_fraction: the rate at the end over the peak (cosine, linear), or the factor per `decay_steps`
        (exponential, where 0 stands for 0.1).
      decay_steps: exponential only; 0 is the whole length.
      boundaries: steps only: where the rate is multiplied by `factor`.
      factor: steps only.

    Raises:
      UserError: a name that is none of NAMES, or a number that means nothing.

    Example:
      >>> ScheduleSettings("cosine", rate=0.01).warmup_steps
      0
    """

    name: str = "constant"
    rate: float = 1e-3
    restarts: bool = False
    warmup_steps: int = 0
    final_fraction: float = 0.0
    decay_steps: int = 0
    boundaries: tuple[int, ...] = ()
    factor: float = 0.1

    def __post_init__(self):
        if self.name not in NAMES:
            raise UserError(f"schedule.name is '{self.name}'; expected one of {', '.join(NAMES)}")
        check_rate("schedule.rate", self.rate)
        if self.warmup_steps < 0 or self.decay_steps < 0:
            raise UserError(
                f"schedule: warmup_steps={self.warmup_steps}, decay_steps={self.decay_steps}; expected neither to be "
                "negative"
            )
        for name in ("final_fraction", "factor"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise UserError(f"schedule.{name} is {value:g}; expected a finite number, 0 or more")
        boundaries = tuple(self.boundaries)
        if not all(isinstance(step, numbers.Integral) for step in boundaries) or list(boundaries) != sorted(boundaries):
            raise UserError(
                f"schedule.boundaries is {boundaries}; expected whole numbers of steps in order, as (100, 200)"
            )


def check_rate(setting: str, rate: float) -> None:
    """Refuses a learning rate that is none, by the setting that it came from.

    Raises:
      UserError: it is not finite and above 0.

    Example:
      >>> check_rate("stages.vision.rate", 1e-3)
    """
    if not 0.0 < rate < math.inf:
        raise UserError(f"{setting} is {rate:g}; expected a finite number above 0")


def settings_of(section: Mapping | ScheduleSettings) -> ScheduleSettings:
    """A section as a record; what it leaves out has its default.

    Raises:
      UserError: an entry that no schedule has, or as `ScheduleSettings`.
    """
    if isinstance(section, ScheduleSettings):
        return section
    known = [field.name for field in dataclasses.fields(ScheduleSettings)]
    unknown = sorted(set(section) - set(known))
    if unknown:
        raise UserError(f"schedule has no setting '{unknown[0]}'; expected {', '.join(known)}")
    return ScheduleSettings(**section)


def make_schedule(section: Mapping | ScheduleSettings, total_steps: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """A learning rate as a function of the step.

    Args:
      section: see `ScheduleSettings`.
      total_steps: length of the run, or of a phase where the schedule restarts with each.

    Returns:
      int64 scalar step -> float32 scalar learning rate.

    Raises:
      UserError: as `settings_of`, or a warm-up longer than the run.

    Example:
      >>> rate = make_schedule({"name": "linear", "rate": 0.1}, 100)
      >>> round(float(rate(tf.constant(50, tf.int64))), 3)
      0.05
    """
    settings = settings_of(section)
    name, rate = settings.name, float(settings.rate)
    warmup, final = int(settings.warmup_steps), float(settings.final_fraction)
    decay, boundaries = settings.decay_steps, tuple(settings.boundaries)
    if not warmup < max(total_steps, 1):
        raise UserError(f"schedule.warmup_steps is {warmup}; expected fewer than the {total_steps} steps of the run")
    rest = max(total_steps - warmup, 1)
    schedules = keras.optimizers.schedules
    if name == "cosine":
        after = schedules.CosineDecay(rate, rest, alpha=final)
    elif name == "linear":
        after = schedules.PolynomialDecay(rate, rest, end_learning_rate=rate * final)
    elif name == "exponential":
        after = schedules.ExponentialDecay(rate, int(decay) or rest, final or 0.1)
    elif name == "steps":
        factor = float(settings.factor)
        rates = [rate * factor**k for k in range(len(boundaries) + 1)]
        after = schedules.PiecewiseConstantDecay(list(boundaries), rates)
    else:
        after = _constant(rate)

    def learning_rate(step):
        value = tf.cast(after(tf.maximum(step - warmup, 0)), tf.float32)
        if not warmup:
            return value
        rising = rate * tf.cast(step + 1, tf.float32) / warmup
        return tf.where(step < warmup, rising, value)

    return learning_rate


def _constant(rate: float) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda step: tf.constant(rate, tf.float32)
