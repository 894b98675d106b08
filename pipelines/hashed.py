"""Numbers that depend on a seed and an index alone: what is drawn at one index is the same whatever else is drawn."""

import numpy as np


def uniform(seed: int, indices, column: int) -> np.ndarray:
    """Numbers in [0, 1) from a hash of (seed, column, index): the finalizer of SplitMix64, twice.

    Args:
      seed: another seed, other numbers.
      indices: int [n], from 0.
      column: which of the numbers that belong to an index; columns are independent of each other.

    Returns:
      float64 [n].

    Example:
      >>> uniform(0, [1, 2, 3], 0)[2] == uniform(0, [3], 0)[0]
      np.True_
    """
    indices = np.asarray(indices, np.uint64)
    with np.errstate(over="ignore"):
        key = _mix(np.asarray([seed & 0xFFFFFFFF], np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(column + 1))
        mixed = _mix(_mix(indices + np.uint64(0x632BE59BD9B4E019)) ^ key)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2**53


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
