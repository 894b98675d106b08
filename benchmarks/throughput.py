"""Training throughput of the loop against a bare tf.function step, and the input pipeline alone, in one run.

    python benchmarks/throughput.py [--config=xcov_mnist] [--rounds=5] [--steps=1500]

The bare step is what one would write by hand: the same model and data, a Keras optimizer, `for batch in data:
step(batch)`, no checks, no records. "fit" is the same model and optimizer under `keras.Model.fit`. "fused" is
the bare step with our fused update, to tell the optimizer's share from the loop's. Rounds alternate, so that a
drift of the machine's speed meets all alike; the loop's figure is the wall time of a long run minus that of a
short one (both with logging), which leaves out tracing: take at least 1,000 steps.

Limits, counted for xcov_mnist (1.30 M weights, batch 100): forward and backward of the dense layers are
6 FLOPs a weight and example = 7.8 MFLOP, so a machine with F GFLOP/s of matrix product cannot pass F / 0.0078
examples a second; the matrix product is measured beside it.
"""

import argparse
import importlib
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from reverie import models, pipelines
from reverie.experiments import kind_of, loop_settings, read_images
from reverie.training import loop, optimizers, run_folder, strategies

KERAS = {"adadelta": lambda rate, s: keras.optimizers.Adadelta(rate, rho=s["rho"], epsilon=s["epsilon"])}


def bare_step(model, batch_size: int, update):
    variables = [v.value for v in model.trainable_variables]

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model.losses(batch)["total"]) / batch_size
        update(tape.gradient(total, variables), model.trainable_variables)
        return total

    return step


def bare_rate(config, images, steps: int, fused: bool) -> float:
    model, batch_size = models.build(config.model, config.seed), config.train.batch_size
    if fused:
        optimizer = optimizers.make_optimizer(config.optimizer.to_dict(), model.trainable_variables)
        counter = tf.constant(0, tf.int64)

        def update(gradients, variables):
            optimizer.apply(gradients, [v.value for v in variables], tf.constant(config.schedule.rate), counter)
    else:
        optimizer = KERAS[config.optimizer.name](config.schedule.rate, config.optimizer)
        optimizer.build(model.trainable_variables)
        update = optimizer.apply
    step = bare_step(model, batch_size, update)
    stream = iter(pipelines.batches(images, batch_size, seed=config.seed))
    for _ in range(20):
        step(next(stream))
    began = time.perf_counter()
    for _ in range(steps):
        total = step(next(stream))
    float(total)
    return steps * batch_size / (time.perf_counter() - began)


class Fitted(keras.Model):
    """The model as one would hand it to `fit`: its own loss, Keras' own train_step."""

    def __init__(self, model):
        super().__init__()
        self.inner = model
        self.built = True

    def call(self, batch):
        return self.inner.losses(batch)["total"]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return tf.reduce_mean(y_pred)


def fit_rate(config, images, steps: int) -> float:
    model = Fitted(models.build(config.model, config.seed))
    model.compile(optimizer=KERAS[config.optimizer.name](config.schedule.rate, config.optimizer))
    stream = pipelines.batches(images, config.train.batch_size, seed=config.seed)
    model.fit(stream, steps_per_epoch=20, verbose=0)
    began = time.perf_counter()
    model.fit(stream, steps_per_epoch=steps, verbose=0)
    return steps * config.train.batch_size / (time.perf_counter() - began)


def loop_seconds(config, images, steps: int) -> float:
    config = config.copy_and_resolve_references()
    config.train.steps, config.train.epochs, config.train.checkpoint_every = steps, 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        strategy = strategies.make_strategy("one")
        run_folder.open_run(folder, config)
        model = models.build(config.model, config.seed)
        phases = kind_of(config).phases(config, model, images, strategy)
        began = time.perf_counter()
        loop.train(loop.Context(model, loop_settings(config), strategy, folder), phases)
        return time.perf_counter() - began


def loop_rate(config, images, steps: int) -> float:
    short = steps // 5
    seconds = loop_seconds(config, images, steps + short) - loop_seconds(config, images, short)
    return steps * config.train.batch_size / seconds


def input_rate(config, images, steps: int) -> float:
    stream = iter(pipelines.batches(images, config.train.batch_size, seed=config.seed))
    next(stream)
    began = time.perf_counter()
    for _ in range(steps):
        next(stream)
    return steps * config.train.batch_size / (time.perf_counter() - began)


def matrix_product_gflops() -> float:
    a = tf.random.stateless_normal([2000, 2000], [1, 2])
    tf.matmul(a, a)
    began = time.perf_counter()
    for _ in range(10):
        result = tf.matmul(a, a)
    float(result[0, 0])
    return 10 * 2 * 2000**3 / (time.perf_counter() - began) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="xcov_mnist")
    parser.add_argument("--data", default="mnist_sample")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--jit", action="store_true", help="XLA-compile the loop's gradients")
    options = parser.parse_args()
    config = importlib.import_module(f"reverie.configs.{options.config}").get_config()
    config.data.source, config.train.jit = options.data, options.jit
    images = read_images(config, "train")["train"]
    measures = {
        "loop": lambda: loop_rate(config, images, options.steps),
        "bare": lambda: bare_rate(config, images, options.steps, fused=False),
        "fit": lambda: fit_rate(config, images, options.steps),
        "fused": lambda: bare_rate(config, images, options.steps, fused=True),
        "input": lambda: input_rate(config, images, 4 * options.steps),
    }
    rates: dict = {name: [] for name in measures}
    for number in range(options.rounds):
        for name, measure in measures.items():
            rates[name].append(measure())
        print(f"round {number + 1}: " + ", ".join(f"{name} {values[-1]:,.0f}" for name, values in rates.items()))
    print(f"matrix product: {matrix_product_gflops():.0f} GFLOP/s")
    for name, values in rates.items():
        print(
            f"{name:6} median {statistics.median(values):>10,.0f} images/s ({min(values):,.0f} to {max(values):,.0f})"
        )
    for name, other in (("loop", "bare"), ("loop", "fit"), ("loop", "fused"), ("input", "loop")):
        ratios = [a / b for a, b in zip(rates[name], rates[other], strict=True)]
        print(f"{name} / {other}: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
