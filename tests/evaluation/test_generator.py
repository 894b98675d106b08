import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
import tensorflow_probability as tfp
from reverie import models
from reverie.evaluation import generator

tfd = tfp.distributions


def test_frechet_distance_of_gaussians_is_the_closed_form():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(60_000, 4)) * [1.0, 2.0, 0.5, 1.5]
    b = rng.normal(size=(60_000, 4)) @ rng.normal(size=(4, 4)) + [1.0, 0.0, -2.0, 0.0]
    first, second = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(first @ second).real
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(first + second - 2 * root)
    assert generator.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert generator.frechet_distance(a, a) == pytest.approx(0.0, abs=1e-6)
    # Two axes apart by one deviation each: 1 + 1.
    shifted = a[:, :2] + [1.0, 1.0]
    assert generator.frechet_distance(a[:, :2], shifted) == pytest.approx(2.0, rel=1e-6)


def test_precision_and_recall_know_missing_modes_from_wrong_images():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(200, 3)), rng.normal(size=(200, 3)) + 30.0
    real = np.concatenate([left, right])
    assert generator.precision_recall(real, real) == (1.0, 1.0)
    # Only one of two modes is made: all made points are right, half of the real ones are missed.
    precision, recall = generator.precision_recall(real, rng.normal(size=(400, 3)))
    assert precision > 0.85 and 0.3 < recall < 0.55
    # Half of what is made is nonsense far away.
    made = np.concatenate([rng.normal(size=(200, 3)), rng.normal(size=(200, 3)) + 30, rng.normal(size=(400, 3)) - 90])
    precision, recall = generator.precision_recall(real, made)
    assert precision < 0.55 and recall > 0.8
    assert generator.precision_recall(left, right) == (0.0, 0.0)


def test_a_hand_worked_ball():
    # Real points 0, 1, 3 on a line; nearest other one (k = 1): radii 1, 1, 2. Made 1.9 and 6: only the first is in.
    real, made = np.array([[0.0], [1.0], [3.0]]), np.array([[1.9], [6.0]])
    assert generator.precision_recall(real, made, neighbors=1)[0] == 0.5


@pytest.mark.parametrize("conditional", [True, False])
def test_the_likelihood_of_a_linear_gaussian_model_is_exact(conditional):
    """Of a network whose decoder is linear, log p(x) is that of a Gaussian with covariance W W' + I."""
    settings = {"image_shape": (3, 2, 1), "classes": 2, "tasks": 1, "hidden": (4,), "latents": 2, "gating": 0.0}
    model = models.build({"family": "replay", **settings, "reconstruction": "squared", "conditional": conditional}, 3)
    # The hidden layer passes (z, -z) through its rectifiers, and the output layer puts them together again.
    rng = np.random.default_rng(0)
    weights = 0.7 * rng.normal(size=(2, 6))
    model.decoder[0].kernel.assign(np.concatenate([np.eye(2), -np.eye(2)], axis=1))
    model.decoder[0].bias.assign(np.zeros(4))
    model.output_layer.kernel.assign(np.concatenate([weights, -weights]))
    model.output_layer.bias.assign(np.zeros(6))
    x, label = rng.normal(size=(20, 6)).astype(np.float32), np.arange(20) % 2
    mean, spread = np.zeros((20, 2)), np.ones((20, 2))
    if conditional:
        model.prior.log_variances.assign(np.full((2, 1, 2), -0.5, np.float32))
        mean, spread = model.prior.means.numpy()[label, 0], np.full((20, 2), np.exp(-0.25))
    expected = [
        tfd.MultivariateNormalFullCovariance(
            m @ weights, np.float64(np.eye(6) + (weights.T * s**2) @ weights)
        ).log_prob(row.astype(np.float64)).numpy()
        for m, s, row in zip(mean.astype(np.float64), spread.astype(np.float64), x, strict=True)
    ]  # fmt: skip
    estimate = generator.log_likelihood(model, x, label.astype(np.int32), 0, samples=4000)
    assert np.mean(estimate) == pytest.approx(np.mean(expected), abs=0.1)
    assert np.mean(generator.log_likelihood(model, x, label.astype(np.int32), 0, samples=1)) < np.mean(expected)
    assert tf.executing_eagerly()
