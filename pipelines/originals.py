"""The pictures of a set one by one, each at the size that it has."""

import concurrent.futures
import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from ..errors import UserError
from .image_set import Images
from .picture import Unreadable, in_channels, read_picture

Result = TypeVar("Result")
# Pictures in hand at once, for each thread: large photographs are many.
_IN_HAND = 8


def visit(images: Images, rows: Sequence[int], act: Callable[[int, np.ndarray], Result]) -> Iterator[Result]:
    """What `act` makes of some pictures of a set, in threads, a few pictures in memory at a time.

    Args:
      images: the set; its files and frames are not brought to its shape.
      rows: of the set, ascending.
      act: (row, uint8 [height, width, channels of the set]) -> anything.

    Yields:
      The results, in the order of `rows`.

    Raises:
      UserError: a file that was good can no longer be read, a shard is damaged.

    Example:
      >>> from reverie.pipelines import from_arrays
      >>> blank = from_arrays("blank", np.zeros([3, 8, 6], np.uint8), None)
      >>> list(visit(blank, [0, 2], lambda row, picture: (row, picture.shape)))
      [(0, (8, 6, 1)), (2, (8, 6, 1))]
    """
    workers = max(2, os.cpu_count() or 2)
    loads = _loads(images, rows)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        while part := list(itertools.islice(loads, workers * _IN_HAND)):
            yield from pool.map(lambda load: act(load[0], load[1]()), part)


def with_clips(images: Images) -> tuple[Images, np.ndarray]:
    """Which pictures come from one clip, and the set with what each picture is known by.

    Args:
      images: the set.

    Returns:
      (the set, where frames have keys and sizes too; int64 [n], the clip's number for frames of videos, while every
      other picture is a clip of its own).

    Example:
      >>> from reverie.pipelines import from_arrays
      >>> with_clips(from_arrays("blank", np.zeros([3, 8, 6], np.uint8), None))[1].tolist()
      [0, 1, 2]
    """
    if images.shards is None:
        return images, np.arange(len(images))
    from .frames import stream

    numbers: dict[bytes, int] = {}
    clips, keys, sizes = [], [], []
    for frame in stream.frames(images.shards):
        clips.append(numbers.setdefault(frame.video, len(numbers)))
        keys.append(f"{os.fsdecode(frame.video)}#{frame.number}")
        sizes.append(len(frame.content))
    return dataclasses.replace(images, keys=np.asarray(keys), sizes=np.asarray(sizes, np.int64)), np.asarray(clips)


def _loads(images: Images, rows: Sequence[int]) -> Iterator[tuple[int, Callable[[], np.ndarray]]]:
    """(row, what gives its picture) of some rows."""
    if images.shards is None:
        for row in rows:
            yield int(row), functools.partial(_picture, images, int(row))
        return
    from .frames import stream

    wanted = set(map(int, rows))
    for row, frame in enumerate(stream.frames(images.shards)):
        if row in wanted:
            yield row, functools.partial(_frame, frame.content, images.shape[-1])


def _frame(content: bytes, channels: int) -> np.ndarray:
    """As frames are decoded while streaming."""
    import tensorflow as tf

    return tf.io.decode_image(content, channels, expand_animations=False).numpy()


def _picture(images: Images, row: int) -> np.ndarray:
    channels = images.shape[-1]
    if images.pixels is not None:
        return in_channels(_as_bytes(images.pixels[row]), channels)
    if images.drawn is not None:
        some = slice(row, row + 1)
        assert images.nuisances is not None
        return in_channels(np.asarray(images.drawn(images.labels[some], images.nuisances[some])[0]), channels)
    if images.kept is not None:
        return images.kept.read(np.array([row]))[0]
    source = images.encoded if images.paths is None else images.paths
    assert source is not None
    file = source[row] if images.paths is None else str(source[row])
    try:
        # What is in a set was checked when it was read, with the limit that its budget states.
        return read_picture(file, channels, images.look, 1 << 40).pixels
    except Unreadable as reason:
        name = str(file) if images.paths is not None else f"image {row}"
        raise UserError(f"{images.name}: {name} can no longer be read: {reason}") from None


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    """uint8 of pixels in [0, 1] too."""
    return pixels if pixels.dtype == np.uint8 else np.round(pixels * 255.0).astype(np.uint8)
