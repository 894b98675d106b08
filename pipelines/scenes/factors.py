"""What a scene consists of, and which scene has which number: a pure function of (seed, index).

Four attributes have names, as in the paper's scenes (Higgins et al. 2018, section 5): the colours of wall, floor and
object, and what the object is. Four more vary without a name: where the camera looks, where the object stands (a
bearing and a distance), how bright the light is.
"""

import colorsys

import numpy as np

# Fifteen hues 24 degrees apart, and white: sixteen colours that two of the paper's own phrases ("white wall") name.
_HUES = (
    "red", "orange", "amber", "yellow", "lime", "green", "emerald", "turquoise",
    "cyan", "azure", "blue", "violet", "purple", "magenta", "crimson",
)  # fmt: skip
COLOURS = (*_HUES, "white")
OBJECTS = ("hat", "lolly", "suitcase")

# Named attributes in the order of the label columns, with the names of their values.
ATTRIBUTES = {"wall_colour": COLOURS, "floor_colour": COLOURS, "object_colour": COLOURS, "object": OBJECTS}

# Unnamed ones, with their least and greatest value: radians, radians, metres, a factor.
NUISANCES = {
    "camera_yaw": (-0.3, 0.3),
    "object_bearing": (-0.14, 0.14),
    "object_distance": (1.9, 2.4),
    "light": (0.8, 1.0),
}


def palette() -> np.ndarray:
    """float32 [16, 3], red, green and blue in [0, 1] of every colour, in the order of `COLOURS`."""
    hues = [colorsys.hsv_to_rgb(number / len(_HUES), 0.85, 0.95) for number in range(len(_HUES))]
    return np.asarray([*hues, (0.95, 0.95, 0.95)], np.float32)


def draw(seed: int, indices) -> tuple:
    """The factors of scenes by their numbers.

    Args:
      seed: another seed, other scenes.
      indices: int [n], from 0.

    Returns:
      (labels int32 [n, 4] in the order of `ATTRIBUTES`, nuisances float32 [n, 4] in that of `NUISANCES`). A
      scene's factors do not depend on what else is asked for, and are uniform and independent of each other.
    """
    indices = np.asarray(indices, np.uint64)
    columns = [_uniform(seed, indices, number) for number in range(len(ATTRIBUTES) + len(NUISANCES))]
    sizes = [len(values) for values in ATTRIBUTES.values()]
    labels = [np.floor(u * size).astype(np.int32) for u, size in zip(columns, sizes, strict=False)]
    ranges = NUISANCES.values()
    nuisances = [low + u * (high - low) for u, (low, high) in zip(columns[len(sizes) :], ranges, strict=True)]
    return np.stack(labels, axis=-1), np.stack(nuisances, axis=-1).astype(np.float32)


def _uniform(seed: int, indices: np.ndarray, column: int) -> np.ndarray:
    """Numbers in [0, 1) from a hash of (seed, column, index): the finaliser of SplitMix64, twice."""
    with np.errstate(over="ignore"):
        key = _mix(np.asarray([seed & 0xFFFFFFFF], np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(column + 1))
        mixed = _mix(_mix(indices + np.uint64(0x632BE59BD9B4E019)) ^ key)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2**53


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
