"""The numbers of a run as its folder keeps them: evaluation.json."""

import os
import pathlib
from typing import Any

from ..stored import read_object

_FILE = "evaluation.json"
# What earlier versions wrote; the name of a head may follow.
_RENAMED = {"clamped_recognised": "clamped_recognized", "generated_recognised": "generated_recognized"}


def read_numbers(folder: str | os.PathLike) -> dict[str, Any]:
    """The numbers of a run folder, under today's names.

    Args:
      folder: a run folder.

    Returns:
      Name -> number; empty where the run was not evaluated.

    Raises:
      UserError: evaluation.json is damaged.

    Example:
      >>> read_numbers("runs/not_there")
      {}
    """
    content = read_object(pathlib.Path(folder) / _FILE, "restore it, or run `reverie evaluate` again")
    return {_todays(name): value for name, value in content.items()}


def set_anew(numbers: dict[str, Any]) -> dict[str, Any]:
    """What of the numbers are settings: those that the run was measured with instead of its own.

    Example:
      >>> set_anew({"step": 9, "model.guidance": 5.0})
      {'model.guidance': 5.0}
    """
    return {name: value for name, value in numbers.items() if name.startswith("model.")}


def _todays(name: str) -> str:
    for before, now in _RENAMED.items():
        name = name.replace(before, now)
    return name
