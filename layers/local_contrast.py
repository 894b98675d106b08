"""Local contrast normalization (Jarrett, Kavukcuoglu, Ranzato, LeCun 2009; Le et al. 2012, section 3.2, footnote)."""

import keras
import numpy as np
from keras import ops

from .registry import CallInput, register_layer

_LEAST = 1e-4  # Of a deviation, where the floor is the image's own: an image of one value becomes zeros.


@register_layer(arguments={"window": 3, "floor": 0.1}, inputs=[CallInput((8, 7, 2))], backends=True)
class LocalContrastNormalization(keras.layers.Layer):
    """Subtracts a Gaussian neighborhood's mean and divides by its deviation, both over all maps.

        g[i, j, m] = h[i, j, m] - sum_{u, v, k} G[u, v] h[i + u, j + v, k]
        y[i, j, m] = g[i, j, m] / max(c, sqrt(sum_{u, v, k} G[u, v] g[i + u, j + v, k]^2))

    G sums to one over window and maps, so mean and deviation are one map shared by all. The deviation needs g of
    neighbors: a value reaches two windows wide (9 x 9 for a window of 5).

    Args:
      window: side of the Gaussian window, odd.
      sigma: its standard deviation in pixels; None is a quarter of the window (the paper does not say).
      floor: c, the least deviation that is divided by; "mean" takes each image's mean deviation (Jarrett et al. 2009),
        so that where an image shows little nothing is blown up.
      padding: "same", where the Gaussian is cut off at the border and sums to one over what is left of it; or
        "valid", which gives up (window - 1) pixels of each side twice over, once a pass.

    Call arguments:
      inputs: float [batch, height, width, maps].

    Returns:
      float [batch, height, width, maps], smaller by 2 (window - 1) with "valid".

    Raises:
      ValueError: an even window, a floor that is not positive, another padding.

    Reference: Le et al. 2012, section 3.2; the floor "mean": Jarrett et al. 2009, section 2.

    Example:
      >>> from reverie.layers import LocalContrastNormalization
      >>> layer = LocalContrastNormalization(window=3, padding="valid")
      >>> layer(ops.ones((1, 8, 8, 2))).shape
      TensorShape([1, 4, 4, 2])
    """

    def __init__(
        self,
        window: int = 5,
        sigma: float | None = None,
        floor: float | str = 0.01,
        padding: str = "same",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if window < 1 or window % 2 == 0:
            raise ValueError(f"window is {window}; expected an odd number")
        if (isinstance(floor, str) and floor != "mean") or (not isinstance(floor, str) and not floor > 0.0):
            raise ValueError(f"floor is {floor!r}; expected a positive number, or 'mean'")
        if padding not in ("same", "valid"):
            raise ValueError(f"padding is '{padding}'; expected 'same' or 'valid'")
        self.window, self.sigma, self.floor, self.padding = window, sigma, floor, padding

    @property
    def profile(self) -> np.ndarray:
        """float64 [window]: the Gaussian along one axis, summing to one; G is its outer product."""
        offsets = np.arange(self.window) - self.window // 2
        values = np.exp(-0.5 * np.square(offsets / (self.sigma or 0.25 * self.window)))
        return values / values.sum()

    def call(self, inputs):
        centered = self._cut(inputs) - self._neighborhood(inputs)
        power = self._neighborhood(ops.square(centered))
        if isinstance(self.floor, str):
            deviation = ops.sqrt(ops.maximum(power, _LEAST**2))
            return self._cut(centered) / ops.maximum(deviation, ops.mean(deviation, axis=(1, 2, 3), keepdims=True))
        # The floor under the root, not over it: the root of zero has no gradient.
        return self._cut(centered) / ops.sqrt(ops.maximum(power, self.floor**2))

    def _neighborhood(self, values):
        """Gaussian mean over window and maps: [batch, rows, columns, 1]."""
        mean = ops.mean(values, axis=-1, keepdims=True)
        height, width = mean.shape[1:3]
        for axis, side in ((1, height), (2, width)):
            shape = [1, 1, 1, 1]
            shape[axis - 1] = self.window
            kernel = ops.reshape(ops.convert_to_tensor(self.profile.astype("float32")), shape)
            mean = ops.conv(mean, ops.cast(kernel, mean.dtype), padding=self.padding, data_format="channels_last")
            if self.padding == "same":
                inside = np.convolve(np.ones(side), self.profile, "full")[self.window // 2 :][:side]
                shape = [1, 1, 1, 1]
                shape[axis] = side
                mean = mean / ops.cast(ops.convert_to_tensor(inside.reshape(shape).astype("float32")), mean.dtype)
        return mean

    def _cut(self, values):
        """The pixels that a "valid" pass keeps."""
        if self.padding == "same":
            return values
        edge = self.window // 2
        return values[:, edge : values.shape[1] - edge, edge : values.shape[2] - edge]

    def compute_output_shape(self, input_shape) -> tuple:
        lost = 0 if self.padding == "same" else 2 * (self.window - 1)
        return (input_shape[0], input_shape[1] - lost, input_shape[2] - lost, input_shape[3])

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "window": self.window,
            "sigma": self.sigma,
            "floor": self.floor,
            "padding": self.padding,
        }
