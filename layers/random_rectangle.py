"""The corruption that a denoising autoencoder of scenes undoes: a rectangle of the picture is gone."""

import tensorflow as tf

from .noise import Noise


def without_rectangle(images: tf.Tensor, noise: Noise, stream: str = "rectangle") -> tf.Tensor:
    """Sets one random axis-aligned rectangle of every picture to 0.

    Both pairs of edges are drawn uniformly over the picture.

    Args:
      images: float [batch, height, width, channels].
      noise: keys the rectangles.
      stream: name of the draw.

    Returns:
      float like images.

    Reference: Higgins et al. 2018, appendix A.1.

    Example:
      >>> from reverie.layers import Noise, without_rectangle
      >>> damaged = without_rectangle(tf.ones([1, 8, 8, 3]), Noise(seed=1))
      >>> bool(tf.reduce_min(damaged) == 0.0)
      True
    """
    shape = tf.shape(images)
    edges = noise.uniform(stream, [shape[0], 4])

    def between(first, second, size):
        low, high = tf.minimum(first, second), tf.maximum(first, second)
        places = (tf.range(size, dtype=tf.float32) + 0.5) / tf.cast(size, tf.float32)
        return (places >= low[:, None]) & (places < high[:, None])

    rows, columns = between(edges[:, 0], edges[:, 1], shape[1]), between(edges[:, 2], edges[:, 3], shape[2])
    gone = rows[:, :, None, None] & columns[:, None, :, None]
    return tf.where(gone, tf.zeros_like(images), images)
