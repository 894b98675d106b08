"""Readers of image arrays: `.npz` files, MNIST's IDX files, and the digits that ship with the package."""

import dataclasses
import gzip
import pathlib
import struct
import zipfile

import numpy as np

from ..errors import UserError
from .source import Images, from_arrays

SAMPLE = pathlib.Path(__file__).parent / "data" / "mnist_sample.npz"

# Names of the arrays that hold a split, in order of preference.
_SPLIT_KEYS = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
_IDX_PREFIXES = {"train": ("train",), "test": ("t10k", "test")}


def npz_splits(path: str) -> tuple:
    """The splits an .npz file has arrays for; plain `x` counts as "train"."""
    with _opened(path) as archive:
        return tuple(split for split in _SPLIT_KEYS if _array_key(archive, split))


def read_npz(path: str, split: str) -> Images:
    """Reads `x_<split>` and, where present, `y_<split>` from an .npz file (never pickled objects).

    Raises:
      UserError: no such file, not an .npz, or no such arrays in it.
    """
    with _opened(path) as archive:
        key = _array_key(archive, split)
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


def _array_key(archive, split: str) -> str | None:
    keys = [f"x_{name}" for name in _SPLIT_KEYS[split]] + (["x"] if split == "train" else [])
    return next((key for key in keys if key in archive.files), None)


def read_sample(_: str, split: str) -> Images:
    """The 5,000 training and 1,000 test digits of MNIST that ship with the package (see NOTICE)."""
    return dataclasses.replace(read_npz(str(SAMPLE), split), name=f"mnist_sample:{split}")


def idx_splits(folder: str) -> tuple:
    """The splits of a folder of IDX files."""
    return tuple(split for split in _IDX_PREFIXES if _idx_file(folder, split, "images") is not None)


def read_idx(folder: str, split: str) -> Images:
    """Reads MNIST's own files, `train-images-idx3-ubyte` and so on, raw or with .gz, from a folder.

    Raises:
      UserError: no such folder or file, or a damaged one.
    """
    images, labels = _idx_file(folder, split, "images"), _idx_file(folder, split, "labels")
    if images is None:
        raise UserError(f"{folder}: no {_IDX_PREFIXES[split][0]}-images-idx3-ubyte(.gz) file there")
    return from_arrays(str(images), read_idx_file(images), None if labels is None else read_idx_file(labels))


def _idx_file(folder: str, split: str, what: str) -> pathlib.Path | None:
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise UserError(f"no such folder: {folder}")
    for prefix in _IDX_PREFIXES[split]:
        # The files circulate as train-images-idx3-ubyte, train-images.idx3-ubyte and with .gz.
        found = sorted(root.glob(f"{prefix}-{what}[-.]idx[13]-ubyte*"))
        if found:
            return found[0]
    return None


def read_idx_file(path: pathlib.Path) -> np.ndarray:
    """One IDX file of unsigned bytes: magic 0 0 8 rank, big-endian sides, then the bytes.

    Raises:
      UserError: another magic number or element type, or fewer bytes than the header announces.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            content = stream.read()
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    if len(content) < 4 or content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise UserError(f"{path}: not an IDX file of unsigned bytes (starts with {content[:4]!r})")
    rank = content[3]
    sides = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    body = content[4 + 4 * rank :]
    if len(body) != int(np.prod(sides, dtype=np.int64)):
        raise UserError(f"{path}: header announces {sides} bytes but {len(body)} follow; the file is damaged")
    return np.frombuffer(body, np.uint8).reshape(sides)
