"""Gaussian latents as distributions of TensorFlow Probability, and what each latent says."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def diagonal_gaussian(mean, log_variance) -> tfd.Distribution:
    """A normal with independent components.

    Args:
      mean, log_variance: float [..., units].

    Returns:
      `tfd.Independent`, batch shape [...], event shape [units].

    Example:
      >>> from reverie.layers import diagonal_gaussian
      >>> posterior = diagonal_gaussian(tf.zeros([4, 3]), tf.zeros([4, 3]))
      >>> posterior.sample(seed=1).shape, posterior.log_prob(tf.zeros([4, 3])).shape
      (TensorShape([4, 3]), TensorShape([4]))
    """
    return tfd.Independent(tfd.Normal(mean, tf.exp(0.5 * log_variance)), reinterpreted_batch_ndims=1)


def standard_gaussian(units: int, dtype=tf.float32) -> tfd.Distribution:
    """The standard normal prior.

    Args:
      units: number of latents.
      dtype: of its samples.

    Returns:
      `tfd.Independent`, event shape [units].

    Example:
      >>> from reverie.layers import standard_gaussian
      >>> round(float(standard_gaussian(2).log_prob([0.0, 0.0])), 4)
      -1.8379
    """
    return diagonal_gaussian(tf.zeros([units], dtype), tf.zeros([units], dtype))


def divergence_by_latent(mean, log_variance) -> np.ndarray:
    """How much each latent says: its KL from the standard normal, a mean over codes.

    Args:
      mean, log_variance: float [n, units], of posteriors with independent components.

    Returns:
      float [units], numpy, nats.

    Example:
      >>> from reverie.layers import divergence_by_latent
      >>> divergence_by_latent(tf.constant([[2.0, 0.0]]), tf.constant([[0.0, 0.0]]))
      array([2., 0.], dtype=float32)
    """
    mean = tf.convert_to_tensor(mean)
    prior = standard_gaussian(mean.shape[-1], mean.dtype)
    posterior = diagonal_gaussian(mean, log_variance)
    return tfd.kl_divergence(posterior.distribution, prior.distribution).numpy().mean(axis=0)
