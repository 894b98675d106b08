"""The numbers of a run as its folder keeps them: evaluation.json."""

import json
import os
import pathlib
from typing import Any

_FILE = "evaluation.json"
# What earlier versions wrote; the name of a head may follow.
_RENAMED = {"clamped_recognised": "clamped_recognized", "generated_recognised": "generated_recognized"}


def read_numbers(folder: str | os.PathLike) -> dict[str, Any]:
    """The numbers of a run folder, under today's names.

    Args:
      folder: a run folder.

    Returns:
      Name -> number; empty where the run was not evaluated.

    Example:
      >>> read_numbers("runs/not_there")
      {}
    """
    path = pathlib.Path(folder) / _FILE
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {_todays(name): value for name, value in content.items()}


def _todays(name: str) -> str:
    for before, now in _RENAMED.items():
        name = name.replace(before, now)
    return name
