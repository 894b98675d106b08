"""MNIST's own files, as MNIST, Fashion-MNIST and EMNIST ship them."""

import gzip
import pathlib
import struct

import numpy as np

from ...errors import UserError
from ..image_set import Images, from_arrays
from .contract import Request, Source

_PREFIXES = {"train": ("train",), "test": ("t10k", "test")}


class Idx(Source):
    """`idx:DIR`, a folder with `train-images-idx3-ubyte` and so on, raw or with .gz."""

    kind = "idx"
    summary = "MNIST's own files, raw or .gz"
    forms = ("idx:DIR",)

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return tuple(split for split in _PREFIXES if _file(place, split, "images") is not None)

    def read(self, place: str, split: str, request: Request) -> Images:
        images, labels = _file(place, split, "images"), _file(place, split, "labels")
        if images is None:
            raise UserError(f"{place}: no {_PREFIXES[split][0]}-images-idx3-ubyte(.gz) file there")
        return from_arrays(str(images), read_idx_file(images), None if labels is None else read_idx_file(labels))

    def recognizes(self, path: str) -> bool:
        folder = pathlib.Path(path)
        return folder.is_dir() and any(folder.glob("*idx3*ubyte*"))


SOURCES = (Idx(),)


def read_idx_file(path: pathlib.Path) -> np.ndarray:
    """One IDX file of unsigned bytes: magic 0 0 8 rank, big-endian sides, then the bytes.

    Args:
      path: with the ending .gz, a compressed one.

    Returns:
      uint8 of the rank and sides that the file states.

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


def _file(folder: str, split: str, what: str) -> pathlib.Path | None:
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise UserError(f"no such folder: {folder}")
    for prefix in _PREFIXES[split]:
        # The files circulate as train-images-idx3-ubyte, train-images.idx3-ubyte and with .gz.
        found = sorted(root.glob(f"{prefix}-{what}[-.]idx[13]-ubyte*"))
        if found:
            return found[0]
    return None
