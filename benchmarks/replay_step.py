"""Where the time of one step of brain-inspired replay goes, and the limit that its matrix products set.

    python benchmarks/replay_step.py [--rounds=5] [--recipe=bir]

Split MNIST's network and batch (128 current, 128 imagined rows), second task, on the digits that ship with the
package. Every part is a graph of its own, run many times; rounds alternate between the parts, and the median over
rounds is shown with the spread. The limit is the time of the step's matrix products alone, each with operands of
its own, in one graph, in the same run.
"""

import argparse
import dataclasses
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from reverie.configs import replay_split_mnist
from reverie.experiments import read_streams
from reverie.layers import Noise
from reverie.training import continual, loop, optimizers, strategies
from reverie.training.steps import Runner, TrainingState

REPEATS = 40


def products(config, rows: int) -> list:
    """(m, k, n) of every matrix product of the forward pass of `rows` rows through trunk, heads and decoder."""
    units = int(np.prod(config.image_shape))
    sizes = [(units, config.hidden[0]), tuple(config.hidden), (config.hidden[1], config.classes)]
    sizes += [(config.hidden[1], config.latents)] * 2
    sizes += [(config.latents, config.hidden[1]), (config.hidden[1], config.hidden[0]), (config.hidden[0], units)]
    return [(rows, inputs, outputs) for inputs, outputs in sizes]


def with_gradients(shapes: list) -> list:
    """Forward, weight-gradient and input-gradient products; the images need no gradient."""
    backward = [(k, m, n) for m, k, n in shapes] + [(m, n, k) for m, k, n in shapes[1:]]
    return [*shapes, *backward]


def timed(function, rounds: int) -> float:
    """Seconds a call, after one call that traces."""
    function()
    began = time.perf_counter()
    for _ in range(rounds):
        function()
    return (time.perf_counter() - began) / rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--recipe", default="bir")
    arguments = parser.parse_args()
    config = replay_split_mnist.get_config(arguments.recipe)
    config.train.steps = 10_000
    strategy = strategies.make_strategy("one")
    streams = read_streams(config, "train")
    made = continual.make_experiment(config, streams["train"], strategy)
    model, objective, rehearsal = made.model, made.state.objective, made.state.methods[0]
    phase, batch = made.phases[1], int(config.train.batch_size)
    made.phases[0].hooks.finish()
    phase.hooks.begin()
    variables = [v.value for v in phase.variables]
    optimizer = optimizers.make_optimizer(phase.optimizer, phase.variables)
    keras_optimizer = optimizers.make_optimizer({"name": "Adam"}, phase.variables)
    fixed = next(iter(phase.stream(0, None)))
    gradients = [tf.random.stateless_normal(v.shape, [k, 0]) * 1e-3 for k, v in enumerate(variables)]
    task, counter = tf.constant(1), tf.Variable(0, dtype=tf.int64)

    def repeated(part):
        """A graph that runs a part REPEATS times with fresh noise; returns something of all runs."""

        @tf.function
        def run():
            total = tf.constant(0.0)
            for number in tf.range(REPEATS):
                total += part(Noise(0, tf.cast(number, tf.int64)))
            return total

        return run

    def sample(noise):
        label = tf.cast(noise.uniform("class", [batch]) * 2.0, tf.int32)
        z = rehearsal.copy.prior.sample(label, noise.key("z")) if model.config.conditional else noise.normal("z", [batch, 100])  # fmt: skip  # noqa: E501
        return tf.reduce_sum(rehearsal.copy.imagine(z, rehearsal.copy.context(label, label)))

    rows = tf.random.stateless_uniform([batch, 784], [0, 1])

    def label(noise):
        moved = rows + 1e-6 * noise.uniform("moved", [])
        return tf.reduce_sum(rehearsal.answers(moved, tf.ones([batch, 1]), task))

    def forward_backward(noise):
        with tf.GradientTape() as tape:
            total = tf.reduce_mean(objective.later(fixed, noise, True)["total"])
        return tf.add_n([tf.reduce_sum(g) for g in tape.gradient(total, variables)])

    def update_with(chosen):
        def update(noise):
            chosen.apply(gradients, variables, tf.constant(1e-9), noise.step)
            return 0.0

        return update

    # Every product of the step, each with weights of its own as in the step, so that none is cached for another.
    forward = products(model.config, 2 * batch)
    if not model.config.feedback:
        forward += forward[:2]
    # Imagining and labeling pass the trunk, the classifier and the decoder once, but not the posterior's heads.
    extra = [shape for shape in products(model.config, batch) if shape[2] != model.config.latents]
    shapes = [*with_gradients(forward), *extra]
    left = [tf.random.stateless_normal([m, k], [m, k]) for m, k, _ in shapes]
    right = [tf.random.stateless_normal([k, n], [k, n]) for _, k, n in shapes]

    def matrix_products(noise):
        # The factor differs from run to run, or the optimizer of graphs would take the products out of the loop.
        scale = noise.uniform("scale", [])
        return tf.add_n([tf.matmul(a * scale, b)[0, 0] for a, b in zip(left, right, strict=True)])

    with tempfile.TemporaryDirectory():
        whole = loop.Span(0, 10_000)
        planned = dataclasses.replace(loop.plan(made.phases)[1], own=whole, chain=whole)
        context = loop.Context(model, loop.LoopSettings(), strategy, "")
        runner = Runner(context, planned, TrainingState(counter, [], optimizer))
        iterator = runner.iterator(0)
        parts = {
            "whole step (loop)": (lambda: runner.call(iterator, REPEATS)),
            "sampling": repeated(sample),
            "labeling": repeated(label),
            "sampling to gradients": repeated(forward_backward),
            "update (fused Adam)": repeated(update_with(optimizer)),
            "update (Keras Adam)": repeated(update_with(keras_optimizer)),
            "matrix products alone": repeated(matrix_products),
        }
        seconds: dict = {name: [] for name in parts}
        for _ in range(arguments.rounds):
            for name, part in parts.items():
                seconds[name].append(timed(part, 3) / REPEATS)
    gigaflops = sum(2 * m * k * n for m, k, n in shapes) / 1e9
    print(f"{arguments.recipe}: {gigaflops:.2f} GFLOP of matrix products a step, {os.cpu_count()} CPUs")
    for name, values in seconds.items():
        median = float(np.median(values))
        print(f"{name:24} {1e3 * median:7.2f} ms ({1e3 * min(values):.2f} to {1e3 * max(values):.2f}), {1 / median:6.1f} a second")  # fmt: skip  # noqa: E501
    share = np.median(seconds["matrix products alone"]) / np.median(seconds["whole step (loop)"])
    print(f"share of the matrix-product limit reached: {100 * share:.0f} %")


if __name__ == "__main__":
    main()
