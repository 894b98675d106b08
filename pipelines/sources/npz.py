"""NumPy archives of arrays, under the names that people give them: `x_train`, `train_images`, `images`, ...

| images | labels | split |
|---|---|---|
| `x_train`, `train_images`, `images_train` | `y_train`, `train_labels`, `labels_train` | train; so `val`, `test` |
| `x`, `images`, `data`, `arr_0`, or the only array | `y`, `labels`, `targets`, `arr_1` | train, others are held out |

Case does not matter. Labels are class numbers, one row of zeros and a one an image (one-hot), or strings.
"""

import zipfile
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from ...errors import UserError, first_line, in_bytes
from ...paths import existing
from ..budget import USUAL_BUDGET, Budget
from ..image_set import Images, from_arrays
from ..label_columns import numbered
from .contract import SPLIT_NAMES, SPLITS, Request, Source

# Words for images and for labels, the usual ones first.
_IMAGES = ("x", "images", "image", "imgs", "img", "data", "pixels", "features")
_LABELS = ("y", "labels", "label", "targets", "target", "classes")
_UNNAMED = ("arr_0", "arr_1")


class Npz(Source):
    """`FILE.npz`, with uint8 or floats in [0, 1]; never pickled objects."""

    kind = "npz"
    summary = "arrays: x_train and y_train, train_images and train_labels, images and labels, ..."
    forms = ("FILE.npz",)
    without_train = "expected an array x_train, or a single x to be split"

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        with _opened(place) as archive:
            found = tuple(_arrays_of(archive))
            if not found:
                raise UserError(_expected(place, archive.files, "train"))
            return found

    def read(self, place: str, split: str, request: Request) -> Images:
        return read_npz(place, split, request.budget)

    def recognizes(self, path: str) -> bool:
        return path.lower().endswith(".npz")


SOURCES = (Npz(),)


class ArrayNames(NamedTuple):
    """The arrays of one split: of its images, and of its labels or None."""

    images: str
    labels: str | None


def find_arrays(names: Iterable[str]) -> dict[str, ArrayNames]:
    """Which arrays are the images and labels of which split.

    Example:
      >>> find_arrays(["train_images", "train_labels", "test_images"])["train"]
      ArrayNames(images='train_images', labels='train_labels')
    """
    names = [str(name) for name in names]
    lowered = {name.casefold(): name for name in names}
    found = {}
    for split in SPLITS:
        for spelling in SPLIT_NAMES[split]:
            images = _first(
                lowered, [form for word in _IMAGES for form in (f"{word}_{spelling}", f"{spelling}_{word}")]
            )
            if images:
                labels = [form for word in _LABELS for form in (f"{word}_{spelling}", f"{spelling}_{word}")]
                found[split] = ArrayNames(images, _first(lowered, labels))
                break
    if "train" not in found:
        images = _first(lowered, _IMAGES) or _first(lowered, _UNNAMED[:1])
        labels = _first(lowered, _LABELS) or _first(lowered, _UNNAMED[1:])
        if images is not None:
            found["train"] = ArrayNames(images, labels)
    return {split: found[split] for split in SPLITS if split in found}


def _arrays_of(archive) -> dict[str, ArrayNames]:
    """As `find_arrays`; the only array of a file is its images, whatever it is called."""
    return find_arrays(archive.files) or (
        {"train": ArrayNames(archive.files[0], None)} if len(archive.files) == 1 else {}
    )


def read_npz(path: str, split: str, budget: Budget = USUAL_BUDGET) -> Images:
    """Reads a split's images and, where present, its labels from an .npz file.

    Raises:
      UserError: no such file, not an .npz, no such arrays in it, or more than `budget.memory_gib`.
    """
    with _opened(path) as archive:
        found = _arrays_of(archive)
        if split not in found:
            raise UserError(_expected(path, archive.files, split))
        images = _array(path, archive, found[split].images, budget)
        labels = _labels(path, archive, found, split, budget)
        return from_arrays(f"{path}:{split}", images, **labels)


def _expected(path: str, names: Iterable[str], split: str) -> str:
    return (
        f"{path}: holds the arrays {', '.join(names) or 'none'}; expected x_{split} and y_{split} (or train_images and "
        "train_labels, images and labels, x and y)"
    )


def _labels(path: str, archive, found: Mapping[str, ArrayNames], split: str, budget: Budget) -> dict:
    """The labels of a split, and their names where they are words: numbered over all splits alike."""
    key = found[split].labels
    if key is None:
        return {"labels": None}
    labels = _array(path, archive, key, budget)
    if labels.dtype.kind not in "USb" or labels.ndim > 2 or (labels.ndim == 2 and labels.shape[1] != 1):
        return {"labels": labels}
    keys = [names.labels for names in found.values() if names.labels]
    columns = [_array(path, archive, name, budget).reshape(-1) for name in keys]
    whole = numbered(key, [value for column in columns for value in column.tolist()])
    start = sum(len(column) for column in columns[: keys.index(key)])
    return {"labels": whole.labels[start : start + labels.size], "class_names": {"label": whole.names}}


def _array(path: str, archive, key: str, budget: Budget) -> np.ndarray:
    """One array, after a look at what its header announces."""
    try:
        _check_header(path, archive, key, budget)
        return archive[key]
    except UserError:
        raise
    except MemoryError:
        raise UserError(f"{path}: array '{key}' does not fit into memory") from None
    except Exception as error:  # Damaged archives raise anything: zlib.error, struct.error, ...
        raise UserError(f"{path}: array '{key}' cannot be read ({first_line(error)})") from None


def _check_header(path: str, archive, key: str, budget: Budget) -> None:
    member = key if key in archive.zip.namelist() else f"{key}.npy"
    with archive.zip.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(stream)
        start = stream.tell()
    announced = int(kind.itemsize)
    for side in shape:
        announced *= int(side)
    if kind.hasobject:
        raise UserError(f"{path}: array '{key}' holds Python objects; expected plain numbers")
    if announced > budget.memory_gib * 2**30:
        raise UserError(
            f"{path}: array '{key}' of shape {shape} takes {in_bytes(announced)}; raise "
            f"data.memory_gib (now {budget.memory_gib:g}) if there is so much memory"
        )
    held = archive.zip.getinfo(member).file_size - start
    if announced > held:
        raise UserError(f"{path}: array '{key}' announces {announced} bytes, but {held} follow; the file is damaged")


def _first(lowered: Mapping[str, str], wanted: Iterable[str]) -> str | None:
    return next((lowered[name] for name in wanted if name in lowered), None)


def _opened(path: str):
    try:
        archive = np.load(existing(path), allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, SyntaxError, MemoryError) as error:
        # NumPy takes what is no archive for a pickle, and advises to run it.
        reason = "it is no archive" if "pickle" in str(error) else first_line(error)
        raise UserError(f"{path}: not a readable .npz file of plain arrays ({reason})") from None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise UserError(f"{path}: holds a single array; expected an .npz with x_train, y_train, ...")
    return archive
