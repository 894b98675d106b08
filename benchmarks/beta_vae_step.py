"""Training throughput of the beta-VAE in the loop against a bare tf.function step, and of the scenes it is fed with.

    python benchmarks/beta_vae_step.py [--rounds=5] [--steps=200]

The bare step is what one would write by hand: the network of `scan_scenes` out of plain Keras layers, its loss in three
lines, Keras' Adam, pictures that lie in memory as float32 (and are turned into the config's colors as in the loop).
The loop trains the stage `vision` of that config, with its distributions, checks and records, from the image set; its
figure is the time of a long run minus that of a short one.
"drawn" is the rate at which scenes are drawn while streaming, nothing else running.

Counted for scan_scenes (channels 16, 32, 64, 64 on 64 x 64 x 3): 6.3 million multiply-adds forward in the encoder and
as many in the decoder, three times that with the backward pass: 76 MFLOP a picture. The matrix product is measured
beside it.
"""

import argparse
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from reverie import models, pipelines
from reverie.configs import scan_scenes
from reverie.experiments import loop_settings
from reverie.models.beta_vae import COLOR_SPACES
from reverie.training import loop, run_folder, stages, strategies
from throughput import matrix_product_gflops


def bare_step(settings, batch_size: int):
    """One step written out by hand."""
    layers, act = keras.layers, settings.activation
    down = [layers.Conv2D(c, 4, 2, "same", activation=act) for c in settings.channels]
    latents, last = settings.latents, settings.channels[-1]
    encoder = keras.Sequential(
        [
            layers.Input((64, 64, 3)),
            *down,
            layers.Flatten(),
            layers.Dense(settings.hidden, act),
            layers.Dense(2 * latents),
        ]
    )
    up = [layers.Conv2DTranspose(c, 4, 2, "same", activation=act) for c in settings.channels[-2::-1]]
    first = [layers.Dense(settings.hidden, act), layers.Dense(16 * last, act), layers.Reshape((4, 4, last))]
    decoder = keras.Sequential([layers.Input((latents,)), *first, *up, layers.Conv2DTranspose(3, 4, 2, "same")])
    weights = encoder.trainable_variables + decoder.trainable_variables
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(weights)
    tensors = [weight.value for weight in weights]
    seen = COLOR_SPACES[settings.color_space][0]

    @tf.function
    def step(images):
        images = seen(images)
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(encoder(images), 2, axis=-1)
            z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean))
            error = 0.5 * settings.precision * tf.reduce_sum((tf.sigmoid(decoder(z)) - images) ** 2, axis=[1, 2, 3])
            kl = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_variance) - 1.0 - log_variance, axis=-1)
            loss = tf.reduce_mean(error + settings.beta * kl)
        optimizer.apply(tape.gradient(loss, tensors), weights)
        return loss

    return step


def bare_rate(config, images, steps: int) -> float:
    batch_size = int(config.stages.vision.batch_size)
    step = bare_step(config.model.vision, batch_size)
    batches = [batch["image"] for batch in pipelines.batches(images, batch_size, seed=0).take(50)]
    for batch in batches[:10]:
        step(batch)
    began = time.perf_counter()
    for number in range(steps):
        loss = step(batches[number % len(batches)])
    float(loss)
    return steps * batch_size / (time.perf_counter() - began)


def loop_seconds(config, images, steps: int) -> float:
    config = config.copy_and_resolve_references()
    config.stages.vision.steps, config.train.checkpoint_every = steps, 0
    with tempfile.TemporaryDirectory() as folder:
        strategy = strategies.make_strategy("one")
        run_folder.open_run(folder, config)
        with strategy.scope():
            model = models.build(config.model, 0)
        phases = stages.phases(config, model, images, strategy)
        began = time.perf_counter()
        loop.train(loop.Context(model, loop_settings(config), strategy, folder), phases)
        return time.perf_counter() - began


def drawn_rate(count: int) -> float:
    stream = iter(pipelines.batches(pipelines.read(f"scenes:{count}", memory_gib=0.0), 64, seed=0))
    next(stream)
    began = time.perf_counter()
    for _ in range(count // 64):
        next(stream)
    return count // 64 * 64 / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    config = scan_scenes.get_config()
    for stage in ("denoising", "symbols", "operators"):
        config.stages[stage].steps = 0
    images = pipelines.read("scenes:4000")
    stages.name_attributes(config, images)
    batch_size, short = int(config.stages.vision.batch_size), options.steps // 4

    def loop_rate():
        seconds = loop_seconds(config, images, options.steps + short) - loop_seconds(config, images, short)
        return options.steps * batch_size / seconds

    rates: dict = {"loop": [], "bare": [], "drawn": []}
    for number in range(options.rounds):
        rates["bare"].append(bare_rate(config, images, options.steps))
        rates["loop"].append(loop_rate())
        rates["drawn"].append(drawn_rate(12_800))
        shown = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in rates.items())
        print(f"round {number + 1}: {shown}", flush=True)
    print(f"matrix product: {matrix_product_gflops():.0f} GFLOP/s")
    for name, values in rates.items():
        low, high = min(values), max(values)
        print(f"{name:6} median {statistics.median(values):>10,.0f} images/s ({low:,.0f} to {high:,.0f})")
    for name, other in (("loop", "bare"), ("drawn", "loop")):
        ratios = [a / b for a, b in zip(rates[name], rates[other], strict=True)]
        print(f"{name} / {other}: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
