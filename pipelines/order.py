"""Which example comes when: a pure function of (seed, position), so that the state of a stream is its step.

A pseudo-random permutation (`RandomIndexShuffle`, a format-preserving cipher) maps position to index without
ever storing the order. Resuming at step k starts the count at k: nothing is replayed, nothing saved.
"""

import tensorflow as tf


def indices_at(positions: tf.Tensor, size: int, seed: int, shuffle: bool = True) -> tf.Tensor:
    """Indices of the examples at the given positions of an endless stream.

    Every window of `size` positions that starts at a multiple of `size` (an epoch) holds each index once,
    in an order of its own.

    Args:
      positions: int64 [n], counted from the start of training.
      size: number of examples in the set.
      seed: keys the order.
      shuffle: False walks through the set in its own order.

    Returns:
      int64 [n] in 0..size-1.
    """
    epochs, offsets = positions // size, positions % size
    if not shuffle or size == 1:
        return offsets
    # The public wrapper tf.random.experimental.index_shuffle pads a matrix of seeds on both axes and then
    # fails (TF 2.21), so the kernel is called directly with one three-number seed a position.
    seeds = tf.stack([epochs, tf.fill(tf.shape(epochs), tf.constant(seed, tf.int64)), tf.zeros_like(epochs)], axis=1)
    return tf.raw_ops.RandomIndexShuffle(index=offsets, seed=seeds, max_index=tf.constant(size - 1, tf.int64), rounds=4)
