"""How untied filters become dense products: neighboring positions share one window of the image.

A filter with its own weights at every position would need, as one product, a copy of the image patch under every
position (im2col): batch x positions x field numbers, gigabytes at the sizes of Le et al. 2012. Instead the positions
are cut into blocks of a few by a few. All positions of a block look into the union of their windows, so a block is
one dense product of [union, batch] with [union, maps of the block], and all blocks are one batched product. The
price are zeros: where a position does not see a part of the union, the stored kernel is zero and stays so. For a
field of 18 and blocks of 4 x 4 the union is (21 / 18)^2 = 1.36 times the field, and the image is copied 16 times
less often than by im2col. Images are turned to have the batch last: then a piece of a row is a long run of memory,
and the large results of the products are tall, which matrix libraries write twice as fast as wide ones.

With `tile=k`, positions k apart share weights (Ngiam, Chen, Chia, Koh, Le and Ng 2010, "Tiled convolutional neural
networks"); blocks that share are columns of the same product, as images are.
"""

import dataclasses
import functools
import itertools
import math
from typing import Any

import numpy as np
from keras import ops

# Most that may be stored over the true weights, zeros and rounding to whole blocks included.
_MOST_STORED = 1.4
_LARGEST_BLOCK = 6
# Time of a product over `stored` x (1 + _COPYING / maps of the block), fitted to blocks of 2x2 to 8x8 on a CPU: the
# second part is the copying of image blocks, which many maps share.
_COPYING = 70.0


