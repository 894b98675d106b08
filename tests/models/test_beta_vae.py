import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import Noise
from reverie.models.beta_vae import COLOR_SPACES, ENLARGED, BetaVAE, BetaVAEConfig
from reverie.models.denoising import Denoising, DenoisingConfig

SMALL = BetaVAEConfig(image_shape=(8, 8, 3), channels=(4, 4), hidden=12, latents=3, beta=2.0)


def batch(rows: int = 5) -> dict:
    return {"image": tf.constant(np.random.default_rng(0).random((rows, 8, 8, 3)), tf.float32)}


def pieces(model, images, noise) -> tuple:
    """(latents, divergence) in float64 from the posterior's own numbers."""
    mean, log_variance = (part.numpy().astype(np.float64) for part in model.code(images))
    drawn = noise.normal("latent", mean.shape).numpy()
    divergence = 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=1)
    return tf.constant(mean + np.exp(0.5 * log_variance) * drawn, tf.float32), divergence


def test_the_gaussian_objective_is_half_the_squared_error_times_its_precision():
    model, noise, data = BetaVAE(dataclasses.replace(SMALL, precision=3.0)), Noise(0, 4), batch()
    latents, divergence = pieces(model, data["image"], noise)
    error = np.sum((model.decode(latents).numpy().astype(np.float64) - data["image"].numpy()) ** 2, axis=(1, 2, 3))
    losses = model.losses(data, noise)
    np.testing.assert_allclose(losses["reconstruction"], 1.5 * error, rtol=1e-3)
    np.testing.assert_allclose(losses["kl"], divergence, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(losses["total"], 1.5 * error + 2.0 * divergence, rtol=1e-3)


def test_the_bernoulli_objective_is_the_cross_entropy_of_all_pixels():
    model, noise, data = BetaVAE(dataclasses.replace(SMALL, likelihood="bernoulli")), Noise(0, 4), batch()
    latents, _ = pieces(model, data["image"], noise)
    p, x = model.decode(latents).numpy().astype(np.float64), data["image"].numpy()
    expected = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=(1, 2, 3))
    np.testing.assert_allclose(model.losses(data, noise)["reconstruction"], expected, rtol=1e-4)


