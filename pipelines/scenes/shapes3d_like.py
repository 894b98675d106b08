"""Drawn pictures with the causes of Shapes3D (Burgess and Kim 2018), and of nothing else: a shape on a floor by walls.

Every combination of six factors is there once, in the order of the published set: the last factor varies fastest.

| factor | values | as in the published set |
|---|---|---|
| floor_hue, wall_hue, object_hue | 10 each | hue 0, 0.1, ..., 0.9 |
| scale | 8 | 0.75 to 1.25, evenly |
| shape | 4 | cube, cylinder, sphere, capsule |
| orientation | 15 | of the camera around the shape, -30 to 30 degrees, evenly |

Its description says "linearly spaced in [0, 1]"; its labels end at 0.9, and so the ten hues are ten colors. A code can
hold them as a line, from red to the pink beside it, or as a circle. Ours are drawn with a saturation of 0.85 and a
brightness of 0.95; camera, room, light and the sizes of the shapes are of our own making.

What a pixel shows is linear in the three colors: so much of the floor's, of the wall's, of the object's, and so much
white (the highlight). For each of the 480 geometries these four shares are found once, by intersecting rays with what
stands in the room, and kept as whole numbers. A picture is then three products and a sum, exact in any batch and on
any machine.
"""

import colorsys
import functools
import itertools

import numpy as np
import tensorflow as tf

from ...progress import Progress
from ..image_set import HOST

SIDE = 64  # Of the pictures, in pixels.

_HUES = ("red", "orange", "lime", "green", "emerald", "cyan", "azure", "blue", "magenta", "pink")
SHAPES = ("cube", "cylinder", "sphere", "capsule")
SCALES = tuple(np.linspace(0.75, 1.25, 8).tolist())
ORIENTATIONS = tuple(np.linspace(-30.0, 30.0, 15).tolist())
# Factors in order, with the names of their values.
FACTORS = {
    "floor_hue": _HUES,
    "wall_hue": _HUES,
    "object_hue": _HUES,
    "scale": tuple(f"{value:.2f}" for value in SCALES),
    "shape": SHAPES,
    "orientation": tuple(f"{value:.0f}" for value in ORIENTATIONS),
}
SIZES = tuple(len(values) for values in FACTORS.values())
COUNT = int(np.prod(SIZES))

_ONE = 4096  # What a share of 1 is in whole numbers.
_CHUNK = 512  # Pictures rendered at once.
_RAYS = 3  # Along each side of a pixel.
_HALF_VIEW = 0.42  # Tangent of half the angle of view.
_DISTANCE, _EYE, _AIM = 4.4, 2.2, 0.80  # Of the camera from the shape's axis; its height, and that of what it aims at.
_HALF_ROOM = 3.0  # From the axis to each wall.
_LIGHT = np.asarray([-0.45, 0.80, 0.55]) / np.linalg.norm([-0.45, 0.80, 0.55])
# Light on the floor, and on the walls to the left, to the right and at the back, so that corners show.
_FLOOR, _LEFT, _RIGHT, _BACK = 0.95, 0.62, 0.86, 0.74
_SHADOW, _AMBIENT, _HIGHLIGHT, _SHINE = 0.55, 0.35, 0.35, 24.0
_NEVER = np.inf


def labels_of(indices) -> np.ndarray:
    """The values of all factors of pictures by their numbers.

    Args:
      indices: int [n], 0 to 479,999.

    Returns:
      int32 [n, 6], in the order of `FACTORS`.

    Example:
      >>> labels_of([0, 1, 479_999]).tolist()
      [[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1], [9, 9, 9, 7, 3, 14]]
    """
    return np.stack(np.unravel_index(np.asarray(indices), SIZES), axis=-1).astype(np.int32)


def indices_of(labels) -> np.ndarray:
    """The numbers of pictures by the values of their factors: the inverse of `labels_of`.

    Args:
      labels: int [n, 6].

    Returns:
      int64 [n].

    Example:
      >>> indices_of([[9, 9, 9, 7, 3, 14]]).tolist()
      [479999]
    """
    return np.asarray(np.ravel_multi_index(tuple(np.asarray(labels).T), SIZES), np.int64)


def palette() -> np.ndarray:
    """uint8 [10, 3]: red, green and blue of every hue."""
    colors = [colorsys.hsv_to_rgb(number / len(_HUES), 0.85, 0.95) for number in range(len(_HUES))]
    return np.round(255.0 * np.asarray(colors)).astype(np.uint8)


