import math

import numpy as np
import pytest
import tensorflow as tf
from reverie.errors import UserError
from reverie.training import schedules


def _rates(settings: dict, steps, total: int = 100) -> list:
    rate = schedules.make_schedule({"rate": 2.0, **settings}, total)
    return [float(rate(tf.constant(step, tf.int64))) for step in steps]


def test_each_schedule_follows_its_formula():
    steps = [0, 25, 50, 100]
    assert _rates({"name": "constant"}, steps) == [2.0] * 4
    cosine = [1 + math.cos(math.pi * step / 100) for step in steps]
    np.testing.assert_allclose(_rates({"name": "cosine"}, steps), cosine, atol=1e-6)
    np.testing.assert_allclose(_rates({"name": "linear", "final_fraction": 0.5}, steps), [2.0, 1.75, 1.5, 1.0])
    exponential = {"name": "exponential", "decay_steps": 50, "final_fraction": 0.1}
    np.testing.assert_allclose(_rates(exponential, [0, 50, 100]), [2.0, 0.2, 0.02], rtol=1e-5)
    steps_down = {"name": "steps", "boundaries": (30, 60), "factor": 0.5}
    np.testing.assert_allclose(_rates(steps_down, [0, 30, 31, 61]), [2.0, 2.0, 1.0, 0.5])


def test_warm_up_rises_from_nothing_to_the_peak():
    rates = _rates({"name": "cosine", "warmup_steps": 10}, range(11))
    np.testing.assert_allclose(rates[:10], 0.2 * np.arange(1, 11), rtol=1e-6)
    assert rates[10] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "step"}, "schedule.name is 'step'"),
        ({"name": "constant", "rate": 0.0}, "schedule.rate is 0; expected a finite number above 0"),
        ({"name": "cosine", "warmup_steps": 100}, "schedule.warmup_steps is 100; expected fewer than the"),
        ({"name": "cosine", "warmup": 10}, "schedule has no setting 'warmup'; expected name, rate"),
    ],
)
def test_schedules_that_cannot_run_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        _rates(settings, [0])