@dataclasses.dataclass(frozen=True)
class LocalGeometry:
    """Sizes of one untied (or tiled) filter layer, and the linear maps between images and blocks.

    Attributes:
      image: (height, width, channels).
      filters: maps.
      kernel: (height, width) of the field.
      strides: (rows, columns).
      padding: "valid" or "same".
      tile: positions so many apart share weights, (rows, columns); None is untied.
      block: positions that share a window, (rows, columns); None chooses.

    Raises:
      ValueError: a field larger than the image, blocks that do not divide the tile, sizes below one.
    """

    image: tuple
    filters: int
    kernel: tuple
    strides: tuple = (1, 1)
    padding: str = "valid"
    tile: tuple | None = None
    block: Any = None  # A tuple once it is chosen.

    def __post_init__(self):
        sizes = (*self.image, self.filters, *self.kernel, *self.strides, *(self.tile or ()), *(self.block or ()))
        if min(sizes) < 1:
            raise ValueError(f"sizes must be positive: {self}")
        if self.padding not in ("valid", "same"):
            raise ValueError(f"padding is '{self.padding}'; expected 'valid' or 'same'")
        if self.padding == "valid" and (self.kernel[0] > self.image[0] or self.kernel[1] > self.image[1]):
            raise ValueError(
                f"a field of {self.kernel[0]}x{self.kernel[1]} does not fit into {self.image[0]}x{self.image[1]}; "
                "use a smaller kernel_size or padding='same'"
            )
        block = self._best_block() if self.block is None else self.block
        object.__setattr__(self, "block", block)
        tile = self.tile or self.positions
        if any(tiled and tile[axis] % block[axis] for axis, tiled in enumerate(self._tiled)):
            raise ValueError(f"block {block} does not divide the tile {self.tile}")

    # ---- sizes

    @functools.cached_property
    def positions(self) -> tuple:
        """(rows, columns) of the output."""
        if self.padding == "same":
            return tuple(-(-side // s) for side, s in zip(self.image, self.strides, strict=False))
        sides = zip(self.image, self.kernel, self.strides, strict=False)
        return tuple((side - k) // s + 1 for side, k, s in sides)

    @functools.cached_property
    def before(self) -> tuple:
        """Zeros above and to the left of the image, as TensorFlow pads for "same"."""
        if self.padding == "valid":
            return (0, 0)
        sides = zip(self.positions, self.strides, self.kernel, self.image, strict=False)
        return tuple(max((n - 1) * s + k - side, 0) // 2 for n, s, k, side in sides)

    @functools.cached_property
    def union(self) -> tuple:
        """(rows, columns) of the window that a block shares."""
        return tuple((b - 1) * s + k for b, s, k in zip(self.block, self.strides, self.kernel, strict=True))

    @functools.cached_property
    def _tiled(self) -> tuple:
        """Whether weights repeat along (rows, columns)."""
        return tuple(self.tile is not None and self.tile[axis] < self.positions[axis] for axis in range(2))

    @functools.cached_property
    def distinct(self) -> tuple:
        """(rows, columns) of positions with weights of their own."""
        tile = self.tile or self.positions
        return tuple(tile[axis] if tiled else self.positions[axis] for axis, tiled in enumerate(self._tiled))

    @functools.cached_property
    def kernel_blocks(self) -> tuple:
        """(rows, columns) of blocks with weights of their own."""
        return tuple(-(-n // b) for n, b in zip(self.distinct, self.block, strict=True))

    @functools.cached_property
    def repeats(self) -> tuple:
        """How often the blocks repeat to cover all positions; (1, 1) if untied."""
        sides = zip(self.positions, self.kernel_blocks, self.block, strict=True)
        return tuple(-(-n // (k * b)) for n, k, b in sides)

    @functools.cached_property
    def blocks(self) -> tuple:
        """(rows, columns) of blocks that cover all positions."""
        return tuple(k * r for k, r in zip(self.kernel_blocks, self.repeats, strict=True))

    @property
    def field(self) -> int:
        """Weights of one filter at one position."""
        return self.kernel[0] * self.kernel[1] * self.image[2]

    @property
    def weights(self) -> int:
        """True number of weights."""
        return self.distinct[0] * self.distinct[1] * self.field * self.filters

    @property
    def stored_shape(self) -> tuple:
        """[blocks, union (row, column, channel), filters of a block (row, column, map)]."""
        blocks = self.kernel_blocks[0] * self.kernel_blocks[1]
        columns = self.block[0] * self.block[1] * self.filters
        return (blocks, self.union[0] * self.union[1] * self.image[2], columns)

    @property
    def compact_shape(self) -> tuple:
        """[positions with weights of their own, field (row, column, channel), filters], as Keras 2 had it."""
        return (self.distinct[0] * self.distinct[1], self.field, self.filters)

    @property
    def stored_ratio(self) -> float:
        """Stored numbers over true weights."""
        return math.prod(self.stored_shape) / self.weights

    def _best_block(self) -> tuple:
        """The block of least estimated time whose zeros stay within bounds."""
        sides, tile = [], self.tile or self.positions
        for axis in range(2):
            most = min(_LARGEST_BLOCK, self.positions[axis])
            sides.append([b for b in range(1, most + 1) if not self._tiled[axis] or tile[axis] % b == 0])

        def cost(block):
            stored = dataclasses.replace(self, block=block).stored_ratio
            maps = block[0] * block[1] * self.filters
            return (stored > _MOST_STORED and block != (1, 1), stored * (1.0 + _COPYING / maps))

        return min(itertools.product(*sides), key=cost)

    def band(self, first: int, last: int) -> "LocalGeometry":
        """The rows of blocks `first` to `last` (exclusive) of an untied layer, as a layer of their own.

        Its image is rows [first * step, first * step + band.padded[0]) of the padded image.
        """
        rows = (last - first) * self.block[0]
        height = (rows - 1) * self.strides[0] + self.kernel[0]
        width = (self.blocks[1] * self.block[1] - 1) * self.strides[1] + self.kernel[1]
        return dataclasses.replace(self, image=(height, width, self.image[2]), padding="valid")

    @functools.cached_property
    def padded(self) -> tuple:
        """(rows, columns) of the image with all that the blocks look at."""
        sides = zip(self.blocks, self._shifts, self._step, strict=True)
        return tuple((blocks - 1 + shifts) * step for blocks, shifts, step in sides)

    @property
    def _step(self) -> tuple:
        """Pixels from one block to the next."""
        return tuple(b * s for b, s in zip(self.block, self.strides, strict=True))

    @property
    def _shifts(self) -> tuple:
        """Steps down and across one union window, rounded up."""
        return tuple(-(-side // step) for side, step in zip(self.union, self._step, strict=True))

    # ---- images to blocks and back

    def pad(self, images):
        """[batch, height, width, channels] to [batch, *padded, channels]: zeros around, or less at the end."""
        (top, left), (rows, columns) = self.before, self.padded
        height, width = self.image[:2]
        images = images[:, : rows - top, : columns - left]
        after = (max(rows - top - height, 0), max(columns - left - width, 0))
        return ops.pad(images, [[0, 0], [top, after[0]], [left, after[1]], [0, 0]])

    def crop(self, images):
        """The adjoint of `pad`."""
        (top, left), (rows, columns) = self.before, self.padded
        height, width = self.image[:2]
        images = images[:, top : top + height, left : left + width]
        missing = (max(height - (rows - top), 0), max(width - (columns - left), 0))
        return ops.pad(images, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])

    def gather(self, images):
        """Union windows: [batch, *padded, channels] to [kernel blocks, union * channels, repeats * batch].

        Columns first, in whole steps, then rows; each piece is a contiguous run of numbers.
        """
        (down, across), width = self.blocks, self.union[1] * self.image[2]
        columns = np.arange(across)[:, None] + np.arange(self._shifts[1])
        rows = np.arange(down)[:, None] * self._step[0] + np.arange(self.union[0])
        places = rows[:, None, :] * across + np.arange(across)[:, None]
        runs = ops.reshape(ops.transpose(images, [1, 2, 3, 0]), [self.padded[0], across - 1 + self._shifts[1], -1])
        runs = ops.take(runs, columns.astype("int32"), axis=1)
        chunk = self._step[1] * self.image[2]
        runs = ops.reshape(runs, [self.padded[0] * across, self._shifts[1] * chunk, -1])[:, :width]
        windows = ops.take(ops.reshape(runs, [self.padded[0] * across, -1]), places.astype("int32"), axis=0)
        if self.repeats != (1, 1):
            (ky, kx), (ry, rx) = self.kernel_blocks, self.repeats
            windows = ops.reshape(windows, [ry, ky, rx, kx, self.stored_shape[1], -1])
            windows = ops.transpose(windows, [1, 3, 4, 0, 2, 5])
        return ops.reshape(windows, [*self.stored_shape[:2], -1])

    def scatter(self, windows):
        """The adjoint of `gather`: overlapping windows are summed into the image.

        Args:
          windows: float [kernel blocks, union * channels, repeats * batch].

        Returns:
          float [batch, *padded, channels].
        """
        (down, across), (height, width) = self.blocks, self.union
        if self.repeats != (1, 1):
            (ky, kx), (ry, rx) = self.kernel_blocks, self.repeats
            windows = ops.reshape(windows, [ky, kx, self.stored_shape[1], ry, rx, -1])
            windows = ops.transpose(windows, [3, 0, 4, 1, 2, 5])
        rows = _overlapped(ops.reshape(windows, [down, across, height, -1]), 0, self._step[0])
        rows = ops.transpose(rows, [0, 2, 1, 3])
        channels = self.image[2]
        rows = ops.reshape(rows, [self.padded[0], across, width * channels, -1])
        image = _overlapped(rows, 1, self._step[1] * channels)
        return ops.transpose(ops.reshape(image, [*self.padded, channels, -1]), [3, 0, 1, 2])

    def to_blocks(self, maps):
        """[batch, *positions, filters] to [kernel blocks, repeats * batch, filters of a block]."""
        (ky, kx), (ry, rx), (by, bx) = self.kernel_blocks, self.repeats, self.block
        rows, columns = self.positions
        maps = ops.pad(maps, [[0, 0], [0, ry * ky * by - rows], [0, rx * kx * bx - columns], [0, 0]])
        if self.repeats == (1, 1):
            maps = ops.transpose(ops.reshape(maps, [-1, ky, by, kx, bx * self.filters]), [1, 3, 0, 2, 4])
        else:  # In two steps: LiteRT moves six axes at most.
            maps = ops.transpose(ops.reshape(maps, [-1, ry, ky, by, rx * kx * bx * self.filters]), [2, 1, 0, 3, 4])
            maps = ops.transpose(ops.reshape(maps, [ky, ry, -1, rx, kx, bx * self.filters]), [0, 4, 1, 3, 2, 5])
        return ops.reshape(maps, [ky * kx, -1, self.stored_shape[2]])

    def from_blocks(self, blocks):
        """The inverse of `to_blocks`."""
        (ky, kx), (ry, rx), (by, bx) = self.kernel_blocks, self.repeats, self.block
        if self.repeats == (1, 1):
            maps = ops.transpose(ops.reshape(blocks, [ky, kx, -1, by, bx * self.filters]), [2, 0, 3, 1, 4])
        else:
            maps = ops.transpose(ops.reshape(blocks, [ky, kx, ry, rx, -1, bx * self.filters]), [0, 2, 4, 3, 1, 5])
            maps = ops.reshape(maps, [ky, ry, -1, by, rx * kx * bx * self.filters])
            maps = ops.transpose(maps, [2, 1, 0, 3, 4])
        maps = ops.reshape(maps, [-1, ry * ky * by, rx * kx * bx, self.filters])
        return maps[:, : self.positions[0], : self.positions[1]]

    # ---- the stored kernel

    @functools.cached_property
    def seen(self) -> np.ndarray:
        """float32 [union * channels, filters of a block]: 1 where a position sees the union, else 0."""
        (by, bx), (sy, sx), (kh, kw) = self.block, self.strides, self.kernel
        seen = np.zeros([*self.union, self.image[2], by, bx, self.filters], np.float32)
        for y, x in itertools.product(range(by), range(bx)):
            seen[y * sy : y * sy + kh, x * sx : x * sx + kw, :, y, x] = 1.0
        return seen.reshape(self.stored_shape[1:])

    def store(self, compact: np.ndarray) -> np.ndarray:
        """[positions, field, filters] to the stored blocks with their zeros."""
        (ky, kx), (by, bx), (sy, sx), (kh, kw) = self.kernel_blocks, self.block, self.strides, self.kernel
        channels, (rows, columns) = self.image[2], self.distinct
        grid = np.zeros([ky * by, kx * bx, kh, kw, channels, self.filters], compact.dtype)
        grid[:rows, :columns] = compact.reshape(rows, columns, kh, kw, channels, self.filters)
        stored = np.zeros([ky, kx, *self.union, channels, by, bx, self.filters], compact.dtype)
        for y, x in itertools.product(range(by), range(bx)):
            stored[:, :, y * sy : y * sy + kh, x * sx : x * sx + kw, :, y, x] = grid[y::by, x::bx]
        return stored.reshape(self.stored_shape)

    def compact(self, stored: np.ndarray) -> np.ndarray:
        """The inverse of `store`."""
        (ky, kx), (by, bx), (sy, sx), (kh, kw) = self.kernel_blocks, self.block, self.strides, self.kernel
        channels, (rows, columns) = self.image[2], self.distinct
        stored = stored.reshape(ky, kx, *self.union, channels, by, bx, self.filters)
        grid = np.empty([ky * by, kx * bx, kh, kw, channels, self.filters], stored.dtype)
        for y, x in itertools.product(range(by), range(bx)):
            grid[y::by, x::bx] = stored[:, :, y * sy : y * sy + kh, x * sx : x * sx + kw, :, y, x]
        return np.ascontiguousarray(grid[:rows, :columns]).reshape(self.compact_shape)


def _overlapped(windows, axis: int, step: int):
    """Sums windows that start `step` apart: the index of the window at `axis`, what it holds at axis 2.

    Args:
      windows: float [first, second, size, rest].
      axis: 0 or 1.
      step: from one window to the next, in entries of axis 2.

    Returns:
      float like `windows`, with ceil(size / step) - 1 more entries at `axis`, each of `step` entries of axis 2.
    """
    shifts, total = -(-windows.shape[2] // step), 0.0
    for shift in range(shifts):
        part = windows[:, :, shift * step : (shift + 1) * step]
        padding = [[0, 0], [0, 0], [0, step - part.shape[2]], [0, 0]]
        padding[axis] = [shift, shifts - 1 - shift]
        total = total + ops.pad(part, padding)
    return total
