"""Learning-rate schedules: pure functions of our own step counter, made by Keras."""

from collections.abc import Callable

import keras
import tensorflow as tf

from ..errors import UserError

NAMES = ("constant", "cosine", "linear", "exponential", "steps")


def build(settings: dict, total_steps: int) -> Callable:
    """A schedule from the `schedule` section of a config.

    Args:
      settings: {"name": one of NAMES, "rate": peak learning rate, "warmup_steps": steps of linear rise from 0,
        "final_fraction": rate at the end over the peak (cosine, linear; per `decay_steps` for exponential),
        "decay_steps": exponential only, "boundaries", "factor": for steps}. "restarts" is the loop's matter.
      total_steps: length of the run, or of a phase where the schedule restarts with each.

    Returns:
      int64 step -> float32 learning rate.

    Raises:
      UserError: unknown name, or a rate that is not positive.
    """
    name, rate = settings["name"], float(settings["rate"])
    warmup = int(settings.get("warmup_steps", 0))
    final = float(settings.get("final_fraction", 0.0))
    if name not in NAMES:
        raise UserError(f"schedule.name is '{name}'; expected one of {', '.join(NAMES)}")
    if rate <= 0.0 or not 0 <= warmup < max(total_steps, 1):
        raise UserError(
            f"schedule: rate={rate:g}, warmup_steps={warmup}; expected rate > 0 and 0 <= warmup_steps < {total_steps}"
        )
    rest = max(total_steps - warmup, 1)
    schedules = keras.optimizers.schedules
    if name == "cosine":
        after = schedules.CosineDecay(rate, rest, alpha=final)
    elif name == "linear":
        after = schedules.PolynomialDecay(rate, rest, end_learning_rate=rate * final)
    elif name == "exponential":
        after = schedules.ExponentialDecay(rate, int(settings.get("decay_steps", 0)) or rest, final or 0.1)
    elif name == "steps":
        boundaries = [int(step) for step in settings.get("boundaries", ())]
        factor = float(settings.get("factor", 0.1))
        after = schedules.PiecewiseConstantDecay(boundaries, [rate * factor**k for k in range(len(boundaries) + 1)])
    else:
        after = _constant(rate)

    def learning_rate(step):
        value = tf.cast(after(tf.maximum(step - warmup, 0)), tf.float32)
        if not warmup:
            return value
        rising = rate * tf.cast(step + 1, tf.float32) / warmup
        return tf.where(step < warmup, rising, value)

    return learning_rate


def _constant(rate: float) -> Callable:
    return lambda step: tf.constant(rate, tf.float32)
