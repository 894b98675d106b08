"""What is given in Python, held to what it must be before any work is done; every refusal is one line."""

import operator
import os
import pathlib
import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UserError
from ..paths import local

_REPR = reprlib.Repr()
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = 4
_REPR.maxstring = _REPR.maxother = 60


def shown(value: Any) -> str:
    """A value for a message: short, and one line whatever it is.

    Example:
      >>> shown("a" + chr(10) + "b")
      "'a\\\\nb'"
    """
    text = " ".join(_REPR.repr(value).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def whole(what: str, value: Any, least: int, most: int, why: str = "") -> int:
    """A whole number within its range; a truth value, a text or 2.0 is none.

    Args:
      what: for the message.
      value: of any integer type of Python, NumPy or TensorFlow.
      least: the smallest that is right.
      most: the greatest.
      why: what the message says of the range.

    Raises:
      UserError: anything else.

    Example:
      >>> whole("count", np.int64(3), 1, 10)
      3
    """
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        said = shown(value) if number is None else number
        raise UserError(f"{what} is {said}; expected a whole number from {least} to {most}{why}")
    return number


def whole_pair(what: str, value: Any, most: int) -> tuple[int, int]:
    """(number, 0) of a number, or the two numbers that were given, each from 0 to `most`.

    Raises:
      UserError: anything else.
    """
    pair = list(value) if isinstance(value, list | tuple | np.ndarray) and np.ndim(value) else [value, 0]
    if len(pair) != 2:
        raise UserError(f"{what} is {shown(value)}; expected one whole number from 0 to {most}, or two")
    return whole(what, pair[0], 0, most), whole(what, pair[1], 0, most)


def path(what: str, value: Any, right: str = "a folder, as 'runs/a' ('.' is the current one)") -> pathlib.Path:
    """A path, as text or as an object that is one; not an empty one, which would mean the current folder.

    Args:
      what: for the message.
      value: anything.
      right: what was expected.

    Raises:
      UserError: anything else.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise UserError(f"{what} is {shown(value)}; expected {right}")
    local(what, text)
    return pathlib.Path(text)


def listed(what: str, value: Any, example: str) -> list[Any]:
    """What was given as a list; a bare text means a list of it alone.

    Raises:
      UserError: no sequence.
    """
    if isinstance(value, str):
        return [value]
    if isinstance(value, Sequence | range) and not isinstance(value, bytes):
        return list(value)
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return value.tolist()
    raise UserError(f"{what} are {shown(value)}; expected a list, as {example}")


def texts(what: str, value: Any, example: str) -> list[str]:
    """As `listed`, of texts.

    Raises:
      UserError: no sequence, or one that holds something else.
    """
    found = listed(what, value, example)
    if wrong := [item for item in found if not isinstance(item, str)]:
        raise UserError(f"{what} hold {shown(wrong[0])}; expected texts, as {example}")
    return found
