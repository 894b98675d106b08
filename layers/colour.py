"""Hue, saturation and value, and back, in operators that every runtime has."""

import tensorflow as tf


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
