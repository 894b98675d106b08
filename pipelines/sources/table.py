"""Image files with named attributes: a table with a row a picture.

    file,hair,glasses
    a/001.png,black,yes
    a/002.png,brown,

A column `file` has the path from the table's own folder; an optional column `split` says train, validation or test;
every other column is an attribute. An empty cell is an attribute that nobody named. Commas, semicolons, tabs and bars
separate; a byte order mark tells the encoding, UTF-8 is the rule. CelebA's lists are read as they are.
"""

import collections
import csv
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ...errors import UserError
from ...paths import composed, existing, shown
from ..files import read_files
from ..image_set import UNLABELED, Images
from ..label_columns import ordered
from ..picture import EXTENSIONS
from .contract import SPLIT_NAMES, SPLITS, Option, Request, Source

# The table that Hugging Face's image folders have beside their pictures.
METADATA = "metadata.csv"
_FILE_COLUMNS = ("file", "file_name", "filename", "path", "file_path", "filepath", "image", "image_id", "image_path")
_SPLIT_COLUMNS = ("split", "partition", "set")
# Cells say it in more ways than folders, which may be called so for other reasons.
_SPLITS = {
    **{name: split for split, names in SPLIT_NAMES.items() for name in names}, "dev": "validation", "testing": "test",
}  # fmt: skip
# Two values that say no and yes.
_TRUTH = ({"-1": "no", "1": "yes"}, {"0": "no", "1": "yes"}, {"no": "no", "yes": "yes"},
          {"false": "no", "true": "yes"}, {"n": "no", "y": "yes"}, {"f": "no", "t": "yes"})  # fmt: skip
# A single column of these is a class number, whatever its values.
_MANY = 20  # Values of a column that may well be names, however few rows there are.
_LABELS = ("label", "class", "target")
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEPARATORS = ",;\t|"
_CELEBA_SPLITS = {"0": "train", "1": "validation", "2": "test"}


class Table(Source):
    """`table:FILE`; without a column `split` all rows are "train"."""

    kind = "table"
    summary = "image files with named attributes, a row a file (CSV, TSV, CelebA's list_attr_celeba.txt)"
    forms = ("table:FILE.csv",)
    needs_shape = True
    without_train = "write train in the column split of the rows to learn from"
    options = {"outside": Option(False, "Of tables: whether a row may name a file outside the table's own folder.")}

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        found = {row.split for row in _read(place).rows}
        return tuple(split for split in SPLITS if split in found)

    def read(self, place: str, split: str, request: Request) -> Images:
        table = _read(place)
        chosen = [row for row in table.rows if row.split == split]
        return _images(place, os.path.dirname(place), chosen, table, request)

    def recognizes(self, path: str) -> bool:
        return path.lower().endswith((".csv", ".tsv"))


SOURCES = (Table(),)


def read_metadata(root: str, roots: Sequence[str], request: Request) -> Images:
    """The pictures of one folder by its `metadata.csv`.

    Args:
      root: the folder.
      roots: the folders of all splits, over which values are numbered alike.
      request: as of a source.

    Raises:
      UserError: as of a table.
    """
    tables = {folder: _read(os.path.join(folder, METADATA)) for folder in roots
              if os.path.isfile(os.path.join(folder, METADATA))}  # fmt: skip
    columns = tables[root].columns
    rows = [row for table in tables.values() for row in table.rows]
    for folder, table in tables.items():
        if table.columns != columns:
            raise UserError(f"{folder}/{METADATA}: has the attributes {table.columns}, {root} has {columns}")
    return _images(root, root, tables[root].rows, _Table(columns, rows), request)


class _Row(NamedTuple):
    file: str
    split: str
    values: dict[str, str]  # Attribute -> what the cell says, "" for nothing.


class _Table(NamedTuple):
    columns: tuple[str, ...]
    rows: list[_Row]


