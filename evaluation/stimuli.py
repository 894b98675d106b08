"""What a neuron likes best, and what it does not mind (Le et al. 2012, section 4.4 and appendices)."""

import numpy as np
import tensorflow as tf

from .moving import transformed
from .neurons import Neuron

# Transformation -> its values: shifts as shares of the window, factors of size, degrees.
INVARIANCES = {
    "shift right": np.linspace(-0.4, 0.4, 17),
    "shift down": np.linspace(-0.4, 0.4, 17),
    "scale": np.linspace(0.4, 1.6, 13),
    "rotation": np.linspace(-90.0, 90.0, 19),
}


def optimal(neuron: Neuron, polarity: int, restarts: int = 16, steps: int = 100, seed: int = 0) -> tuple:
    """The whitened image of given length that excites a neuron most.

    Projected gradient ascent on the sphere of the images' length (mean 0, deviation 1), with a line search that
    lengthens steps which help and shortens those which do not; from several random starts, for there are local
    optima.

    Args:
      neuron: which one.
      polarity: 1, or -1 for the image that silences it most.
      restarts, steps: how often from how many starts.
      seed: keys the starts.

    Returns:
      (float32 [window, window, channels], its response times polarity).
    """
    size = [restarts, *neuron.image_shape]
    radius = float(np.prod(neuron.image_shape)) ** 0.5

    def length(x):
        return tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(x), axis=[1, 2, 3], keepdims=True), 1e-24))

    def on_sphere(x):
        return x * (radius / length(x))

    def value(x):
        return polarity * neuron.of_whitened(x)

    @tf.function
    def climb(x):
        best, rate = value(x), tf.fill([restarts, 1, 1, 1], 0.1 * radius)
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                tape.watch(x)
                found = value(x)
            gradient = tape.gradient(found, x)
            trial = on_sphere(x + rate * gradient / length(gradient))
            reached = value(trial)
            better = tf.reshape(reached > best, [-1, 1, 1, 1])
            x = tf.where(better, trial, x)
            best = tf.maximum(best, reached)
            rate = tf.where(better, rate * 1.5, rate * 0.5)
        return x, best

    start = on_sphere(tf.random.stateless_normal(size, [seed, 0], alg="philox"))
    images, best = climb(start)
    winner = int(tf.argmax(best))
    return images[winner].numpy(), float(best[winner])


def invariance(unit, polarity: int, images) -> dict:
    """Mean response to images as they are shifted, scaled and rotated, with cubic interpolation.

    Args:
      unit: a `Neuron`, or anything with its `responses`.
      polarity: 1, or -1 for a unit that falls silent at what it detects.
      images: float32 [n, window, window, channels] in [0, 1] of what the unit detects.

    Returns:
      transformation -> (values [v], mean responses times polarity [v]).
    """
    result = {}
    for name, values in INVARIANCES.items():
        moved = np.concatenate([_transformed(images, name, value) for value in values])
        responses = polarity * unit.responses(moved)
        result[name] = (values, responses.reshape(len(values), -1).mean(axis=1))
    return result


def _transformed(images, name: str, value: float) -> np.ndarray:
    """Images under one transformation about their center; what comes in from outside repeats the border."""
    side, rest = images.shape[1], {"down": 0.0, "right": 0.0, "scale": 1.0, "degrees": 0.0}
    moves = {"shift down": ("down", value * side), "shift right": ("right", value * side),
             "scale": ("scale", value), "rotation": ("degrees", value)}  # fmt: skip
    change, amount = moves[name]
    return np.stack([transformed(image, **{**rest, change: amount}, border="nearest") for image in images])
