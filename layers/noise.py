"""Randomness without state: every draw is a pure function of (seed, stream, step, replica).

Keras' own generators draw the same numbers on every replica of a `tf.distribute` strategy and are not part of
a checkpoint. Here a draw depends on nothing but its key, so replicas differ, and a resumed run repeats what
an unbroken run would have drawn. Where the rows of a step are worked through in parts (`train.accumulate`), every row
draws what it would have drawn among all of them.
"""

import dataclasses
import zlib
from collections.abc import Callable

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Noise:
    """The key of one training step on one replica, or of some rows of it.

    The first dimension of a draw is that of rows.

    Attributes:
      seed: the run's seed.
      step: int64 scalar, the global step.
      replica: int32 scalar, the replica's number.
      part: int32 scalar, which of the parts of the step's rows this is, from 0.
      parts: in how many parts of as many rows the step is worked through.

    Example:
      >>> from reverie.layers import Noise
      >>> first, again = (Noise(seed=1, step=10).normal("latent", [2]) for _ in range(2))
      >>> bool(tf.reduce_all(first == again))
      True
    """

    seed: int
    step: tf.Tensor | int = 0
    replica: tf.Tensor | int = 0
    part: tf.Tensor | int = 0
    parts: int = 1

    @property
    def whole(self) -> "Noise":
        """The key of all rows of the step, for draws that belong to none of them, or of which `rows` takes some."""
        return Noise(self.seed, self.step, self.replica)

    def rows(self, values: tf.Tensor) -> tf.Tensor:
        """The rows of this part, of values [rows of the step, ...]."""
        if self.parts == 1:
            return values
        return tf.reshape(values, tf.concat([[self.parts, -1], tf.shape(values)[1:]], axis=0))[self.part]

    def key(self, stream: str) -> tf.Tensor:
        """int32 [2], the seed of the named stream: hand it to `tf.random.stateless_*` or `tfd.sample`.

        Draws under different names are independent; the same name twice in a step repeats its numbers. All parts of
        a step have the same key: draw for all its rows, and take those of the part with `rows`.
        """
        base = tf.constant([self.seed & 0x7FFFFFFF, zlib.crc32(stream.encode()) & 0x7FFFFFFF], tf.int32)
        key = tf.random.fold_in(base, tf.cast(self.step, tf.int32), alg="philox")
        return tf.random.fold_in(key, tf.cast(self.replica, tf.int32), alg="philox")

    def normal(self, stream: str, shape, dtype: tf.DType = tf.float32) -> tf.Tensor:
        """Standard normal numbers of the given shape."""
        return self._drawn(tf.random.stateless_normal, stream, shape, dtype)

    def uniform(self, stream: str, shape, dtype: tf.DType = tf.float32) -> tf.Tensor:
        """Uniform numbers in [0, 1) of the given shape."""
        return self._drawn(tf.random.stateless_uniform, stream, shape, dtype)

    def _drawn(self, draw: Callable, stream: str, shape, dtype: tf.DType) -> tf.Tensor:
        if self.parts == 1:
            return draw(shape, self.key(stream), dtype=dtype, alg="philox")
        shape = tf.convert_to_tensor(shape, tf.int32)
        if shape.shape[0] == 0:  # One number for all rows.
            return draw(shape, self.key(stream), dtype=dtype, alg="philox")
        of_step = tf.concat([self.parts * shape[:1], shape[1:]], axis=0)
        return self.rows(draw(of_step, self.key(stream), dtype=dtype, alg="philox"))
