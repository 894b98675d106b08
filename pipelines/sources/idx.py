"""MNIST's own files, as MNIST, Fashion-MNIST and EMNIST ship them."""

import gzip
import math
import pathlib
import re
import struct
import zlib

import numpy as np

from ...errors import UserError, first_line
from ..budget import USUAL_BUDGET, Budget
from ..image_set import Images, from_arrays
from .contract import Request, Source

_PREFIXES = {"train": ("train",), "test": ("t10k", "test")}


class Idx(Source):
    """`idx:DIR`, a folder with `train-images-idx3-ubyte` and so on, raw or with .gz."""

    kind = "idx"
    summary = "MNIST's own files, raw or .gz"
    forms = ("idx:DIR",)

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        found = tuple(split for split in _PREFIXES if _file(place, split, "images") is not None)
        if not found:
            raise UserError(f"{place}: no {_PREFIXES['train'][0]}-images-idx3-ubyte(.gz) file there")
        return found

    def read(self, place: str, split: str, request: Request) -> Images:
        images, labels = _file(place, split, "images"), _file(place, split, "labels")
        if images is None:
            raise UserError(f"{place}: no {_PREFIXES[split][0]}-images-idx3-ubyte(.gz) file there")
        return from_arrays(
            str(images),
            read_idx_file(images, request.budget),
            None if labels is None else read_idx_file(labels, request.budget),
        )

    def recognizes(self, path: str) -> bool:
        folder = pathlib.Path(path)
        return folder.is_dir() and any("idx3" in entry.name and "ubyte" in entry.name for entry in folder.iterdir())


SOURCES = (Idx(),)


def read_idx_file(path: pathlib.Path, budget: Budget = USUAL_BUDGET) -> np.ndarray:
    """One IDX file of unsigned bytes: magic 0 0 8 rank, big-endian sides, then the bytes.

    Args:
      path: with the ending .gz, a compressed one.
      budget: its `memory_gib` is the most that is unpacked.

    Returns:
      uint8 of the rank and sides that the file states.

    Raises:
      UserError: another magic number or element type, or fewer bytes than the header announces.
    """
    most = int(budget.memory_gib * 2**30)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            content = stream.read(most + 1)
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        raise UserError(f"{path}: cannot be read ({first_line(error)})") from None
    if len(content) > most:
        raise UserError(f"{path}: unpacks to more than data.memory_gib={budget.memory_gib:g}; raise it, or give less")
    if len(content) < 4 or content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise UserError(f"{path}: not an IDX file of unsigned bytes (starts with {content[:4]!r})")
    rank = content[3]
    if rank not in (1, 3):
        raise UserError(f"{path}: has {rank} dimensions; expected 1 (labels) or 3 (images)")
    sides = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    body = content[4 + 4 * rank :]
    if len(body) != math.prod(sides):
        raise UserError(f"{path}: header announces {sides} bytes but {len(body)} follow; the file is damaged")
    return np.frombuffer(body, np.uint8).reshape(sides)


def _file(folder: str, split: str, what: str) -> pathlib.Path | None:
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise UserError(f"no such folder: {folder}")
    for prefix in _PREFIXES[split]:
        # The files circulate as train-images-idx3-ubyte, train-images.idx3-ubyte and with .gz.
        form = re.compile(rf"{prefix}-{what}[-.]idx[13]-ubyte(\.gz)?")
        found = sorted(entry for entry in root.iterdir() if form.fullmatch(entry.name))
        if found:
            return found[0]
    return None
