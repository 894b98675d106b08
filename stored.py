"""Files as folders keep them: written whole or not at all; what is missing is told from what is damaged."""

import contextlib
import json
import os
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import StorageError, UserError, first_line

_SURROGATE = re.compile("[\ud800-\udfff]")
_RESTORE = "restore the file, or use another folder"


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A file that appears whole, or stays what it was: also after a power cut, and where the disk is full.

    Args:
      path: of the file; its folder is there.

    Yields:
      Where to write it. Leaving the block puts it into its place, an exception removes it.

    Raises:
      StorageError: it could not be written; what was there before is intact.

    Example:
      with whole_file("codes.npz") as place, place.open("wb") as stream:
          np.savez(stream, codes=codes)
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        yield temporary
        flush(temporary)
        os.replace(temporary, path)
        flush(path.parent)
    except OSError as error:
        raise StorageError(f"{path} could not be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def flush(path: str | os.PathLike) -> None:
    """Waits until a file, or the names in a folder, are on the disk.

    Raises:
      OSError: as the system says.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_object(path: str | os.PathLike, advice: str = _RESTORE) -> dict[str, Any]:
    """A JSON file as a dict, {} where it does not exist.

    Args:
      path: of the file.
      advice: what to do about a damaged one.

    Raises:
      UserError: the file cannot be read, or is not JSON of an object.

    Example:
      >>> read_object("no/such/run.json")
      {}
    """
    path = pathlib.Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON of an object ({first_line(error)}); {advice}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {advice}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is not JSON of an object, it holds {kind(content)}; {advice}")
    return content


def read_steps(path: str | os.PathLike) -> tuple[list[str], list[dict[str, Any]], int]:
    """The lines of a file like metrics.jsonl: an object each, with the step that it is of.

    Args:
      path: of the file; one that does not exist has no lines.

    Returns:
      (good lines as they stand, what each of them says, how many others there were).

    Raises:
      UserError: the file cannot be read.

    Example:
      >>> read_steps("no/such/metrics.jsonl")
      ([], [], 0)
    """
    path, texts, said, bad = pathlib.Path(path), [], [], 0
    try:
        found = path.read_bytes().split(b"\n") if path.is_file() else []
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); restore the file") from None
    for line in found:
        if not line.strip():
            continue
        try:
            text = line.decode("utf-8")
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = text = None
        if text is not None and isinstance(content, dict) and _is_step(content.get("step")):
            texts.append(text)
            said.append(content)
        else:
            bad += 1
    return texts, said, bad


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Objects in objects as one, with dotted keys; empty ones stay.

    Example:
      >>> flatten({"a": {"b": 1}, "c": {}})
      {'a.b': 1, 'c': {}}
    """
    flat = {}
    for key, value in content.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def kind(value: object) -> str:
    """What a value of JSON is, in words.

    Example:
      >>> kind([1, 2]), kind(None)
      ('a list', 'null')
    """
    if value is None:
        return "null"
    names = ((dict, "an object"), (list | tuple, "a list"), (str, "a text"), (bool, "true or false"))
    return next((name for types, name in names if isinstance(value, types)), "a number")


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def in_utf8(text: str) -> str:
    """Text as it can be written: bytes of names that are not UTF-8, which Python carries as surrogates, are marked.

    Example:
      >>> in_utf8("caf" + chr(0xDCE9))
      'caf\ufffd'
    """
    return _SURROGATE.sub("\ufffd", text)
