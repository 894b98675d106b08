"""Windows of random size and place out of pictures, as a training set of its own.

A window shows part of a picture at some size: a set of windows holds what is in its pictures at many sizes and places,
which is what networks of local receptive fields learn from. Window number n is a function of (seed, n) and of the
picture that it falls to: the same pictures give the same windows, and more windows begin with the same ones.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence

import numpy as np
import PIL.Image

from .. import progress
from ..errors import UserError, in_bytes
from ..paths import shown
from . import faces
from .image_set import Images
from .originals import visit, with_clips


@dataclasses.dataclass(frozen=True)
class Cut:
    """How the windows of a set were cut.

    Attributes:
      windows: how many.
      pictures, clips: out of how many different ones.
      heights: of the lowest and of the highest window, in pixels of its picture.
      widths: likewise.
      rule: all that windows of the same pictures depend on.
    """

    windows: int
    pictures: int
    clips: int
    heights: tuple[int, int]
    widths: tuple[int, int]
    rule: str

    def summary(self) -> str:
        """As "300 windows of 20 pictures (4 clips), squares of 24..48 pixels"."""
        of_clips = f" ({self.clips:,} clips)" if self.clips != self.pictures else ""
        (low, high), (narrow, wide) = self.heights, self.widths
        sizes = f"squares of {low}..{high}" if self.heights == self.widths else f"{low}x{narrow}..{high}x{wide}"
        return f"{self.windows:,} windows of {self.pictures:,} pictures{of_clips}, {sizes} pixels"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a window lies in its picture: its corner, its sides, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    mirrored: bool


def cut(
    images: Images,
    count: int,
    least: float,
    shape: tuple[int, int, int],
    seed: int,
    memory_gib: float = 4.0,
    without_faces: bool = False,
) -> Images:
    """Windows of a set's pictures, every clip's and every picture's share the same.

    Args:
      images: the set; its pictures may be of many sizes.
      count: windows.
      least: see `placed`.
      shape: (height, width, channels) that windows are brought to: by area averaging where they shrink, bicubic where
        they grow.
      seed: keys which pictures come when, and where windows lie.
      memory_gib: what the windows may take.
      without_faces: whether pictures in which a face is detected, looked at whole, give no window.

    Returns:
      uint8 pixels [count, height, width, channels]; labels, keys and sizes are those of a window's picture.

    Raises:
      UserError: more windows than `memory_gib` holds; pictures that can no longer be read; OpenCV missing, or a
        face in every picture, where pictures with faces are left out.

    Example:
      >>> from reverie.pipelines import from_arrays
      >>> blank = from_arrays("blank", np.zeros([3, 24, 32], np.uint8), [0, 1, 2])
      >>> windows = cut(blank, 6, 0.5, (8, 8, 1), seed=0)
      >>> windows.pixels.shape, sorted(windows.labels.tolist())
      ((6, 8, 8, 1), [0, 0, 1, 1, 2, 2])
    """
    check_memory(count, shape, memory_gib)
    images = dataclasses.replace(images, shape=(*images.shape[:2], shape[-1]))
    images, clip_of = with_clips(images)
    usable, remarks = np.arange(len(images)), dict(images.remarks)
    if without_faces:
        usable = _faceless(images)
        remarks[faces.LEFT_OUT] = len(images) - len(usable)
    rows = usable[picks(clip_of[usable], count, seed)]
    pixels, sides = np.empty((count, *shape), np.uint8), np.empty((count, 2), np.int64)
    numbers_of: dict[int, list[int]] = {}
    for number, row in enumerate(rows.tolist()):
        numbers_of.setdefault(row, []).append(number)
    chances = _chances(count, seed)

    def act(row: int, picture: np.ndarray) -> int:
        for number in numbers_of[row]:
            place = placed(chances[number], picture.shape[:2], shape[:2], least)
            sides[number] = place.height, place.width
            pixels[number] = window(picture, place, shape)
        return len(numbers_of[row])

    with progress.Progress(f"cutting {shown(images.name)}", count, "window") as told:
        for done in visit(images, sorted(numbers_of), act):
            told.update(done)
    (low, narrow), (high, wide) = sides.min(axis=0).tolist(), sides.max(axis=0).tolist()
    how = Cut(
        count, len(numbers_of), len(np.unique(clip_of[rows])), (low, high), (narrow, wide),
        rule=repr(("windows", count, float(least), seed, without_faces)),
    )  # fmt: skip
    # The pictures first: windows of large ones would each bring a copy of theirs.
    described = dataclasses.replace(images, **dict.fromkeys(("pixels", "encoded", "paths", "shards", "drawn")))
    return dataclasses.replace(described.take(rows), pixels=pixels, shape=shape, cut=how, remarks=remarks)


def _faceless(images: Images) -> np.ndarray:
    """int64 rows of the pictures in which no face is detected."""
    found = faces.finder()
    looked = visit(images, range(len(images)), lambda _, picture: found(picture))
    said = f"looking for faces in {shown(images.name)}"
    seen = progress.shown(looked, said, len(images), unit="picture")
    return faces.left(images.name, np.fromiter(seen, bool, len(images)))


def check_memory(count: int, shape: Sequence[int], memory_gib: float) -> None:
    """Refuses more windows than are to be held in memory.

    Raises:
      UserError: names what they take.
    """
    takes = count * int(np.prod(shape))
    if takes > memory_gib * 2**30:
        raise UserError(
            f"data.windows is {count}: as {'x'.join(map(str, shape))} they take {in_bytes(takes)}; take fewer, or "
            f"raise data.memory_gib (now {memory_gib:g}) if there is so much memory"
        )


def picks(clip_of: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Which picture each window is of.

    Every clip is used as often as any other, give or take one, and within it every picture: both come in random
    order, and again in another one when all have been used.

    Args:
      clip_of: int [n], the clip of each picture.
      count: windows.
      seed: keys the orders.

    Returns:
      int64 [count].

    Example:
      >>> rows = picks(np.array([0, 0, 0, 0, 1]), 8, seed=0)
      >>> np.bincount(rows).tolist()
      [1, 1, 1, 1, 4]
    """
    _, clip_of, sizes = np.unique(clip_of, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(clip_of, kind="stable"), np.cumsum(sizes)[:-1])
    turns = -(-count // len(sizes))
    order = _permutations(len(sizes), turns, _key(seed, "clips"))
    table = np.empty((len(sizes), turns), np.int64)
    for clip, rows in enumerate(members):
        if len(rows) > 1:
            rows = rows[_permutations(len(rows), -(-turns // len(rows)), _key(seed, f"clip {clip}"))].reshape(-1)[
                :turns
            ]
        table[clip] = rows
    return table[order, np.arange(turns)[:, None]].reshape(-1)[:count]


def placed(chances: np.ndarray, size: Sequence[int], wanted: Sequence[int], least: float) -> Place:
    """Where a window lies.

    It has the proportions wanted, so that nothing is stretched; its side is log-uniform between `least` and the whole
    of the largest that fits, and every place that it then has is as likely as any other.

    Args:
      chances: float [4] in [0, 1): of its side, its top and its left edge; the last says whether it is mirrored.
      size: height and width of the picture.
      wanted: height and width that it will be brought to.
      least: its least side, as a share of the largest.

    Example:
      >>> placed(np.array([0.5, 0.0, 0.999, 0.0]), (100, 200), (10, 10), 0.25)
      Place(top=0, left=150, height=50, width=50, mirrored=False)
    """
    scale = min(side / target for side, target in zip(size, wanted, strict=True)) * least ** chances[0]
    height, width = (min(max(round(scale * target), 1), side) for side, target in zip(size, wanted, strict=True))
    top, left = int(chances[1] * (size[0] - height + 1)), int(chances[2] * (size[1] - width + 1))
    return Place(top, left, height, width, bool(chances[3] >= 0.5))


def window(picture: np.ndarray, place: Place, shape: Sequence[int]) -> np.ndarray:
    """The window of a picture.

    Args:
      picture: uint8 [h, w, channels].
      place: of the window in it.
      shape: (height, width, channels) to bring it to.

    Returns:
      uint8 [height, width, channels].

    Example:
      >>> picture = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
      >>> window(picture, Place(0, 2, 2, 2, mirrored=True), (2, 2, 1))[..., 0].tolist()
      [[3, 2], [7, 6]]
    """
    part = picture[place.top : place.top + place.height, place.left : place.left + place.width]
    part = part[:, ::-1] if place.mirrored else part
    height, width, channels = shape
    if place.height >= height and place.width >= width:
        # As `decoding.fit`, whose graph would cost many times the work on pictures this small.
        columns = np.tensordot(_overlaps(place.height, height), part.astype(np.float32), 1)
        shrunk = np.einsum("hwc,vw->hvc", columns, _overlaps(place.width, width), optimize=True)
        return np.clip(np.round(shrunk), 0.0, 255.0).astype(np.uint8)
    plain = PIL.Image.fromarray(np.ascontiguousarray(part[..., 0] if channels == 1 else part))
    return np.asarray(plain.resize((width, height), PIL.Image.Resampling.BICUBIC)).reshape(height, width, channels)


@functools.lru_cache(maxsize=4096)
def _overlaps(length: int, cells: int) -> np.ndarray:
    """float32 [cells, length]: which share of each of some equal cells along a line lies in each pixel."""
    edges = np.arange(cells + 1)[:, None] * (length / cells)
    reached = np.clip(edges - np.arange(length), 0.0, 1.0)  # How much of each pixel lies before each edge.
    return (np.diff(reached, axis=0) * (cells / length)).astype(np.float32)


def _chances(count: int, seed: int) -> np.ndarray:
    """float64 [count, 4] in [0, 1): see `placed`; of windows 2k and 2k + 1 exactly one is mirrored."""
    chances = np.random.default_rng(_key(seed, "places")).random((count + count % 2, 4))
    chances[1::2, 3] = (chances[::2, 3] + 0.5) % 1.0
    return chances[:count]


def _permutations(size: int, times: int, key: int) -> np.ndarray:
    """int64 [times, size]: each row 0..size-1 in another order."""
    generator = np.random.default_rng(key)
    return np.stack([generator.permutation(size) for _ in range(times)])


def _key(seed: int, purpose: str) -> int:
    """A seed for one purpose, of any whole number."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest()[:8], "big")
