"""Local filters that share no weights, and their transpose (Le et al. 2012, arXiv 1112.6209, section 3.2).

Keras dropped its LocallyConnected2D; this one builds in constant time, never copies a patch a position, stores at most
1.4 times the true weights, and runs as a few large products. How: `local_blocks.py` and `local_filters.py`.
"""

from collections.abc import Sequence

import keras
from keras import ops

from .local_blocks import LocalGeometry
from .local_filters import LocalFilters
from .registry import CallInput, register_layer


@register_layer(
    arguments={"filters": 3, "kernel_size": 3, "use_bias": True, "block": (2, 2), "shards": 2},
    inputs=[CallInput((7, 8, 2))],
    backends=True,
)
class LocallyConnected2D(LocalFilters):
    """A filter bank with weights of its own at every position.

        y[n, i, j, m] = sum_{u, v, c} W[i, j, u, v, c, m] x[n, i s + u, j s + v, c] + b[i, j, m]

    Args:
      filters: maps M.
      kernel_size: field, an integer or (rows, columns).
      strides: integer or pair.
      padding: "valid" or "same" (zeros, as TensorFlow pads).
      tile: positions so many apart share weights: 1 is a convolution, None shares nothing (tiled networks).
      use_bias: adds a bias, shared as the weights are.
      kernel_initializer: Keras initializer, called with [positions, field, filters]; None is a normal distribution
        that gives filters of length one on average.
      block: positions that share a window, integer or pair; None chooses by the sizes.
      shards: the kernel as so many weights, bands of rows; for parameter servers and to bound scratch memory.
      data_format: "channels_last" or "channels_first".

    Call arguments:
      inputs: float [batch, height, width, channels].

    Returns:
      float [batch, rows, columns, filters].

    Raises:
      ValueError: image size unknown when it is built, or smaller than the field.

    Reference: Le et al. 2012, section 3.2; `tile`: Ngiam et al. 2010.

    Example:
      >>> from reverie.layers import LocallyConnected2D
      >>> layer = LocallyConnected2D(filters=4, kernel_size=3)
      >>> layer(ops.ones((2, 8, 8, 1))).shape
      TensorShape([2, 6, 6, 4])
      >>> layer.compact_kernel().shape  # 36 positions with filters of their own.
      (36, 9, 4)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        tile: int | tuple[int, int] | None = None,
        use_bias: bool = False,
        kernel_initializer: str | keras.initializers.Initializer | None = None,
        block: int | tuple[int, int] | None = None,
        shards: int = 1,
        data_format: str | None = None,
        **kwargs,
    ):
        super().__init__(kernel_size, strides, padding, tile, block, shards, kernel_initializer, data_format, **kwargs)
        self.filters, self.use_bias = filters, use_bias

    def build(self, input_shape):
        shape = tuple(input_shape)
        image = (*shape[2:], shape[1]) if self.data_format == "channels_first" else shape[1:]
        self.geometry = self._geometry(image, self.filters)
        self._add_kernels()
        self.bias = None
        if self.use_bias:
            shape = (*self.geometry.distinct, self.filters)
            self.bias = self.add_weight(name="bias", shape=shape, initializer="zeros")

    def call(self, inputs):
        maps = self._forward(self._last(inputs), self._project, self._back_project, self._gradient)
        if self.bias is not None:
            maps = maps + self._spread(ops.cast(self.bias, maps.dtype))
        return self._own(maps)

    def _gradient(self, images, change) -> list:
        return self._products(change, images)

    def _spread(self, bias):
        """A tile's bias over all positions."""
        rows, columns = self.geometry.positions
        repeats = [-(-n // d) for n, d in zip((rows, columns), self.geometry.distinct, strict=True)]
        return ops.tile(bias, [*repeats, 1])[:rows, :columns]

    def compute_output_shape(self, input_shape) -> tuple:
        shape = tuple(input_shape)
        image = (*shape[2:], shape[1]) if self.data_format == "channels_first" else shape[1:]
        rows, columns = self._geometry(image, self.filters).positions
        return self._own_shape(shape[0], rows, columns, self.filters)

    def get_config(self) -> dict:
        return {**super().get_config(), "filters": self.filters, "use_bias": self.use_bias}


@register_layer(arguments={"image_shape": (7, 8, 2), "kernel_size": 3}, inputs=[CallInput((5, 6, 3))], backends=True)
class LocallyConnected2DTranspose(LocalFilters):
    """The transpose of `LocallyConnected2D`: every filter adds itself to its window, weighted by its map.

        x[n, a, b, c] = sum_{i s + u = a, j s + v = b, m} W[i, j, u, v, c, m] y[n, i, j, m]

    With the same weights it is the exact adjoint: <A x, y> = <x, A' y>.

    Args:
      image_shape: (height, width, channels) of the result, channels last in either data format.
      kernel_size, strides, padding, tile, kernel_initializer, block, shards, data_format: as there.
      tied_to: a built LocallyConnected2D whose kernel is used instead of an own one.

    Call arguments:
      inputs: float [batch, rows, columns, filters], as `LocallyConnected2D` gives for such images.

    Returns:
      float [batch, height, width, channels].

    Raises:
      ValueError: rows and columns are not those of a local layer on such images.

    Example:
      >>> from reverie.layers import LocallyConnected2D, LocallyConnected2DTranspose
      >>> encoder = LocallyConnected2D(filters=4, kernel_size=3)
      >>> maps = encoder(ops.ones((2, 8, 8, 1)))
      >>> LocallyConnected2DTranspose((8, 8, 1), kernel_size=3, tied_to=encoder)(maps).shape
      TensorShape([2, 8, 8, 1])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        tile: int | tuple[int, int] | None = None,
        kernel_initializer: str | keras.initializers.Initializer | None = None,
        block: int | tuple[int, int] | None = None,
        shards: int = 1,
        data_format: str | None = None,
        tied_to: LocallyConnected2D | None = None,
        **kwargs,
    ):
        super().__init__(kernel_size, strides, padding, tile, block, shards, kernel_initializer, data_format, **kwargs)
        self.image_shape, self.tied_to = tuple(image_shape), tied_to

    def build(self, input_shape):
        shape = tuple(input_shape)
        maps = (*shape[2:], shape[1]) if self.data_format == "channels_first" else shape[1:]
        self.geometry = self._geometry(self.image_shape, maps[2])
        if self.geometry.positions != tuple(maps[:2]):
            raise ValueError(
                f"{self.name}: maps are {maps[0]}x{maps[1]}, but such filters on {self.image_shape} have "
                f"{self.geometry.positions[0]}x{self.geometry.positions[1]} positions"
            )
        if self.tied_to is None:
            self._add_kernels()
        elif _differs(self.tied_to.geometry, self.geometry):
            raise ValueError(f"{self.name}: {self.tied_to.name} has another geometry; tied layers need the same")
        else:
            self.geometry, self.bands = self.tied_to.geometry, self.tied_to.bands

    @property
    def kernels(self) -> list:
        return super().kernels if self.tied_to is None else self.tied_to.kernels

    def call(self, inputs):
        images = self._forward(self._last(inputs), self._back_project, self._project, self._products)
        return self._own(images)

    def compute_output_shape(self, input_shape) -> tuple:
        return self._own_shape(input_shape[0], *self.image_shape)

    def get_config(self) -> dict:
        if self.tied_to is not None:
            raise ValueError(f"{self.name}: a tied layer is made by the model that owns the other; it has no config")
        return {**super().get_config(), "image_shape": self.image_shape}


def _differs(one: LocalGeometry, other: LocalGeometry) -> bool:
    """Whether two layers filter differently; the choice of blocks does not matter."""
    names = ("image", "filters", "kernel", "strides", "padding", "tile")
    return any(getattr(one, name) != getattr(other, name) for name in names)
