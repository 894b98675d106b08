"""The neurons at many places of a network, shown to the same images: what the search for a concept spends its time on.

Filters differ from place to place, images do not. So the images are whitened once; their windows are cut once, and the
first stage's filters of several places are multiplied with them in one product. The arithmetic is that of
`neurons.Cone`, in NumPy: images lie last, where a product of small matrices and every sum over neighbors is a run of
consecutive numbers, and a batch of them stays near the processor. Batches are shared out among the cores.
"""

import concurrent.futures
import functools
import os
from collections.abc import Iterator, Sequence

import numpy as np
import threadpoolctl

# Images a batch; places whose filters are multiplied in one product, fewer where they take more bytes than these.
_IMAGES, _PLACES, _BYTES = 96, 8, 2**29
# Columns of a later stage in one product: more of them fill the product with zeros, fewer make it too small.
_COLUMNS = 3


def responses(cone, whitened: np.ndarray, places: Sequence[tuple]) -> Iterator[tuple[tuple, np.ndarray]]:
    """What the neurons at each place answer.

    Args:
      cone: a `neurons.Cone` of the network and stage.
      whitened: float32 [n, window, window, channels], whitened images.
      places: (row, column) each.

    Returns:
      (place, float32 [n, maps]) for every place in order.
    """
    parts = np.array_split(whitened, max(1, -(-len(whitened) // _IMAGES)))
    batches = [np.ascontiguousarray(part.transpose(1, 2, 3, 0), np.float32) for part in parts]
    size = 4 * sum(cone.filters(number, *place).size for place in places[:1] for number in range(len(cone.net.stages)))
    together = max(1, min(_PLACES, _BYTES // max(size, 1)))
    cores = os.cpu_count() or 1
    # One thread a batch, none inside its products.
    with threadpoolctl.threadpool_limits(1, "blas"), concurrent.futures.ThreadPoolExecutor(cores) as pool:
        for start in range(0, len(places), together):
            group = places[start : start + together]
            first, later = _weights(cone, group)
            found = list(pool.map(functools.partial(_answers, cone, first=first, later=later), batches))
            for number, place in enumerate(group):
                yield place, np.concatenate([part[number] for part in found], axis=-1).T


class _Weights:
    """Filters of a stage, ready to be multiplied with windows.

    Arguments:
      filters: float32 [rows, columns, field (row, column, channel), filters].
      geometry: of the stage.
      together: columns in one product.
    """

    def __init__(self, filters: np.ndarray, geometry, together: int):
        self.geometry, self.count = geometry, filters.shape[-1]
        (kh, kw), stride, channels = geometry.kernel, geometry.strides[1], geometry.image[2]
        rows, columns = filters.shape[:2]
        self.shape, self.blocks = (rows, columns), []
        for start in range(0, columns, together):
            wide = min(together, columns - start)
            if wide == 1:
                block = filters[:, start]
            else:
                union = (wide - 1) * stride + kw
                block = np.zeros([rows, kh, union, channels, wide, self.count], np.float32)
                for place in range(wide):
                    own = filters[:, start + place].reshape(rows, kh, kw, channels, self.count)
                    block[:, :, place * stride : place * stride + kw, :, place] = own
                block = block.reshape(rows, kh * union * channels, wide * self.count)
            self.blocks.append((start, wide, block.transpose(0, 2, 1)))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """float32 [height, width, channels, n] to [rows, columns, filters, n], columns outermost in memory."""
        (kh, kw), (down, across), channels, count = self.geometry.kernel, self.geometry.strides, *images.shape[2:]
        (rows, columns), size = self.shape, images.itemsize
        result = np.empty([columns, rows, self.count, count], np.float32)
        for start, wide, block in self.blocks:
            union = ((wide - 1) * across + kw) * channels
            strip = np.ascontiguousarray(images[:, start * across : start * across + union // channels])
            # Rows of a strip follow one another, so windows of whole rows need no copy.
            strides = (down * union * count * size, count * size, size)
            windows = np.lib.stride_tricks.as_strided(strip, (rows, kh * union, count), strides, writeable=False)
            if wide == 1:
                np.matmul(block, windows, out=result[start])
            else:
                product = np.matmul(block, windows).reshape(rows, wide, self.count, count)
                result[start : start + wide] = product.swapaxes(0, 1)
        return result.swapaxes(0, 1)


def _weights(cone, group: Sequence[tuple]) -> tuple[_Weights, list[list[_Weights]]]:
    """The first stage's filters of all places side by side, and of each place those of the stages above it."""
    stages = cone.net.stages
    crops = [_region(cone, number) for number in range(len(stages))]

    def cut(number: int, place: tuple) -> np.ndarray:
        (top, bottom), (left, right) = crops[number]
        return cone.filters(number, *place)[top:bottom, left:right]

    beside = np.concatenate([cut(0, place) for place in group], axis=-1)
    first = _Weights(beside, stages[0].filters.geometry, 1)
    later = [
        [_Weights(cut(number, place), stages[number].filters.geometry, _COLUMNS) for number in range(1, len(stages))]
        for place in group
    ]
    return first, later


def _region(cone, number: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(first, end) of rows and of columns of a stage's simple cells that bear on the neuron: all but in the last."""
    sides, config = cone.net.stages[number].filters.geometry.positions, cone.net.config
    if number < len(cone.net.stages) - 1:
        return (0, sides[0]), (0, sides[1])
    # The normalization looks at neighbors twice.
    reach = 2 * (config.contrast // 2)
    rows, columns = ((max(cone.center - reach, 0), min(cone.center + reach + config.pool, side)) for side in sides)
    return rows, columns


def _answers(cone, batch: np.ndarray, first: _Weights, later: list[list[_Weights]]) -> list[np.ndarray]:
    """float32 [maps, n] of the neuron at each place."""
    config, stages = cone.net.config, cone.net.stages
    (top, bottom), (left, right) = _region(cone, 0)
    geometry = stages[0].filters.geometry
    seen = _window(batch, geometry, (top, bottom), (left, right))
    beside = first(seen)
    answers = []
    for number, weights in enumerate(later):
        values = beside[:, :, number * config.maps : (number + 1) * config.maps]
        for stage, above in enumerate([*weights, None]):
            complex_cells = _pooled(values, config.pool, config.epsilon)
            output = _normalized(complex_cells, stages[stage].contrast) if stages[stage].contrast else complex_cells
            if above is None:
                (top, _), (left, _) = _region(cone, stage)
                answers.append(output[cone.center - top, cone.center - left])
            else:
                rows, columns = _region(cone, stage + 1)
                values = above(_window(output, above.geometry, rows, columns))
    return answers


def _window(images: np.ndarray, geometry, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    """What simple cells of these rows and columns see."""
    (down, across), (kh, kw) = geometry.strides, geometry.kernel
    vertical = slice(rows[0] * down, (rows[1] - 1) * down + kh)
    return images[vertical, columns[0] * across : (columns[1] - 1) * across + kw]


def _pooled(simple: np.ndarray, pool: int, epsilon: float) -> np.ndarray:
    """Complex cells, as `layers.L2Pooling2D` without padding, float32 [rows, columns, maps, n].

    Row by row: a row stays near the processor while it is added to its neighbors.
    """
    rows, columns, *rest = simple.shape
    length = columns - pool + 1
    across = np.empty([rows, length, *rest], np.float32)
    for row, sums in zip(simple, across, strict=True):
        energy = np.square(row)
        sums[...] = energy[:length]
        for shift in range(1, pool):
            sums += energy[shift : shift + length]
    result = np.empty([rows - pool + 1, length, *rest], np.float32)
    for place, sums in enumerate(result):
        np.add(across[place], np.float32(epsilon), out=sums)
        for shift in range(1, pool):
            sums += across[place + shift]
        np.sqrt(sums, out=sums)
    return result


def _normalized(values: np.ndarray, layer) -> np.ndarray:
    """As `layers.LocalContrastNormalization` with padding "same"; `values` are overwritten."""
    profile = layer.profile
    maps = np.float32(values.shape[2])
    values -= _smoothed(values.sum(axis=2) / maps, profile)[:, :, None]
    power = _smoothed(np.einsum("hwmn,hwmn->hwn", values, values) / maps, profile)
    values *= (1.0 / np.sqrt(np.maximum(power, np.float32(layer.floor**2))))[:, :, None]
    return values


def _smoothed(values: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """A Gaussian mean along both axes, over what of the window lies inside: float32 [rows, columns, n]."""
    edge = len(profile) // 2
    for axis in (0, 1):
        side = values.shape[axis]
        wide = np.zeros([*values.shape[:axis], side + 2 * edge, *values.shape[axis + 1 :]], np.float32)
        inside = np.convolve(np.ones(side), profile, "full")[edge : edge + side]
        inside = inside.reshape([-1 if other == axis else 1 for other in range(values.ndim)]).astype(np.float32)
        before = [slice(None)] * axis
        wide[(*before, slice(edge, edge + side))] = values
        shifted = (wide[(*before, slice(shift, shift + side))] for shift in range(len(profile)))
        values = sum(weight * part for weight, part in zip(profile.astype(np.float32), shifted, strict=True)) / inside
    return values
