"""Atomic publication: a version folder appears whole or not at all, and is never written again.

TensorFlow Serving watches the base folder and loads any child whose name is an integer the moment it sees
it, half-written or not. So a version is built under a name that the server ignores, flushed to disk, and
renamed.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterator

import tensorflow as tf

from ..errors import StorageError, UserError, storage_cause
from ..stored import flush

_GREATEST = 2**63 - 1
_DRAFT = ".tmp-"
_FRESH_SECONDS = 60.0


@contextlib.contextmanager
def new_version(base) -> Iterator["Draft"]:
    """A folder to build a version in; leaving the block publishes it, an exception discards it.

    Args:
      base: the model's folder; versions are its integer children.

    Yields:
      A `Draft`: write below `draft.folder`; after the block `draft.published` is base/<next integer>.

    Raises:
      UserError: `base` cannot be written.
      StorageError: disk full or the like while writing; nothing was published.
    """
    base = pathlib.Path(base)
    draft = Draft(base / f"{_DRAFT}{uuid.uuid4().hex}")
    try:
        draft.folder.mkdir(parents=True)
        # Held as long as the process lives, so that another can tell a draft from what is left of one.
        held = os.open(draft.folder, os.O_RDONLY)
    except OSError as error:
        raise UserError(f"export folder {base} cannot be written: {error.strerror}") from None
    try:
        with contextlib.suppress(OSError):  # Some network file systems know no locks.
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove_left_drafts(base, draft.folder)
        yield draft
        _flush(draft.folder)
        draft.published = _rename(draft.folder, base)
    except (OSError, tf.errors.OpError) as error:  # What parity refuses is a ParityError by now; this is the disk.
        raise StorageError(
            f"export under {base} could not be written: {storage_cause(error)}; nothing was published"
        ) from error
    finally:
        os.close(held)
        shutil.rmtree(draft.folder, ignore_errors=True)


def _remove_left_drafts(base: pathlib.Path, own: pathlib.Path) -> None:
    """Removes the drafts of processes that were killed while they exported."""
    for folder in base.glob(f"{_DRAFT}*"):
        try:
            # One that was made this moment may not be held yet.
            if folder == own or time.time() - folder.stat().st_mtime < _FRESH_SECONDS:
                continue
            held = os.open(folder, os.O_RDONLY)
        except OSError:  # It is gone: published, or removed by another process.
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(held)


class Draft:
    """A version being built; see `new_version`."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.published: pathlib.Path | None = None


def versions(base) -> list[int]:
    """Published versions, oldest first."""
    return _numbers(pathlib.Path(base), pathlib.Path.is_dir)


def _numbers(base: pathlib.Path, admitted: Callable[[pathlib.Path], bool]) -> list[int]:
    names = [entry.name for entry in base.iterdir() if admitted(entry)] if base.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def _rename(folder: pathlib.Path, base: pathlib.Path) -> pathlib.Path:
    while True:
        # Of files too: a name that is taken stays taken.
        version = max(_numbers(base, lambda entry: True), default=0) + 1
        if version > _GREATEST:
            raise UserError(
                f"{base}: holds version {version - 1}, the highest that a server accepts; remove or rename it"
            )
        target = base / str(version)
        try:
            # os.rename onto an existing folder that is not empty fails: two publishers never share a version.
            os.rename(folder, target)
        except OSError:
            if target.exists():
                continue
            raise
        flush(base)
        return target


def _flush(folder: pathlib.Path) -> None:
    for path in folder.rglob("*"):
        flush(path)
    flush(folder)
