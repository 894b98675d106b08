"""The convolutional stack that feeds the replayed network, and its mirror for replay at the level of pixels."""

import keras


class ConvolutionalFeatures(keras.layers.Layer):
    """Five 3x3 convolutions in the paper, all but the first with stride 2; the last one linear.

    Kernel 3, padding 1, bias everywhere; batch normalisation and ReLU after every convolution but the last,
    whose output is signed. Batch statistics are those of the global batch. Frozen (`trainable = False`) it
    runs in inference mode whatever `training` says: that is what internal replay needs.

    Arguments:
      filters: of each convolution, (16, 32, 64, 128, 256) in the paper.

    Call arguments:
      images: float [batch, height, width, channels].
      training: whether batch normalisation uses and updates batch statistics.

    Returns:
      float [batch, height', width', filters[-1]].

    Reference: van de Ven et al. 2020, Methods, "Network architecture" (split CIFAR-100).
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = tuple(filters)
        self.padding = keras.layers.ZeroPadding2D(1)
        _attach(self, "convolution", [keras.layers.Conv2D(n, 3, 2 if k else 1) for k, n in enumerate(self.filters)])
        _attach(self, "normalisation", [_normalisation() for _ in self.filters[1:]])

    def build(self, input_shape):
        shape = tuple(input_shape)
        for convolution, normalisation in _pairs(self):
            shape = (shape[0], shape[1] + 2, shape[2] + 2, shape[3])
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
            if normalisation is not None:
                normalisation.build(shape)
        super().build(input_shape)

    def call(self, images, training=False):
        training = training and self.trainable
        values = images
        for convolution, normalisation in _pairs(self):
            values = convolution(self.padding(values))
            if normalisation is not None:
                values = keras.ops.relu(normalisation(values, training=training))
        return values

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        for _ in self.filters[1:]:
            height, width = -(-height // 2), -(-width // 2)
        return (batch, height, width, self.filters[-1])

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


class TransposedFeatures(keras.layers.Layer):
    """From features back to pixels: transposed 4x4 convolutions with stride 2, then one 3x3 convolution.

    Batch normalisation and ReLU follow every layer but the last, which is linear.

    Arguments:
      filters: of the stack that it mirrors.
      channels: of the images.

    Call arguments:
      features: float [batch, height, width, filters[-1]].
      training: as in `ConvolutionalFeatures`.

    Returns:
      float [batch, height * 2^(n-1), width * 2^(n-1), channels] for n filters.
    """

    def __init__(self, filters, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.channels = tuple(filters), channels
        mirrored = reversed(self.filters[:-1])
        _attach(self, "convolution", [keras.layers.Conv2DTranspose(n, 4, 2, "same") for n in mirrored])
        _attach(self, "normalisation", [_normalisation() for _ in self.filters[1:]])
        self.last = keras.layers.Conv2D(channels, 3, 1, "same", name="last")

    def build(self, input_shape):
        shape = tuple(input_shape)
        for convolution, normalisation in _pairs(self):
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
            normalisation.build(shape)
        self.last.build(shape)
        super().build(input_shape)

    def call(self, features, training=False):
        values = keras.ops.relu(features)
        for convolution, normalisation in _pairs(self):
            values = keras.ops.relu(normalisation(convolution(values), training=training and self.trainable))
        return self.last(values)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "channels": self.channels}


def _normalisation() -> keras.layers.BatchNormalization:
    # PyTorch's momentum of 0.1 is 0.9 here; its epsilon is 1e-5.
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True)


def _attach(owner, name: str, layers: list) -> None:
    """Makes each layer an attribute, name_1 and on: TensorFlow's checkpoints pass over Keras 3 layers in lists."""
    for number, layer in enumerate(layers):
        setattr(owner, f"{name}_{number + 1}", layer)


def _pairs(owner) -> list:
    """(convolution, its normalisation or None) in order."""
    pairs, number = [], 1
    while (convolution := getattr(owner, f"convolution_{number}", None)) is not None:
        pairs.append((convolution, getattr(owner, f"normalisation_{number}", None)))
        number += 1
    return pairs
