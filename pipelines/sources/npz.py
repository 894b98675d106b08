"""NumPy archives of arrays: `x_train`, `y_train`, `x_test`, `y_test`, any of them."""

import zipfile

import numpy as np

from ...errors import UserError
from ..image_set import Images, from_arrays
from .contract import SPLITS, Request, Source

# How the arrays of a split are called, in order of preference.
SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}


class Npz(Source):
    """`FILE.npz`, with uint8 or floats in [0, 1]; never pickled objects."""

    kind = "npz"
    summary = "x_train, y_train, x_test, y_test (any of them), uint8 or floats in [0, 1]"
    forms = ("FILE.npz",)

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        with _opened(place) as archive:
            return tuple(split for split in SPLITS if array_key(archive.files, split))

    def read(self, place: str, split: str, request: Request) -> Images:
        return read_npz(place, split)

    def recognizes(self, path: str) -> bool:
        return path.endswith(".npz")


SOURCES = (Npz(),)


def read_npz(path: str, split: str) -> Images:
    """Reads `x_<split>` and, where present, `y_<split>` from an .npz file; plain `x` counts as "train".

    Raises:
      UserError: no such file, not an .npz, or no such arrays in it.
    """
    with _opened(path) as archive:
        key = array_key(archive.files, split)
        if key is None:
            raise UserError(
                f"{path}: holds the arrays {archive.files}; expected x_train, y_train, x_test, y_test (or x, y)"
            )
        labels = "y" + key[1:]
        try:
            arrays = archive[key], archive[labels] if labels in archive.files else None
        except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
            raise UserError(f"{path}: array '{key}' cannot be read ({error})") from None
    return from_arrays(f"{path}:{split}", *arrays)


def array_key(names, split: str) -> str | None:
    """The name of a split's array of images among `names`, or None."""
    keys = [f"x_{name}" for name in SPLIT_NAMES[split]] + (["x"] if split == "train" else [])
    return next((key for key in keys if key in names), None)


def _opened(path: str):
    try:
        archive = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise UserError(f"{path}: not a readable .npz file of plain arrays ({error})") from None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise UserError(f"{path}: holds a single array; expected an .npz with x_train, y_train, ...")
    return archive
