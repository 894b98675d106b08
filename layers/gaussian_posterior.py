"""The heads that give a Gaussian over the latents."""

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import ops

from .registry import CallInput, register_layer

if TYPE_CHECKING:
    from tensorflow_probability import distributions as tfd


class GaussianParameters(NamedTuple):
    """What a diagonal Gaussian is made of.

    Attributes:
      mean: float [batch, latents].
      log_variance: float [batch, latents].
    """

    mean: Any
    log_variance: Any


@register_layer(arguments={"units": 3}, inputs=[CallInput((5,))], backends=True)
class GaussianPosterior(keras.layers.Layer):
    """Two linear heads that give a diagonal Gaussian over the latents.

    Args:
      units: number of latents.
      min_log_variance: floor of the log-variance, so that a density stays finite.
      max_log_variance: ceiling of it.
      log_variance_bias: whether the log-variance head has a bias.
      kernel_initializer, bias_initializer: of both heads.

    Call arguments:
      features: float [batch, d].

    Returns:
      `GaussianParameters`: (mean, log_variance), both float [batch, units]; `posterior` gives the same as a
      distribution.

    Reference: Kingma and Welling 2014, appendix C.2.

    Example:
      >>> from reverie.layers import GaussianPosterior
      >>> head = GaussianPosterior(units=2, bias_initializer="ones")
      >>> head(ops.zeros((1, 7))).mean.numpy()
      array([[1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        units: int,
        min_log_variance: float = -20.0,
        max_log_variance: float = 20.0,
        log_variance_bias: bool = True,
        kernel_initializer: str | keras.initializers.Initializer = "glorot_uniform",
        bias_initializer: str | keras.initializers.Initializer = "zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.min_log_variance = min_log_variance
        self.max_log_variance = max_log_variance
        self.log_variance_bias = log_variance_bias
        self.initializers = {
            "kernel_initializer": keras.initializers.get(kernel_initializer),
            "bias_initializer": keras.initializers.get(bias_initializer),
        }
        options = {**self.initializers, "dtype": self.dtype_policy}
        self.mean = keras.layers.Dense(units, name="mean", **options)
        self.log_variance = keras.layers.Dense(units, use_bias=log_variance_bias, name="log_variance", **options)

    def build(self, input_shape):
        self.mean.build(input_shape)
        self.log_variance.build(input_shape)
        super().build(input_shape)

    def call(self, features) -> GaussianParameters:
        log_variance = ops.clip(self.log_variance(features), self.min_log_variance, self.max_log_variance)
        return GaussianParameters(self.mean(features), log_variance)

    def posterior(self, features) -> "tfd.Distribution":
        """q(z | features): a `tfd.Independent` normal, batch shape [batch], event shape [units]."""
        from .gaussian import diagonal_gaussian

        return diagonal_gaussian(*self(features))

    def compute_output_shape(self, features_shape) -> GaussianParameters:
        shape = (*features_shape[:-1], self.units)
        return GaussianParameters(shape, shape)

    def get_config(self) -> dict:
        limits = {"min_log_variance": self.min_log_variance, "max_log_variance": self.max_log_variance}
        initializers = {name: keras.initializers.serialize(value) for name, value in self.initializers.items()}
        heads = {"units": self.units, "log_variance_bias": self.log_variance_bias}
        return {**super().get_config(), **heads, **limits, **initializers}
