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


def spectrum(neuron: Neuron, images) -> np.ndarray:
    """How strong each frequency is in images as a neuron's network sees them, after its whitening: of a root mean
    square of one.

    Args:
      neuron: which one.
      images: float32 [n, window, window, channels] in [0, 1].

    Returns:
      float32 [window, window], as `numpy.fft.fft2` orders frequencies; all about one where whitening is complete.
    """
    return strengths_of(np.asarray(neuron.net.whitening(tf.constant(images, tf.float32))))


def strengths_of(seen: np.ndarray) -> np.ndarray:
    """`spectrum` of windows that are whitened already, float32 [n, window, window, channels]."""
    power = np.square(np.abs(np.fft.fft2(seen, axes=(1, 2)))).mean(axis=(0, 3))
    # Means differ from image to image or not at all, which says nothing of how strong one may be.
    power[0, 0] = power[0, 1]
    return np.sqrt(power / max(float(power.mean()), 1e-12)).astype(np.float32)


def optimal(
    neuron: Neuron, polarity: int, strengths=None, restarts: int = 16, steps: int = 100, seed: int = 0
) -> tuple:
    """The image of given length that excites a neuron most, lengths counted in whitened images as in the paper.

    Projected gradient ascent on the sphere of the images' length (mean 0, deviation 1), with a line search that
    lengthens steps which help and shortens those which do not; from several random starts, for there are local
    optima. Where the network's own whitening leaves frequencies as strong as they are in images, their strengths say
    how to come from a whitened image to what the network sees: otherwise the strongest would be the finest, which
    images hardly have.

    Args:
      neuron: which one.
      polarity: 1, or -1 for the image that silences it most.
      strengths: see `spectrum`; None is alike.
      restarts, steps: how often from how many starts.
      seed: keys the starts.

    Returns:
      (float32 [window, window, channels] as the network sees it after its whitening, its response times polarity).
    """
    size = [restarts, *neuron.image_shape]
    radius = float(np.prod(neuron.image_shape)) ** 0.5

    def seen(x):
        return x if strengths is None else _filtered(x, strengths)

    def value(x):
        return polarity * neuron.of_whitened(seen(x))

    start = tf.random.stateless_normal(size, [seed, 0], alg="philox")
    images, best = _climbed(value, start, radius, steps)
    winner = int(tf.argmax(best))
    return seen(images[winner : winner + 1])[0].numpy(), float(best[winner])


def of_places(
    model, stage: int, places: np.ndarray, starts: np.ndarray, corner: tuple, strengths: np.ndarray, steps: int = 40
) -> np.ndarray:
    """For several maps of a network at one position, the window of given length that excites each most; as `optimal`,
    from one start each.

    Args:
      model: a `models.Sparse`.
      stage: from 1.
      places: int [k, 3], (row, column, map) of each.
      starts: float32 [k, window, window, channels], whitened windows.
      corner: (row, column) of the window in the image; around it is nothing.
      strengths: of frequencies, float [window, window], see `strengths_of`.
      steps: how many.

    Returns:
      float32 [k, window, window, channels], as the network sees it after its whitening.
    """
    height, width = model.config.image_shape[:2]
    side = starts.shape[1]
    around = [(start, end - start - side) for start, end in zip(corner, (height, width), strict=True)]
    chosen = tf.constant(np.concatenate([np.arange(len(places))[:, None], places], axis=1))

    def value(x):
        image = tf.pad(_filtered(x, strengths), [(0, 0), *around, (0, 0)])
        return tf.gather_nd(model.through(image, stage), chosen)

    found, _ = _climbed(value, tf.constant(starts, tf.float32), float(np.prod(starts.shape[1:])) ** 0.5, steps)
    return _filtered(found, strengths).numpy()


def _filtered(x, strengths):
    """Images float32 [n, side, side, channels] with every frequency as strong as it is asked for."""
    x = tf.transpose(x, [0, 3, 1, 2])
    frequencies = tf.signal.fft2d(tf.complex(x, tf.zeros_like(x))) * tf.cast(np.asarray(strengths), tf.complex64)
    return tf.transpose(tf.math.real(tf.signal.ifft2d(frequencies)), [0, 2, 3, 1])


def _climbed(value, start, radius: float, steps: int) -> tuple:
    """(images, their values [n]) of projected gradient ascent on a sphere, each with a line search of its own."""

    def length(x):
        return tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(x), axis=[1, 2, 3], keepdims=True), 1e-24))

    def on_sphere(x):
        return x * (radius / length(x))

    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            found = value(x)
        return found, tape.gradient(found, x)

    @tf.function
    def climb(x):
        (best, gradient), rate = slope(x), tf.fill([len(start), 1, 1, 1], 0.1 * radius)
        for _ in tf.range(steps):
            trial = on_sphere(x + rate * gradient / length(gradient))
            reached, there = slope(trial)
            better = tf.reshape(reached > best, [-1, 1, 1, 1])
            # What does not help is left, and the old gradient with it stands: no image is looked at twice.
            x, gradient = tf.where(better, trial, x), tf.where(better, there, gradient)
            best = tf.maximum(best, reached)
            rate = tf.where(better, rate * 1.5, rate * 0.5)
        return x, best

    return climb(on_sphere(start))


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
