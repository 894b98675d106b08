"""Paths as people have them: any legal name is one, and a path that is given literally is never a pattern.

Brackets, blanks, commas, colons and newlines in names mean nothing. Names that are not UTF-8 are carried by Python's
surrogate escapes; accents are found composed and decomposed; links are followed, each folder once.

A path with a scheme, as gs://bucket/pictures, is not on this machine: TensorFlow's file systems read it.
"""

import atexit
import errno
import os
import pathlib
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from .errors import UserError, first_line
from .stored import in_utf8


def user_cache() -> pathlib.Path:
    """Where things are kept that take time to make and may be thrown away: below XDG_CACHE_HOME, or ~/.cache."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "reverie"


class Walk(NamedTuple):
    """The files below a folder.

    Attributes:
      files: paths from there, in natural order.
      loops: how many links led to a folder that was already read.
      unreadable: folders that may not be opened.
    """

    files: list[str]
    loops: int
    unreadable: list[str]


def walk(root: str) -> Walk:
    """All files below a folder, links followed; hidden files and folders are passed over.

    A folder that several links lead to is read once, under its own name where it has one below `root`.

    Raises:
      UserError: no such folder, or it may not be read.
    """
    if is_remote(root):
        return Walk(sorted(_remote_files(root), key=natural), 0, [])
    if not os.path.isdir(root):
        raise UserError(f"no such folder: {root}")
    files, loops, unreadable = [], 0, []
    seen = {_identity(root)}
    # Folders first, links after them: what has a name of its own keeps it.
    waiting, linked = [""], []
    while waiting or linked:
        place = waiting.pop() if waiting else linked.pop(0)
        folder = os.path.join(root, place)
        if place and os.path.islink(folder):
            identity = _identity(folder)
            if identity in seen:
                loops += 1
                continue
            seen.add(identity)
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            if not place:
                raise UserError(f"{root}: cannot be read: {error.strerror}") from None
            unreadable.append(place)
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            below = os.path.join(place, entry.name)
            try:
                is_folder = entry.is_dir()
                if is_folder and not entry.is_symlink():
                    seen.add(_identity(entry.path))
            except OSError:  # A link that leads round in a circle.
                loops += 1
                continue
            if not is_folder:
                files.append(below)
            elif entry.is_symlink():
                linked.append(below)
            else:
                waiting.append(below)
    return Walk(sorted(files, key=natural), loops, unreadable)


def folders(root: str) -> list[str]:
    """The names of the folders directly in a folder, without hidden ones, in natural order.

    Raises:
      UserError: no such folder, or it may not be read.
    """
    if is_remote(root):
        found = {file.split("/")[0] for file in _remote_files(root) if "/" in file}
    elif os.path.isdir(root):
        try:
            found = {entry.name for entry in os.scandir(root) if entry.is_dir()}
        except OSError as error:
            raise UserError(f"{root}: cannot be read: {error.strerror}") from None
    else:
        raise UserError(f"no such folder: {root}")
    return sorted((name for name in found if not name.startswith(".")), key=natural)


def is_remote(path: str) -> bool:
    """Whether a path has a scheme, so that it is not one of this machine's own file system.

    Example:
      >>> is_remote("gs://shelf/pictures"), is_remote("my/pictures")
      (True, False)
    """
    return "://" in path


def local(what: str, path: str | os.PathLike) -> None:
    """Refuses a remote path for what must be written in place, flushed, locked and renamed.

    Args:
      what: for the message, as "workdir".
      path: that was given.

    Raises:
      UserError: it has a scheme.
    """
    if is_remote(os.fspath(path)):
        raise UserError(f"{what} is {os.fspath(path)}; expected a folder of this machine, or one that is mounted here")


def remote_size(path: str) -> int:
    """The bytes of a remote file.

    Raises:
      OSError: as a local file would; its `strerror` says what the store said.
    """
    import tensorflow as tf  # Only for files that are not on this machine.

    try:
        return tf.io.gfile.stat(path).length
    except tf.errors.OpError as error:
        raise _as_os_error(error, path) from None


def remote_content(path: str) -> bytes:
    """The whole of a remote file.

    Raises:
      OSError: as `remote_size`.
    """
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return file.read()
    except tf.errors.OpError as error:
        raise _as_os_error(error, path) from None


def _remote_files(root: str) -> list[str]:
    """The files below a remote folder, as paths from there; hidden files and folders are passed over."""
    import tensorflow as tf

    root, found, waiting = root.rstrip("/"), [], [""]
    try:
        # To ask whether it is a folder would say no where the store cannot be reached.
        if not tf.io.gfile.stat(root).is_directory:
            raise UserError(f"{root}: is a file; expected a folder")
        while waiting:
            place = waiting.pop()
            for name in tf.io.gfile.listdir(f"{root}/{place}"):
                below = place + name.rstrip("/")
                # Google's store marks folders in its list; to ask for every file would be a request each.
                marked = name.endswith("/") or (not root.startswith("gs://") and tf.io.gfile.isdir(f"{root}/{below}"))
                if not name.startswith("."):
                    (waiting if marked else found).append(f"{below}/" if marked else below)
    except tf.errors.NotFoundError:
        raise UserError(f"no such folder: {root}") from None
    except (tf.errors.OpError, ValueError) as error:  # ValueError: a name that no bucket has.
        raise UserError(f"{root}: cannot be read: {first_line(error)}") from None
    return [file for file in found if file]


def _as_os_error(error: Exception, path: str) -> OSError:
    import tensorflow as tf

    missing = isinstance(error, tf.errors.NotFoundError)
    return (FileNotFoundError if missing else OSError)(errno.ENOENT if missing else errno.EIO, first_line(error), path)


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def natural(text: str) -> tuple:
    """A key that sorts names as people count: 2 before 10, letters without regard to case first.

    Example:
      >>> sorted(["10", "9", "b10", "B9"], key=natural)
      ['9', '10', 'B9', 'b10']
    """
    parts = re.split(r"(\d+)", text)
    # Numbers and words alternate, so keys compare like with like; the text itself decides between "1" and "01".
    return tuple(int(part) if number % 2 else part.casefold() for number, part in enumerate(parts)), text


def existing(path: str) -> str:
    """The path under which a file that was named is there: as written, or with its accents composed another way.

    Example:
      >>> existing("no/such/file")
      'no/such/file'
    """
    if os.path.exists(path):
        return path
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, path)
        if os.path.exists(other):
            return other
    return path


def plain_name(path: str) -> str:
    """The same file under a name that TensorFlow takes as it stands: it sees patterns in brackets, stars and question
    marks, and knows UTF-8 alone.

    Where there is anything else, this is a path through a link in a folder that lives as long as the process.

    Example:
      >>> plain_name("runs/a/checkpoints/ckpt-3")
      'runs/a/checkpoints/ckpt-3'
    """
    folder, name = os.path.split(path)
    if "://" in path or not _foreign(path):
        return path
    if _foreign(name):  # The link takes the place of the last part too.
        folder, name = path, ""
    folder = os.path.abspath(folder)
    if folder not in _LINKS:
        if not _HOME:
            _HOME.append(tempfile.mkdtemp(prefix="reverie-"))
            atexit.register(shutil.rmtree, _HOME[0], ignore_errors=True)
        _LINKS[folder] = os.path.join(_HOME[0], str(len(_LINKS)))
        os.symlink(folder, _LINKS[folder])
    return os.path.join(_LINKS[folder], name) if name else _LINKS[folder]


def _foreign(name: str) -> bool:
    return bool(_PATTERNS & set(name)) or in_utf8(name) != name


_PATTERNS = set("*?[]\\")
_HOME: list[str] = []
_LINKS: dict[str, str] = {}


def composed(name: str) -> str:
    """A name with its accents composed, so that two spellings of it are one class."""
    return unicodedata.normalize("NFC", name)


def shown(path: object) -> str:
    """A path for a message: one line, every character printable.

    Example:
      >>> shown("a" + chr(10) + "b.png")
      'a\\\\nb.png'
    """
    text = str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def split_list(text: str) -> list[str]:
    """A comma-separated list of paths; a comma that belongs to an existing path separates nothing.

    Example:
      >>> split_list("a.mp4,b.mp4")
      ['a.mp4', 'b.mp4']
    """
    parts, found = text.split(","), []
    while parts:
        # The longest run of parts that exists is one path.
        ends = [end for end in range(len(parts), 0, -1) if os.path.lexists(",".join(parts[:end]))]
        end = ends[0] if ends else 1
        found.append(",".join(parts[:end]))
        parts = parts[end:]
    return [part for part in found if part]


def extensions(paths: Iterable[str]) -> dict[str, int]:
    """How many paths have which extension, the most frequent first.

    Example:
      >>> extensions(["a.txt", "b.TXT", "c"])
      {'.txt': 2, 'no extension': 1}
    """
    counts: dict[str, int] = {}
    for path in paths:
        extension = os.path.splitext(path)[1].lower() or "no extension"
        counts[extension] = counts.get(extension, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
