"""Any number of scenes to pictures, always by the same compiled arithmetic: a scene has the same bits in any batch."""

import functools

import numpy as np
import tensorflow as tf

from ...progress import Progress
from . import room

_CHUNK = 16  # Scenes rendered at once: what a core's cache holds.


def render(labels, nuisances) -> tf.Tensor:
    """Pictures of scenes, for use inside and outside of `tf.data`.

    Args:
      labels, nuisances: int [n, 4] and float [n, 4] as `factors.sample` returns them; any number of rows.

    Returns:
      uint8 [n, side, side, 3].

    Example:
      >>> from reverie.pipelines.scenes import factors
      >>> render(*factors.sample(0, [7])).shape
      TensorShape([1, 64, 64, 3])
    """
    labels, nuisances = tf.convert_to_tensor(labels), tf.convert_to_tensor(nuisances)
    count = tf.shape(labels)[0]
    missing = -count % _CHUNK
    labels = tf.reshape(tf.pad(labels, [[0, missing], [0, 0]]), [-1, _CHUNK, labels.shape[-1]])
    nuisances = tf.reshape(tf.pad(nuisances, [[0, missing], [0, 0]]), [-1, _CHUNK, nuisances.shape[-1]])
    signature = tf.TensorSpec([_CHUNK, room.SIDE, room.SIDE, 3], tf.uint8)
    compiled = _compiled()
    pictures = tf.map_fn(lambda part: compiled(*part), (labels, nuisances), fn_output_signature=signature)
    return tf.reshape(pictures, [-1, room.SIDE, room.SIDE, 3])[:count]


def render_all(labels: np.ndarray, nuisances: np.ndarray, title: str) -> np.ndarray:
    """As `render`, on all cores and with a progress bar.

    Args:
      labels, nuisances: see `render`.
      title: of the progress bar.

    Returns:
      uint8 [n, side, side, 3].
    """
    pixels = np.empty([len(labels), room.SIDE, room.SIDE, 3], np.uint8)
    progress = Progress(title, len(labels), "scene")
    at = 0
    rows = tf.data.Dataset.from_tensor_slices((labels, nuisances)).batch(32 * _CHUNK)
    for part in rows.map(render, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2):
        pixels[at : at + len(part)] = part.numpy()
        at += len(part)
        progress.update(len(part))
    progress.close()
    return pixels


@functools.cache
def _compiled():
    return tf.function(room.render, jit_compile=True, autograph=False)
