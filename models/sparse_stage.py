"""One stage of the sparse autoencoder: simple cells, complex cells, contrast, and the objective that teaches them.

There are two objectives. `OverlapStage` is the paper's equation as printed: all filters together rebuild the whole
input, which their windows overlap. With a stride of 1 that has a trivial answer: filters of a single pixel rebuild
everything. `WindowStage` has every position rebuild its own window, in whitened components, and single pixels are a
poor basis of a window: it learns edges.
"""

import abc
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from ..layers import (
    L2Pooling2D,
    LocalContrastNormalization,
    LocallyConnected2D,
    LocallyConnected2DTranspose,
    WindowWhitening,
)
from .network import in_float32

_LOOKED_AT = 8  # Inputs that say how long filters of pixels should be.


class Stage(keras.layers.Layer, abc.ABC):
    """What both kinds of stage share: pooling of simple cells, and contrast normalization.

    Arguments:
      config: a `SparseConfig` with one number for each of its options, those of this stage.

    Call arguments:
      inputs: float [batch, height, width, channels].

    Returns:
      (simple, complex, output): float [batch, rows, columns, maps] each, of their own sizes. With signed pooling the
      output has two maps for each of simple cells.
    """

    filters: LocallyConnected2D
    decoder: LocallyConnected2DTranspose

    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.pooling = L2Pooling2D(config.pool, epsilon=config.epsilon, name="pooling")
        floor = {} if config.contrast_floor == "constant" else {"floor": config.contrast_floor}
        self.contrast = None
        if config.contrast:
            self.contrast = LocalContrastNormalization(config.contrast, **floor, name="contrast")

    def _check_room(self, input_shape: tuple) -> None:
        """Refuses a field larger than what the stage sees, and pooling over more positions than it then has."""
        config, (height, width) = self.config, input_shape[1:3]
        if config.field > min(height, width):
            raise ValueError(
                f"model.field is {config.field} in {self.name}, which sees only {height}x{width}; expected a smaller "
                "field, a larger model.image_shape, or less stride and pool below"
            )
        rows, columns = ((side - config.field) // config.stride + 1 for side in (height, width))
        if config.pool > min(rows, columns):
            raise ValueError(
                f"model.pool is {config.pool} in {self.name}, which has only {rows}x{columns} positions; expected a "
                "smaller pool or field, a larger model.image_shape, or less stride and pool below"
            )

    def _local(self, kernel_size: int, strides: int, image: tuple) -> None:
        """Makes the filters on an input of shape `image`, [height, width, channels], and their decoder."""
        config = self.config
        options: dict[str, Any] = {
            "strides": strides,
            "tile": config.tile or None,
            "block": config.block or None,
            "shards": config.shards,
        }
        length = config.initial_length / (kernel_size * image[-1] ** 0.5)
        initial = keras.initializers.RandomNormal(stddev=length)
        self.filters = LocallyConnected2D(
            config.maps, kernel_size, **options, kernel_initializer=initial, name="filters"
        )
        self.filters.build((None, *image))
        simple = self.filters.compute_output_shape((None, *image))
        tied: dict[str, Any] = {"tied_to": self.filters} if config.decoder == "tied" else {}
        self.decoder = LocallyConnected2DTranspose(image, kernel_size, **options, **tied, name="decoder")
        self.decoder.build(simple)

    def call(self, inputs):
        simple = self.simple_cells(inputs)
        pooled = self.pooling(simple)
        output = self.pooling(_signed(simple)) if self.config.signed_pooling else pooled
        return simple, pooled, self.contrast(output) if self.contrast else output

    @abc.abstractmethod
    def simple_cells(self, inputs):
        """What the filters answer: float [batch, rows, columns, maps]."""

    def prepare(self, inputs) -> None:
        """Fits to inputs what stands before the first step, if anything does; float32 [n, height, width, channels]."""

    def losses_of(self, inputs, targets) -> tuple:
        """(reconstruction, sparsity, output): float32 [batch] twice, and what the next stage sees."""
        return *self.objective(self.seen(inputs), self.seen(targets)), self(inputs)[2]

    def seen(self, inputs):
        """What of its inputs the objective looks at; fixed once `prepare` is done."""
        return inputs

    @abc.abstractmethod
    def objective(self, seen, targets) -> tuple:
        """(reconstruction, sparsity): float32 [batch] each, of what `seen` gives."""

    @abc.abstractmethod
    def rebuilt(self, inputs):
        """The input as this stage sees it: float32 like `inputs`."""

    @abc.abstractmethod
    def missed(self, inputs):
        """float32 [batch]: the share of the energy of what is to be rebuilt that is not."""

    @abc.abstractmethod
    def pixel_filters(self, place: tuple[int, int] = (0, 0)) -> np.ndarray:
        """Filters at a position as they look on the stage's input: float32 [field, field, channels, maps]."""

    @abc.abstractmethod
    def compute_output_shape(self, input_shape) -> tuple:
        """Shapes of what a call gives."""

    def spread(self, other: "Stage", inputs) -> None:
        """Takes another stage's filters, at every position those of its place among the tiles.

        Args:
          other: a stage of the same sizes whose filters are shared at least as widely.
          inputs: float32 [n, height, width, channels] that this stage sees.

        Raises:
          ValueError: a stage whose filters cannot be spread over the positions of this one.
        """
        mine, theirs = self.filters.geometry, other.filters.geometry
        for axis, name in enumerate(("rows", "columns")):
            repeats = theirs.distinct[axis] < theirs.positions[axis] or theirs.distinct[axis] == 1
            if mine.distinct[axis] > theirs.distinct[axis] and not repeats:
                raise ValueError(
                    f"filters differ at {theirs.distinct[axis]} {name} of positions there and at {mine.distinct[axis]} "
                    "here; expected filters that repeat (tile=1), or as many positions"
                )
        filters = np.stack([self._taken(other, place) for place in np.ndindex(*theirs.distinct)])
        filters = filters.reshape(*theirs.distinct, *filters.shape[1:])
        rows, columns = (np.arange(mine.distinct[axis]) % theirs.distinct[axis] for axis in (0, 1))
        self.filters.set_compact_kernel(filters[rows[:, None], columns].reshape(mine.compact_shape))
        if self.config.decoder == "untied":
            self.decoder.set_compact_kernel(filters[rows[:, None], columns].reshape(mine.compact_shape))
            self.decoder.normalize_filters()

    @abc.abstractmethod
    def _taken(self, other: "Stage", place: tuple) -> np.ndarray:
        """The other stage's filters at a place as this one's: float32 [field, maps]."""

    def _terms(self, pooled, rebuilt, targets) -> tuple:
        """(reconstruction, sparsity): float32 [batch] each."""
        error = in_float32(rebuilt) - in_float32(targets)
        return _energy(error), tf.reduce_sum(in_float32(pooled), axis=[1, 2, 3])

    def _shapes(self, simple: tuple) -> tuple:
        pooled = self.pooling.compute_output_shape(simple)
        return simple, pooled, (*pooled[:3], pooled[3] * (1 + self.config.signed_pooling))

    def _kernel_at(self, place: tuple[int, int]) -> np.ndarray:
        """float32 [field (row, column, channel), maps]."""
        geometry = self.filters.geometry
        rows, columns = geometry.distinct
        return self.filters.compact_kernel()[place[0] % rows * columns + place[1] % columns]


class OverlapStage(Stage):
    """The paper's objective: || W2 W1' x - x ||^2 + lambda sum_j sqrt(eps + H_j (W1' x)^2), over the whole input."""

    def build(self, input_shape):
        self._check_room(input_shape)
        self._local(self.config.field, self.config.stride, tuple(input_shape[1:]))

    def simple_cells(self, inputs):
        return self.filters(inputs)

    def losses_of(self, inputs, targets) -> tuple:
        # Simple cells serve the objective and the output.
        simple, pooled, output = self(inputs)
        return *self._terms(pooled, self.decoder(simple), targets), output

    def objective(self, seen, targets) -> tuple:
        simple = self.filters(seen)
        return self._terms(self.pooling(simple), self.decoder(simple), targets)

    def rebuilt(self, inputs):
        return in_float32(self.decoder(self.filters(inputs)))

    def missed(self, inputs):
        return _share(self.rebuilt(inputs) - in_float32(inputs), in_float32(inputs))

    def pixel_filters(self, place: tuple[int, int] = (0, 0)) -> np.ndarray:
        config, channels = self.config, self.filters.geometry.image[2]
        return self._kernel_at(place).reshape(config.field, config.field, channels, config.maps)

    def spread(self, other: Stage, inputs) -> None:
        super().spread(other, inputs)
        if self.config.decoder == "untied":  # The length of the encoder's filters that rebuilds best.
            inputs = in_float32(inputs)[:_LOOKED_AT]
            seen = self.rebuilt(inputs)
            factor = tf.reduce_sum(seen * inputs) / tf.maximum(tf.reduce_sum(tf.square(seen)), 1e-12)
            for kernel in self.filters.kernels:
                kernel.assign(kernel * factor)

    def _taken(self, other: Stage, place: tuple) -> np.ndarray:
        filters = other.pixel_filters(place)
        return filters.reshape(-1, filters.shape[-1])

    def compute_output_shape(self, input_shape) -> tuple:
        return self._shapes(self.filters.compute_output_shape(input_shape))


class WindowStage(Stage):
    """Every position rebuilds its own window z, in whitened components, from filters of its own or shared ones:

        || c W2 W1' z - z ||^2 + lambda / pool  sum_j sqrt(eps + H_j (W1' z)^2)

    summed over positions. c is min(1, components / maps) for a tied decoder of filters of length one, whose many
    filters would rebuild too much together, and 1 otherwise. With `natural_filters` the components have their natural
    weights again when simple cells answer: filters are learned on whitened windows and used as they look in pixels.
    """

    def build(self, input_shape):
        self._check_room(input_shape)
        config = self.config
        self.whitening = WindowWhitening(
            config.field, config.stride, config.components, config.whitening_epsilon, name="whitening"
        )
        self.whitening.build(input_shape)
        self._local(1, 1, self.whitening.compute_output_shape(input_shape)[1:])
        self.unit = config.decoder == "tied" and config.unit_norm
        self.gain = min(1.0, self.whitening.kept / config.maps) if self.unit else 1.0

    def prepare(self, inputs) -> None:
        self.whitening.fit(inputs)

    def simple_cells(self, inputs):
        components = self.whitening(inputs)
        return self.filters(self.whitening.natural(components) if self.config.natural_filters else components)

    def seen(self, inputs):
        return self.whitening(inputs)

    def objective(self, seen, targets) -> tuple:
        simple = self.filters(seen)
        if self.unit:
            # Filters are of length one after every update, and here they are so while they change: a gradient that
            # would only shorten them, as sparsity's would, says nothing of where they should turn.
            lengths = in_float32(self.filters.lengths())
            simple = in_float32(simple) / lengths
            rebuilt = self.decoder(simple / lengths)
        else:
            rebuilt = self.decoder(simple)
        reconstruction, sparsity = self._terms(self.pooling(simple), self.gain * in_float32(rebuilt), targets)
        return reconstruction, sparsity / self.config.pool

    def rebuilt(self, inputs):
        components = self.gain * in_float32(self.decoder(self.filters(self.whitening(inputs)))) + self.whitening.offset
        filters = self.whitening.mixing()
        stride, height, width = self.config.stride, inputs.shape[1], inputs.shape[2]
        # Where windows overlap, their mean.
        painted = ops.conv_transpose(components, filters, stride, "valid", data_format="channels_last")
        ones = ops.ones([1, *components.shape[1:3], 1])
        counts = ops.conv_transpose(ones, ops.ones([*filters.shape[:2], 1, 1]), stride, data_format="channels_last")
        seen = painted / counts
        rest = [[0, 0], [0, height - seen.shape[1]], [0, width - seen.shape[2]], [0, 0]]
        return tf.pad(seen, rest)

    def missed(self, inputs):
        components = in_float32(self.whitening(inputs))
        found = self.gain * in_float32(self.decoder(self.filters(components)))
        return _share(found - components, components)

    def pixel_filters(self, place: tuple[int, int] = (0, 0)) -> np.ndarray:
        return self.whitening.window_filters(self._kernel_at(place), natural=self.config.natural_filters)

    def spread(self, other: Stage, inputs) -> None:
        if not isinstance(other, WindowStage):
            raise ValueError("filters of pixels cannot become filters of components")
        if other.whitening.kept != self.whitening.kept:
            raise ValueError(
                f"{self.name} has {other.whitening.kept} components there and {self.whitening.kept} here; "
                "expected the same"
            )
        for mine, theirs in zip(self.whitening.weights, other.whitening.weights, strict=True):
            mine.assign(theirs)
        super().spread(other, inputs)

    def _taken(self, other: Stage, place: tuple) -> np.ndarray:
        return other._kernel_at(place)

    def compute_output_shape(self, input_shape) -> tuple:
        return self._shapes(self.filters.compute_output_shape(self.whitening.compute_output_shape(input_shape)))


def make_stage(config, **kwargs) -> Stage:
    """The stage of its settings."""
    kind = {"overlap": OverlapStage, "window": WindowStage}[config.reconstruction]
    return kind(config, **kwargs)


def _signed(simple):
    """Positive and negative answers as maps of their own, so that squaring does not lose the sign."""
    return ops.concatenate([ops.relu(simple), ops.relu(-simple)], axis=-1)


def _share(error, whole):
    return _energy(error) / tf.maximum(_energy(whole), 1e-6)


def _energy(values):
    return tf.reduce_sum(tf.square(values), axis=[1, 2, 3])
