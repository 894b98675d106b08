"""Draws the object: a hat, an ice lolly or a suitcase, each three rounded boxes of a table.

Distances to a rounded box are exact, so edges are smooth. A dark rim, round shading and a shadow on the floor make the
object visible on walls and floors of its own color.
"""

import numpy as np
import tensorflow as tf

_SIZE = 1.35  # Meters that one unit of the table is.

# In units of the object's size, u from its axis, v from the floor. A box: center u (0 is on the axis, else one on
# either side), center v, half-width, half-height, radius of the corners.
#                 body                            accessory                        trim
_BOXES = np.asarray(
    [
        [[0.0, 0.40, 0.31, 0.34, 0.12], [0.00, 0.11, 0.58, 0.10, 0.10], [0.00, 0.25, 0.33, 0.06, 0.01]],  # hat
        [[0.0, 0.64, 0.33, 0.36, 0.30], [0.00, 0.18, 0.07, 0.18, 0.03], [0.13, 0.62, 0.03, 0.22, 0.03]],  # lolly
        [[0.0, 0.35, 0.55, 0.33, 0.08], [0.00, 0.74, 0.18, 0.12, 0.08], [0.30, 0.35, 0.06, 0.34, 0.01]],  # suitcase
    ],
    np.float32,
)
_HOLLOW = np.asarray([0.0, 0.0, 1.0], np.float32)  # Whether the accessory is a ring: a handle.
_WOOD = np.asarray([0.0, 1.0, 0.0], np.float32)  # Whether it is a stick.
_ROUND = np.asarray([0.50, 0.40, 0.15], np.float32)  # How much the body darkens towards its sides.
_WOOD_COLOR = np.asarray([0.78, 0.62, 0.40], np.float32)
_RIM, _RIM_SHADE, _TRIM_SHADE, _RING = 0.045, 0.42, 0.55, 0.045


def draw_thing(kind, color, place: tuple, right, up, pixel: float) -> tuple:
    """One object a picture.

    Args:
      kind: int [n], index into `factors.OBJECTS`.
      color: float32 [n, 3].
      place: (u, v, scale) float32 [n] each: the screen position of its foot, and the size of a meter there.
      right, up: screen coordinates, [1, 1, side] and [1, side, 1].
      pixel: size of a pixel in them.

    Returns:
      (color float32 [n, side, side, 3], its opacity [n, side, side], the darkness of its shadow [n, side, side]).
    """
    foot_u, foot_v, meter = (part[:, None, None] for part in place)
    scale = meter * _SIZE
    u, v = (right - foot_u) / scale, (up - foot_v) / scale
    blur = scale / pixel  # Pixels a unit.
    boxes = tf.gather(tf.constant(_BOXES), kind)[..., None, None]  # [n, 3, 5, 1, 1]
    body, accessory, trim = (_distance(boxes[:, part], u, v) for part in range(3))
    ring = tf.gather(tf.constant(_HOLLOW), kind)[:, None, None]
    accessory = tf.where(ring > 0.0, tf.abs(accessory + _RING) - _RING, accessory)
    whole = tf.minimum(body, accessory)

    rim = _inside(-whole - _RIM, blur)  # 1 at the rim, 0 inside.
    shade = 1.0 - tf.gather(tf.constant(_ROUND), kind)[:, None, None] * tf.square(u / boxes[:, 0, 2])
    shade = tf.clip_by_value(shade, 0.45, 1.0) * (1.0 - (1.0 - _TRIM_SHADE) * _inside(trim, blur))
    shade *= 1.0 - (1.0 - _RIM_SHADE) * rim
    wood = tf.gather(tf.constant(_WOOD), kind)[:, None, None] * (1.0 - _inside(body, blur))
    plain = color[:, None, None, :]
    painted = plain + wood[..., None] * (tf.constant(_WOOD_COLOR) - plain)
    # Lies flat on the floor, hence five times as wide as deep.
    reach = tf.sqrt(tf.square(u / 0.62) + tf.square((v - 0.02) / 0.13))
    shadow = 0.45 * tf.clip_by_value(1.6 - 1.6 * reach, 0.0, 1.0)
    return painted * shade[..., None], _inside(whole, blur), shadow


def _distance(box, u, v) -> tf.Tensor:
    """Signed distance (negative inside) from rounded boxes [n, 5, 1, 1]: [n, side, side]."""
    center_u, center_v, half_width, half_height, radius = tf.unstack(box, axis=1)
    beyond_u = tf.abs(tf.abs(u) - center_u) - (half_width - radius)
    beyond_v = tf.abs(v - center_v) - (half_height - radius)
    outside = tf.sqrt(tf.square(tf.maximum(beyond_u, 0.0)) + tf.square(tf.maximum(beyond_v, 0.0)))
    return outside + tf.minimum(tf.maximum(beyond_u, beyond_v), 0.0) - radius


def _inside(distance, blur) -> tf.Tensor:
    """Share of a pixel that lies inside an edge."""
    return tf.clip_by_value(0.5 - distance * blur, 0.0, 1.0)
