"""Checks a list of image files one by one, with an error budget, and decodes them once where they fit in memory."""

import collections
import concurrent.futures
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
from tqdm.auto import tqdm

from ..errors import UserError
from .budget import Budget
from .image_set import Images, Skipped
from .sources.contract import Request

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp")
_FORMATS = ("PNG", "JPEG", "BMP")


def read_files(
    name: str,
    root: str,
    paths: Sequence[str],
    labels: np.ndarray,
    request: Request,
    **fields: Any,
) -> Images:
    """Tries every file, counts the unusable ones by reason, and returns the rest.

    Every file is decoded once here, in threads, so that the count is exact before training starts and a
    corrupt file can never stop it later. Sets within `budget.memory_gib` keep the result.

    Args:
      name: for messages.
      root: folder that the paths lie below; an image is known by its path from there.
      paths: files to try.
      labels: int32 [n] or [n, heads], one row a path.
      request: the shape wanted, how files are brought to it, and the budget for unusable ones.
      **fields: passed on to `Images`.

    Raises:
      UserError: no file is usable, or more than `budget.max_bad_fraction` are not.
    """
    import tensorflow as tf  # Here, so that sources can be listed without it.

    from . import decoding

    shape, resize, budget = request.image_shape, request.resize, request.budget
    assert shape is not None  # Sources of files set `needs_shape`.
    keep_pixels = len(paths) * int(np.prod(shape)) <= budget.memory_gib * 2**30
    pixels = np.empty((len(paths), *shape), np.uint8) if keep_pixels else None
    usable = np.zeros(len(paths), bool)
    reasons, first = collections.Counter(), []

    def attempt(index: int) -> str | None:
        try:
            check_header(paths[index], budget)
            image = decoding.decode(tf.io.read_file(paths[index]), shape, resize)
        except _Unusable as unusable:
            return str(unusable)
        except (tf.errors.OpError, OSError) as error:
            if "not compatible with expected shape" in str(error):
                return f"not of size {shape[0]}x{shape[1]}"
            return "cannot be opened" if isinstance(error, OSError | tf.errors.NotFoundError) else "corrupt"
        except ValueError:  # TensorShape mismatch when the size is known at once (eager ensure_shape).
            return f"not of size {shape[0]}x{shape[1]}"
        usable[index] = True
        if pixels is not None:
            pixels[index] = image.numpy()
        return None

    with concurrent.futures.ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        progress = tqdm(pool.map(attempt, range(len(paths))), f"checking {name}", len(paths), unit="file", disable=None)
        for index, reason in enumerate(progress):
            if reason is not None:
                reasons[reason] += 1
                if len(first) < 10:
                    first.append(f"{paths[index]}: {reason}")
    skipped = Skipped(len(paths), dict(reasons), tuple(first))
    if not usable.any():
        raise UserError(f"{name}: no usable image; {skipped.summary()}")
    if skipped.count > budget.max_bad_fraction * len(paths):
        raise UserError(
            f"{name}: {skipped.summary()}; that is over max_bad_fraction={budget.max_bad_fraction:g}: "
            "remove those files or raise --config.data.max_bad_fraction"
        )
    good = np.flatnonzero(usable)
    content = {"pixels": pixels[good]} if pixels is not None else {"paths": np.asarray(paths)[good]}
    fields["keys"] = np.asarray([os.path.relpath(paths[int(row)], root) for row in good])
    return Images(name=name, shape=shape, labels=labels[good], resize=resize, skipped=skipped, **content, **fields)


class _Unusable(Exception):
    """Why one file is skipped; the message is the reason that is counted."""


def check_header(path: str, budget: Budget) -> None:
    """Refuses a file by its size or header alone.

    Raises:
      _Unusable: empty, too many bytes, not an image of a known format, too many pixels.
    """
    size = os.path.getsize(path)
    if size == 0:
        raise _Unusable("empty file")
    if size > budget.max_file_mib * 2**20:
        raise _Unusable(f"over {budget.max_file_mib:g} MiB")
    try:
        # Pillow's own alarm against bombs comes as an error above 179 million pixels: also a refusal.
        with PIL.Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
    except PIL.Image.DecompressionBombError:
        raise _Unusable(f"over {budget.max_pixels} pixels") from None
    except (OSError, SyntaxError, ValueError):
        raise _Unusable("not a PNG, JPEG or BMP image") from None
    if width * height > budget.max_pixels:
        raise _Unusable(f"over {budget.max_pixels} pixels")
