"""Useful rate of untied local filters against im2col, Keras 2's own layer, and a plain matrix product.

    python benchmarks/local_layer.py [--batch=100] [--repeats=7] [--skip_peers]

The three shapes are the three stages of the full network of Le et al. 2012 (field 18, 8 maps), cropped so that every
peer fits into memory. Useful floating-point operations are 6 * batch * true weights for a forward and backward pass
(gradients of images and weights); the zeros that a method stores are not useful. Every method runs in a process of
its own, so that its peak memory is its own; rates are medians, and the products of the same run are the limit.
"""

import json
import os
import resource
import subprocess
import sys
import time

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_integer("batch", 100, "Images a step; the paper's minibatch by default.")
flags.DEFINE_integer("repeats", 7, "Timed steps of each method.")
flags.DEFINE_boolean("skip_peers", False, "Only this layer and the matrix product.")
flags.DEFINE_string("method", "", "One method, in this process (used by the benchmark itself).")
flags.DEFINE_integer("shape", 0, "Which of the shapes.")
flags.DEFINE_float("limit", 300.0, "Seconds a method may take to build and run.")

FIELD, MAPS = 18, 8
SHAPES = ((65, 65, 3), (57, 57, 8), (49, 49, 8))
METHODS = ("reverie", "im2col", "tf_keras 1", "tf_keras 2", "tf_keras 3")


def _layer(method, shape):
    """(images -> maps, variables, building seconds)."""
    import tensorflow as tf

    began = time.perf_counter()
    positions = (shape[0] - FIELD + 1, shape[1] - FIELD + 1)
    if method == "reverie":
        from reverie.layers import LocallyConnected2D

        layer = LocallyConnected2D(MAPS, FIELD)
        layer.build((None, *shape))
        return layer, [layer.kernel.value], time.perf_counter() - began
    if method == "im2col":
        kernel = tf.Variable(tf.random.normal([*positions, FIELD * FIELD * shape[2], MAPS]))

        def einsum(images):
            patches = tf.image.extract_patches(images, [1, FIELD, FIELD, 1], [1] * 4, [1] * 4, "VALID")
            return tf.einsum("bijk,ijkm->bijm", patches, kernel)

        return einsum, [kernel], time.perf_counter() - began
    import tf_keras

    layer = tf_keras.layers.LocallyConnected2D(MAPS, FIELD, use_bias=False, implementation=int(method[-1]))
    layer.build((None, *shape))
    return layer, layer.trainable_variables, time.perf_counter() - began


def _measure(method, shape) -> dict:
    if method == "reverie":
        import reverie  # noqa: F401  Before TensorFlow's first tensor: it has memory of the host kept.
    import numpy as np
    import tensorflow as tf

    images = tf.random.normal([FLAGS.batch, *shape])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    layer, variables, building = _layer(method, shape)

    @tf.function
    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(tf.square(layer(x)))
        gradients = tape.gradient(total, [x, *variables])
        return [tf.convert_to_tensor(gradient) for gradient in gradients]

    began = time.perf_counter()
    both(images)
    building += time.perf_counter() - began
    seconds = []
    for _ in range(FLAGS.repeats):
        began = time.perf_counter()
        both(images)  # Returns when it is done: functions on a CPU are not asynchronous.
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = shape[0] - FIELD + 1
    weights = rows * rows * FIELD * FIELD * shape[2] * MAPS
    rate = 6 * FLAGS.batch * weights / np.array(seconds) / 1e9
    return {
        "gflops": float(np.median(rate)),
        "spread": [float(rate.min()), float(rate.max())],
        "build_seconds": building,
        "peak_gib": (peak - before) / 2**20,
        "weights_gib": 4 * weights / 2**30,
    }


def _products() -> dict:
    """Rates of plain matrix products, a square one of 2048 and one of 4096."""
    import numpy as np
    import tensorflow as tf

    result = {}
    for side in (2048, 4096):
        a = tf.random.normal([side, side])
        product = tf.function(lambda a: tf.matmul(a, a))
        product(a)
        seconds = []
        for _ in range(9):
            began = time.perf_counter()
            product(a)
            seconds.append(time.perf_counter() - began)
        result[side] = 2 * side**3 / np.median(seconds) / 1e9
    return result


def main(_):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if FLAGS.method == "products":
        print(json.dumps(_products()))
        return
    if FLAGS.method:
        print(json.dumps(_measure(FLAGS.method, SHAPES[FLAGS.shape])))
        return

    def run(method, shape=0):
        command = [sys.executable, __file__, f"--method={method}", f"--shape={shape}", f"--batch={FLAGS.batch}",
                   f"--repeats={FLAGS.repeats}"]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FLAGS.limit, check=False)
        except subprocess.TimeoutExpired:
            return f"not built and run within {FLAGS.limit:g} s"
        return json.loads(done.stdout) if done.returncode == 0 else f"failed ({done.stderr.strip()[-80:]})"

    products = run("products")
    print(
        f"matrix product: {products['2048']:.0f} GFLOP/s at 2048, {products['4096']:.0f} at 4096; batch {FLAGS.batch}"
    )
    print(
        f"{'shape':12} {'method':11} {'GFLOP/s':>8} {'(least-most)':>14} {'/ 2048':>7} {'build s':>8} {'peak GiB':>9}"
    )
    for number, shape in enumerate(SHAPES):
        for method in METHODS[: 1 if FLAGS.skip_peers else None]:
            found = run(method, number)
            name = "x".join(map(str, shape))
            if isinstance(found, str):
                print(f"{name:12} {method:11} {found}", flush=True)
                continue
            spread = f"({found['spread'][0]:.1f}-{found['spread'][1]:.1f})"
            print(
                f"{name:12} {method:11} {found['gflops']:8.1f} {spread:>14} {found['gflops'] / products['2048']:7.3f} "
                f"{found['build_seconds']:8.1f} {found['peak_gib']:9.2f}",
                flush=True,
            )
    products = run("products")
    print(f"matrix product again: {products['2048']:.0f} GFLOP/s at 2048, {products['4096']:.0f} at 4096")


if __name__ == "__main__":
    app.run(main)
