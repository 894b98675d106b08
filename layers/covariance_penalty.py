"""Cross-covariance penalty (Cheung, Livezey, Bansal and Olshausen 2014, arXiv 1412.6583)."""

import keras
from keras import ops

from .registry import CallInput, register_layer


@register_layer(inputs=[CallInput((4,)), CallInput((3,))], backends=True)
class CrossCovariance(keras.layers.Layer):
    """The penalty that keeps latent units free of what the observed units say.

        C = 1/2 sum_{i,j} K[i, j]^2

    It removes linear dependence only, on the statistics of the batch: batches below about a hundred mostly
    penalize sampling noise, and a batch of one gives zero. Its scale follows the scale of z, so a network can
    buy a small C by shrinking z: watch the correlation beside it (`evaluation.dependence`).

    Call arguments:
      observed: float [batch, p], or a list of such heads, which are concatenated.
      latent: float [batch, q].

    Returns:
      float scalar, C of the global batch. Under a strategy each replica gets the same value; a loss that is
      summed over replicas must count it once.

    Reference: Cheung et al. 2014, equation for C (section 2).

    Example:
      >>> from reverie.layers import CrossCovariance
      >>> float(CrossCovariance()(ops.array([[0.0], [1.0]]), ops.array([[1.0], [3.0]])))
      0.125
    """

    def call(self, observed, latent):
        if isinstance(observed, list | tuple):
            observed = ops.concatenate(observed, axis=-1)
        return 0.5 * ops.sum(ops.square(cross_covariance(observed, latent)))

    def compute_output_shape(self, observed_shape, latent_shape) -> tuple:
        return ()


def cross_covariance(observed, latent):
    """Covariance of every observed unit with every latent unit over the batch.

        K[i, j] = 1/N sum_n (y[n, i] - mean_n y[., i]) (z[n, j] - mean_n z[., j])

    Divided by N, not N - 1. Inside a `tf.distribute` replica, N and both means are those of the global batch,
    so the result is that of one device.

    Args:
      observed: float [batch, p].
      latent: float [batch, q].

    Returns:
      float [p, q].

    Example:
      >>> from reverie.layers import cross_covariance
      >>> cross_covariance(ops.array([[0.0], [1.0]]), ops.array([[1.0, 5.0], [3.0, 5.0]])).numpy()
      array([[0.5, 0. ]], dtype=float32)
    """
    count = _over_replicas(ops.cast(ops.shape(latent)[0], latent.dtype))
    # Two passes: the one-pass form E[yz] - E[y]E[z] cancels badly in float32 when the means are large.
    y = observed - _over_replicas(ops.sum(observed, axis=0)) / count
    z = latent - _over_replicas(ops.sum(latent, axis=0)) / count
    return _over_replicas(ops.matmul(ops.transpose(y), z)) / count


def _over_replicas(value):
    """The sum over the replicas of a `tf.distribute` strategy, with its gradient; unchanged on one device."""
    if keras.backend.backend() != "tensorflow":
        return value
    import tensorflow as tf

    if tf.distribute.in_cross_replica_context():
        return value
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)
