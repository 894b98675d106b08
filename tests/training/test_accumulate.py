"""Steps worked through in parts, with everything that a step can be combined with.

That every family takes the same steps in parts is a contract: tests/contracts/test_families.py.
"""

import numpy as np
import pytest
import reverie
import tensorflow as tf
from reverie import pipelines
from reverie.configs import sparse_joint
from reverie.errors import UserError
from reverie.layers import Noise
from reverie.training.records import read_metrics

from ..conftest import colored_bars, tiny_scan, tiny_stream_config


def _learned(make_config, folder, accumulate: int, strategy: str = "one") -> tuple:
    """(totals of every step, weights)."""
    config = make_config()
    config.optimizer = {"name": "adam", "epsilon": 0.1}
    config.train.accumulate, config.train.log_every = accumulate, 1
    run = reverie.train(config, folder, strategy=strategy)
    totals = [line["total"] for line in read_metrics(folder) if "total" in line]
    assert len(totals) == run.step > 10
    return np.array(totals), run.model.get_weights()


def _assert_alike(one: tuple, other: tuple, rtol: float = 1e-5) -> None:
    np.testing.assert_allclose(one[0], other[0], rtol=rtol)
    for mine, theirs in zip(one[1], other[1], strict=True):
        np.testing.assert_allclose(mine, theirs, atol=max(1e-4, rtol), rtol=1e-3)


def _stream(stream_npz, recipe: str = "bir", scenario: str = "class", **train):
    return lambda: tiny_stream_config(stream_npz, recipe, scenario, steps=6, steps_per_call=3, **train)


def test_the_rows_of_all_parts_draw_what_the_rows_of_the_step_draw():
    of_step, parts = Noise(3, 7), [Noise(3, 7, 0, part, 3) for part in range(3)]
    for draw in ("normal", "uniform"):
        whole = getattr(of_step, draw)("latent", [12, 5])
        drawn = [getattr(part, draw)("latent", tf.constant([4, 5])) for part in parts]
        np.testing.assert_array_equal(tf.concat(drawn, axis=0), whole)
        assert {float(getattr(part, draw)("turn", [])) for part in parts} == {float(getattr(of_step, draw)("turn", []))}
    labels = tf.range(12)
    np.testing.assert_array_equal(tf.concat([part.rows(labels) for part in parts], axis=0), labels)
    assert parts[2].whole == Noise(3, 7)


@pytest.mark.parametrize(
    ("recipe", "scenario"),
    [
        pytest.param(*names, marks=pytest.mark.thorough)
        for names in (("er", "class"), ("lwf", "class"), ("gr+online_ewc", "domain"), ("xdg+si", "task"))
    ],
)
def test_every_way_of_rehearsing_and_every_penalty_is_the_same_in_parts(stream_npz, tmp_path, recipe, scenario):
    make = _stream(stream_npz, recipe, scenario)
    _assert_alike(*(_learned(make, tmp_path / f"{parts}", parts) for parts in (1, 3)))


@pytest.mark.parametrize(
    ("strategy", "train", "rtol"),
    [
        pytest.param("mirrored", {}, 1e-5, marks=pytest.mark.thorough),
        pytest.param("one", {"jit": True}, 1e-5, marks=pytest.mark.thorough),
        # A product of fewer rows rounds to 8 bits elsewhere.
        pytest.param("one", {"precision": "mixed_bfloat16"}, 1e-2, marks=pytest.mark.thorough),
        pytest.param("mirrored", {"precision": "mixed_bfloat16", "ema_decay": 0.9}, 1e-2, marks=pytest.mark.thorough),
    ],
)
def test_replicas_xla_and_sixteen_bits_work_through_parts_too(stream_npz, tmp_path, strategy, train, rtol):
    make = _stream(stream_npz, **train)
    _assert_alike(*(_learned(make, tmp_path / f"{parts}", parts, strategy) for parts in (1, 2)), rtol=rtol)


@pytest.mark.thorough
def test_one_part_a_row_learns_as_the_whole_batch_does(tmp_path):
    rng = np.random.default_rng(0)
    source = pipelines.give(rng.integers(0, 256, (60, 16, 16, 3)).astype(np.uint8))

    def make():
        config = sparse_joint.get_config()
        config.data.update({"source": source, "image_shape": (16, 16, 3), "resize": "none", "test_fraction": 0.25})
        sizes = {"field": 5, "maps": 2, "pool": 3, "contrast": 3, "stages": 2}
        config.model.update({"image_shape": (16, 16, 3), **sizes})
        config.train.update({"steps": 50, "batch_size": 8, "steps_per_call": 10})
        return config

    _assert_alike(*(_learned(make, tmp_path / f"{parts}", parts) for parts in (1, 8)))


@pytest.mark.parametrize(
    ("train", "continual", "message"),
    [
        ({"accumulate": 0}, {}, "train.accumulate is 0; expected 1 to"),
        ({"accumulate": 5}, {}, "train.accumulate is 5, but train.batch_size is 12, 12 a replica; expected a number"),
        ({"accumulate": 4}, {"replay_batch": 6}, "train.accumulate is 4, but continual.replay_batch is 6, 6 a replica"),
    ],
)
def test_parts_that_rows_cannot_be_shared_out_to_are_refused(stream_npz, tmp_path, train, continual, message):
    config = _stream(stream_npz, **train)()
    config.continual.update(continual)
    with pytest.raises(UserError, match=message):
        reverie.train(config, tmp_path / "run")


def test_the_rows_of_one_replica_must_be_shared_out(tmp_path):
    config = tiny_scan(data__source=pipelines.give(colored_bars(100)), train__accumulate=16, stages__operators__steps=0)
    with pytest.raises(UserError, match=r"accumulate is 16, but a step of 'denoising' has 8 rows a replica; expected"):
        reverie.train(config, tmp_path / "run", strategy="mirrored")
