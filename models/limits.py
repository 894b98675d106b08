"""What an endpoint admits, in one place: numbers and sentences of the guards in a graph and of the checks in Python.

A family declares the limits of its inputs in its signatures (`Signature.ranges`, `Signature.sums`). An export builds
them into every graph (`export/guards.py`) and writes them into its metadata; a run in Python and a loaded version
check them with `check`, in the same words.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import UserError

# Of images.
PIXELS = (0.0, 1.0)
# Of codes, to be decoded: far beyond what encoders give, and still answered with finite numbers.
CODES = (-1e6, 1e6)
# Floats may leave their range by half a step of 8 bits: what rounding, and a file in int8, make of its ends.
_ROUNDING = 1.0 / 512.0
# Probabilities may miss a sum of 1 by so much: those of a file in int8 are each off by half a step.
SUM_ROUNDING = 0.05

FINITE = "every value must be a finite number"


def check(
    endpoint: str,
    inputs: Mapping[str, np.ndarray],
    ranges: Mapping[str, Sequence],
    sums: Mapping[str, Sequence[int]],
) -> None:
    """Refuses values that a graph would refuse.

    Args:
      endpoint: for the message.
      inputs: by name.
      ranges, sums: as of `Signature`; lists, as JSON has them, serve as well.

    Raises:
      UserError: the first value that is not finite, out of its range, or no probability.

    Example:
      >>> check("encode", {"images": np.ones([1, 8, 8, 1], np.float32)}, {"images": PIXELS}, {})
    """
    floating = {name: np.issubdtype(value.dtype, np.floating) for name, value in inputs.items()}
    for name, value in inputs.items():
        if floating[name] and not np.all(np.isfinite(value)):
            raise UserError(f"{endpoint}: {name}: {FINITE}")
    for name, value in inputs.items():
        if name in ranges:
            least, greatest = admitted(ranges[name], floating[name])
            outside = (value < np.asarray(least)) | (value > np.asarray(greatest))
            if np.any(outside):
                raise UserError(f"{endpoint}: {name} is {value[outside][0]}; expected {range_of(ranges[name])}")
        if name in sums:
            parts = np.split(value, np.cumsum(sums[name])[:-1], axis=-1)
            totals = np.stack([part.sum(axis=-1, dtype=np.float64) for part in parts])
            if np.any(missed := np.abs(totals - 1.0) > SUM_ROUNDING):
                raise UserError(f"{endpoint}: {name} sums to {totals[missed][0]:g}; expected {sum_of(sums[name])}")


def admitted(limits: Sequence, floating: bool) -> tuple:
    """(least, greatest) value that passes, each a number or a list with one a column.

    Example:
      >>> admitted((0, 9), floating=False)
      (0, 9)
    """
    return (limits[0] - _ROUNDING, limits[1] + _ROUNDING) if floating else (limits[0], limits[1])


def range_of(limits: Sequence) -> str:
    """In words: what values are expected.

    Example:
      >>> range_of(PIXELS)
      'values from 0 to 1'
    """
    least, greatest = (f"{limit:g}" if isinstance(limit, float) else str(limit) for limit in limits[:2])
    return f"values from {least} to {greatest}"


def sum_of(sizes: Sequence[int]) -> str:
    """In words: what sums are expected.

    Example:
      >>> sum_of([3]), sum_of([2, 3])
      ('rows that sum to 1', 'rows whose parts of 2, 3 columns each sum to 1')
    """
    if len(sizes) == 1:
        return "rows that sum to 1"
    return f"rows whose parts of {', '.join(map(str, sizes))} columns each sum to 1"


def shape_of(shape: Sequence[int | None]) -> str:
    """In words: what shape is expected, n for any number of rows.

    Example:
      >>> shape_of([None, 8, 8, 1]), shape_of([])
      ('shape [n, 8, 8, 1]', 'a single number')
    """
    sides = ["n" if side is None else str(side) for side in shape]
    return f"shape [{', '.join(sides)}]" if sides else "a single number"
