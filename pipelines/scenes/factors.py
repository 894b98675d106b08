"""What a scene consists of, and which scene has which number: a pure function of (seed, index).

Four attributes have names, as in the paper's scenes (Higgins et al. 2018, section 5): the colors of wall, floor and
object, and what the object is. Four more vary without a name: where the camera looks, where the object stands (a
bearing and a distance), how bright the light is.

The attributes' names are data: `wall_colour` and its like are written into saved vocabularies, and which pairs of
values are held out is hashed from them. They stay as they are spelled.
"""

import colorsys
from typing import NamedTuple

import numpy as np

from ..hashed import uniform

# Fifteen hues 24 degrees apart, and white: sixteen colors that two of the paper's own phrases ("white wall") name.
_HUES = (
    "red", "orange", "amber", "yellow", "lime", "green", "emerald", "turquoise",
    "cyan", "azure", "blue", "violet", "purple", "magenta", "crimson",
)  # fmt: skip
COLORS = (*_HUES, "white")
OBJECTS = ("hat", "lolly", "suitcase")

SIDE = 64  # Of the pictures, in pixels.

# Named attributes in the order of the label columns, with the names of their values.
ATTRIBUTES = {"wall_colour": COLORS, "floor_colour": COLORS, "object_colour": COLORS, "object": OBJECTS}

# Unnamed ones, with their least and greatest value: radians, radians, meters, a factor.
NUISANCES = {
    "camera_yaw": (-0.3, 0.3),
    "object_bearing": (-0.14, 0.14),
    "object_distance": (1.9, 2.4),
    "light": (0.8, 1.0),
}


def palette() -> np.ndarray:
    """float32 [16, 3], red, green and blue in [0, 1] of every color, in the order of `COLORS`."""
    hues = [colorsys.hsv_to_rgb(number / len(_HUES), 0.85, 0.95) for number in range(len(_HUES))]
    return np.asarray([*hues, (0.95, 0.95, 0.95)], np.float32)


class Factors(NamedTuple):
    """What scenes consist of.

    Attributes:
      labels: int32 [n, 4], value numbers in the order of `ATTRIBUTES`.
      nuisances: float32 [n, 4], in the order of `NUISANCES`.
    """

    labels: np.ndarray
    nuisances: np.ndarray


def sample(seed: int, indices) -> Factors:
    """The factors of scenes by their numbers.

    Args:
      seed: another seed, other scenes.
      indices: int [n], from 0.

    Returns:
      A scene's factors do not depend on what else is asked for, and are uniform and independent of each other.

    Example:
      >>> labels, _ = sample(0, range(3))
      >>> (labels[1] == sample(0, [1]).labels[0]).all()
      np.True_
    """
    indices = np.asarray(indices, np.uint64)
    columns = [uniform(seed, indices, number) for number in range(len(ATTRIBUTES) + len(NUISANCES))]
    sizes = [len(values) for values in ATTRIBUTES.values()]
    labels = [np.floor(u * size).astype(np.int32) for u, size in zip(columns, sizes, strict=False)]
    ranges = NUISANCES.values()
    nuisances = [low + u * (high - low) for u, (low, high) in zip(columns[len(sizes) :], ranges, strict=True)]
    return Factors(np.stack(labels, axis=-1), np.stack(nuisances, axis=-1).astype(np.float32))
