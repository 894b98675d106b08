"""Counts, means and one shared covariance of classes, from rows that come in batches and are not kept.

With n rows of a class before and m in the batch, mean mu before and b of the batch:

    mu' = mu + m / (n + m) (b - mu)
    S'  = S + sum over rows (x - b)(x - b)' + sum over classes n m / (n + m) (b - mu)(b - mu)'

(Chan, Golub and LeVeque 1983, The American Statistician 37:242, of Welford's update for batches). S is then the sum
of (x - mean of its class)(x - mean of its class)' over all rows, whatever their order and however they were batched.
"""

import tensorflow as tf

from .method import add_in_place, state


class ClassMoments(tf.Module):
    """Running moments, summed in float64; memory does not grow with the number of rows or tasks.

    Arguments:
      classes: how many.
      units: of a row.
      scatter: whether S is kept too.
      single: whether the products of a batch are taken in float32, of rows that are centered in float64, and summed in
        float64. With thousands of units nearly all time goes there, and a third of it is enough; S is then right to
        a few parts in 10^7 of its diagonal, far below any shrinkage.

    Attributes:
      counts: float64 [classes], rows met.
      means: float64 [classes, units].
      scatter: float64 [units, units], S; [0, 0] where it is not kept.

    Example:
      >>> moments = ClassMoments(2, 1)
      >>> moments.add(tf.constant([[1.0], [3.0]]), tf.constant([0, 0]))
      >>> moments.means.numpy()[0].tolist(), moments.covariance().numpy().tolist()
      ([2.0], [[1.0]])
    """

    def __init__(self, classes: int, units: int, scatter: bool = True, single: bool = False):
        super().__init__(name="moments")
        self._kept, self._products = scatter, tf.float32 if single else tf.float64
        self.counts = state(tf.zeros([classes], tf.float64))
        self.means = state(tf.zeros([classes, units], tf.float64))
        self.scatter = state(tf.zeros([units, units] if scatter else [0, 0], tf.float64))

    def add(self, rows: tf.Tensor, label: tf.Tensor) -> None:
        """Takes rows in.

        Args:
          rows: float [n, units].
          label: int32 [n].
        """
        rows = tf.cast(rows, tf.float64)
        chosen = tf.one_hot(label, self.counts.shape[0], dtype=tf.float64)
        counts, means = tf.identity(self.counts), tf.identity(self.means)
        new = tf.reduce_sum(chosen, axis=0)
        total = counts + new
        batch = tf.math.divide_no_nan(tf.matmul(chosen, rows, transpose_a=True), new[:, None])
        moved = tf.where(new[:, None] > 0.0, batch - means, 0.0)
        if self._kept:
            between = tf.sqrt(tf.math.divide_no_nan(counts * new, total))[:, None] * moved
            parts = tf.cast(tf.concat([rows - tf.gather(batch, label), between], axis=0), self._products)
            add_in_place(self.scatter, tf.cast(tf.matmul(parts, parts, transpose_a=True), tf.float64))
        add_in_place(self.means, tf.math.divide_no_nan(new, total)[:, None] * moved)
        add_in_place(self.counts, new)

    def covariance(self) -> tf.Tensor:
        """float64 [units, units]: of rows around the means of their classes."""
        return tf.identity(self.scatter) / tf.maximum(tf.reduce_sum(self.counts), 1.0)
