"""Draws a room as a camera inside it sees it, and one object on its floor.

A box seen from inside needs no ray tracing: the *inverse* depth of a plane is linear in screen coordinates, and the
surface seen at a pixel is the one of greatest inverse depth. So every edge of the room is a straight line whose
distance from a pixel's center is known exactly, and edges are smoothed by how much of the pixel lies on either side.
"""

import math

import numpy as np
import tensorflow as tf

from .factors import SIDE, palette
from .things import draw_thing

_HALF_VIEW = 0.75  # Tangent of half the angle of view.
_PITCH = 0.08  # How far the camera looks down, radians.
_EYE, _HEIGHT = 1.1, 3.0  # Of the camera and of the ceiling above the floor, meters.
_HALF_WIDTH, _FAR = 2.6, 4.2  # Side walls and back wall from the camera.
_SKIRTING = 0.17  # Height of the skirting board, which parts a wall from a floor of the same color.

_FLOOR, _CEILING, _LEFT, _RIGHT, _BACK = range(5)
_SURFACES = 5
# Light on each surface, so that corners show on walls of one color.
_SHADE = np.asarray([0.75, 0.95, 0.78, 0.89, 1.0], np.float32)
_CEILING_COLOR = np.asarray([0.86, 0.86, 0.84], np.float32)
_SKIRTING_COLOR = np.asarray([0.30, 0.28, 0.27], np.float32)


def render(labels, nuisances, side: int = SIDE) -> tf.Tensor:
    """Pictures of scenes.

    Args:
      labels: int [n, 4], see `factors.sample`.
      nuisances: float [n, 4], likewise.
      side: of the pictures in pixels.

    Returns:
      uint8 [n, side, side, 3].
    """
    labels, nuisances = tf.convert_to_tensor(labels), tf.cast(nuisances, tf.float32)
    colors = tf.gather(tf.constant(palette()), labels[:, :3])  # [n, 3, rgb]
    yaw, bearing, distance, light = tf.unstack(nuisances, axis=-1)
    pixel = 2.0 * _HALF_VIEW / side
    line = (tf.range(side, dtype=tf.float32) + 0.5) * pixel - _HALF_VIEW
    right, up = line[None, None, :], -line[None, :, None]  # Screen coordinates: u to the right, v upwards.

    planes = _inverse_depths(yaw)  # [n, surfaces, 3]
    share = _coverage(planes, right, up, pixel)
    depth_inverse = tf.reduce_max(_evaluate(planes, right, up), axis=1)  # [n, side, side]
    wall = colors[:, 0]
    surfaces = tf.stack([colors[:, 1], tf.broadcast_to(_CEILING_COLOR, tf.shape(wall)), wall, wall, wall], axis=1)
    picture = tf.einsum("nshw,nsc->nhwc", share, surfaces * _SHADE[:, None])

    walls = share[:, _LEFT] + share[:, _RIGHT] + share[:, _BACK]
    skirting = walls * _skirting(depth_inverse, up, pixel)
    picture += skirting[..., None] * (tf.constant(_SKIRTING_COLOR) - picture)
    falloff = 0.80 + 0.20 * tf.minimum(1.6 * depth_inverse, 1.0)

    place = _stand(bearing, distance)
    thing, opaque, shadow = draw_thing(labels[:, 3], colors[:, 2], place, right, up, pixel)
    picture *= (falloff * (1.0 - shadow))[..., None]
    picture += opaque[..., None] * (thing - picture)
    return tf.cast(tf.round(255.0 * tf.clip_by_value(picture * light[:, None, None, None], 0.0, 1.0)), tf.uint8)


def _inverse_depths(yaw) -> tf.Tensor:
    """(a, b, c) of every surface, [n, surfaces, 3]: its inverse depth at (u, v) is a * u + b * v + c.

    A pixel's ray in the room is (u, v cos p - sin p, v sin p + cos p) turned by the yaw; a plane at distance d along
    an axis has inverse depth (ray along that axis) / d.
    """
    cos_p, sin_p = math.cos(_PITCH), math.sin(_PITCH)
    zero, one = tf.zeros_like(yaw), tf.ones_like(yaw)
    cos_y, sin_y = tf.cos(yaw), tf.sin(yaw)
    height = tf.stack([zero, cos_p * one, -sin_p * one], axis=-1)
    across = tf.stack([cos_y, sin_y * sin_p, sin_y * cos_p], axis=-1)
    ahead = tf.stack([-sin_y, cos_y * sin_p, cos_y * cos_p], axis=-1)
    planes = [height / -_EYE, height / (_HEIGHT - _EYE), across / -_HALF_WIDTH, across / _HALF_WIDTH, ahead / _FAR]
    return tf.stack(planes, axis=1)


def _evaluate(planes, right, up) -> tf.Tensor:
    """Values of linear functions [n, k, 3] on the screen: [n, k, side, side]."""
    a, b, c = (part[..., None, None] for part in tf.unstack(planes, axis=-1))
    return (a * right + c) + b * up


def _coverage(planes, right, up, pixel: float) -> tf.Tensor:
    """Which share of each pixel shows each surface: [n, surfaces, side, side], shares sum to one."""
    firsts, seconds = np.triu_indices(_SURFACES, 1)
    edges = tf.gather(planes, firsts, axis=1) - tf.gather(planes, seconds, axis=1)
    edges /= pixel * tf.norm(edges[..., :2], axis=-1, keepdims=True)  # In pixels from the edge.
    ahead = tf.clip_by_value(_evaluate(edges, right, up) + 0.5, 0.0, 1.0)
    shares = []
    for surface in range(_SURFACES):
        share = None
        for pair, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
            if surface in (first, second):
                part = ahead[:, pair] if surface == first else 1.0 - ahead[:, pair]
                share = part if share is None else tf.minimum(share, part)
        shares.append(share)
    shares = tf.stack(shares, axis=1)
    return shares / tf.reduce_sum(shares, axis=1, keepdims=True)


def _skirting(depth_inverse, up, pixel: float) -> tf.Tensor:
    """Share of each pixel below the upper edge of the skirting board: [n, side, side]."""
    height = math.cos(_PITCH) * up - math.sin(_PITCH)
    return tf.clip_by_value(((_SKIRTING - _EYE) * depth_inverse - height) / pixel + 0.5, 0.0, 1.0)


def _stand(bearing, distance) -> tuple:
    """(u, v, scale) on the screen of the foot of something that stands on the floor; scale is of one meter there."""
    cos_p, sin_p = math.cos(_PITCH), math.sin(_PITCH)
    across, ahead = distance * tf.sin(bearing), distance * tf.cos(bearing)
    depth = _EYE * sin_p + ahead * cos_p
    return across / depth, (ahead * sin_p - _EYE * cos_p) / depth, 1.0 / depth