def render(labels, nuisances=None) -> tf.Tensor:
    """Pictures of combinations of factors, for use inside and outside of `tf.data`.

    Args:
      labels: int [n, 6], see `labels_of`.
      nuisances: there are none.

    Returns:
      uint8 [n, side, side, 3].

    Example:
      >>> render(labels_of([7])).shape
      TensorShape([1, 64, 64, 3])
    """
    del nuisances
    with tf.device(HOST):
        labels = tf.convert_to_tensor(labels)
        geometry = (labels[:, 3] * SIZES[4] + labels[:, 4]) * SIZES[5] + labels[:, 5]
        shares = tf.cast(tf.gather(_table(), geometry), tf.float32)
        white = tf.fill([tf.shape(labels)[0], 1, 3], 255.0)
        colors = tf.concat([tf.gather(tf.constant(palette(), tf.float32), labels[:, :3]), white], axis=1)
        # Sums of products of whole numbers below 2^24: float32 holds them exactly, in whatever order they are added.
        summed = tf.matmul(shares, colors)
        pictures = tf.minimum(tf.floor(summed / _ONE + 0.5), 255.0)
        return tf.cast(tf.reshape(pictures, [-1, SIDE, SIDE, 3]), tf.uint8)


def render_all(labels: np.ndarray, title: str) -> np.ndarray:
    """As `render`, into memory and with a progress bar.

    Args:
      labels: see `render`.
      title: of the progress bar.

    Returns:
      uint8 [n, side, side, 3].
    """
    pixels = np.empty([len(labels), SIDE, SIDE, 3], np.uint8)
    progress = Progress(title, len(labels), "scene")
    for start in range(0, len(labels), _CHUNK):
        part = labels[start : start + _CHUNK]
        pixels[start : start + len(part)] = render(part).numpy()
        progress.update(len(part))
    progress.close()
    return pixels


@functools.cache
def _table() -> tf.Tensor:
    """`shares` as one tensor that every graph takes in, made once."""
    with tf.init_scope(), tf.device(HOST):
        return tf.constant(shares())


@functools.cache
def shares() -> np.ndarray:
    """int16 [480, side * side, 4]: how much of floor, wall, object and white each pixel of each geometry shows.

    Geometries are in the order of scale, shape and orientation; 4,096 stands for the whole of a color.
    """
    found = np.empty([len(SCALES) * len(SHAPES) * len(ORIENTATIONS), SIDE * SIDE, 4], np.int16)
    by_orientation = [_room(np.radians(degrees)) for degrees in ORIENTATIONS]
    places = itertools.product(SCALES, SHAPES, by_orientation)
    for number, (scale, shape, (eye, rays, depth, painted, floor)) in enumerate(places):
        found[number] = _seen(shape, scale, eye, rays, depth, painted, floor)
    return found


