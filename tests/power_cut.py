"""A disk that forgets: what of a folder is left when the power goes, by what POSIX promises and no more.

Of a file what was flushed is certain; what was written since may be there in part, or not. Of a folder the names that
stood there when it was flushed are certain; a name that came, went or was given to another file since may show the old
state or the new. (A journaling file system keeps more in order than this.)
"""

import os
import pathlib
import random
from collections.abc import Callable


class PowerCut(BaseException):
    """The moment at which a process is gone; no `except Exception` sees it."""


class Disk:
    """Watches a folder from here on; use it inside `monkeypatch`.

    Arguments:
      root: the folder.
      target: where the picture of the disk after the cut is put.
      cut_at: at which operation the power goes, counted from 0.
      chance: decides on what is not certain.
    """

    def __init__(self, root: pathlib.Path, target: pathlib.Path, cut_at: int, chance: random.Random):
        self.operations = 0
        self._root, self._target, self._cut_at, self._chance = root.resolve(), target, cut_at, chance
        self._contents: dict[int, bytes] = {}
        self._names: dict[pathlib.Path, dict[str, int]] = {}
        # Removed files stay open, so that their bytes can be read and their numbers are not given away.
        self._open: dict[int, int] = {}

    def watch(self, monkeypatch) -> None:
        """Puts the disk under what Python writes, renames, removes and flushes."""
        for name in ("replace", "rename", "unlink", "remove"):
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))
        fsync = os.fsync

        def flush(descriptor):
            self._operation()
            place = pathlib.Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            if place.is_dir():
                self._names[place] = self._listing(place)
            else:
                self._contents[os.fstat(descriptor).st_ino] = place.read_bytes()
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", flush)

    def _counted(self, function: Callable) -> Callable:
        def call(*arguments, **options):
            self._operation()
            return function(*arguments, **options)

        return call

    def _operation(self) -> None:
        self._keep_open()
        if self.operations == self._cut_at:
            self._develop()
            raise PowerCut
        self.operations += 1

    def _keep_open(self) -> None:
        for path in self._root.rglob("*"):
            if path.is_file() and path.stat().st_ino not in self._open:
                self._open[path.stat().st_ino] = os.open(path, os.O_RDONLY)

    @staticmethod
    def _listing(folder: pathlib.Path) -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in folder.iterdir() if path.is_file()}

    def _develop(self) -> None:
        """The picture of the disk."""
        folders = {self._root, *(path for path in self._root.rglob("*") if path.is_dir()), *self._names}
        for folder in folders:
            place = self._target / folder.relative_to(self._root)
            place.mkdir(parents=True, exist_ok=True)
            certain, now = self._names.get(folder, {}), self._listing(folder) if folder.is_dir() else {}
            for name in certain.keys() | now.keys():
                seen = certain.get(name) if self._chance.random() < 0.5 else now.get(name)
                if certain.get(name) == now.get(name):
                    seen = certain[name]
                if seen is not None:
                    (place / name).write_bytes(self._content(seen))

    def _content(self, number: int) -> bytes:
        size = os.fstat(self._open[number]).st_size
        whole = os.pread(self._open[number], size, 0)
        certain = self._contents.get(number, b"")
        more = whole[len(certain) :] if whole.startswith(certain) else b""
        return certain + more[: self._chance.randint(0, len(more))]

    def close(self) -> None:
        """Lets go of what is kept open."""
        for descriptor in self._open.values():
            os.close(descriptor)
