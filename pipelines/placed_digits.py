"""Draws digits turned, scaled and put somewhere on a larger picture, in black and white."""

import numpy as np
import tensorflow as tf

DIGIT_SIDE, SIDE = 28, 64  # Of a digit's picture, and of what it is put on.

_PATCH = 42  # A side that holds a digit turned by 45 degrees, wherever in a pixel its center is.
_FINE = 2  # Points a pixel's side, averaged: a digit scaled down loses no strokes between them.


def gray(digits, poses) -> tf.Tensor:
    """Digits where they are put, in shades of gray.

    Args:
      digits: uint8 [n, 28, 28], bright on black.
      poses: float32 [n, 4]: scale, angle in degrees counterclockwise, and the center's x and y from the left and the
        top, in pixels of the result.

    Returns:
      float32 [n, 64, 64] in 0..255.

    Example:
      >>> one = tf.fill([1, 28, 28], tf.constant(255, tf.uint8))
      >>> shown = gray(one, tf.constant([[1.0, 0.0, 32.0, 32.0]]))
      >>> float(tf.reduce_sum(shown) / 255)
      784.0
    """
    scale, degrees, x, y = tf.unstack(tf.cast(poses, tf.float32), axis=-1)
    # The digit is drawn on a patch that holds it however it is turned, and the patch put down at whole pixels.
    left, top = tf.floor(x - _PATCH / 2), tf.floor(y - _PATCH / 2)
    radians = degrees * (np.pi / 180.0)
    # From a point of the patch to one of the digit: the turn back, with y downwards, and the scaling back.
    cos, sin = tf.cos(radians) / (_FINE * scale), tf.sin(radians) / (_FINE * scale)
    middle = (DIGIT_SIDE - 1) / 2
    # Pixels' centers lie half a pixel from their edges, from which x and y are counted.
    right, down = _FINE * (x - left) - 0.5, _FINE * (y - top) - 0.5
    nothing = tf.zeros_like(scale)
    rows = [cos, -sin, middle - cos * right + sin * down, sin, cos, middle - sin * right - cos * down, nothing, nothing]
    fine = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(digits, tf.float32)[..., None],
        transforms=tf.stack(rows, axis=-1),
        output_shape=[_FINE * _PATCH, _FINE * _PATCH],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    patch = tf.nn.avg_pool2d(fine, _FINE, _FINE, "VALID")[..., 0]
    return _put(patch, tf.cast(left, tf.int32), tf.cast(top, tf.int32))


def _put(patch, left, top):
    """Patches float [n, p, p] on black pictures [n, 64, 64], their corners at int [n]; what lies outside is cut off."""
    side = patch.shape[1]
    column, row = (tf.range(SIDE)[None, :] - corner[:, None] for corner in (left, top))
    inside = [(at >= 0) & (at < side) for at in (column, row)]
    # One place behind the patch is black.
    places = row[:, :, None] * side + column[:, None, :]
    places = tf.where(inside[1][:, :, None] & inside[0][:, None, :], places, side * side)
    flat = tf.pad(tf.reshape(patch, [-1, side * side]), [[0, 0], [0, 1]])
    return tf.gather(flat, places, batch_dims=1)


def black_and_white(shades, keys) -> tf.Tensor:
    """Every pixel white with the probability that its shade is (Salakhutdinov and Murray 2008).

    Args:
      shades: float32 [n, h, w] in 0..255.
      keys: int64 [n]; a picture with the same key falls the same way.

    Returns:
      uint8 [n, h, w, 1], 0 or 255.

    Example:
      >>> black_and_white(tf.constant([[[0.0, 255.0]]]), tf.constant([3])).numpy().ravel().tolist()
      [0, 255]
    """
    _, height, width = shades.shape
    places = tf.range(height * width, dtype=tf.int64)
    mixed = _mixed(_mixed(tf.cast(keys, tf.int64))[:, None] + places)
    chance = tf.reshape(tf.cast(_shifted(mixed, 8), tf.float32), [-1, height, width]) / 2.0**24
    return tf.cast(chance * 255.0 < shades, tf.uint8)[..., None] * 255


def _mixed(x):
    """Numbers below 2^32 from a hash of whole numbers int64: two multipliers of 31 bits, which stay exact in 63."""
    low = tf.constant(0xFFFFFFFF, tf.int64)
    x = tf.bitwise.bitwise_and(x, low)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x46CA68B5)):
        x = tf.bitwise.bitwise_and(tf.bitwise.bitwise_xor(x, _shifted(x, shift)) * tf.constant(factor, tf.int64), low)
    return tf.bitwise.bitwise_xor(x, _shifted(x, 16))


def _shifted(x, bits: int):
    return tf.bitwise.right_shift(x, tf.constant(bits, tf.int64))
