"""A prior measured from codes, for models that train without one."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from .registry import CallInput, register_layer

tfd = tfp.distributions


@register_layer(arguments={"units": 3, "jitter": 1e-5}, inputs=[CallInput((3,))])
class FittedGaussian(keras.layers.Layer):
    """A full-covariance Gaussian measured from codes, for models that train without a prior.

    The measured moments are weights (not trained), so they travel with every checkpoint and export. Before
    the first `fit` it is a standard normal.

    Args:
      units: number of latents.
      jitter: added to the variances, relative to their mean, so that the factor exists for dead units.

    Call arguments:
      codes: float [batch, units].

    Returns:
      float [batch], the log-density of the codes; `distribution` gives the Gaussian itself.

    Example:
      >>> from reverie.layers import FittedGaussian
      >>> prior = FittedGaussian(units=1)
      >>> prior.fit([[1.0], [3.0]])
      >>> float(prior.distribution().mean()[0])
      2.0
    """

    def __init__(self, units: int, jitter: float = 1e-6, **kwargs):
        super().__init__(**{"trainable": False, **kwargs})
        self.units = units
        self.jitter = jitter
        # Not in half precision under any policy: triangular systems are not solved in it.
        state = {"trainable": False, "aggregation": "only_first_replica", "autocast": False}
        self.location = self.add_weight(shape=(units,), initializer="zeros", name="location", **state)
        self.scale = self.add_weight(shape=(units, units), initializer=_identity, name="scale", **state)

    def fit(self, codes) -> None:
        """Measures mean and covariance.

        Args:
          codes: float [n, units], n at least 2.
        """
        codes = tf.cast(codes, tf.float64)
        mean = tf.reduce_mean(codes, axis=0)
        centered = codes - mean
        covariance = tf.matmul(centered, centered, transpose_a=True) / tf.cast(tf.shape(codes)[0], tf.float64)
        floor = self.jitter * tf.linalg.trace(covariance) / self.units + 1e-12
        scale = tf.linalg.cholesky(covariance + floor * tf.eye(self.units, dtype=tf.float64))
        self.location.assign(tf.cast(mean, self.location.dtype))
        self.scale.assign(tf.cast(scale, self.scale.dtype))

    def distribution(self) -> tfd.Distribution:
        """The measured Gaussian: `tfd.MultivariateNormalTriL`, event shape [units]."""
        return tfd.MultivariateNormalTriL(tf.convert_to_tensor(self.location), tf.convert_to_tensor(self.scale))

    def call(self, codes):
        return tf.cast(self.distribution().log_prob(tf.cast(codes, self.variable_dtype)), self.compute_dtype)

    def compute_output_shape(self, codes_shape) -> tuple:
        return tuple(codes_shape[:-1])

    def get_config(self) -> dict:
        return {**super().get_config(), "units": self.units, "jitter": self.jitter}


def _identity(shape, dtype=None):
    return ops.eye(shape[0], dtype=dtype)
