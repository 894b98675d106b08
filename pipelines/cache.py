"""Decoded pictures kept on the disk from one run to the next: what `data.cache` names.

    KEY.pixels   the pictures of some consecutive files as they were decoded, uint8, one after the other
    KEY.json     its note: what became of each file. It is written last, and makes the part count

The key of a part is a digest of its files (names, sizes, times of change) and of all settings that bear on their
pixels: a part whose files have changed has another name, and is made anew. A part without a note was interrupted. So
writing may stop anywhere, goes on with the first part that is missing, and nothing half-written is ever read. The
folder may be deleted at any time, and any number of sets share it.
"""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import PIL

from ..errors import UserError
from ..paths import is_remote, local
from ..stored import whole_file
from .sources.contract import Request

# Another one makes all parts anew.
_FORMAT = 1
_PART_BYTES = 1 << 26  # Of a part's pixels: what is lost where writing is interrupted, and held while it goes on.

# What came of a file: its size, and why it is of no use, or what was remarked of it.
Outcome = tuple[int, str | tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class KeptPixels:
    """Pictures of a cache that are read when they are asked for.

    Attributes:
      files: of the parts.
      per_part: pictures in each of them, the last excepted.
      shape: (height, width, channels) of a picture.
      rows: int64 [n], which of all pictures these are.

    Example:
      >>> len(KeptPixels((), 1, (8, 8, 1), np.arange(3))[[0, 2]])
      2
    """

    files: tuple[str, ...]
    per_part: int
    shape: tuple[int, int, int]
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices) -> "KeptPixels":
        return dataclasses.replace(self, rows=self.rows[np.asarray(indices)])

    def read(self, indices: np.ndarray) -> np.ndarray:
        """uint8 [k, height, width, channels] of int [k]."""
        parts, places = np.divmod(self.rows[indices], self.per_part)
        found = np.empty([len(parts), *self.shape], np.uint8)
        for part in np.unique(parts):
            here = parts == part
            found[here] = _mapped(self.files[part], self.shape)[places[here]]
        return found


@functools.cache
def _mapped(file: str, shape: tuple[int, int, int]) -> np.ndarray:
    return np.memmap(file, np.uint8, "r").reshape([-1, *shape])


class Cache:
    """A folder of parts, for files that are asked for in one way.

    Arguments:
      root: folder that the files lie below; they are known by their paths from there.
      request: its `cache` names the folder.

    Raises:
      UserError: a folder that cannot be made.
    """

    def __init__(self, root: str, request: Request):
        assert request.image_shape is not None
        local("data.cache", request.cache)
        self._folder, self._root, self._shape = pathlib.Path(request.cache), root, request.image_shape
        self.per_part = max(1, _PART_BYTES // int(np.prod(self._shape)))
        budget = request.budget
        asked = (self._shape, request.resize, request.look, budget.max_pixels, budget.max_file_mib)
        self._asked = repr((_FORMAT, PIL.__version__, *asked))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"data.cache is {self._folder}, which cannot be written: {error.strerror}") from None

    def part(
        self, paths: Sequence[str], into: np.ndarray | None, make: Callable[[np.ndarray], list[Outcome]]
    ) -> list[Outcome]:
        """What came of some files, from the cache where they are in it.

        Args:
          paths: at most `per_part` files.
          into: uint8 [files, height, width, channels] that takes their pixels, or None where they are not needed now.
          make: decodes the files into such an array, all zeros before.

        Raises:
          StorageError: the cache could not be written.
        """
        key = self._key(paths)
        found = self._found(key, into)
        if found is None:
            with self._alone():
                found = self._found(key, into)  # Another process may have made it meanwhile.
                if found is None:
                    pixels = np.zeros([len(paths), *self._shape], np.uint8) if into is None else into
                    pixels[...] = 0
                    found = make(pixels)
                    self._write(key, pixels, found)
        return found

    def kept(self, paths: Sequence[str], rows: np.ndarray) -> KeptPixels:
        """The pictures at some rows of files that all are in the cache."""
        starts = range(0, len(paths), self.per_part)
        keys = [self._key(paths[start : start + self.per_part]) for start in starts]
        files = tuple(str(self._pixels(key)) for key in keys)
        for file in files:  # Whoever deletes the cache from now on takes nothing away from this process.
            _mapped(file, self._shape)
        return KeptPixels(files, self.per_part, self._shape, rows)

    def _pixels(self, key: str) -> pathlib.Path:
        return self._folder / f"{key}.pixels"

    def _key(self, paths: Sequence[str]) -> str:
        content = hashlib.sha256(self._asked.encode())
        for path in paths:
            name = os.path.relpath(path, self._root) if not is_remote(path) else path.removeprefix(self._root)
            content.update(f"\0{name}\0{_stamp(path)}".encode("utf-8", "surrogateescape"))
        return content.hexdigest()[:32]

    def _found(self, key: str, into: np.ndarray | None) -> list[Outcome] | None:
        """What the note of a part says of its files, None where the part is not there or not what it says."""
        try:
            note = json.loads((self._folder / f"{key}.json").read_text(encoding="utf-8"))
            found = [(size, said if isinstance(said, str) else tuple(said)) for size, said in note["files"]]
            if _digest(json.dumps(note["files"]).encode()) != note["files_sha256"]:
                return None
            if self._pixels(key).stat().st_size != len(found) * int(np.prod(self._shape)):
                return None
            if into is not None:
                pixels = np.fromfile(self._pixels(key), np.uint8)
                if _digest(pixels.data) != note["pixels_sha256"]:
                    return None
                into[...] = pixels.reshape(into.shape)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found

    def _write(self, key: str, pixels: np.ndarray, found: list[Outcome]) -> None:
        content = np.ascontiguousarray(pixels).data
        with whole_file(self._pixels(key)) as place:
            place.write_bytes(content)
        sums = {"pixels_sha256": _digest(content), "files_sha256": _digest(json.dumps(found).encode())}
        note = {**sums, "files": found}
        with whole_file(self._folder / f"{key}.json") as place:
            place.write_text(json.dumps(note), encoding="utf-8")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time makes a part; the others find it made."""
        with (self._folder / ".lock").open("a") as lock:
            with contextlib.suppress(OSError):  # Some network file systems know no locks.
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _digest(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def _stamp(path: str) -> tuple[int, int]:
    """What changes with a file: its size, and when it was changed last."""
    if is_remote(path):
        import tensorflow as tf  # Only for files that are not on this machine.

        with contextlib.suppress(tf.errors.OpError):
            found = tf.io.gfile.stat(path)
            return found.length, found.mtime_nsec
        return -1, 0
    try:
        found = os.stat(path)
    except OSError:
        return -1, 0
    return found.st_size, found.st_mtime_ns
