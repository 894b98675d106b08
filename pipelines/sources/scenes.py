"""Drawn scenes: rooms (`scenes`, `scenes:COUNT:SEED`), or the factors of Shapes3D (`scenes:shapes3d_like`)."""

from typing import NamedTuple

import numpy as np

from ...errors import UserError
from ..image_set import Images
from ..scenes import factors
from .contract import SPLITS, Request, Source

_COUNT = 50_000
_HELD = 5_000  # Scenes in each of "validation" and "test", whatever COUNT is.
# Splits are disjoint stretches of the one sequence of scenes that a seed has.
_STARTS = {"test": 0, "validation": 1 << 20, "train": 1 << 21}

_SHAPES3D = "shapes3d_like"
# Of the combinations of Shapes3D's factors: as many in each of "validation" and "test" as the scores of
# disentanglement ask for (10,000 to fit and 5,000 to test); all others are for training.
_SHAPES3D_HELD = 15_000


class Scenes(Source):
    """COUNT training scenes (50,000 by default) of seed SEED (0).

    `scenes` are rooms with one object. `scenes:shapes3d_like` has the six factors of Shapes3D and nothing else that
    varies: of all 480,000 combinations, SEED says which 15,000 are for testing and which 15,000 for validation; COUNT
    takes some of the other 450,000, which are all for training by default.

    Sets within the budget's `memory_gib` are drawn into memory once, larger ones over and over while streaming.
    """

    kind = "scenes"
    summary = "drawn rooms with one object, four named attributes; or all combinations of the six factors of Shapes3D"
    forms = ("scenes", "scenes:COUNT:SEED", "scenes:shapes3d_like", "scenes:shapes3d_like:COUNT:SEED")

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return SPLITS

    def read(self, place: str, split: str, request: Request) -> Images:
        head, _, rest = place.partition(":")
        if head == _SHAPES3D:
            return _shapes3d_like(rest, split, request)
        return _rooms(place, split, request)


SOURCES = (Scenes(),)


def _rooms(place: str, split: str, request: Request) -> Images:
    from ..scenes import rendering  # Loads TensorFlow, which a list of the sources does not need.

    count, seed = _parsed(place, "", _COUNT, 1 << 30)
    count = count if split == "train" else _HELD
    indices = np.arange(count) + _STARTS[split]
    labels, nuisances = factors.sample(seed, indices)
    fields = {
        "name": f"scenes:{seed}:{split}",
        "shape": (factors.SIDE, factors.SIDE, 3),
        "labels": labels,
        "keys": indices.astype(str),
        "head_names": tuple(factors.ATTRIBUTES),
        "class_names": dict(factors.ATTRIBUTES),
        "nuisances": nuisances,
        "nuisance_names": tuple(factors.NUISANCES),
    }
    if _too_large(fields, request):
        return Images(**fields, drawn=rendering.render)
    return Images(**fields, pixels=rendering.render_all(labels, nuisances, f"drawing {split} scenes"))


def _shapes3d_like(place: str, split: str, request: Request) -> Images:
    from ..scenes import shapes3d_like

    most = shapes3d_like.COUNT - 2 * _SHAPES3D_HELD
    count, seed = _parsed(place, f"{_SHAPES3D}:", most, most)
    order = np.random.default_rng(seed & 0xFFFFFFFF).permutation(shapes3d_like.COUNT)
    starts = {"test": 0, "validation": _SHAPES3D_HELD, "train": 2 * _SHAPES3D_HELD}
    indices = order[starts[split] :][: count if split == "train" else _SHAPES3D_HELD]
    labels = shapes3d_like.labels_of(indices)
    fields = {
        "name": f"scenes:{_SHAPES3D}:{seed}:{split}",
        "shape": (shapes3d_like.SIDE, shapes3d_like.SIDE, 3),
        "labels": labels,
        "keys": indices.astype(str),
        "head_names": tuple(shapes3d_like.FACTORS),
        "class_names": dict(shapes3d_like.FACTORS),
        "nuisances": np.zeros([len(labels), 0], np.float32),
    }
    if _too_large(fields, request):
        return Images(**fields, drawn=shapes3d_like.render)
    return Images(**fields, pixels=shapes3d_like.render_all(labels, f"drawing {split} scenes"))


def _too_large(fields: dict, request: Request) -> bool:
    return len(fields["labels"]) * int(np.prod(fields["shape"])) > request.budget.memory_gib * 2**30


class _Place(NamedTuple):
    count: int
    seed: int


def _parsed(place: str, kind: str, count: int, most: int) -> _Place:
    """COUNT and SEED of a place behind its kind: `count` by default, `most` at most."""
    parts = place.split(":") if place else []
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != len(parts) or len(parts) > 2 or (numbers and not 1 <= numbers[0] <= most):
        forms = f"{f'scenes:{kind}'.removesuffix(':')}, scenes:{kind}COUNT or scenes:{kind}COUNT:SEED"
        more = f"COUNT up to {most}" if kind else f"or scenes:{_SHAPES3D}"
        raise UserError(f"scenes:{kind}{place}: expected {forms}, as scenes:{kind}20000:1; {more}")
    return _Place(numbers[0] if numbers else count, numbers[1] if len(numbers) > 1 else 0)
