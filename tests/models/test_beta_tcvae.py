"""The total correlation among rows against loops and a Gaussian, and the objective that weighs it."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import Noise
from reverie.models.beta_tcvae import BetaTCVAE, BetaTCVAEConfig, total_correlation

from .test_beta_vae import batch

SMALL = BetaTCVAEConfig(image_shape=(8, 8, 3), channels=(4, 4), hidden=12, latents=3, beta=4.0)


def log_density(z: float, mean: float, log_variance: float) -> float:
    return -0.5 * (np.log(2 * np.pi) + log_variance + (z - mean) ** 2 / np.exp(log_variance))


def looped(latents, mean, log_variance) -> np.ndarray:
    """Row by row, picture by picture, latent by latent, in float64, by the paper's equation S4.

    Each log q is that of a mean of M densities: with N = 1 the paper's 1 / (N M).
    """
    rows, size = latents.shape
    found = []
    for i in range(rows):
        together, each = 0.0, np.zeros(size)
        for k in range(len(mean)):
            densities = [np.exp(log_density(latents[i, j], mean[k, j], log_variance[k, j])) for j in range(size)]
            together += np.prod(densities)
            each += densities
        found.append(np.log(together / len(mean)) - np.sum(np.log(each / len(mean))))
    return np.asarray(found)


def test_the_estimate_is_that_of_three_loops():
    rng = np.random.default_rng(0)
    mean, log_variance, drawn = rng.normal(size=(9, 4)), rng.normal(size=(9, 4)) - 1.0, rng.normal(size=(9, 4))
    latents = mean + np.exp(0.5 * log_variance) * drawn
    found = total_correlation(*(tf.constant(x, tf.float32) for x in (latents, mean, log_variance)))
    np.testing.assert_allclose(found, looped(latents, mean, log_variance), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_codes_that_make_up_a_gaussian_have_its_total_correlation(correlation):
    """Posteriors of variance s around means that are Gaussian too: together N(0, C + s I), whose TC is known."""
    rng, spread = np.random.default_rng(1), 0.3
    covariance = np.array([[1.0, correlation, 0.0], [correlation, 1.0, 0.0], [0.0, 0.0, 1.0]])
    mean = rng.multivariate_normal(np.zeros(3), covariance, 2500)
    latents = mean + np.sqrt(spread) * rng.normal(size=mean.shape)
    whole = covariance + spread * np.eye(3)
    expected = 0.5 * (np.log(np.diag(whole)).sum() - np.linalg.slogdet(whole)[1])
    arrays = (latents, mean, np.full_like(mean, np.log(spread)))
    found = tf.reduce_mean(total_correlation(*(tf.constant(x, tf.float32) for x in arrays)))
    assert float(found) == pytest.approx(expected, abs=0.03)


def test_the_objective_weighs_the_total_correlation_alone_with_beta():
    model, noise, data = BetaTCVAE(SMALL), Noise(0, 4), batch()
    losses = model.losses(data, noise)
    mean, log_variance = (part.numpy().astype(np.float64) for part in model.code(data["image"]))
    latents = mean + np.exp(0.5 * log_variance) * noise.normal("latent", mean.shape).numpy()
    np.testing.assert_allclose(losses["total_correlation"], looped(latents, mean, log_variance), atol=1e-4)
    expected = losses["reconstruction"] + losses["kl"] + 3.0 * losses["total_correlation"]
    np.testing.assert_allclose(losses["total"], expected, rtol=1e-5)


def test_beta_of_one_is_a_plain_vae_and_beta_rises_as_the_beta_vae_s_does():
    data = batch()
    plain = BetaTCVAE(dataclasses.replace(SMALL, beta=1.0)).losses(data, Noise(0, 4))
    np.testing.assert_allclose(plain["total"], plain["reconstruction"] + plain["kl"], rtol=1e-6)
    change = {"objective": "annealed", "beta_start": 9.0, "beta": 4.0, "ramp_steps": 100}
    half = BetaTCVAE(dataclasses.replace(SMALL, **change)).losses(data, Noise(0, tf.constant(49, tf.int64)))
    expected = half["reconstruction"] + half["kl"] + (6.0 - 1.0) * half["total_correlation"]
    np.testing.assert_allclose(half["total"], expected, rtol=1e-4)


def test_a_capacity_is_refused():
    with pytest.raises(ValueError, match="objective is 'capacity'.*; expected fixed or annealed"):
        dataclasses.replace(SMALL, objective="capacity")
