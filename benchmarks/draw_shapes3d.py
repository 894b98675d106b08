"""Draws a contact sheet of the factors of Shapes3D, one a row, and says how fast such pictures are drawn.

    TF_NUM_INTRAOP_THREADS=1 python benchmarks/draw_shapes3d.py docs/shapes3d_like.png

The rate is that of a stream of batches of 64 with one thread, over the time that this process had on its processor.
"""

import sys
import time

import numpy as np
import tensorflow as tf
from reverie.evaluation import pictures
from reverie.pipelines.scenes import shapes3d_like as scenes

_SHOWN = 11
_TIMED = 6400


def sheet() -> np.ndarray:
    """uint8 [6, 11, side, side, 3]: each factor from its first to its last value, while the others stay."""
    rows = np.tile(np.array([3, 6, 0, 4, 0, 7], np.int32), (len(scenes.SIZES), _SHOWN, 1))
    for factor, size in enumerate(scenes.SIZES):
        rows[factor, :, factor] = np.round(np.linspace(0, size - 1, _SHOWN))
    return scenes.render(rows.reshape(-1, len(scenes.SIZES))).numpy().reshape(len(scenes.SIZES), _SHOWN, 64, 64, 3)


def main() -> None:
    began = time.process_time()
    scenes.shares()
    print(f"the table of {len(scenes.shares())} geometries: {time.process_time() - began:.1f} s")
    pictures.save_png(sys.argv[1], pictures.grid(sheet() / 255.0, least_side=96))
    labels = scenes.labels_of(np.random.default_rng(0).integers(0, scenes.COUNT, _TIMED))
    stream = tf.data.Dataset.from_tensor_slices(labels).batch(64).map(scenes.render, num_parallel_calls=1)
    list(stream.take(2))
    began = time.process_time()
    count = sum(len(batch) for batch in stream)
    print(f"drawn: {count / (time.process_time() - began):,.0f} images/s of processor time")


if __name__ == "__main__":
    main()
