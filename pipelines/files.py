"""Checks a list of image files one by one, with an error budget, and decodes them once where they fit in memory."""

import collections
import concurrent.futures
import functools
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import progress
from ..errors import UserError
from ..paths import is_remote, remote_size, shown
from .budget import Budget
from .cache import Cache, Outcome
from .image_set import Images, Skipped
from .picture import FORMATS, Picture, Unreadable, read_picture
from .sources.contract import Request


def read_files(
    name: str,
    root: str,
    paths: Sequence[str],
    labels: np.ndarray,
    request: Request,
    remarks: Mapping[str, int] | None = None,
    **fields: Any,
) -> Images:
    """Tries every file, counts the unusable ones by reason, and returns the rest.

    Every file is decoded once here, in threads, so that the count is exact before training starts and a
    corrupt file can never stop it later. Sets within `budget.memory_gib` keep the result, unless files are asked for at
    the size that they have; with `request.cache` the disk keeps it too, and the next reading decodes nothing.

    Args:
      name: for messages.
      root: folder that the paths lie below; an image is known by its path from there.
      paths: files to try.
      labels: int32 [n] or [n, heads], one row a path.
      request: the shape wanted, how files are brought to it, and the budget for unusable ones.
      remarks: what was noticed before a file was opened.
      **fields: passed on to `Images`.

    Raises:
      UserError: no file is usable, or more than `budget.max_bad_fraction` are not.
      StorageError: the cache could not be written.
    """
    from . import decoding  # Here, so that sources can be listed without TensorFlow.

    shape, resize, budget, look = request.image_shape, request.resize, request.budget, request.look
    assert shape is not None  # Sources of files set `needs_shape`.
    fitted = decoding.fitter(*shape[:2], resize)
    keep_pixels = not request.own_size and len(paths) * int(np.prod(shape)) <= budget.memory_gib * 2**30
    pixels = np.empty((len(paths), *shape), np.uint8) if keep_pixels else None
    usable, sizes = np.zeros(len(paths), bool), np.zeros(len(paths), np.int64)
    reasons, first, noticed = collections.Counter(), [], collections.Counter(remarks or {})
    found_shapes: collections.Counter = collections.Counter()

    def attempt(path: str, place: np.ndarray | None) -> Outcome:
        """The file's size, and why it is of no use or what was remarked of it, its own height x width last."""
        size = 0
        try:
            size, found = check_file(path, shape[-1], request)
        except Unreadable as unusable:
            return size, str(unusable)
        image = found.pixels
        if image.shape[:2] != shape[:2] and not request.own_size:
            if resize == "none":
                return size, f"not of size {shape[0]}x{shape[1]}"
            image = fitted(image)
        if place is not None:
            place[...] = image
        return size, (*found.remarks, "x".join(map(str, found.pixels.shape[:2])))

    cache = Cache(root, request) if request.cache and not request.own_size else None
    with concurrent.futures.ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:

        def attempts(paths: Sequence[str], places: np.ndarray | None) -> Iterator[Outcome]:
            return pool.map(attempt, paths, itertools.repeat(None) if places is None else places)

        def outcomes() -> Iterator[Outcome]:
            if cache is None:
                yield from attempts(paths, pixels)
                return
            for start in range(0, len(paths), cache.per_part):
                part = slice(start, start + cache.per_part)
                into, make = None if pixels is None else pixels[part], functools.partial(attempts, paths[part])
                yield from cache.part(paths[part], into, lambda places, make=make: list(make(places)))

        checked = progress.shown(outcomes(), f"checking {shown(name)}", len(paths), unit="file")
        for index, (size, outcome) in enumerate(checked):
            sizes[index], usable[index] = size, not isinstance(outcome, str)
            if isinstance(outcome, str):
                reasons[outcome] += 1
                if len(first) < 10:
                    first.append(f"{shown(paths[index])}: {outcome}")
            else:
                noticed.update(outcome[:-1])
                found_shapes[outcome[-1]] += 1
    skipped = Skipped(len(paths), dict(reasons), tuple(first))
    remedy = _remedy(reasons, len(paths))
    if not usable.any():
        raise UserError(f"{name}: no usable image; {skipped.summary()}{remedy}")
    if skipped.count > budget.max_bad_fraction * len(paths):
        raise UserError(
            f"{name}: {skipped.summary()}; that is over data.max_bad_fraction={budget.max_bad_fraction:g}: "
            f"remove those files or raise it{remedy}"
        )
    good = np.flatnonzero(usable)
    if pixels is not None:
        content: dict[str, Any] = {"pixels": pixels[good]}
    else:
        content = {"kept": cache.kept(paths, good)} if cache else {"paths": np.asarray(paths)[good]}
    fields["keys"] = np.asarray([os.path.relpath(paths[int(row)], root) for row in good])
    return Images(
        name=name, shape=shape, labels=labels[good], resize=resize, look=look, sizes=sizes[good],
        skipped=skipped, remarks=dict(noticed), found_shapes=dict(found_shapes), **content, **fields,
    )  # fmt: skip


def check_file(path: str, channels: int, request: Request) -> tuple[int, Picture]:
    """The size in bytes and the picture of one file.

    Raises:
      Unreadable: empty, too many bytes, not an image of a known format, too many pixels, damaged.
    """
    budget = request.budget
    size = _check_size(path, budget)
    return size, read_picture(path, channels, request.look, budget.max_pixels)


def _check_size(path: str, budget: Budget) -> int:
    try:
        size = remote_size(path) if is_remote(path) else os.path.getsize(path)
    except FileNotFoundError:
        raise Unreadable("a link that leads nowhere" if os.path.islink(path) else "no such file") from None
    except OSError:
        raise Unreadable("cannot be opened" if is_remote(path) else "no such file") from None
    if not is_remote(path) and not os.path.isfile(path):
        raise Unreadable("no regular file")
    if size == 0:
        raise Unreadable("empty file")
    if size > budget.max_file_mib * 2**20:
        raise Unreadable(f"over {budget.max_file_mib:g} MiB")
    return size


def _remedy(reasons: Mapping[str, int], total: int) -> str:
    """What would help where one reason holds for most files."""
    if sum(count for reason, count in reasons.items() if reason.startswith("not of size")) * 2 > total:
        return "; set data.resize=crop or data.resize=stretch to bring them to one size"
    if sum(count for reason, count in reasons.items() if reason.startswith("not an image")) * 2 > total:
        return f"; read are {', '.join(FORMATS)}"
    return ""
