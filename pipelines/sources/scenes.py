"""Drawn rooms with one object in them: `scenes`, `scenes:COUNT` or `scenes:COUNT:SEED`."""

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


class Scenes(Source):
    """COUNT training scenes (50,000 by default) of seed SEED (0).

    Sets within the budget's `memory_gib` are drawn into memory once, larger ones over and over while streaming.
    """

    kind = "scenes"
    summary = "drawn rooms with one object, four named attributes"
    forms = ("scenes", "scenes:COUNT:SEED")

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return SPLITS

    def read(self, place: str, split: str, request: Request) -> Images:
        from ..scenes import rendering  # Loads TensorFlow, which a list of the sources does not need.

        count, seed = _parsed(place)
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
        if count * factors.SIDE**2 * 3 > request.budget.memory_gib * 2**30:
            return Images(**fields, drawn=rendering.render)
        return Images(**fields, pixels=rendering.render_all(labels, nuisances, f"drawing {split} scenes"))


SOURCES = (Scenes(),)


class _Place(NamedTuple):
    count: int
    seed: int


def _parsed(place: str) -> _Place:
    parts = place.split(":") if place else []
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != len(parts) or len(parts) > 2 or (numbers and not 1 <= numbers[0] <= 1 << 30):
        raise UserError(f"scenes:{place}: expected scenes, scenes:COUNT or scenes:COUNT:SEED, as scenes:20000:1")
    return _Place(numbers[0] if numbers else _COUNT, numbers[1] if len(numbers) > 1 else 0)
