"""What a local layer and its transpose share: the kernel in its blocks, its compact form, the products."""

import functools
import itertools
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from .local_blocks import LocalGeometry

# Bytes of a compact kernel up to which checkpoints hold it in that form.
_MOST_COMPACTED = 2**29


class LocalFilters(keras.layers.Layer):
    """The kernel of a local layer: its blocks as weights, its compact form for everybody else."""

    geometry: LocalGeometry
    bands: list[tuple[int, int, LocalGeometry]]
    kernel: keras.Variable

    def __init__(self, kernel_size, strides, padding, tile, block, shards, kernel_initializer, data_format, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size, self.strides = _pair(kernel_size), _pair(strides)
        self.padding, self.tile, self.block = padding, _pair(tile), _pair(block)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.shards = shards
        self.data_format = keras.config.image_data_format() if data_format is None else data_format
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(f"data_format is '{data_format}'; expected 'channels_last' or 'channels_first'")

    def _geometry(self, image: tuple, filters: int) -> LocalGeometry:
        if None in image:
            raise ValueError(f"image size is {image}; untied weights need to know it: give height, width, channels")
        return LocalGeometry(tuple(image), filters, self.kernel_size, self.strides, self.padding, self.tile, self.block)

    def _add_kernels(self) -> None:
        """One weight a band of block rows: on several parameter servers each lies on one of them."""
        rows = self.geometry.kernel_blocks[0]
        shards = min(self.shards, rows) if self.geometry.repeats == (1, 1) else 1
        edges = [round(k * rows / shards) for k in range(shards + 1)]
        self.bands = [(first, last, self._band(first, last)) for first, last in itertools.pairwise(edges)]
        for number, (_, _, band) in enumerate(self.bands):
            name = "kernel" if shards == 1 else f"kernel_{number}"
            # An attribute each: TensorFlow's checkpoints pass over variables that Keras 3 keeps in a list.
            setattr(self, name, self.add_weight(name=name, shape=band.stored_shape, initializer=self._drawn(band)))

    def _band(self, first: int, last: int) -> LocalGeometry:
        whole = (first, last) == (0, self.geometry.kernel_blocks[0])
        return self.geometry if whole else self.geometry.band(first, last)

    def _drawn(self, band: LocalGeometry):
        """The initial kernel of a band: drawn compact, stored with its zeros."""

        def draw(shape, dtype=None):
            del shape
            initial = self.kernel_initializer
            if initial is None:
                initial = keras.initializers.RandomNormal(stddev=1.0 / math.sqrt(band.field))
            compact = keras.ops.convert_to_numpy(initial(band.compact_shape, dtype="float32"))
            return ops.convert_to_tensor(self._clean(band, band.store(compact)), dtype=dtype)

        return draw

    def _clean(self, band: LocalGeometry, stored: np.ndarray) -> np.ndarray:
        """Zeros for positions that only fill up the last block."""
        maps = np.zeros([1, *band.positions, band.filters], np.float32)
        last = next(last for _, last, other in self.bands if other is band)
        rows = self.geometry.positions[0] - (last * band.block[0] - band.positions[0]) if len(self.bands) > 1 else None
        maps[:, :rows, : self.geometry.positions[1]] = 1.0
        if band.repeats != (1, 1):
            return stored
        return stored * keras.ops.convert_to_numpy(band.to_blocks(maps)).reshape(band.stored_shape[0], 1, -1)

    @property
    def kernels(self) -> list:
        """The stored kernel, band by band."""
        if len(self.bands) == 1:
            return [self.kernel]
        return [getattr(self, f"kernel_{number}") for number in range(len(self.bands))]

    def compact_kernel(self) -> np.ndarray:
        """The true weights, float32 [positions, field (row, column, channel), filters], as in Keras 2."""
        parts = [
            band.compact(ops.convert_to_numpy(k)) for (_, _, band), k in zip(self.bands, self.kernels, strict=True)
        ]
        if len(parts) == 1:
            return parts[0]
        columns, filled = self.geometry.positions[1], self.bands[0][2].positions[1]
        rows = [part.reshape(-1, filled, *part.shape[1:])[:, :columns] for part in parts]
        return np.concatenate(rows)[: self.geometry.positions[0]].reshape(self.geometry.compact_shape)

    def set_compact_kernel(self, kernel) -> None:
        """Takes true weights, for example those of a Keras 2 LocallyConnected2D of implementation 1.

        Args:
          kernel: float [positions, field (row, column, channel), filters].

        Raises:
          ValueError: another shape.
        """
        kernel, shape = np.asarray(kernel, np.float32), self.geometry.compact_shape
        if kernel.shape != shape:
            raise ValueError(f"{self.name}: kernel has shape {kernel.shape}; expected {shape}")
        if len(self.bands) == 1:
            self.kernel.assign(self.geometry.store(kernel))
            return
        kernel = kernel.reshape(*self.geometry.positions, *shape[1:])
        for (first, _, band), variable in zip(self.bands, self.kernels, strict=True):
            part = np.zeros([*band.positions, *shape[1:]], np.float32)
            start = first * band.block[0]
            rows = kernel[start : start + band.positions[0]]
            part[: rows.shape[0], : rows.shape[1]] = rows
            variable.assign(band.store(part.reshape(band.compact_shape)))

    def normalize_filters(self) -> None:
        """Brings every filter at every position to unit length, in place."""
        for kernel in self.kernels:
            length = ops.sqrt(ops.sum(ops.square(kernel), axis=-2, keepdims=True))
            kernel.assign(kernel / ops.maximum(length, 1e-12))

    def lengths(self):
        """The length of every filter where it is used: float [1, rows, columns, filters], or [1, 1, 1, filters] where
        all positions share them. Differentiable: an objective of filters of length one divides by it.
        """
        parts = []
        for (_, _, band), kernel in zip(self.bands, self.kernels, strict=True):
            squares = ops.sum(ops.square(ops.convert_to_tensor(kernel)), axis=-2)
            length = ops.sqrt(ops.maximum(squares, 1e-24))  # Of filters that only fill up a block there is none.
            if self.geometry.distinct == (1, 1):
                return ops.reshape(length, [1, 1, 1, -1])
            parts.append(band.from_blocks(ops.repeat(length[:, None], math.prod(band.repeats), axis=1)))
        maps = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)
        return maps[:, : self.geometry.positions[0], : self.geometry.positions[1]]

    # What leaves the layer is the compact kernel, however the blocks were cut.

    def get_weights(self) -> list:
        """[compact kernel, bias if any] as numpy."""
        return [self.compact_kernel(), *(ops.convert_to_numpy(v) for v in self._others())]

    def set_weights(self, weights) -> None:
        """Takes what `get_weights` gives, or a Keras 2 layer's (implementation 1) `get_weights()`."""
        others = self._others()
        if len(weights) != 1 + len(others):
            raise ValueError(f"{self.name}: got {len(weights)} arrays; expected {1 + len(others)}")
        self.set_compact_kernel(weights[0])
        for variable, value in zip(others, weights[1:], strict=True):
            variable.assign(value)

    def save_own_variables(self, store) -> None:
        """Keras files hold the compact kernel."""
        for number, value in enumerate(self.get_weights()):
            store[str(number)] = value

    def load_own_variables(self, store) -> None:
        self.set_weights([np.asarray(store[str(number)]) for number in range(len(store.keys()))])

    # TensorFlow checkpoints hold the compact kernel too, so that blocks and bands may be cut otherwise on return.
    # Kernels so large that a compact copy may not fit into memory beside them are written as they are stored.

    def _trackable_children(self, save_type="checkpoint", **kwargs):
        children = super()._trackable_children(save_type, **kwargs)
        if save_type != "checkpoint" or not self.built or not self.written_by_layer:
            return children
        children = {name: child for name, child in children.items() if not name.startswith("kernel")}
        return {**children, "compact_kernel": self._in_checkpoint}

    @functools.cached_property
    def _in_checkpoint(self):
        import tensorflow as tf

        def write():
            return {"value": tf.convert_to_tensor(self.compact_kernel())}

        def read(restored):
            if tf.executing_eagerly():
                self.set_compact_kernel(restored["value"])
            else:  # Weights on several machines are restored inside a function.
                tf.py_function(lambda value: self.set_compact_kernel(value.numpy()), [restored["value"]], [])

        class CompactKernel(tf.Module):
            def _serialize_to_tensors(self):
                return write()

            def _restore_from_tensors(self, restored):
                read(restored)

        return CompactKernel()

    @property
    def written_by_layer(self) -> list:
        """The weights that checkpoints get from the layer itself."""
        tied = getattr(self, "tied_to", None) is not None
        return [] if tied or 4 * self.geometry.weights > _MOST_COMPACTED else self.kernels

    def _others(self) -> list:
        kernels = {id(kernel) for kernel in self.kernels}
        return [variable for variable in self.weights if id(variable) not in kernels]

    def _project(self, images, kernels: list):
        """Images to maps: every position's filters on its window."""
        image = self.geometry.pad(images)
        if self.geometry.distinct == (1, 1):
            return ops.conv(image, self._shared(kernels), self.strides, data_format="channels_last")
        rows = []
        for (first, _, band), kernel in zip(self.bands, kernels, strict=True):
            rows.append(band.from_blocks(ops.matmul(_transposed(self._windows(image, first, band)), kernel)))
        maps = rows[0] if len(rows) == 1 else ops.concatenate(rows, axis=1)
        return maps[:, : self.geometry.positions[0], : self.geometry.positions[1]]

    def _back_project(self, maps, kernels: list):
        """The adjoint of `_project` in the images: every filter adds itself to its window."""
        height = self.geometry.padded[0]
        if self.geometry.distinct == (1, 1):
            kernel = self._shared(kernels)
            image = ops.conv_transpose(maps, kernel, self.strides, "valid", data_format="channels_last")
            return self.geometry.crop(image)
        image = 0.0
        for (first, _, band), kernel, part in zip(self.bands, kernels, self._bands_of(maps), strict=True):
            rows = band.scatter(ops.matmul(kernel, _transposed(part)))
            top = first * band.block[0] * band.strides[0]
            image = image + ops.pad(rows, [[0, 0], [top, height - top - band.padded[0]], [0, 0], [0, 0]])
        return self.geometry.crop(image)

    def _products(self, maps, images) -> list:
        """The gradient in the kernels: each map value with its window, and nothing where a filter does not see."""
        image = self.geometry.pad(images)
        return [
            ops.matmul(self._windows(image, first, band), part) * ops.cast(band.seen, part.dtype)
            for (first, _, band), part in zip(self.bands, self._bands_of(maps), strict=True)
        ]

    def _shared(self, kernels: list):
        """The kernel of a convolution, [rows, columns, channels, filters]: with tile=1 that is what the layer is."""
        (kernel,), geometry = kernels, self.geometry
        return ops.reshape(kernel, [*geometry.kernel, geometry.image[2], geometry.filters])

    def _windows(self, image, first: int, band: LocalGeometry):
        top = first * band.block[0] * band.strides[0]
        return band.gather(image[:, top : top + band.padded[0]] if len(self.bands) > 1 else image)

    def _bands_of(self, maps) -> list:
        """Maps cut into the bands' blocks."""
        if len(self.bands) == 1:
            return [self.geometry.to_blocks(maps)]
        rows = self.geometry.blocks[0] * self.geometry.block[0] - self.geometry.positions[0]
        columns = self.geometry.blocks[1] * self.geometry.block[1] - self.geometry.positions[1]
        maps = ops.pad(maps, [[0, 0], [0, rows], [0, columns], [0, 0]])
        size = self.geometry.block[0]
        return [band.to_blocks(maps[:, first * size : last * size]) for first, last, band in self.bands]

    def _forward(self, values, linear, adjoint, gradient):
        """`linear(values, kernels)` whose backward pass looks at the image again instead of keeping windows."""

        @ops.custom_gradient
        def run(values, *kernels):
            def backward(*args, upstream=None):
                change = args[0] if upstream is None else upstream
                return (adjoint(change, kernels), *gradient(values, change))

            return linear(values, kernels), backward

        kernels = [ops.cast(ops.convert_to_tensor(kernel), self.compute_dtype) for kernel in self.kernels]
        if self.geometry.distinct == (1, 1):
            return linear(values, kernels)  # A convolution, with its own gradient.
        return run(values, *kernels)

    def _last(self, values):
        """To channels last."""
        return ops.transpose(values, [0, 2, 3, 1]) if self.data_format == "channels_first" else values

    def _own(self, values):
        """From channels last to the layer's own order."""
        return ops.transpose(values, [0, 3, 1, 2]) if self.data_format == "channels_first" else values

    def _own_shape(self, batch, rows, columns, channels) -> tuple:
        if self.data_format == "channels_first":
            return (batch, channels, rows, columns)
        return (batch, rows, columns, channels)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "tile": self.tile,
            "block": self.block,
            "shards": self.shards,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "data_format": self.data_format,
        }


def _transposed(matrices):
    return ops.swapaxes(matrices, -1, -2)


def _pair(value) -> Any:
    return value if value is None else (value, value) if isinstance(value, int) else tuple(value)