def test_the_feature_objective_measures_in_the_denoising_autoencoder_s_code_and_leaves_it_alone():
    model, noise, data = BetaVAE(dataclasses.replace(SMALL, likelihood="features")), Noise(0, 4), batch()
    judge = Denoising(DenoisingConfig(image_shape=(8, 8, 3), channels=(4, 4), bottleneck=6))
    latents, _ = pieces(model, data["image"], noise)
    gap = judge.features(model.decode(latents)).numpy() - judge.features(data["image"]).numpy()
    losses = model.losses(data, noise, judge.features)
    np.testing.assert_allclose(
        losses["reconstruction"], 0.5 * np.sum(gap.astype(np.float64) ** 2, 1), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize(("step", "risen"), [(0, 0.01), (49, 0.5), (99, 1.0), (500, 1.0)])
def test_beta_and_capacity_move_over_their_steps(step, risen):
    data = batch()
    for objective in ("annealed", "capacity"):
        model = BetaVAE(dataclasses.replace(SMALL, objective=objective, ramp_steps=100, capacity=20.0, beta_start=8.0))
        losses = model.losses(data, Noise(0, tf.constant(step + 7, tf.int64)), first_step=7)
        cost = losses["total"] - losses["reconstruction"]
        kl = losses["kl"].numpy()
        expected = 8.0 * (2.0 / 8.0) ** risen * kl if objective == "annealed" else 2.0 * np.abs(kl - 20.0 * risen)
        np.testing.assert_allclose(cost, expected, rtol=1e-2, atol=4e-3)


@pytest.mark.parametrize(("step", "risen"), [(0, 0.0), (29, 0.0), (79, 0.5), (500, 1.0)])
def test_beta_stays_at_its_start_for_as_long_as_asked(step, risen):
    change = {"objective": "annealed", "hold_steps": 30, "ramp_steps": 100, "beta_start": 8.0}
    losses = BetaVAE(dataclasses.replace(SMALL, **change)).losses(batch(), Noise(0, tf.constant(step, tf.int64)))
    expected = 8.0 * (2.0 / 8.0) ** risen * losses["kl"].numpy()
    np.testing.assert_allclose(losses["total"] - losses["reconstruction"], expected, rtol=1e-2, atol=4e-3)


def test_chroma_is_compared_as_half_the_squared_error_of_plane_and_value():
    model, noise, data = BetaVAE(dataclasses.replace(SMALL, color_space="chroma", precision=3.0)), Noise(0, 4), batch()
    latents, _ = pieces(model, data["image"], noise)
    painted, seen = model.paint(latents).numpy().astype(np.float64), data["image"].numpy().astype(np.float64)
    plane = (seen @ np.exp(2j * np.pi * np.arange(3) / 3))[..., None]
    seen = np.concatenate([0.5 + 0.5 * plane.real, 0.5 + 0.5 * plane.imag, seen.max(-1, keepdims=True)], axis=-1)
    expected = 1.5 * np.sum((painted - seen) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(model.losses(data, noise)["reconstruction"], expected, rtol=1e-3)


@pytest.mark.parametrize("color_space", ["hsv", "chroma"])
def test_other_color_spaces_are_seen_and_painted_but_pictures_are_rgb(color_space):
    model = BetaVAE(dataclasses.replace(SMALL, color_space=color_space))
    data = batch()
    decoded = model.reconstruct(data["image"]).numpy()
    assert decoded.shape == (5, 8, 8, 3) and decoded.min() >= 0.0 and decoded.max() <= 1.0
    assert np.isfinite(model.losses(data, Noise(0))["total"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"likelihood": "laplace"}, "likelihood is 'laplace'; expected one of gaussian, bernoulli, features"),
        ({"objective": "free"}, "objective is 'free'"),
        ({"latents": 0}, "latents=0"),
        ({"precision": 0.0}, "precision=0"),
        ({"hold_steps": -1}, "hold_steps=-1"),
        ({"color_space": "lab"}, "color_space is 'lab'; expected one of rgb, hsv, chroma"),
        ({"color_space": "chroma", "image_shape": (8, 8, 1)}, "images have 1 channel"),
        ({"color_space": "hsv", "image_shape": (8, 8, 1)}, "images have 1 channel"),
    ],
)
def test_settings_that_make_no_model_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)


def test_the_denoising_autoencoder_is_judged_by_the_whole_picture():
    model, noise, data = Denoising(DenoisingConfig((8, 8, 3), (4, 4), 6)), Noise(1, 2), batch()
    from reverie.layers import without_rectangle

    filled = model.reconstruct(without_rectangle(data["image"], noise)).numpy().astype(np.float64)
    expected = np.sum((filled - data["image"].numpy()) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(model.losses(data, noise)["total"], expected, rtol=1e-4)


@pytest.mark.parametrize("color_space", COLOR_SPACES)
def test_the_way_back_to_red_green_and_blue_enlarges_errors_by_no_more_than_is_allowed_for(color_space):
    rng = np.random.default_rng(0)
    painted, error = rng.random((20_000, 3)), 1e-3
    # An error of that length in what says the hue, and as much in the rest.
    angle = rng.uniform(0, 2 * np.pi, 20_000)
    if color_space == "chroma":
        moved = np.stack([np.cos(angle), np.sin(angle), rng.choice([-1, 1], 20_000)], axis=1)
    else:
        moved = np.eye(3)[rng.integers(0, 3, 20_000)]
    back = COLOR_SPACES[color_space][1]
    first, second = (back(tf.constant(x, tf.float32)).numpy() for x in (painted, painted + error * moved))
    greatest = np.abs(first - second).max() / error
    assert 0.8 * ENLARGED[color_space] < greatest < 1.01 * ENLARGED[color_space]
