"""The stack of convolutions that halve the picture, and its mirror image."""

import math

import keras


class StridedConvolutions(keras.layers.Layer):
    """Convolutions with kernel 4 and stride 2, then a dense layer.

    Arguments:
      channels: of each convolution; every one halves height and width.
      units: of the dense layer.
      activation: of all layers but the last.
      last: of the dense layer; the same by default.

    Call arguments:
      images: float [batch, height, width, channels].

    Returns:
      float [batch, units].

    Reference: Higgins et al. 2018, appendix A.2 (32, 32, 64, 64 channels, 256 units).
    """

    def __init__(self, channels, units: int, activation="relu", last=None, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.units, self.activation = tuple(channels), units, activation
        self.last = last or activation
        layers = [keras.layers.Conv2D(count, 4, 2, "same", activation=activation) for count in self.channels]
        self.stack = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(units, self.last)])

    def build(self, input_shape):
        self.stack.build(input_shape)
        super().build(input_shape)

    def call(self, images):
        return self.stack(images)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)

    def get_config(self):
        sizes = {"channels": self.channels, "units": self.units}
        return {**super().get_config(), **sizes, "activation": self.activation, "last": self.last}


class StridedDeconvolutions(keras.layers.Layer):
    """The mirror of `StridedConvolutions`: dense layers, then transposed convolutions; the last layer is linear.

    Arguments:
      image_shape: (height, width, channels) of the result.
      channels, units: of the stack that it mirrors.
      activation: of all layers but the last.

    Call arguments:
      code: float [batch, d].

    Returns:
      float [batch, *image_shape].

    Raises:
      ValueError: sides that the convolutions cannot halve evenly.
    """

    def __init__(self, image_shape, channels, units: int, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.channels, self.units = tuple(image_shape), tuple(channels), units
        self.activation = activation
        height, width, colours = self.image_shape
        factor = 2 ** len(self.channels)
        if height % factor or width % factor:
            raise ValueError(f"images are {height}x{width}; {len(self.channels)} halvings need multiples of {factor}")
        smallest = (height // factor, width // factor, self.channels[-1])
        layers = [
            keras.layers.Dense(units, activation),
            keras.layers.Dense(math.prod(smallest), activation),
            keras.layers.Reshape(smallest),
            *(keras.layers.Conv2DTranspose(c, 4, 2, "same", activation=activation) for c in self.channels[-2::-1]),
            keras.layers.Conv2DTranspose(colours, 4, 2, "same"),
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

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.image_shape)

    def get_config(self):
        sizes = {"image_shape": self.image_shape, "channels": self.channels, "units": self.units}
        return {**super().get_config(), **sizes, "activation": self.activation}
