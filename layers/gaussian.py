"""Gaussian latents as TensorFlow Probability distributions: posterior heads, and a prior fitted to codes."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

tfd = tfp.distributions


class GaussianPosterior(keras.layers.Layer):
    """Two linear heads that give a diagonal Gaussian over the latents.

    Arguments:
      units: number of latents.
      min_log_variance: floor of the log-variance, so that a density stays finite.
      max_log_variance: ceiling of it.
      log_variance_bias: whether the log-variance head has a bias.
      kernel_initializer, bias_initializer: of both heads.

    Call arguments:
      features: float [batch, d].

    Returns:
      (mean, log_variance), both float [batch, units]; `posterior` gives the same as a distribution.

    Reference: Kingma and Welling 2014, appendix C.2.
    """

    def __init__(
        self,
        units: int,
        min_log_variance: float = -20.0,
        max_log_variance: float = 20.0,
        log_variance_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
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
        self.mean = keras.layers.Dense(units, name="mean", **self.initializers)
        self.log_variance = keras.layers.Dense(
            units, use_bias=log_variance_bias, name="log_variance", **self.initializers
        )

    def build(self, input_shape):
        self.mean.build(input_shape)
        self.log_variance.build(input_shape)
        super().build(input_shape)

    def call(self, features):
        log_variance = ops.clip(self.log_variance(features), self.min_log_variance, self.max_log_variance)
        return self.mean(features), log_variance

    def posterior(self, features) -> tfd.Distribution:
        """q(z | features): a `tfd.Independent` normal, batch shape [batch], event shape [units]."""
        return diagonal_gaussian(*self(features))

    def get_config(self):
        limits = {"min_log_variance": self.min_log_variance, "max_log_variance": self.max_log_variance}
        initializers = {name: keras.initializers.serialize(value) for name, value in self.initializers.items()}
        heads = {"units": self.units, "log_variance_bias": self.log_variance_bias}
        return {**super().get_config(), **heads, **limits, **initializers}


def diagonal_gaussian(mean, log_variance) -> tfd.Distribution:
    """A normal with independent components.

    Args:
      mean, log_variance: float [..., units].

    Returns:
      `tfd.Independent`, batch shape [...], event shape [units].
    """
    return tfd.Independent(tfd.Normal(mean, tf.exp(0.5 * log_variance)), reinterpreted_batch_ndims=1)


def standard_gaussian(units: int, dtype=tf.float32) -> tfd.Distribution:
    """The standard normal prior, event shape [units]."""
    return diagonal_gaussian(tf.zeros([units], dtype), tf.zeros([units], dtype))


def divergence_by_latent(mean, log_variance):
    """How much each latent says: its KL from the standard normal, a mean over codes.

    Args:
      mean, log_variance: float [n, units], of posteriors with independent components.

    Returns:
      float [units], numpy, nats.
    """
    mean = tf.convert_to_tensor(mean)
    prior = standard_gaussian(mean.shape[-1], mean.dtype)
    posterior = diagonal_gaussian(mean, log_variance)
    return tfd.kl_divergence(posterior.distribution, prior.distribution).numpy().mean(axis=0)


class FittedGaussian(keras.layers.Layer):
    """A full-covariance Gaussian measured from codes, for models that train without a prior.

    The measured moments are weights (not trained), so they travel with every checkpoint and export. Before
    the first `fit` it is a standard normal.

    Arguments:
      units: number of latents.
      jitter: added to the variances, relative to their mean, so that the factor exists for dead units.
    """

    def __init__(self, units: int, jitter: float = 1e-6, **kwargs):
        super().__init__(**{"trainable": False, **kwargs})
        self.units = units
        self.jitter = jitter
        state = {"trainable": False, "aggregation": "only_first_replica"}
        self.location = self.add_weight(shape=(units,), initializer="zeros", name="location", **state)
        self.scale = self.add_weight(shape=(units, units), initializer=_identity, name="scale", **state)

    def fit(self, codes) -> None:
        """Measures mean and covariance.

        Args:
          codes: float [n, units], n at least 2.
        """
        codes = tf.cast(codes, tf.float64)
        mean = tf.reduce_mean(codes, axis=0)
        centred = codes - mean
        covariance = tf.matmul(centred, centred, transpose_a=True) / tf.cast(tf.shape(codes)[0], tf.float64)
        floor = self.jitter * tf.linalg.trace(covariance) / self.units + 1e-12
        scale = tf.linalg.cholesky(covariance + floor * tf.eye(self.units, dtype=tf.float64))
        self.location.assign(tf.cast(mean, self.location.dtype))
        self.scale.assign(tf.cast(scale, self.scale.dtype))

    def distribution(self) -> tfd.Distribution:
        """The measured Gaussian: `tfd.MultivariateNormalTriL`, event shape [units]."""
        return tfd.MultivariateNormalTriL(tf.convert_to_tensor(self.location), tf.convert_to_tensor(self.scale))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "jitter": self.jitter}


def _identity(shape, dtype=None):
    return ops.eye(shape[0], dtype=dtype)
