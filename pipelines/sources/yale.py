"""The Yale faces: 15 people under 11 conditions, as the public repository leecarraher/pattern_recognition has them.

    git clone https://github.com/leecarraher/pattern_recognition

A file subject04.happy shows person 04 smiling; files of other copies may have an extension beside it. Every picture has
an expression and a light:

| condition | expression | light |
|---|---|---|
| normal, noglasses | normal | center |
| glasses | unlabeled | center |
| happy, sad, sleepy, surprised, wink | that | center |
| centerlight, leftlight, rightlight | normal | that |

Everything but leftlight and rightlight is lit from the front. Glasses hide the eyes' part of an expression, and some
people wear theirs in every picture, so glasses are neither an expression nor the lack of one. Many copies have the same
file under two conditions: such a picture is read once, and is unlabeled where the two disagree.
"""

import hashlib
import os
import pathlib
import re
from typing import NamedTuple

import numpy as np

from ...errors import UserError
from ...paths import walk
from ..files import read_files
from ..holdout import group_split, group_splits
from ..image_set import UNLABELED, Images
from .contract import Request, Source

EXPRESSIONS = ("normal", "happy", "sad", "sleepy", "surprised", "wink")
LIGHTS = ("left", "center", "right")
HEADS = ("expression", "light")
# Condition -> its expression ("" for none said) and its light.
CONDITIONS = {
    **{expression: (expression, "center") for expression in EXPRESSIONS},
    **{f"{light}light": ("normal", light) for light in LIGHTS},
    "noglasses": ("normal", "center"),
    "glasses": ("", "center"),
}
_NAME = re.compile(r"^subject(?P<subject>\d\d)\.(?P<condition>[a-z]+)(\.\w+)?$", re.IGNORECASE)


class Yale(Source):
    """`yale:DIR`: every file below it that is called subjectNN.condition. No person is in two splits."""

    kind = "yale"
    summary = "the Yale faces: expression and light from file names such as subject04.happy"
    forms = ("yale:DIR",)
    needs_shape = True

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return group_splits(request)

    def read(self, place: str, split: str, request: Request) -> Images:
        root = pathlib.Path(place)
        found = [(root / file, parse_name(os.path.basename(file))) for file in walk(place).files]
        named = [(path, name) for path, name in found if name]
        if not named:
            raise UserError(f"{place}: no file named like subject04.happy (subjectNN.condition)")
        chosen = [(path, name) for path, name in named if group_split(name.subject, request) == split]
        if not chosen:
            raise UserError(f"{place}: no person falls into the {split} split")
        paths, labels = _once(chosen)
        names = {"expression": EXPRESSIONS, "light": LIGHTS}
        remarks = {"the same file under two names": len(chosen) - len(paths)} if len(chosen) > len(paths) else None
        fields = {"head_names": HEADS, "class_names": names}
        return read_files(f"{place}:{split}", place, paths, labels, request, remarks, **fields)


SOURCES = (Yale(),)


class FileName(NamedTuple):
    """What a file's name says: the person's two digits, and one of CONDITIONS."""

    subject: str
    condition: str

    @property
    def labels(self) -> tuple[int, int]:
        """Numbers of expression and light, -1 for an expression that is not said."""
        expression, light = CONDITIONS[self.condition]
        return EXPRESSIONS.index(expression) if expression else UNLABELED, LIGHTS.index(light)


def parse_name(name: str) -> FileName | None:
    """The parts of a file's name, or None if it is none of the Yale faces'.

    Example:
      >>> parse_name("subject04.leftlight")
      FileName(subject='04', condition='leftlight')
    """
    match = _NAME.match(name)
    if not match or match["condition"].lower() not in CONDITIONS:
        return None
    return FileName(match["subject"], match["condition"].lower())


def _once(files: list[tuple[pathlib.Path, FileName]]) -> tuple[list[str], np.ndarray]:
    """Paths without repetitions and their labels; what two names of one file do not agree on is unlabeled."""
    paths: dict[tuple[str, str], str] = {}
    said: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for path, name in files:
        try:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:  # Counted where the picture is read.
            content = str(path)
        # Of one person: the same bytes under two people are for a person to look at.
        key = name.subject, content
        paths.setdefault(key, str(path))
        said.setdefault(key, []).append(name.labels)
    return list(paths.values()), np.asarray([_agreed(rows) for rows in said.values()], np.int32)


def _agreed(rows: list[tuple[int, int]]) -> list[int]:
    """The label that all who say one say, for either head."""
    known = [set(column) - {UNLABELED} for column in zip(*rows, strict=True)]
    return [labels.pop() if len(labels) == 1 else UNLABELED for labels in known]
