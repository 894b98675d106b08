"""Colour spaces in which a hue is one thing, and the ways back, in operators that every runtime has."""

import math

import tensorflow as tf

_ROOT = math.sqrt(3.0)


def to_hsv(rgb):
    """float [..., 3] in [0, 1]: red, green, blue to hue, saturation, value; hue 0 is red, and that of grey is 0."""
    red, green, blue = tf.unstack(rgb, axis=-1)
    value, least = tf.reduce_max(rgb, axis=-1), tf.reduce_min(rgb, axis=-1)
    spread = value - least
    safe = tf.where(spread > 0.0, spread, tf.ones_like(spread))
    of_red = (green - blue) / safe
    of_red = tf.where(of_red < 0.0, of_red + 6.0, of_red)
    of_green, of_blue = (blue - red) / safe + 2.0, (red - green) / safe + 4.0
    hue = tf.where(value == red, of_red, tf.where(value == green, of_green, of_blue)) / 6.0
    hue = tf.where(spread > 0.0, hue, tf.zeros_like(hue))
    saturation = tf.where(value > 0.0, spread / tf.where(value > 0.0, value, tf.ones_like(value)), tf.zeros_like(value))
    return tf.stack([hue, saturation, value], axis=-1)


def to_rgb(hsv):
    """The inverse of `to_hsv`."""
    hue, saturation, value = tf.unstack(hsv, axis=-1)

    def channel(shift):
        # Falls from 1 to 0 over one sixth of the circle on either side of its own third.
        distance = tf.abs((hue * 6.0 + shift) % 6.0 - 3.0)
        return value * (1.0 - saturation * (1.0 - tf.clip_by_value(distance - 1.0, 0.0, 1.0)))

    return tf.stack([channel(0.0), channel(4.0), channel(2.0)], axis=-1)


def to_chroma(rgb):
    """float [..., 3] in [0, 1]: red, green, blue to the cone of hue, saturation and value, without angles.

    Returns:
      float [..., 3] in [0, 1]: where the colour lies in the plane on which the cube of colours, seen along its grey
      axis, is a hexagon (two numbers; greys at its middle, (0.5, 0.5), red at (1, 0.5)), and its value, the greatest
      of the three. The direction from the middle is the hue. Unlike `to_hsv` it is continuous: no hue is cut in two,
      and grey needs none.
    """
    red, green, blue = tf.unstack(rgb, axis=-1)
    across, along = red - 0.5 * (green + blue), 0.5 * _ROOT * (green - blue)
    return tf.stack([0.5 + 0.5 * across, 0.5 + 0.5 * along, tf.reduce_max(rgb, axis=-1)], axis=-1)


def from_chroma(chroma):
    """The inverse of `to_chroma`; where no colour lies, the result is cut to [0, 1]."""
    across, along, value = tf.unstack(chroma, axis=-1)
    across, along = (2.0 * across - 1.0) / 3.0, (2.0 * along - 1.0) / _ROOT
    # Up to the same amount of all three, which the greatest of them fixes.
    parts = tf.stack([2.0 * across, along - across, -along - across], axis=-1)
    return tf.clip_by_value(parts + (value - tf.reduce_max(parts, axis=-1))[..., None], 0.0, 1.0)