def _images(name: str, root: str, chosen: list[_Row], table: _Table, request: Request) -> Images:
    columns = table.columns
    if not columns:
        raise UserError(f"{name}: has no column of attributes beside the files; expected at least one")
    # Values are numbered over the whole table, so that every split numbers them alike.
    spoken = {column: _spoken(column, columns, {row.values[column] for row in table.rows}) for column in columns}
    names = {column: tuple(ordered(set(spoken[column].values()) - {""})) for column in columns}
    numbers = {column: {value: number for number, value in enumerate(names[column])} for column in columns}
    labels = np.asarray(
        [[numbers[column].get(spoken[column][row.values[column]], UNLABELED) for column in columns] for row in chosen],
        np.int32,
    ).reshape(len(chosen), len(columns))
    labels = labels[:, 0] if len(columns) == 1 else labels
    remarks: collections.Counter = collections.Counter()
    for column in columns:
        alike = collections.Counter(value.casefold() for value in names[column])
        twice = [value for value in names[column] if alike[value.casefold()] > 1]
        if len(names[column]) > max(_MANY, len(table.rows) // 2):
            remarks[f"{column} has {len(names[column])} different values in {len(table.rows)} rows"] = 1
        if twice:
            remarks[f"{column} has values that differ by case alone: {', '.join(twice[:4])}"] = 1
    named = collections.Counter(row.file for row in table.rows)
    again = next((file for file, count in named.items() if count > 1), None)
    if again is not None:
        raise UserError(f"{name}: names {shown(again)} {named[again]} times; expected a row a picture")
    folder = _folder_of(root, chosen)
    paths = [_path(name, folder, row.file, request.options.get("outside", False)) for row in chosen]
    fields = {"class_names": names, "head_names": columns}
    return read_files(name, folder or ".", paths, labels, request, remarks, **fields)


def _spoken(column: str, columns: tuple[str, ...], values: set[str]) -> dict[str, str]:
    """What the cells of a column say -> the value that they stand for: no and yes, however they are written."""
    lowered = {value.casefold() for value in values} - {""}
    lone_label = len(columns) == 1 and column.casefold() in _LABELS
    for pair in _TRUTH:
        if lowered == set(pair) and not lone_label:
            return {value: pair.get(value.casefold(), "") for value in values}
    # In one line, and with accents composed: names are said and read back as text.
    return {value: composed(" ".join(value.split())) for value in values}


def _folder_of(root: str, rows: list[_Row]) -> str:
    """Where the files lie: beside the table, or in the one folder there that has the first of them."""
    first = rows[0].file
    if os.path.isabs(first) or os.path.exists(existing(os.path.join(root, first.replace("\\", os.sep)))):
        return root
    try:
        folders = sorted(entry.path for entry in os.scandir(root or ".") if entry.is_dir())
    except OSError:
        return root
    return next((folder for folder in folders if os.path.exists(os.path.join(folder, first))), root)


def _path(name: str, root: str, file: str, outside: bool) -> str:
    path = os.path.join(root, file)
    if not os.path.exists(path) and "\\" in file:
        path = os.path.join(root, file.replace("\\", os.sep))
    path = existing(path)
    inside = os.path.abspath(path).startswith(os.path.join(os.path.abspath(root or "."), ""))
    if not inside and not outside:
        raise UserError(
            f"{name}: names {shown(file)}, which lies outside the table's folder; set --config.data.outside=true to "
            "read it"
        )
    return path


# ---- cells


def _read(path: str) -> _Table:
    cells = _cells(path)
    listed = _celeba(path, cells)
    if listed is not None:
        return listed
    header, *rows = cells
    header = [cell.strip() for cell in header]
    if header[0].startswith("{"):
        raise UserError(f"{path}: holds JSON; expected a table, with a header such as file,hair,glasses")
    if len(header) < 2 or not rows:
        raise UserError(
            f"{path}: has the column(s) {', '.join(header)} and {len(rows)} rows; expected a header such as "
            "file,hair,glasses with commas, semicolons or tabs between, and a row a picture"
        )
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise UserError(f"{path}: line {number} has {len(row)} cells; expected {len(header)}, one a column")
    rows = [["" if cell.strip().casefold() == "nan" else cell.strip() for cell in row] for row in rows]
    lowered = [name.casefold() for name in header]
    repeated = next((name for name in header if header.count(name) > 1), None)
    if repeated is not None:
        raise UserError(f"{path}: has the column '{repeated}' twice; expected every name once")
    file = _file_column(path, header, lowered, rows)
    split = next((lowered.index(name) for name in _SPLIT_COLUMNS if name in lowered), None)
    # A column without a name is the number of the row, as some programs write it.
    columns = {name: k for k, name in enumerate(header) if k not in (file, split) and name}
    return _Table(
        tuple(columns),
        [
            _Row(
                row[file],
                "train" if split is None else _split_named(path, number, row[split]),
                {name: row[k] for name, k in columns.items()},
            )
            for number, row in enumerate(rows, 2)
        ],
    )


def _file_column(path: str, header: list[str], lowered: list[str], rows: list[list[str]]) -> int:
    for name in _FILE_COLUMNS:
        if name in lowered:
            return lowered.index(name)
    for k in range(len(header)):
        if all(row[k].lower().endswith(EXTENSIONS) for row in rows[:100]):
            if header[k].lower().endswith(EXTENSIONS):
                raise UserError(f"{path}: line 1 names a picture; expected a header, for example file,label")
            return k
    raise UserError(
        f"{path}: has the columns {', '.join(header)}, none of them 'file'; call the one with the paths file"
    )


def _split_named(path: str, number: int, cell: str) -> str:
    if cell.casefold() not in _SPLITS:
        raise UserError(f"{path}: line {number} has the split '{cell}'; expected train, validation or test")
    return _SPLITS[cell.casefold()]


def _cells(path: str) -> list[list[str]]:
    """The rows of a table that hold anything, taken apart at the separator that gives them most cells alike."""
    lines = _lines(path)
    best: list[list[str]] = []
    for separator in _SEPARATORS:
        try:
            sample = list(itertools.islice(csv.reader(lines, delimiter=separator, strict=True), 100))
        except csv.Error:
            continue
        sample = [row for row in sample if any(row)]
        sizes = collections.Counter(len(row) for row in sample)
        if sample and sizes.most_common(1)[0][0] > (len(best[0]) if best else 1):
            best = [row for row in _all_cells(path, lines, separator) if any(cell.strip() for cell in row)]
    rows = best or [[line] for line in lines if line.strip()]
    if not rows:
        raise UserError(f"{path}: is empty; expected a header file,attribute,... and a row a picture")
    return rows


def _all_cells(path: str, lines: list[str], separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=separator))
    except csv.Error as error:
        raise UserError(f"{path}: cannot be read as a table ({error})") from None


