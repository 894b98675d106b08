"""The stack of convolutions that halve the picture, and its mirror image."""

import math
from collections.abc import Sequence

import keras

from .registry import CallInput, register_layer


@register_layer(
    arguments={"channels": (3, 4), "units": 5, "last": "tanh"}, inputs=[CallInput((8, 8, 2))], backends=True
)
class StridedConvolutions(keras.layers.Layer):
    """Convolutions with kernel 4 and stride 2, then a dense layer.

    Args:
      channels: of each convolution; every one halves height and width.
      units: of the dense layer.
      activation: of all layers but the last.
      last: of the dense layer; the same by default.

    Call arguments:
      images: float [batch, height, width, channels].

    Returns:
      float [batch, units].

    Reference: Higgins et al. 2018, appendix A.2 (32, 32, 64, 64 channels, 256 units).

    Example:
      >>> from reverie.layers import StridedConvolutions
      >>> StridedConvolutions(channels=(4, 8), units=10)(keras.ops.ones((2, 16, 16, 3))).shape
      TensorShape([2, 10])
    """

    def __init__(
        self, channels: Sequence[int], units: int, activation: str = "relu", last: str | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        self.channels, self.units, self.activation = tuple(channels), units, activation
        self.last = last or activation
        policy = {"dtype": self.dtype_policy}
        layers = [keras.layers.Conv2D(n, 4, 2, "same", activation=activation, **policy) for n in self.channels]
        dense = [keras.layers.Flatten(**policy), keras.layers.Dense(units, self.last, **policy)]
        self.stack = keras.Sequential([*layers, *dense])

    def build(self, input_shape):
        self.stack.build(input_shape)
        super().build(input_shape)

    def call(self, images):
        return self.stack(images)

    def compute_output_shape(self, input_shape) -> tuple:
        return (input_shape[0], self.units)

    def get_config(self) -> dict:
        sizes = {"channels": self.channels, "units": self.units}
        return {**super().get_config(), **sizes, "activation": self.activation, "last": self.last}


@register_layer(
    arguments={"image_shape": (8, 8, 2), "channels": (3, 4), "units": 5}, inputs=[CallInput((3,))], backends=True
)
class StridedDeconvolutions(keras.layers.Layer):
    """The mirror of `StridedConvolutions`: dense layers, then transposed convolutions; the last layer is linear.

    Args:
      image_shape: (height, width, channels) of the result.
      channels, units: of the stack that it mirrors.
      activation: of all layers but the last.

    Call arguments:
      code: float [batch, d].

    Returns:
      float [batch, *image_shape].

    Raises:
      ValueError: no channels, or sides that the convolutions cannot halve evenly.

    Reference: Higgins et al. 2018, appendix A.2.

    Example:
      >>> from reverie.layers import StridedDeconvolutions
      >>> StridedDeconvolutions((16, 16, 3), channels=(4, 8), units=10)(keras.ops.ones((2, 6))).shape
      TensorShape([2, 16, 16, 3])
    """

    def __init__(
        self, image_shape: Sequence[int], channels: Sequence[int], units: int, activation: str = "relu", **kwargs
    ):
        super().__init__(**kwargs)
        self.image_shape, self.channels, self.units = tuple(image_shape), tuple(channels), units
        self.activation = activation
        if not self.channels:
            raise ValueError("channels are empty; expected those of one convolution or more")
        height, width, colors = self.image_shape
        factor = 2 ** len(self.channels)
        if height % factor or width % factor:
            raise ValueError(f"images are {height}x{width}; {len(self.channels)} halvings need multiples of {factor}")
        smallest = (height // factor, width // factor, self.channels[-1])
        policy = {"dtype": self.dtype_policy}
        hidden = {"activation": activation, **policy}
        layers = [
            keras.layers.Dense(units, **hidden),
            keras.layers.Dense(math.prod(smallest), **hidden),
            keras.layers.Reshape(smallest, **policy),
            *(keras.layers.Conv2DTranspose(n, 4, 2, "same", **hidden) for n in self.channels[-2::-1]),
            keras.layers.Conv2DTranspose(colors, 4, 2, "same", **policy),
        ]
        self.stack = keras.Sequential(layers)

    def build(self, input_shape):
        self.stack.build(input_shape)
        super().build(input_shape)

    def call(self, code):
        return self.stack(code)

    @property
    def reader(self) -> keras.layers.Dense:
        """The first layer: the one that reads the code."""
        return self.stack.layers[0]

    def compute_output_shape(self, input_shape) -> tuple:
        return (input_shape[0], *self.image_shape)

    def get_config(self) -> dict:
        sizes = {"image_shape": self.image_shape, "channels": self.channels, "units": self.units}
        return {**super().get_config(), **sizes, "activation": self.activation}
