"""Random Fourier features: a fixed random layer whose products of rows are a Gaussian kernel."""

import math

import keras
from keras import ops

from .registry import CallInput, register_layer


@register_layer(arguments={"units": 16, "deviation": 0.7}, inputs=[CallInput((5,))], backends=True)
class FourierFeatures(keras.layers.Layer):
    """Random features in which a linear classifier acts as one on a Gaussian kernel (Rahimi and Recht 2007, NeurIPS).

        f(x) = sqrt(2 / units) cos(x W + b),   W ~ N(0, 2 gamma),   b ~ U(0, 2 pi)
        E f(x) . f(y) = exp(-gamma |x - y|^2),   gamma = 1 / (inputs deviation^2)

    Nothing is learned. Only distances count, so that inputs need not be centered; `deviation` says in what they are
    measured, and is a weight of its own: what was measured travels with the layer.

    Args:
      units: number of features.
      deviation: typical spread of one input.

    Call arguments:
      inputs: float [batch, inputs].

    Returns:
      float [batch, units].

    Raises:
      ValueError: no units, or a deviation that is not positive.

    Example:
      >>> from reverie.layers import FourierFeatures
      >>> FourierFeatures(64)(keras.random.normal((3, 5), seed=1)).shape
      TensorShape([3, 64])
    """

    def __init__(self, units: int, deviation: float = 1.0, **kwargs):
        super().__init__(**{"trainable": False, **kwargs})
        if units < 1 or not deviation > 0.0:
            raise ValueError(
                f"units={units}, deviation={deviation}; expected at least one feature and a spread above 0"
            )
        self.units, self.deviation = units, deviation

    def build(self, input_shape):
        inputs = input_shape[-1]
        # Not in half precision under any policy: a cosine of a large argument keeps nothing of it.
        fixed = {"trainable": False, "aggregation": "only_first_replica", "autocast": False}
        normal = keras.initializers.RandomNormal(stddev=math.sqrt(2.0 / inputs))
        uniform = keras.initializers.RandomUniform(0.0, 2.0 * math.pi)
        self.frequencies = self.add_weight(shape=(inputs, self.units), initializer=normal, name="frequencies", **fixed)
        self.phases = self.add_weight(shape=(self.units,), initializer=uniform, name="phases", **fixed)
        spread = keras.initializers.Constant(self.deviation)
        self.spread = self.add_weight(shape=(), initializer=spread, name="spread", **fixed)

    def call(self, inputs):
        scaled = ops.cast(inputs, self.variable_dtype) / self.spread
        features = math.sqrt(2.0 / self.units) * ops.cos(ops.matmul(scaled, self.frequencies) + self.phases)
        return ops.cast(features, self.compute_dtype)

    def compute_output_shape(self, input_shape) -> tuple:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict:
        return {**super().get_config(), "units": self.units, "deviation": self.deviation}
