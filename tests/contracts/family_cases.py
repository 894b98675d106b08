"""The smallest useful run of every family: what the contract of families is tried on."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
from reverie import pipelines
from reverie.configs import sparse_fine_tune, sparse_joint, sparse_small
from reverie.training.records import read_metrics

from ..conftest import (
    colored_bars,
    tiny_config,
    tiny_scan,
    tiny_stream_config,
    tiny_vision,
    write_stream_npz,
    write_tiny_npz,
)


@dataclasses.dataclass(frozen=True)
class Case:
    """A run of a family.

    Attributes:
      family: by name.
      config: folder for its data -> config.
      drawn: why two replicas cannot take the very steps of one device, or "".
      whole_batch: ((changed settings, why steps cannot be worked through in parts), ...).
      in_parts: changed settings with which they can, or None.
      met: phases in which a row meets others of its own replica, so that losses depend on how rows are shared out.
      slow: whether it is for the slow tests: another run of its family, or a like one, is among the fast ones.
    """

    family: str
    config: Callable
    drawn: str = ""
    whole_batch: tuple = ()
    in_parts: dict | None = dataclasses.field(default_factory=dict)
    met: tuple = ()
    slow: bool = False


def _xcov(folder: pathlib.Path):
    return tiny_config(write_tiny_npz(folder / "tiny.npz"), steps=40, checkpoint_every=10)


def _stream(recipe: str, scenario: str = "class"):
    def config(folder: pathlib.Path):
        source = write_stream_npz(folder / "stream.npz")
        return tiny_stream_config(source, recipe, scenario, steps=12, steps_per_call=4, checkpoint_every=4)

    return config


def _staged(variant: str):
    def config(folder: pathlib.Path):
        del folder
        # Fast enough that pictures differ from each other, as quantization is judged by their spread.
        changes = {"model__vision__precision": 50.0}
        if not variant:
            changes |= {"stages__symbols__steps": 15, "stages__operators__steps": 10, "stages__vision__rate": 1e-2}
        source = pipelines.give(colored_bars(300))
        return tiny_scan(variant, data__source=source, train__checkpoint_every=5, **changes)

    return config


def _vision(variant: str, **changes):
    def config(folder: pathlib.Path):
        del folder
        # Of so few steps an independent component analysis makes much of rounding: no two devices would agree.
        fixed = {"data.source": pipelines.give(colored_bars(300)), "stages.vision.unmix_at": ()}
        return tiny_vision(variant, **fixed, **changes)

    return config


def _blobs(classes: int = 2) -> str:
    """Discs and bars in color on textured ground, labeled by which."""
    generator = np.random.default_rng(0)
    down, across = np.mgrid[:16, :16] - 7.5
    shapes = (np.hypot(down, across) < 5, np.abs(down) < 2)
    labels = np.arange(80) % classes
    images = generator.integers(20, 120, (80, 16, 16, 3))
    for row, label in enumerate(labels):
        images[row][shapes[label]] += generator.integers(60, 130, 3)
    return pipelines.give((images.astype(np.uint8), labels))


_SIZES = {"image_shape": (16, 16, 3), "field": 5, "maps": 2, "pool": 3, "contrast": 3, "stages": 2}


def _small(config):
    config.data.source = _blobs()
    config.data.image_shape = (16, 16, 3)
    config.data.resize = "none"
    config.data.test_fraction = 0.25
    config.model.update(_SIZES)
    config.train.update({"steps": 20, "batch_size": 10, "steps_per_call": 5, "log_every": 5, "checkpoint_every": 5})
    return config


def _sparse(folder: pathlib.Path):
    del folder
    return _small(sparse_joint.get_config())


def _sparse_greedy(folder: pathlib.Path):
    del folder
    config = _small(sparse_small.get_config())
    config.model.update({"stride": (2, 1), "pool": 2, "field": (5, 3), "maps": (6, 8), "components": (12, 10)})
    config.greedy.steps = (8, 7)
    config.train.steps = 5
    return config


def _sparse_classifier(folder: pathlib.Path):
    del folder
    config = _small(sparse_fine_tune.get_config())
    config.model.update({"stride": (2, 1), "pool": 2, "field": (5, 3), "maps": (6, 8), "components": (12, 10)})
    config.model.heads = {"label": 2}
    config.transfer.head_steps = 10
    return config


_ROWS = "each replica draws rehearsed rows of its own"

_CONVOLUTIONS = {"model.convolutions": (2, 3), "model.reconstruction": "bernoulli"}

CASES = {
    "xcov": Case("xcov", _xcov, whole_batch=(({}, "xcov penalizes a covariance over all rows"),), in_parts=None),
    "replay-bir": Case(
        "replay",
        _stream("bir"),
        drawn=_ROWS,
        whole_batch=((_CONVOLUTIONS, "convolutions that are trained normalize"),),
    ),
    "replay-bir-si": Case("replay", _stream("bir+si"), drawn=_ROWS, slow=True),
    "replay-ewc": Case("replay", _stream("ewc"), slow=True),
    "replay-task": Case("replay", _stream("bir", "task"), drawn=_ROWS, slow=True),
    "scan": Case(
        "scan",
        _staged(""),
        whole_batch=(({}, "the stage operators composes each row with others"),),
        in_parts={"stages.operators.steps": 0},
        met=("operators",),
    ),
    "jmvae": Case("jmvae", _staged("jmvae"), slow=True),
    "beta_vae": Case("beta_vae", _vision("beta_vae"), slow=True),
    "beta_tcvae": Case(
        "beta_tcvae",
        _vision("beta_tcvae"),
        whole_batch=(({}, "beta_tcvae compares each code with those of all rows"),),
        in_parts=None,
        slow=True,
    ),
    "factor_vae": Case(
        "factor_vae",
        _vision("factor_vae", **{"model.vision.discriminator": (16, 16)}),
        whole_batch=(({}, "factor_vae shuffles latents among all rows"),),
        in_parts=None,
        slow=True,
    ),
    "telbo": Case("telbo", _staged("telbo"), slow=True),
    "sparse": Case("sparse", _sparse, whole_batch=(({"model.memory_saving": True}, "model.memory_saving updates"),)),
    "sparse-greedy": Case("sparse", _sparse_greedy, slow=True),
    "sparse_classifier": Case("sparse_classifier", _sparse_classifier, slow=True),
}


def by_case(*slow: str):
    """A test of every case; those named are for the slow tests, beside the slow cases."""
    marks = {name: [pytest.mark.slow] * (case.slow or name in slow) for name, case in CASES.items()}
    return pytest.mark.parametrize("case", [pytest.param(name, marks=marks[name]) for name in CASES])


def losses_apart(one: pathlib.Path, other: pathlib.Path, without: tuple = ()) -> tuple[float, int]:
    """(the greatest difference of a loss of two runs at any step, relative where it is above one; how many steps).

    Args:
      one, other: run folders with the same steps, each written down.
      without: phases that are left out.
    """
    runs = [{line["step"]: line for line in read_metrics(folder) if "total" in line} for folder in (one, other)]
    assert runs[0].keys() == runs[1].keys() and runs[0]
    apart = [
        abs(value - runs[1][step][name]) / max(1.0, abs(value))
        for step, line in runs[0].items()
        if line["phase"] not in without
        for name, value in line.items()
        if name not in ("time", "phase", "step", "examples_per_second")
    ]
    return max(apart), len(runs[0])
