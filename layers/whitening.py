"""Whitening of images, fitted on a sample and kept with the model."""

import keras
import numpy as np
from keras import ops

from ..errors import UserError
from .registry import CallInput, register_layer

KINDS = ("none", "standardize", "zca")


@register_layer(arguments={"kind": "zca", "window": 3}, inputs=[CallInput((7, 6, 2))], backends=True)
class Whitening(keras.layers.Layer):
    """Takes from images what neighboring pixels say of each other, or only their mean and spread.

    "standardize" brings every image to mean 0 and deviation 1 by itself. "zca" does the same, and then applies what
    a ZCA transform of small windows would do to their central pixel, as a convolution: for images of hundreds of
    pixels a side the whole transform is out of reach, and natural images are the same everywhere. With U, S the
    eigenvectors and -values of the covariance of windows, ZCA = U (S + epsilon mean(S))^-1/2 U'.

    Args:
      kind: "none", "standardize" or "zca".
      window: side of the windows, odd.
      epsilon: regularizes the inverse, as a share of the mean eigenvalue: high frequencies are mostly noise.

    Call arguments:
      images: float [batch, height, width, channels].

    Returns:
      float of the same shape.

    Raises:
      ValueError: unknown kind, even window, epsilon that is not positive.

    Example:
      >>> from reverie.layers import Whitening
      >>> images = keras.random.uniform((10, 16, 16, 3), seed=1)
      >>> layer = Whitening("zca", window=3)
      >>> layer.build(images.shape)
      >>> layer.fit(images, windows=500)
      >>> layer(images).shape
      TensorShape([10, 16, 16, 3])
    """

    def __init__(self, kind: str = "zca", window: int = 9, epsilon: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        if kind not in KINDS:
            raise ValueError(f"whitening is '{kind}'; expected one of {', '.join(KINDS)}")
        if window < 1 or window % 2 == 0 or not epsilon > 0.0:
            raise ValueError(f"window is {window}, epsilon {epsilon}; expected an odd number and a positive one")
        self.kind, self.window, self.epsilon = kind, window, epsilon

    def build(self, input_shape):
        channels = input_shape[-1]
        options = {"trainable": False, "initializer": "zeros", "aggregation": "only_first_replica"}
        self.fitted = self.add_weight(name="fitted", shape=(), **options)
        if self.kind == "zca":
            shape = (self.window, self.window, channels, channels)
            self.kernel = self.add_weight(name="kernel", shape=shape, **options)

    def fit(self, images, windows: int = 100_000, seed: int = 0) -> None:
        """Fits the convolution to random windows of some images; done once, a second call changes nothing.

        Args:
          images: float [n, height, width, channels].
          windows: how many are drawn.
          seed: keys their places.

        Raises:
          UserError: images smaller than the windows of "zca".
        """
        if float(ops.convert_to_numpy(self.fitted)):
            return
        if self.kind == "zca":
            height, width = images.shape[1:3]
            if min(height, width) < self.window:
                raise UserError(
                    f"images are {height}x{width}, and whitening 'zca' learns from windows of {self.window} pixels; "
                    "expected larger images, or whitening 'standardize'"
                )
            self.kernel.assign(self._transform(ops.convert_to_numpy(_standardized(images)), windows, seed))
        self.fitted.assign(1.0)

    def _transform(self, images: np.ndarray, windows: int, seed: int) -> np.ndarray:
        channels, samples = images.shape[3], drawn_windows(images, self.window, windows, seed).astype(np.float64)
        values, vectors = np.linalg.eigh(np.cov(samples, rowvar=False))
        values = np.maximum(values, 0.0)
        transform = (vectors / np.sqrt(values + self.epsilon * values.mean())) @ vectors.T
        rows = transform.reshape(self.window, self.window, channels, self.window, self.window, channels)
        center = self.window // 2
        # The central pixel's rows: [channel out, rows, columns, channel in] to a convolution's order.
        return rows[center, center].transpose(1, 2, 3, 0).astype(np.float32)

    def call(self, images):
        if self.kind == "none":
            return images
        images = _standardized(images)
        if self.kind == "standardize":
            return images
        edge = self.window // 2
        images = ops.pad(images, [[0, 0], [edge, edge], [edge, edge], [0, 0]], mode="reflect")
        return ops.conv(images, ops.cast(self.kernel, images.dtype), data_format="channels_last")

    def compute_output_shape(self, input_shape) -> tuple:
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "kind": self.kind, "window": self.window, "epsilon": self.epsilon}


def drawn_windows(images: np.ndarray, side: int, count: int, seed: int) -> np.ndarray:
    """Random windows of images, as many of each: float [count or a few more, side * side * channels].

    Args:
      images: float [n, height, width, channels].
      side: of the windows.
      count: how many.
      seed: keys their places.
    """
    generator, (images_there, height, width, _) = np.random.default_rng(seed), images.shape
    each = -(-count // images_there)
    drawn = []
    for image in images:
        tops = generator.integers(0, height - side + 1, each)
        lefts = generator.integers(0, width - side + 1, each)
        views = np.lib.stride_tricks.sliding_window_view(image, (side, side), (0, 1))
        drawn.append(views[tops, lefts].transpose(0, 2, 3, 1).reshape(each, -1))
    return np.concatenate(drawn)


def _standardized(images):
    """Mean 0 and deviation 1 image by image; a flat image becomes zeros."""
    images = images - ops.mean(images, axis=(1, 2, 3), keepdims=True)
    power = ops.mean(ops.square(images), axis=(1, 2, 3), keepdims=True)
    # Below a hundredth of the full range there is nothing but the noise of coding.
    return images / ops.sqrt(ops.maximum(power, 1e-4))