def _lines(path: str) -> list[str]:
    try:
        with open(existing(path), "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read as a table ({error.strerror})") from None
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: cannot be read as a table (byte {error.start} is not {encoding}; save it as UTF-8)") \
            from None  # fmt: skip
    if "\0" in text:
        raise UserError(f"{path}: cannot be read as a table (holds zero bytes; save it as UTF-8)")
    return text.splitlines(keepends=True)


def _celeba(path: str, cells: list[list[str]]) -> _Table | None:
    """CelebA's own list: a count, the attributes' names, then rows of a file's name and -1 or 1; else None."""
    rows = [" ".join(row).split() for row in cells[:3]]
    if len(rows) < 3 or len(rows[0]) != 1 or not rows[0][0].isdigit() or len(rows[2]) != len(rows[1]) + 1:
        return None
    columns, splits = tuple(rows[1]), _celeba_splits(path)
    found = []
    for number, row in enumerate(cells[2:], 3):
        file, *values = " ".join(row).split()
        if len(values) != len(columns):
            raise UserError(f"{path}: line {number} has {len(values)} values; expected {len(columns)}")
        found.append(_Row(file, splits.get(file, "train"), dict(zip(columns, values, strict=True))))
    return _Table(columns, found)


def _celeba_splits(path: str) -> Mapping[str, str]:
    """File -> split, of CelebA's list_eval_partition.txt where it lies beside the attributes."""
    beside = os.path.join(os.path.dirname(path), "list_eval_partition.txt")
    if not os.path.isfile(beside):
        return {}
    pairs = [line.split() for line in _lines(beside) if line.strip()]
    return {pair[0]: _CELEBA_SPLITS.get(pair[1], "train") for pair in pairs if len(pair) == 2}
