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
_IMAGES, _PLACES, _BYTES = 192, 8, 2**29
# Columns of a later stage in one product: more of them fill the product with zeros, fewer make it small; with as many
# images a batch one is fastest.
_COLUMNS = 1
_LEAST = 1e-4  # Of a mean deviation, as in the layer.


def responses(cone, whitened: np.ndarray, places: Sequence[tuple]) -> Iterator[tuple[tuple, np.ndarray]]:
    """What the neurons at each place answer.

    Args:
      cone: a `neurons.Cone`.
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
      biases: float32 [rows, columns, filters], added to the products, or None.
      look: of the stage, a `neurons.Look`.
      together: columns in one product.
    """

    def __init__(self, filters: np.ndarray, biases: np.ndarray | None, look, together: int):
        self.look, self.count = look, filters.shape[-1]
        self.biases = None if biases is None else biases.swapaxes(0, 1)[..., None]
        (kh, kw), stride, channels = look.kernel, look.strides[1], look.channels
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
        (kh, kw), (down, across), channels, count = self.look.kernel, self.look.strides, *images.shape[2:]
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
        if self.biases is not None:
            result += self.biases
        return result.swapaxes(0, 1)


def _weights(cone, group: Sequence[tuple]) -> tuple[_Weights, list[list[_Weights]]]:
    """The first stage's filters of all places side by side, and of each place those of the stages above it."""
    count = len(cone.net.stages)
    crops = [_region(cone, number) for number in range(count)]

    def cut(values: np.ndarray, number: int) -> np.ndarray:
        (top, bottom), (left, right) = crops[number]
        return values[top:bottom, left:right]

    def biases(number: int, places: Sequence[tuple]) -> np.ndarray | None:
        found = [cone.biases(number, *place) for place in places]
        return None if found[0] is None else np.concatenate([cut(one, number) for one in found], axis=-1)

    beside = np.concatenate([cut(cone.filters(0, *place), 0) for place in group], axis=-1)
    first = _Weights(beside, biases(0, group), cone.looks[0], 1)
    later = [
        [
            _Weights(cut(cone.filters(number, *place), number), biases(number, [place]), cone.looks[number], _COLUMNS)
            for number in range(1, count)
        ]
        for place in group
    ]
    return first, later


def _region(cone, number: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(first, end) of rows and of columns of a stage's simple cells that bear on the neuron: all but in the last."""
    stage = cone.net.stages[number]
    sides, config = stage.filters.geometry.positions, stage.config
    # The mean deviation of an image is one of all of it.
    if number < len(cone.net.stages) - 1 or (stage.contrast and isinstance(stage.contrast.floor, str)):
        return (0, sides[0]), (0, sides[1])
    # The normalization looks at neighbors twice.
    reach = 2 * (config.contrast // 2)
    rows, columns = ((max(cone.center - reach, 0), min(cone.center + reach + config.pool, side)) for side in sides)
    return rows, columns


def _answers(cone, batch: np.ndarray, first: _Weights, later: list[list[_Weights]]) -> list[np.ndarray]:
    """float32 [maps, n] of the neuron at each place."""
    stages = cone.net.stages
    (top, bottom), (left, right) = _region(cone, 0)
    seen = _window(batch, cone.looks[0], (top, bottom), (left, right))
    beside, maps = first(seen), stages[0].config.maps
    answers = []
    for number, weights in enumerate(later):
        values = beside[:, :, number * maps : (number + 1) * maps]
        for above_number, (stage, above) in enumerate(zip(stages, [*weights, None], strict=True), start=1):
            output = _complex(values, stage.config)
            output = _normalized(output, stage.contrast) if stage.contrast else output
            if above is None:
                (top, _), (left, _) = _region(cone, len(stages) - 1)
                answers.append(output[cone.center - top, cone.center - left])
            else:
                rows, columns = _region(cone, above_number)
                values = above(_window(output, above.look, rows, columns))
    return answers


def _complex(simple: np.ndarray, config) -> np.ndarray:
    """Complex cells; with signed pooling those of positive answers, and then those of negative ones."""
    if not config.signed_pooling:
        return _pooled(simple, config.pool, config.epsilon)
    parts = [_pooled(np.maximum(sign * simple, 0), config.pool, config.epsilon) for sign in (1, -1)]
    return np.concatenate(parts, axis=2)


def _window(images: np.ndarray, look, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    """What simple cells of these rows and columns see."""
    (down, across), (kh, kw) = look.strides, look.kernel
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
    if isinstance(layer.floor, str):  # Each image's own mean deviation.
        deviation = np.sqrt(np.maximum(power, np.float32(_LEAST**2)))
        values *= (1.0 / np.maximum(deviation, deviation.mean(axis=(0, 1))))[:, :, None]
    else:
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
