"""Scenes as an image set, `scenes:COUNT:SEED`: drawn once into memory, or over and over while streaming."""

import functools

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from ...errors import UserError
from ..source import Images
from . import factors, room

_COUNT = 50_000
_HELD = 5_000  # Scenes in each of "validation" and "test".
_CHUNK = 16  # Scenes drawn at once: what a core's cache holds.
# Splits are disjoint stretches of the one sequence of scenes that a seed has.
_STARTS = {"test": 0, "validation": 1 << 20, "train": 1 << 21}


@functools.cache
def _compiled():
    return tf.function(room.render, jit_compile=True)


def draw(labels, nuisances) -> tf.Tensor:
    """Pictures of scenes, always by the same compiled arithmetic so that a scene has the same bits in any batch.

    Args:
      labels, nuisances: as `factors.draw` returns them; any number of rows.

    Returns:
      uint8 [n, side, side, 3].
    """
    labels, nuisances = tf.convert_to_tensor(labels), tf.convert_to_tensor(nuisances)
    count = tf.shape(labels)[0]
    missing = -count % _CHUNK
    labels = tf.reshape(tf.pad(labels, [[0, missing], [0, 0]]), [-1, _CHUNK, labels.shape[-1]])
    nuisances = tf.reshape(tf.pad(nuisances, [[0, missing], [0, 0]]), [-1, _CHUNK, nuisances.shape[-1]])
    signature = tf.TensorSpec([_CHUNK, room.SIDE, room.SIDE, 3], tf.uint8)
    render = _compiled()
    pictures = tf.map_fn(lambda part: render(*part), (labels, nuisances), fn_output_signature=signature)
    return tf.reshape(pictures, [-1, room.SIDE, room.SIDE, 3])[:count]


def read_scenes(place: str, split: str, memory_gib: float) -> Images:
    """One split of the scenes.

    Args:
      place: "", "COUNT" or "COUNT:SEED", COUNT training scenes (50,000 by default) of seed SEED (0).
      split: "train", "validation" or "test"; the latter two have 5,000 scenes whatever COUNT is.
      memory_gib: sets up to this size are drawn into memory once, larger ones while streaming.

    Raises:
      UserError: a place that says something else.
    """
    count, seed = _parsed(place)
    count = count if split == "train" else _HELD
    indices = np.arange(count) + _STARTS[split]
    labels, nuisances = factors.draw(seed, indices)
    fields = {
        "name": f"scenes:{seed}:{split}",
        "shape": (room.SIDE, room.SIDE, 3),
        "labels": labels,
        "keys": indices.astype(str),
        "head_names": tuple(factors.ATTRIBUTES),
        "class_names": dict(factors.ATTRIBUTES),
        "nuisances": nuisances,
        "nuisance_names": tuple(factors.NUISANCES),
    }
    if count * room.SIDE**2 * 3 > memory_gib * 2**30:
        return Images(**fields, drawn=draw)
    pixels = np.empty([count, room.SIDE, room.SIDE, 3], np.uint8)
    progress = tqdm(total=count, desc=f"drawing {split} scenes", unit="scene", disable=None)
    at = 0
    rows = tf.data.Dataset.from_tensor_slices((labels, nuisances)).batch(32 * _CHUNK)
    for part in rows.map(draw, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2):
        pixels[at : at + len(part)] = part.numpy()
        at += len(part)
        progress.update(len(part))
    progress.close()
    return Images(**fields, pixels=pixels)


def _parsed(place: str) -> tuple:
    parts = place.split(":") if place else []
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != len(parts) or len(parts) > 2 or (numbers and not 1 <= numbers[0] <= 1 << 30):
        raise UserError(f"scenes:{place}: expected scenes, scenes:COUNT or scenes:COUNT:SEED, as scenes:20000:1")
    return (numbers[0] if numbers else _COUNT), (numbers[1] if len(numbers) > 1 else 0)
