"""The convolutional stack that feeds the replayed network, and its mirror for replay at the level of pixels."""

from collections.abc import Sequence

import keras

from .registry import CallInput, register_layer


class _NormalizedConvolutions(keras.layers.Layer):
    """Convolutions, each with its batch normalization or none: attributes convolution_1, normalization_1 and on.

    TensorFlow's checkpoints pass over Keras 3 layers in lists, hence an attribute each.
    """

    def _attach(self, convolutions: list, normalizations: int) -> None:
        for number, layer in enumerate(convolutions):
            setattr(self, f"convolution_{number + 1}", layer)
        # The statistics of all replicas, which only TensorFlow has under one batch normalization.
        together = keras.backend.backend() == "tensorflow"
        for number in range(normalizations):
            # PyTorch's momentum of 0.1 is 0.9 here; its epsilon is 1e-5.
            options = {"momentum": 0.9, "epsilon": 1e-5, "synchronized": together, "dtype": self.dtype_policy}
            setattr(self, f"normalization_{number + 1}", keras.layers.BatchNormalization(**options))

    def _pairs(self) -> list:
        """(convolution, its normalization or None) in order."""
        pairs, number = [], 1
        while (convolution := getattr(self, f"convolution_{number}", None)) is not None:
            pairs.append((convolution, getattr(self, f"normalization_{number}", None)))
            number += 1
        return pairs

    def _lookup_dependency(self, name: str, *args, **kwargs):
        """What a checkpoint calls `name`: older ones spell it "normalisation"."""
        return super()._lookup_dependency(name.replace("normalisation", "normalization"), *args, **kwargs)


@register_layer(arguments={"filters": (3, 4, 5)}, inputs=[CallInput((9, 8, 2))], backends=True)
class ConvolutionalFeatures(_NormalizedConvolutions):
    """Five 3x3 convolutions in the paper, all but the first with stride 2; the last one linear.

    Kernel 3, padding 1, bias everywhere; batch normalization and ReLU after every convolution but the last,
    whose output is signed. Batch statistics are those of the global batch. Frozen (`trainable = False`) it
    runs in inference mode whatever `training` says: that is what internal replay needs.

    Args:
      filters: of each convolution, (16, 32, 64, 128, 256) in the paper.

    Call arguments:
      images: float [batch, height, width, channels].
      training: whether batch normalization uses and updates batch statistics.

    Returns:
      float [batch, height', width', filters[-1]].

    Reference: van de Ven et al. 2020, Methods, "Network architecture" (split CIFAR-100).

    Example:
      >>> from reverie.layers import ConvolutionalFeatures
      >>> ConvolutionalFeatures(filters=(4, 8, 16))(keras.ops.ones((2, 32, 32, 3))).shape
      TensorShape([2, 8, 8, 16])
    """

    def __init__(self, filters: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.filters = tuple(filters)
        policy = {"dtype": self.dtype_policy}
        self.padding = keras.layers.ZeroPadding2D(1, **policy)
        convolutions = [keras.layers.Conv2D(n, 3, 2 if k else 1, **policy) for k, n in enumerate(self.filters)]
        self._attach(convolutions, len(self.filters) - 1)

    def build(self, input_shape):
        shape = tuple(input_shape)
        for convolution, normalization in self._pairs():
            shape = (shape[0], shape[1] + 2, shape[2] + 2, shape[3])
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
            if normalization is not None:
                normalization.build(shape)
        super().build(input_shape)

    def call(self, images, training=False):
        training = training and self.trainable
        values = images
        for convolution, normalization in self._pairs():
            values = convolution(self.padding(values))
            if normalization is not None:
                values = keras.ops.relu(normalization(values, training=training))
        return values

    def compute_output_shape(self, input_shape) -> tuple:
        batch, height, width, _ = input_shape
        for _ in self.filters[1:]:
            height, width = -(-height // 2), -(-width // 2)
        return (batch, height, width, self.filters[-1])

    def get_config(self) -> dict:
        return {**super().get_config(), "filters": self.filters}


@register_layer(arguments={"filters": (3, 4, 5), "channels": 2}, inputs=[CallInput((2, 3, 5))], backends=True)
class TransposedFeatures(_NormalizedConvolutions):
    """From features back to pixels: transposed 4x4 convolutions with stride 2, then one 3x3 convolution.

    Batch normalization and ReLU follow every layer but the last, which is linear.

    Args:
      filters: of the stack that it mirrors.
      channels: of the images.

    Call arguments:
      features: float [batch, height, width, filters[-1]].
      training: as in `ConvolutionalFeatures`.

    Returns:
      float [batch, height * 2^(n-1), width * 2^(n-1), channels] for n filters.

    Reference: van de Ven et al. 2020, Methods, "Network architecture" (split CIFAR-100).

    Example:
      >>> from reverie.layers import TransposedFeatures
      >>> TransposedFeatures(filters=(4, 8, 16), channels=3)(keras.ops.ones((2, 8, 8, 16))).shape
      TensorShape([2, 32, 32, 3])
    """

    def __init__(self, filters: Sequence[int], channels: int, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.channels = tuple(filters), channels
        policy = {"dtype": self.dtype_policy}
        mirrored = reversed(self.filters[:-1])
        self._attach([keras.layers.Conv2DTranspose(n, 4, 2, "same", **policy) for n in mirrored], len(self.filters) - 1)
        self.last = keras.layers.Conv2D(channels, 3, 1, "same", name="last", **policy)

    def build(self, input_shape):
        shape = tuple(input_shape)
        for convolution, normalization in self._pairs():
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
            normalization.build(shape)
        self.last.build(shape)
        super().build(input_shape)

    def call(self, features, training=False):
        values = keras.ops.relu(features)
        for convolution, normalization in self._pairs():
            values = keras.ops.relu(normalization(convolution(values), training=training and self.trainable))
        return self.last(values)

    def compute_output_shape(self, input_shape) -> tuple:
        batch, height, width, _ = input_shape
        scale = 2 ** (len(self.filters) - 1)
        return (batch, height * scale, width * scale, self.channels)

    def get_config(self) -> dict:
        return {**super().get_config(), "filters": self.filters, "channels": self.channels}
