"""A Gaussian over the latents as a product of one expert for each value that is named."""

import keras
from keras import ops

from .gaussian_posterior import GaussianParameters
from .registry import CallInput, register_layer

# Precisions from e^-9, which says nothing beside a prior of 1, to e^6.
_LEAST, _MOST = -9.0, 6.0
# Of a value that has learned nothing: little beside a prior of 1.
_START = -3.0


@register_layer(arguments={"units": 3}, inputs=[CallInput((5,), "int32")], backends=True)
class GaussianExperts(keras.layers.Layer):
    """q(z | y), proportional to a base Gaussian times a Gaussian for every value that y names.

    Precisions add up, and so do means weighted by them. What one value says of a latent is the same whatever else is
    named, as far as the others say nothing of that latent: symbols that share a value agree on where it lies, closer
    than an encoder of mixed units makes them. There are two numbers for each value and latent, and two for each latent
    of the base.

    Args:
      units: number of latents.
      min_log_variance, max_log_variance: bounds of the log-variance.

    Call arguments:
      symbols: float [batch, values], 1 where a value is named.

    Returns:
      `GaussianParameters`: (mean, log_variance), both float [batch, units].

    Reference: Vedantam et al. 2018, arXiv 1705.10762, equation 7 (a product of experts over attributes).

    Example:
      >>> from reverie.layers import GaussianExperts
      >>> GaussianExperts(units=2)(ops.zeros((1, 7))).mean.numpy()
      array([[0., 0.]], dtype=float32)
    """

    def __init__(self, units: int, min_log_variance: float = -20.0, max_log_variance: float = 20.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.min_log_variance, self.max_log_variance = units, min_log_variance, max_log_variance

    def build(self, input_shape):
        shape, little = (input_shape[-1], self.units), keras.initializers.RandomNormal(_START, 0.1)
        self.log_precision = self.add_weight(shape=shape, initializer=little, name="log_precision")
        near = keras.initializers.RandomNormal(stddev=0.1)
        self.mean = self.add_weight(shape=shape, initializer=near, name="mean")
        self.base_log_precision = self.add_weight(shape=shape[1:], initializer="zeros", name="base_log_precision")
        self.base_mean = self.add_weight(shape=shape[1:], initializer="zeros", name="base_mean")
        super().build(input_shape)

    def call(self, symbols) -> GaussianParameters:
        symbols = ops.cast(symbols, self.compute_dtype)
        precision = ops.exp(ops.clip(self.log_precision, _LEAST, _MOST))
        base = ops.exp(ops.clip(self.base_log_precision, _LEAST, _MOST))
        total = base + ops.matmul(symbols, precision)
        mean = (base * self.base_mean + ops.matmul(symbols, precision * self.mean)) / total
        return GaussianParameters(mean, ops.clip(-ops.log(total), self.min_log_variance, self.max_log_variance))

    def said(self):
        """How many latents each value speaks of, float [values]: the sum of p / (1 + p) over its precisions p.

        An expert that says much counts as one and a silent one as none. Added to an objective, a little of it silences
        what few examples make experts say of latents that their values have nothing to do with.
        """
        precision = ops.exp(ops.clip(self.log_precision, _LEAST, _MOST))
        return ops.sum(precision / (1.0 + precision), axis=-1)

    def compute_output_shape(self, symbols_shape) -> GaussianParameters:
        shape = (*symbols_shape[:-1], self.units)
        return GaussianParameters(shape, shape)

    def get_config(self) -> dict:
        limits = {"min_log_variance": self.min_log_variance, "max_log_variance": self.max_log_variance}
        return {**super().get_config(), "units": self.units, **limits}
