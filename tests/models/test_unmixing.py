"""Unmixing: a known mixture is undone, and a model sees and paints the same pictures afterwards."""

import dataclasses

import numpy as np
import tensorflow as tf
from reverie.models.beta_vae import BetaVAE
from reverie.models.unmixing import independent_axes, unmix

from .test_beta_vae import SMALL

WIDE = dataclasses.replace(SMALL, latents=6)


def causes(rows: int = 5000) -> np.ndarray:
    """Two angles as points on circles, a uniform number and one of three kinds, all of variance 1: [rows, 6]."""
    rng = np.random.default_rng(3)
    angles = rng.uniform(0.0, 2.0 * np.pi, (rows, 2))
    uniform = np.sqrt(12.0) * (rng.random(rows) - 0.5)
    kind = np.sqrt(1.5) * (rng.integers(0, 3, rows) - 1.0)
    circles = [np.sqrt(2.0) * wave(angles[:, k]) for k in (0, 1) for wave in (np.cos, np.sin)]
    return np.stack([*circles, uniform, kind], axis=1)


def random_rotation(size: int, seed: int = 0) -> np.ndarray:
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))
    return q * np.sign(np.diag(r))


def test_a_rotation_of_independent_causes_is_undone():
    hidden = causes()
    mean = hidden @ random_rotation(6).T
    rotation = independent_axes(mean, np.full_like(mean, -4.0))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(6), atol=1e-9)
    found = np.abs(np.corrcoef((mean @ rotation.T).T, hidden.T)[:6, 6:])
    # Each latent is one number and one kind, or the same circle seen from one side.
    blocks = np.stack([np.hypot(found[:, 0], found[:, 1]), np.hypot(found[:, 2], found[:, 3]), *found[:, 4:].T])
    np.testing.assert_allclose(blocks.max(axis=0), 1.0, atol=0.02)
    assert sorted(blocks.argmax(axis=0)) == [0, 0, 1, 1, 2, 3]
    mixed = np.abs(np.corrcoef(mean.T, hidden.T)[:6, 6:])
    assert np.stack([mixed[:, 4], mixed[:, 5]]).max() < 0.9


def test_latents_that_are_independent_already_stay_where_they_are():
    mean = causes()
    np.testing.assert_allclose(independent_axes(mean, np.full_like(mean, -4.0)), np.eye(6), atol=0.05)


def test_latents_that_say_nothing_are_left_alone():
    mean = causes() @ random_rotation(6).T
    mean[:, [1, 4]] = 0.01 * np.random.default_rng(5).standard_normal((len(mean), 2))
    log_variance = np.full_like(mean, -4.0)
    log_variance[:, [1, 4]] = 0.0
    rotation = independent_axes(mean, log_variance)
    np.testing.assert_array_equal(rotation[[1, 4]], np.eye(6)[[1, 4]])
    assert np.abs(rotation - np.eye(6)).max() > 0.1
    silent = independent_axes(0.01 * mean, np.zeros_like(mean))
    np.testing.assert_array_equal(silent, np.eye(6))


def test_gaussian_latents_have_no_axes_but_still_a_rotation():
    mean = np.random.default_rng(0).standard_normal((2000, 6))
    rotation = independent_axes(mean, np.full_like(mean, -4.0))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(6), atol=1e-9)


def test_a_model_sees_and_paints_the_same_in_turned_axes():
    tf.keras.utils.set_random_seed(5)  # With some weights fewer than two latents are in use, and nothing turns.
    model = BetaVAE(WIDE)
    images = tf.constant(np.random.default_rng(1).random((400, 8, 8, 3)), tf.float32)
    # Untrained heads say little: made louder, so that all latents count as used.
    for head, scale in ((model.heads.mean, 8.0), (model.heads.log_variance, 4.0)):
        head.kernel.assign(scale * head.kernel)
    mean, log_variance = (part.numpy().astype(np.float64) for part in model.code(images))
    pictures = model.reconstruct(images).numpy()
    rotation = unmix(model, mean, log_variance)
    assert np.abs(rotation - np.eye(6)).max() > 0.1
    after, log_after = (part.numpy() for part in model.code(images))
    np.testing.assert_allclose(after, mean @ rotation.T, atol=1e-4)
    np.testing.assert_allclose(model.reconstruct(images), pictures, atol=1e-4)
    # On average what turned posteriors have along the new axes, counted picture by picture as R diag(variance) R'.
    along = np.stack([np.diag(rotation @ np.diag(np.exp(row)) @ rotation.T) for row in log_variance])
    np.testing.assert_allclose(np.exp(log_after).mean(axis=0), along.mean(axis=0), rtol=1e-3)
