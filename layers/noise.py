"""Randomness without state: every draw is a pure function of (seed, stream, step, replica).

Keras' own generators draw the same numbers on every replica of a `tf.distribute` strategy and are not part of
a checkpoint. Here a draw depends on nothing but its key, so replicas differ, and a resumed run repeats what
an unbroken run would have drawn.
"""

import dataclasses
import zlib

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Noise:
    """The key of one training step on one replica.

    Attributes:
      seed: the run's seed.
      step: int64 scalar, the global step.
      replica: int32 scalar, the replica's number.

    Example:
      >>> from reverie.layers import Noise
      >>> first, again = (Noise(seed=1, step=10).normal("latent", [2]) for _ in range(2))
      >>> bool(tf.reduce_all(first == again))
      True
    """

    seed: int
    step: tf.Tensor | int = 0
    replica: tf.Tensor | int = 0

    def key(self, stream: str) -> tf.Tensor:
        """int32 [2], the seed of the named stream: hand it to `tf.random.stateless_*` or `tfd.sample`.

        Draws under different names are independent; the same name twice in a step repeats its numbers.
        """
        base = tf.constant([self.seed & 0x7FFFFFFF, zlib.crc32(stream.encode()) & 0x7FFFFFFF], tf.int32)
        key = tf.random.fold_in(base, tf.cast(self.step, tf.int32), alg="philox")
        return tf.random.fold_in(key, tf.cast(self.replica, tf.int32), alg="philox")

    def normal(self, stream: str, shape, dtype: tf.DType = tf.float32) -> tf.Tensor:
        """Standard normal numbers of the given shape."""
        return tf.random.stateless_normal(shape, self.key(stream), dtype=dtype, alg="philox")

    def uniform(self, stream: str, shape, dtype: tf.DType = tf.float32) -> tf.Tensor:
        """Uniform numbers in [0, 1) of the given shape."""
        return tf.random.stateless_uniform(shape, self.key(stream), dtype=dtype, alg="philox")