def _room(azimuth: float) -> tuple:
    """The empty room from one side.

    Returns:
      (eye [3]; directions of all rays [n, 3]; how far each goes before it hits floor or wall [n]; what it shows there,
      shares of floor, wall, object and white [n, 4]; whether it hits the floor [n]).
    """
    fine = SIDE * _RAYS
    line = ((np.arange(fine) + 0.5) / fine * 2.0 - 1.0) * _HALF_VIEW
    right, up = np.meshgrid(line, -line)
    eye = np.asarray([_DISTANCE * np.sin(azimuth), _EYE, _DISTANCE * np.cos(azimuth)])
    ahead = np.asarray([0.0, _AIM, 0.0]) - eye
    ahead /= np.linalg.norm(ahead)
    across = np.cross(ahead, [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across)
    rays = ahead + right.reshape(-1, 1) * across + up.reshape(-1, 1) * np.cross(across, ahead)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    planes = ((1, 0.0), (0, -_HALF_ROOM), (0, _HALF_ROOM), (2, -_HALF_ROOM))
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.stack([(place - eye[axis]) / rays[:, axis] for axis, place in planes])
    times = np.where(times > 0.0, times, _NEVER)
    nearest = times.argmin(axis=0)
    painted = np.zeros([len(rays), 4])
    painted[:, 0] = np.where(nearest == 0, _FLOOR, 0.0)
    painted[:, 1] = np.asarray([0.0, _LEFT, _RIGHT, _BACK])[nearest]
    return eye, rays, times.min(axis=0), painted, nearest == 0


def _seen(shape: str, scale: float, eye, rays, depth, painted, floor) -> np.ndarray:
    """The room of `_room` with a shape in it: int16 [side * side, 4]."""
    painted = painted.copy()
    passing = _passing(scale, eye, rays)
    times, normals = _hit(shape, scale, np.broadcast_to(eye, [len(passing), 3]), rays[passing])
    hit = times < depth[passing]
    shown, normals = passing[hit], normals[hit]
    light = normals @ _LIGHT
    mirrored = 2.0 * light[:, None] * normals - _LIGHT
    shine = np.maximum(-np.sum(mirrored * rays[shown], axis=1), 0.0) ** _SHINE * (light > 0.0)
    # Shaded floor first: where the shape hides it, that is painted over.
    ground = eye + depth[floor, None] * rays[floor]
    lit = _passing(scale, ground, np.broadcast_to(_LIGHT, ground.shape))
    shaded = _hit(shape, scale, ground[lit], np.broadcast_to(_LIGHT, [len(lit), 3]))[0] < _NEVER
    painted[np.flatnonzero(floor)[lit[shaded]], 0] *= _SHADOW
    painted[shown] = 0.0
    painted[shown, 2] = (1.0 - _HIGHLIGHT * shine) * (_AMBIENT + (1.0 - _AMBIENT) * np.maximum(light, 0.0))
    painted[shown, 3] = _HIGHLIGHT * shine
    pixels = painted.reshape(SIDE, _RAYS, SIDE, _RAYS, 4).mean(axis=(1, 3)).reshape(SIDE * SIDE, 4)
    return np.round(_ONE * pixels).astype(np.int16)


def _passing(scale: float, starts, rays) -> np.ndarray:
    """Which rays come near a shape of that scale at all, of whichever kind: int [k]."""
    toward = np.asarray([0.0, 0.75 * scale, 0.0]) - starts
    along = np.sum(toward * rays, axis=-1)
    return np.flatnonzero(np.sum(np.square(toward), axis=-1) - np.square(along) < (1.2 * scale) ** 2)


def _hit(shape: str, scale: float, starts, rays) -> tuple:
    """(distance along each ray to a shape that stands on the floor, infinity past it; the normals there [n, 3])."""
    if shape == "cube":
        half = 0.60 * scale
        return _box(starts - np.asarray([0.0, half, 0.0]), rays, half)
    if shape == "sphere":
        radius = 0.74 * scale
        return _ball(starts, rays, radius, radius)
    if shape == "cylinder":
        radius, height = 0.63 * scale, 1.26 * scale
        return _nearest(_tube(starts, rays, radius, 0.0, height), _lid(starts, rays, radius, height))
    radius, height = 0.46 * scale, 1.58 * scale
    tube = _tube(starts, rays, radius, radius, height - radius)
    ends = (_ball(starts, rays, radius, radius), _ball(starts, rays, radius, height - radius))
    return _nearest(tube, *ends)


def _nearest(*hits) -> tuple:
    times, normals = np.stack([hit[0] for hit in hits]), np.stack([hit[1] for hit in hits])
    first = times.argmin(axis=0)
    rows = np.arange(len(first))
    return times[first, rows], normals[first, rows]


def _box(starts, rays, half: float) -> tuple:
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([(-half - starts) / rays, (half - starts) / rays])
    into, out = ends.min(axis=0), ends.max(axis=0)
    enters = into.max(axis=1)
    times = np.where((enters < out.min(axis=1)) & (enters > 1e-9), enters, _NEVER)
    axis = into.argmax(axis=1)
    rows = np.arange(len(rays))
    normals = np.zeros_like(rays)
    normals[rows, axis] = -np.sign(rays[rows, axis])
    return times, normals


def _ball(starts, rays, radius: float, height: float) -> tuple:
    center = np.asarray([0.0, height, 0.0])
    times = _root(np.ones(len(rays)), np.sum((starts - center) * rays, axis=1),
                  np.sum(np.square(starts - center), axis=1) - radius**2)  # fmt: skip
    return times, (_at(starts, rays, times) - center) / radius


def _tube(starts, rays, radius: float, low: float, high: float) -> tuple:
    flat, slant = starts[:, ::2], rays[:, ::2]
    times = _root(np.sum(slant**2, axis=1), np.sum(flat * slant, axis=1), np.sum(flat**2, axis=1) - radius**2)
    places = _at(starts, rays, times)
    times = np.where((places[:, 1] >= low) & (places[:, 1] <= high), times, _NEVER)
    return times, places * np.asarray([1.0, 0.0, 1.0]) / radius


def _lid(starts, rays, radius: float, height: float) -> tuple:
    with np.errstate(divide="ignore", invalid="ignore"):
        times = (height - starts[:, 1]) / rays[:, 1]
    times = np.where(times > 1e-9, times, _NEVER)
    places = _at(starts, rays, times)
    inside = np.sum(np.square(places[:, ::2]), axis=1) <= radius**2
    return np.where(inside, times, _NEVER), np.broadcast_to(np.asarray([0.0, 1.0, 0.0]), rays.shape)


def _root(a, b, c) -> np.ndarray:
    """The lesser root of a t^2 + 2 b t + c where it is positive, infinity elsewhere."""
    inside = b**2 - a * c
    with np.errstate(divide="ignore", invalid="ignore"):
        times = (-b - np.sqrt(np.maximum(inside, 0.0))) / a
    return np.where((inside > 0.0) & (times > 1e-9), times, _NEVER)


def _at(starts, rays, times) -> np.ndarray:
    """Where rays are at their times; at their start where they never come."""
    return starts + np.where(np.isfinite(times), times, 0.0)[:, None] * rays
