"""Windows of an image as whitened principal components, fitted on a sample: what local filters learn edges on."""

import keras
import numpy as np
import scipy.linalg
from keras import ops

from .registry import CallInput, register_layer
from .whitening import drawn_windows

# More windows than so many for each number in one say nothing new of their covariance.
_WINDOWS_PER_NUMBER = 40


@register_layer(arguments={"field": 3, "strides": 2, "components": 5}, inputs=[CallInput((7, 6, 2))], backends=True)
class WindowWhitening(keras.layers.Layer):
    """Every window of an image, less the mean window, in its leading principal components, each divided by its spread.

        z[n, i, j, k] = <V_k, x[n, i s : i s + f, j s : j s + f] - m> / (r sqrt(S_k + epsilon mean(S)))

    V and S are eigenvectors and -values of the covariance of windows of training images; the number r brings the mean
    square of z to one. With a small epsilon all components weigh the same (whitening), with a large one they keep
    their natural weights. Until it is fitted, z is the window's numbers in their order.

    Args:
      field: f, side of the windows.
      strides: s, from one window to the next.
      components: how many are kept; 0 keeps all.
      epsilon: regularizes the inverse, as a multiple of the mean eigenvalue.

    Call arguments:
      images: float [batch, height, width, channels].

    Returns:
      float [batch, rows, columns, components].

    Raises:
      ValueError: sizes below one, windows larger than the image, an epsilon that is not positive.

    Reference: Le, Karpenko, Ngiam and Ng 2011 (RICA) and Coates, Lee and Ng 2011 whiten windows before they learn
    filters; Le et al. 2012 whiten, and do not say how.

    Example:
      >>> from reverie.layers import WindowWhitening
      >>> images = keras.random.uniform((20, 12, 12, 1), seed=1)
      >>> layer = WindowWhitening(field=4, strides=2, components=6)
      >>> layer.build(images.shape)
      >>> layer.fit(images, windows=500)
      >>> layer(images).shape
      TensorShape([20, 5, 5, 6])
    """

    def __init__(self, field: int, strides: int = 1, components: int = 0, epsilon: float = 0.01, **kwargs):
        super().__init__(**kwargs)
        if field < 1 or strides < 1 or components < 0:
            raise ValueError(
                f"field is {field}, strides {strides}, components {components}; expected positive numbers, or "
                "components=0 for all"
            )
        if not epsilon > 0.0:
            raise ValueError(f"epsilon is {epsilon}; expected a positive number")
        self.field, self.strides, self.components, self.epsilon = field, strides, components, epsilon

    def build(self, input_shape):
        height, width, channels = input_shape[1:]
        if min(height, width) < self.field:
            raise ValueError(f"windows of {self.field}x{self.field} do not fit into {height}x{width}")
        size = self.field**2 * channels
        self.kept = min(self.components or size, size)
        options = {"trainable": False, "aggregation": "only_first_replica"}
        shape = (self.field, self.field, channels, self.kept)
        self.fitted = self.add_weight(name="fitted", shape=(), initializer="zeros", **options)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=_identity, **options)
        self.offset = self.add_weight(name="offset", shape=(self.kept,), initializer="zeros", **options)

    def fit(self, images, windows: int = 100_000, seed: int = 0) -> None:
        """Fits components and spreads to random windows of some images; done once, a second call changes nothing.

        Args:
          images: float [n, height, width, channels].
          windows: how many are drawn at most.
          seed: keys their places.
        """
        if float(ops.convert_to_numpy(self.fitted)):
            return
        images = ops.convert_to_numpy(images)
        size = self.field**2 * images.shape[3]
        count = min(windows, _WINDOWS_PER_NUMBER * size)
        samples = drawn_windows(images, self.field, count, seed)
        mean = samples.mean(axis=0, dtype=np.float64)
        samples = samples - mean.astype(np.float32)
        covariance = (samples.T @ samples).astype(np.float64) / max(len(samples) - 1, 1)
        values, vectors = scipy.linalg.eigh(covariance, subset_by_index=[size - self.kept, size - 1])
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        spread = np.sqrt(values + self.epsilon * max(np.trace(covariance) / size, 1e-12))
        level = np.sqrt(np.mean(values / np.square(spread))) or 1.0  # Of z, before it is brought to one.
        kernel = vectors / (level * spread)
        self.kernel.assign(kernel.reshape(self.kernel.shape).astype(np.float32))
        self.offset.assign((mean @ kernel).astype(np.float32))
        self.fitted.assign(1.0)

    def call(self, images):
        kernel, offset = (ops.cast(weight, images.dtype) for weight in (self.kernel, self.offset))
        return ops.conv(images, kernel, self.strides, data_format="channels_last") - offset

    def natural(self, components):
        """Components with their natural weights again: each times the square of what it was divided by.

        Filters that answer to them are those of the components as they look in pixels (columns of the mixing matrix),
        up to a factor that all have in common.
        """
        squares = 1.0 / ops.sum(ops.square(self.kernel), axis=(0, 1, 2))
        return components * ops.cast(squares / ops.mean(squares), components.dtype)

    def mixing(self):
        """What one of each component looks like: float [field, field, channels, components]."""
        return self.kernel / ops.sum(ops.square(self.kernel), axis=(0, 1, 2))

    def window_filters(self, weights, natural: bool = False) -> np.ndarray:
        """Filters of components as filters of pixels, for looking at them and for layers without whitening.

        Args:
          weights: float [components, filters].
          natural: whether the components have their natural weights when filters answer; see `natural`.

        Returns:
          float32 [field, field, channels, filters].
        """
        weights = ops.convert_to_tensor(np.asarray(weights, np.float32))
        weights = ops.transpose(self.natural(ops.transpose(weights)) if natural else ops.transpose(weights))
        return ops.convert_to_numpy(ops.matmul(self.kernel, weights))

    def compute_output_shape(self, input_shape) -> tuple:
        rows, columns = ((side - self.field) // self.strides + 1 for side in input_shape[1:3])
        size = self.field**2 * input_shape[3]
        return (input_shape[0], rows, columns, min(self.components or size, size))

    def get_config(self) -> dict:
        sizes = {"field": self.field, "strides": self.strides}
        return {**super().get_config(), **sizes, "components": self.components, "epsilon": self.epsilon}


def _identity(shape, dtype=None):
    return ops.cast(ops.reshape(ops.eye(int(np.prod(shape[:3])), shape[3]), shape), dtype or "float32")
