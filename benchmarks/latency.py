"""Latency of `encode` at batch 1 and 256: SavedModel and LiteRT against the bare Keras call, in one run.

    reverie train --config=xcov_demo --workdir=runs/demo && reverie export --workdir=runs/demo
    python benchmarks/latency.py --workdir=runs/demo

All forms take turns, call by call, so that a drift of the machine meets them alike. "keras" is
`model.encode(images)`, eager; "keras_function" the same under tf.function; "graph" the session that stands
for TensorFlow Serving's; "signature" is tf.saved_model.load.
"""

import argparse
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from reverie.experiments import Run
from reverie.export import GraphModel, LiteModel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", default="runs/demo")
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args()
    run = Run(options.workdir)
    config, model = run.config, run.model
    version = sorted(pathlib.Path(options.workdir).glob("export/*/*/saved_model.pb"))[-1].parent
    graph, loaded = GraphModel(version), tf.saved_model.load(str(version))
    signature = loaded.signatures["encode"]
    function = tf.function(model.encode)
    files = {
        f"lite_{variant}_{threads}": LiteModel(version / "lite" / f"encode_{variant}.tflite", threads)
        for variant in ("float32", "dynamic", "int8")
        for threads in (1, 2)
    }
    for batch in (1, 256):
        images = np.random.default_rng(0).random((batch, *config.model.image_shape), np.float32)
        tensor = tf.constant(images)
        forms = {
            "keras": lambda x=images: model.encode(tf.constant(x))["features"].numpy(),
            "keras_function": lambda x=tensor: function(x)["features"].numpy(),
            "signature": lambda x=tensor: signature(images=x)["features"].numpy(),
            "graph": lambda x=images: graph.call("encode", images=x),
            **{name: lambda x=images, f=file: f.call(images=x) for name, file in files.items()},
        }
        times: dict = {name: [] for name in forms}
        for number in range(options.calls + 10):
            for name, call in forms.items():
                began = time.perf_counter()
                call()
                if number >= 10:
                    times[name].append(1000 * (time.perf_counter() - began))
        base = np.median(times["keras"])
        print(f"batch {batch}: p50 ms (p5 to p95), ratio to keras")
        for name, values in times.items():
            low, middle, high = np.percentile(values, [5, 50, 95])
            print(f"  {name:16} {middle:8.3f} ({low:.3f} to {high:.3f})  {middle / base:.2f}")


if __name__ == "__main__":
    main()
