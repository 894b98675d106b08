"""Image files with named attributes: a CSV file with a row a picture.

    file,hair,glasses
    a/001.png,black,yes
    a/002.png,brown,

The first column is the path from the CSV's own folder; an optional column `split` says train, validation or test;
every other column is an attribute. An empty cell is an attribute that nobody named.
"""

import csv
import pathlib
from typing import NamedTuple

import numpy as np

from ...errors import UserError
from ..files import read_files
from ..image_set import UNLABELED, Images
from ..label_columns import ordered
from .contract import SPLITS, Request, Source


class Table(Source):
    """`table:FILE.csv`; without a column `split` all rows are "train"."""

    kind = "table"
    summary = "image files with named attributes, a row a file"
    forms = ("table:FILE.csv",)
    needs_shape = True

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        header, rows = _read(place)
        if "split" not in header:
            return ("train",)
        column = header.index("split")
        found = {row[column] for row in rows}
        if found - set(SPLITS) or "train" not in found:
            raise UserError(
                f"{place}: column split holds {sorted(found)}; expected train, and validation or test beside it"
            )
        return tuple(sorted(found))

    def read(self, place: str, split: str, request: Request) -> Images:
        header, everything = _read(place)
        rows = everything
        if "split" in header:
            rows = [row for row in everything if row[header.index("split")] == split]
        root = pathlib.Path(place).parent
        columns = [k for k, name in enumerate(header) if k > 0 and name != "split"]
        # Values are numbered over the whole table, so that every split numbers them alike.
        names = {header[k]: tuple(ordered({row[k] for row in everything if row[k]})) for k in columns}
        labels = np.asarray(
            [[names[header[k]].index(row[k]) if row[k] else UNLABELED for k in columns] for row in rows], np.int32
        )
        labels = labels[:, 0] if labels.shape[1] == 1 else labels
        paths = [str(root / row[0]) for row in rows]
        fields = {"class_names": names, "head_names": tuple(names)}
        return read_files(str(place), str(root), paths, labels, request, **fields)


SOURCES = (Table(),)


class _Rows(NamedTuple):
    header: list[str]
    rows: list[list[str]]


def _read(path: str) -> _Rows:
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            header, *rows = [row for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a table ({getattr(error, 'strerror', None) or error})") from None
    except ValueError:
        raise UserError(f"{path}: is empty; expected a header file,attribute,... and a row a picture") from None
    if len(header) < 2 or not rows or len(set(header)) < len(header):
        raise UserError(
            f"{path}: has the columns {header} and {len(rows)} rows; expected file and attributes, and rows"
        )
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise UserError(f"{path}: line {number} has {len(row)} cells; expected {len(header)}, one a column")
    return _Rows(header, [[cell.strip() for cell in row] for row in rows])
