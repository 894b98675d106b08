"""Facial expressions of the public repository muxspace/facial_expressions: labels from its table, splits by person.

    git clone https://github.com/muxspace/facial_expressions

`data/legend.csv` has a row a picture (user.id, image, emotion), `images/` the pictures. It is taken with care:

- HAPPINESS and happiness are one class.
- An expression of few pictures makes no class: its pictures are unlabeled, and so is a picture with two labels.
- A picture that no row names is passed over.
- Ana_Smith_0002.jpg and Ana_Smith_0001.jpg show the person Ana_Smith, who is in one split alone. A name without a
  number at its end is a person of its own; a letter may follow the number.
"""

import collections
import csv
import os
import re
from collections.abc import Mapping

import numpy as np

from ...errors import UserError
from ...paths import existing
from ..files import read_files
from ..holdout import group_split, group_splits
from ..image_set import UNLABELED, Images
from .contract import Option, Request, Source

_LEGEND, _PICTURES = os.path.join("data", "legend.csv"), "images"
_NUMBERED = re.compile(r"^(?P<person>.+)_\d+[a-z]?$")


class Expressions(Source):
    """`expressions:DIR`, a copy of the repository. The label column is expression; no person is in two splits."""

    kind = "expressions"
    summary = "expressions of faces, as muxspace/facial_expressions has them: data/legend.csv and images/"
    forms = ("expressions:DIR",)
    needs_shape = True
    options = {
        "fewest_images": Option(100, "Of expressions: one with fewer pictures makes no class; those are unlabeled.")
    }

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return group_splits(request)

    def read(self, place: str, split: str, request: Request) -> Images:
        legend = read_legend(os.path.join(place, _LEGEND))
        fewest = request.options["fewest_images"]
        counts = collections.Counter(expression for expression in legend.values() if expression)
        classes = tuple(sorted(expression for expression, count in counts.items() if count >= fewest))
        if len(classes) < 2:
            raise UserError(
                f"{place}: {len(classes)} expressions have {fewest} pictures or more; expected at least 2 "
                "(--config.data.fewest_images)"
            )
        chosen = [name for name in legend if group_split(person_of(name), request) == split]
        if not chosen:
            raise UserError(f"{place}: no person falls into the {split} split")
        numbers = {expression: number for number, expression in enumerate(classes)}
        labels = np.asarray([numbers.get(legend[name], UNLABELED) for name in chosen], np.int32)
        folder = os.path.join(place, _PICTURES)
        paths = [existing(os.path.join(folder, name)) for name in chosen]
        fields = {"head_names": ("expression",), "class_names": {"expression": classes}}
        remarks = _unlabeled(legend, chosen, numbers)
        return read_files(f"{place}:{split}", folder, paths, labels, request, remarks, **fields)


SOURCES = (Expressions(),)


def person_of(name: str) -> str:
    """Whom a picture shows, by its file's name.

    Example:
      >>> person_of("Ana_Smith_0002.jpg"), person_of("IMG7.jpg")
      ('Ana_Smith', 'IMG7')
    """
    stem = os.path.splitext(name)[0]
    match = _NUMBERED.match(stem)
    return match["person"] if match else stem


def read_legend(path: str) -> dict[str, str]:
    """Picture -> expression in small letters, in the order of the table; "" where it says none, or two.

    Raises:
      UserError: no such table, other columns, a line that is too short, a path in place of a name.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"{path}: cannot be read ({reason}); expected a copy of the repository muxspace/facial_expressions"
        ) from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if "image" not in header or "emotion" not in header:
        raise UserError(f"{path}: has the columns {', '.join(header) or 'none'}; expected user.id,image,emotion")
    image, emotion = header.index("image"), header.index("emotion")
    legend: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(image, emotion):
            raise UserError(f"{path}: line {number} has {len(row)} cells; expected {len(header)}, one a column")
        name, expression = row[image].strip(), row[emotion].strip().casefold()
        if not name or name != os.path.basename(name):
            raise UserError(f"{path}: line {number} names the picture '{name}'; expected a file's name alone")
        legend[name] = expression if legend.get(name, expression) == expression else ""
    if not legend:
        raise UserError(f"{path}: has a header and no rows; expected one a picture")
    return legend


def _unlabeled(legend: Mapping[str, str], chosen: list[str], numbers: Mapping[str, int]) -> dict[str, int]:
    """Why pictures are without a label -> how many."""
    found = collections.Counter(legend[name] for name in chosen if legend[name] not in numbers)
    return {
        f"unlabeled: {f'{expression} has few pictures' if expression else 'no expression, or two'}": count
        for expression, count in sorted(found.items())
    }
