"""Likelihoods and bounds against NumPy in float64, and against an integral over the latent."""

import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import ClassAutoencoders


def _dense(layer, name, number, label, rows, relu):
    kernel, bias = (getattr(layer, f"{name}_{number}_{kind}").numpy()[label].astype(np.float64)
                    for kind in ("kernel", "bias"))  # fmt: skip
    result = rows @ kernel + bias
    return np.maximum(result, 0.0) if relu else result


def _posterior(layer, label, rows):
    hidden = rows.astype(np.float64)
    for number in range(len(layer.hidden)):
        hidden = _dense(layer, "encoder", number + 1, label, hidden, True)
    return np.split(_dense(layer, "posterior", 1, label, hidden, False), 2, axis=-1)


def _given_z(layer, label, rows, z):
    """log p(x | z) of rows [n, units], z [n, latents] under one class."""
    hidden, count = z, len(layer.hidden) + 1
    for number in range(count):
        hidden = _dense(layer, "decoder", number + 1, label, hidden, number + 1 < count)
    if layer.likelihood == "bernoulli":
        p = 1.0 / (1.0 + np.exp(-hidden))
        return np.sum(rows * np.log(p) + (1.0 - rows) * np.log(1.0 - p), axis=-1)
    return np.sum(-0.5 * (rows - hidden) ** 2 - 0.5 * np.log(2.0 * np.pi), axis=-1)


def _normal(z, mean, log_variance):
    return np.sum(-0.5 * (log_variance + np.log(2 * np.pi) + (z - mean) ** 2 / np.exp(log_variance)), axis=-1)


def _made(rows, **arguments) -> ClassAutoencoders:
    layer = ClassAutoencoders(3, **arguments)
    layer.build(rows.shape)
    random = np.random.default_rng(5)
    # Fixed numbers, that the test says the same each time; and the draws stay standard normal.
    for weight in layer.weights:
        scale = 1.0 if weight is layer.draws else 0.4
        weight.assign(scale * random.normal(size=weight.shape))
    return layer


@pytest.fixture
def rows():
    return np.random.default_rng(0).random((4, 6)).astype(np.float32)


@pytest.mark.parametrize("likelihood", ["bernoulli", "squared"])
def test_the_likelihood_is_the_importance_weighted_mean_over_the_draws(rows, likelihood):
    layer = _made(rows, hidden=(7, 5), latents=2, likelihood=likelihood, samples=9)
    expected = np.zeros((4, 3))
    for label in range(3):
        mean, log_variance = _posterior(layer, label, rows)
        weights = []
        for draw in layer.draws.numpy().astype(np.float64):
            z = mean + np.exp(0.5 * log_variance) * draw
            prior = _normal(z, 0.0, np.zeros_like(z))
            weights.append(_given_z(layer, label, rows, z) + prior - _normal(z, mean, log_variance))
        expected[:, label] = np.log(np.mean(np.exp(weights), axis=0))
    np.testing.assert_allclose(layer(rows), expected, rtol=1e-5)


def test_with_many_draws_it_is_the_integral_over_the_latent(rows):
    layer = _made(rows, hidden=(5,), latents=1, samples=20_000)
    estimated = tf.function(layer)(rows).numpy()
    assert np.std(layer.draws) == pytest.approx(1.0, abs=0.02)
    grid = np.linspace(-8.0, 8.0, 4001)
    density = np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi) * (grid[1] - grid[0])
    for label in range(3):
        inside = [np.sum(density * np.exp(_given_z(layer, label, np.tile(row, (len(grid), 1)), grid[:, None])))
                  for row in rows]  # fmt: skip
        np.testing.assert_allclose(estimated[:, label], np.log(inside), atol=0.05)


@pytest.mark.parametrize("classes", [None, (1, 2)])
def test_the_bound_is_that_of_each_row_s_own_class(rows, classes):
    layer = _made(rows, hidden=(7, 5), latents=2)
    first = classes[0] if classes else 0
    label = np.array([1, 0, 1, 1], np.int32)
    noise = np.random.default_rng(1).normal(size=(4, 2))
    expected = np.zeros(4)
    for row in range(4):
        own = label[row] + first
        mean, log_variance = _posterior(layer, own, rows[row : row + 1])
        z = mean + np.exp(0.5 * log_variance) * noise[row]
        divergence = 0.5 * np.sum(mean**2 + np.exp(log_variance) - log_variance - 1.0)
        expected[row] = _given_z(layer, own, rows[row : row + 1], z)[0] - divergence
    bound = layer.bound(rows, tf.constant(label), tf.constant(noise, tf.float32), classes)
    np.testing.assert_allclose(bound, expected, rtol=1e-5)


def test_a_row_moves_the_autoencoder_of_its_class_alone(rows):
    layer = _made(rows, hidden=(7,), latents=2)
    with tf.GradientTape() as tape:
        bound = tf.reduce_sum(layer.bound(rows, tf.zeros([4], tf.int32), tf.zeros([4, 2]), (1, 2)))
    for gradient in tape.gradient(bound, [weight.value for weight in layer.trainable_weights]):
        moved = np.abs(tf.convert_to_tensor(gradient).numpy()).max(axis=(1, 2))
        assert moved[1] > 0.0 and moved[0] == moved[2] == 0.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"hidden": ()}, "expected at least one of each"), ({"samples": 0}, "expected at least one of each"),
     ({"likelihood": "normal"}, "likelihood is 'normal'; expected one of bernoulli, squared")],
)  # fmt: skip
def test_sizes_that_make_no_layer(arguments, said):
    with pytest.raises(ValueError, match=said):
        ClassAutoencoders(3, **arguments)
