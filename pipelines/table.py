"""Reader of image files with named attributes: a CSV file with a row a picture.

    file,hair,glasses
    a/001.png,black,yes
    a/002.png,brown,

The first column is the path from the CSV's own folder; an optional column `split` says train, validation or test;
every other column is an attribute. An empty cell is an attribute that nobody named.
"""

import csv
import pathlib

import numpy as np

from ..errors import UserError
from .files import Budget, read_files
from .source import UNLABELLED, Images


def table_splits(path: str) -> tuple:
    """The splits that the table names; ("train",) without such a column."""
    header, rows = _read(path)
    if "split" not in header:
        return ("train",)
    column = header.index("split")
    found = {row[column] for row in rows}
    unknown = found - {"train", "validation", "test"}
    if unknown or "train" not in found:
        raise UserError(f"{path}: column split holds {sorted(found)}; expected train, and validation or test beside it")
    return tuple(sorted(found))


def read_table(path: str, split: str, shape: tuple, resize: str, budget: Budget) -> Images:
    """Reads the pictures of one split.

    Args:
      path: of the CSV file.
      split: "train", "validation" or "test"; without a column `split` all rows are "train".
      shape, resize, budget: see `files.read_files`.

    Raises:
      UserError: no such table, a row of another length, no attributes, too many unusable files.
    """
    header, everything = _read(path)
    rows = everything
    if "split" in header:
        rows = [row for row in everything if row[header.index("split")] == split]
    root = pathlib.Path(path).parent
    columns = [k for k, name in enumerate(header) if k > 0 and name != "split"]
    # Values are numbered over the whole table, so that every split numbers them alike.
    names = {header[k]: tuple(_ordered({row[k] for row in everything if row[k]})) for k in columns}
    labels = np.asarray(
        [[names[header[k]].index(row[k]) if row[k] else UNLABELLED for k in columns] for row in rows], np.int32
    )
    paths = [str(root / row[0]) for row in rows]
    fields = {"class_names": names, "head_names": tuple(names)}
    labels = labels[:, 0] if labels.shape[1] == 1 else labels
    return read_files(str(path), str(root), paths, labels, shape, resize, budget, **fields)


def _read(path: str) -> tuple:
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
    return header, [[cell.strip() for cell in row] for row in rows]


def _ordered(values: set) -> list:
    """Numbers by size, words by the alphabet."""
    try:
        return sorted(values, key=float)
    except ValueError:
        return sorted(values)
