"""Columns of values to columns of labels: names are numbered, what is missing is unlabeled."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..errors import UserError
from ..paths import composed, natural
from .image_set import UNLABELED, check_range


class Column(NamedTuple):
    """One label column.

    Attributes:
      labels: int32 [n], -1 where the value is missing.
      names: of the values in label order; () where the values are numbers themselves.
    """

    labels: np.ndarray
    names: tuple[str, ...]


def ordered(values: Iterable[str]) -> list[str]:
    """Numbers by size, words by the alphabet, numbers in words as people count.

    Example:
      >>> ordered({"10", "9"}), ordered({"pear", "apple"}), ordered({"c10", "c9"})
      (['9', '10'], ['apple', 'pear'], ['c9', 'c10'])
    """
    values = list(values)
    try:
        if all(math.isfinite(float(value)) for value in values):
            return sorted(values, key=float)
    except ValueError:
        pass
    return sorted(values, key=natural)


def numbered(name: str, values: Iterable[Any]) -> Column:
    """A column of whole numbers as it is; one of strings or of truth values with its values numbered.

    Args:
      name: of the column, for messages.
      values: [n] of one type; None, NaN and "" are missing.

    Raises:
      UserError: values of several types, or of a type that makes no label.

    Example:
      >>> numbered("hair", ["brown", None, "black"])
      Column(labels=array([ 1, -1,  0], dtype=int32), names=('black', 'brown'))
    """
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "iu":
        return _whole(name, values)
    # Not by way of an array, which would make strings of all that stands beside a string.
    items = [_plain(value) for value in values]
    present = [item for item in items if item is not None]
    types = {type(item) for item in present}
    if types == {str}:
        names = tuple(ordered(set(present)))
        return Column(_coded(items, {value: number for number, value in enumerate(names)}), names)
    if types == {bool}:
        return Column(_coded(items, {False: 0, True: 1}), ("no", "yes"))
    if types <= {int, float} and all(float(item).is_integer() for item in present):
        return _whole(name, np.asarray([UNLABELED if item is None else int(item) for item in items]))
    found = ", ".join(sorted(kind.__name__ for kind in types))
    raise UserError(f"labels '{name}': are of type {found}; expected whole numbers, strings, or True and False")


def _whole(name: str, labels: np.ndarray) -> Column:
    check_range(f"labels '{name}'", labels)
    return Column(labels.astype(np.int32), ())


def _coded(items: list, numbers: dict) -> np.ndarray:
    return np.asarray([UNLABELED if item is None else numbers[item] for item in items], np.int32)


def _plain(value: Any) -> Any:
    """A Python str, int, float or bool, or None for what is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        value = composed(value)
    # pandas has missing values of its own, which equal nothing, themselves included.
    missing = (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )
    return None if missing or value == "" else value
