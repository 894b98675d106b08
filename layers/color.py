"""Color spaces in which a hue is one thing, and the ways back, in operators that every runtime has."""

import math

from keras import ops

_ROOT = math.sqrt(3.0)


def to_hsv(rgb):
    """Red, green and blue to hue, saturation and value.

    Args:
      rgb: float [..., 3] in [0, 1].

    Returns:
      float [..., 3] in [0, 1]; hue 0 is red, and so is that of gray.

    Example:
      >>> from reverie.layers import to_hsv
      >>> to_hsv(ops.array([[0.0, 0.0, 0.5]])).numpy().round(3)
      array([[0.667, 1.   , 0.5  ]], dtype=float32)
    """
    red, green, blue = ops.unstack(rgb, axis=-1)
    value, least = ops.max(rgb, axis=-1), ops.min(rgb, axis=-1)
    spread = value - least
    safe = ops.where(spread > 0.0, spread, ops.ones_like(spread))
    of_red = (green - blue) / safe
    of_red = ops.where(of_red < 0.0, of_red + 6.0, of_red)
    of_green, of_blue = (blue - red) / safe + 2.0, (red - green) / safe + 4.0
    hue = ops.where(ops.equal(value, red), of_red, ops.where(ops.equal(value, green), of_green, of_blue)) / 6.0
    hue = ops.where(spread > 0.0, hue, ops.zeros_like(hue))
    saturation = ops.where(
        value > 0.0, spread / ops.where(value > 0.0, value, ops.ones_like(value)), ops.zeros_like(value)
    )
    return ops.stack([hue, saturation, value], axis=-1)


def to_rgb(hsv):
    """The inverse of `to_hsv`.

    Args:
      hsv: float [..., 3] in [0, 1].

    Returns:
      float [..., 3] in [0, 1]: red, green, blue.

    Example:
      >>> from reverie.layers import to_rgb
      >>> to_rgb(ops.array([[2.0 / 3.0, 1.0, 0.5]])).numpy().round(3)
      array([[0. , 0. , 0.5]], dtype=float32)
    """
    hue, saturation, value = ops.unstack(hsv, axis=-1)

    def channel(shift: float):
        # Falls from 1 to 0 over one sixth of the circle on either side of its own third.
        distance = ops.abs((hue * 6.0 + shift) % 6.0 - 3.0)
        return value * (1.0 - saturation * (1.0 - ops.clip(distance - 1.0, 0.0, 1.0)))

    return ops.stack([channel(0.0), channel(4.0), channel(2.0)], axis=-1)


def to_chroma(rgb):
    """Red, green and blue to the cone of hue, saturation and value, without angles.

    Args:
      rgb: float [..., 3] in [0, 1].

    Returns:
      float [..., 3] in [0, 1]: where the color lies in the plane on which the cube of colors, seen along its gray
      axis, is a hexagon (two numbers; grays at its middle, (0.5, 0.5), red at (1, 0.5)), and its value, the greatest
      of the three. The direction from the middle is the hue. Unlike `to_hsv` it is continuous: no hue is cut in two,
      and gray needs none.

    Example:
      >>> from reverie.layers import to_chroma
      >>> to_chroma(ops.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.5]])).numpy()
      array([[1. , 0.5, 1. ],
             [0.5, 0.5, 0.5]], dtype=float32)
    """
    red, green, blue = ops.unstack(rgb, axis=-1)
    across, along = red - 0.5 * (green + blue), 0.5 * _ROOT * (green - blue)
    return ops.stack([0.5 + 0.5 * across, 0.5 + 0.5 * along, ops.max(rgb, axis=-1)], axis=-1)


def from_chroma(chroma):
    """The inverse of `to_chroma`; where no color lies, the result is cut to [0, 1].

    Args:
      chroma: float [..., 3] in [0, 1].

    Returns:
      float [..., 3] in [0, 1]: red, green, blue.

    Example:
      >>> from reverie.layers import from_chroma
      >>> from_chroma(ops.array([[1.0, 0.5, 1.0]])).numpy()
      array([[1., 0., 0.]], dtype=float32)
    """
    across, along, value = ops.unstack(chroma, axis=-1)
    across, along = (2.0 * across - 1.0) / 3.0, (2.0 * along - 1.0) / _ROOT
    # Up to the same amount of all three, which the greatest of them fixes.
    parts = ops.stack([2.0 * across, along - across, -along - across], axis=-1)
    return ops.clip(parts + (value - ops.max(parts, axis=-1))[..., None], 0.0, 1.0)
