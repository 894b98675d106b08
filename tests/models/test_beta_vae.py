import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from reverie import models
from reverie.errors import UserError
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


def judge() -> Denoising:
    return Denoising(DenoisingConfig(image_shape=(8, 8, 3), channels=(4, 4), bottleneck=6))


@pytest.mark.parametrize("color_space", ["rgb", "chroma"])
def test_the_feature_objective_is_the_whole_squared_distance_of_what_j_makes_of_a_draw_and_of_the_picture(color_space):
    change = {"likelihood": "features", "precision": 3.0, "color_space": color_space}
    model, noise, data, see = BetaVAE(dataclasses.replace(SMALL, **change)), Noise(0, 4), batch(), judge()
    latents, divergence = pieces(model, data["image"], noise)
    decoded = model.decoder(latents).numpy().astype(np.float64)  # Means and log-variances, from a deviation of 0.1.
    assert decoded.shape == (5, 8, 8, 6)
    mean, deviation = 1 / (1 + np.exp(-decoded[..., :3])), 0.1 * np.exp(0.5 * decoded[..., 3:])
    drawn = mean + deviation * noise.normal("picture", mean.shape).numpy()
    np.testing.assert_allclose(model.paint(latents), mean, rtol=1e-5)
    target, center = (see.features(tf.constant(x, tf.float32)) for x in (model.seen(data["image"]), drawn))
    gap = (center.numpy() - target.numpy()).astype(np.float64)
    losses = model.losses(data, noise, see.features)
    np.testing.assert_allclose(losses["reconstruction"], 3.0 * np.sum(gap**2, (1, 2, 3)), rtol=1e-3)
    np.testing.assert_allclose(losses["total"] - losses["reconstruction"], 2.0 * divergence, rtol=1e-2, atol=1e-4)


def test_decoded_variances_feel_the_features_and_the_judge_stays_as_it_is():
    model, see = BetaVAE(dataclasses.replace(SMALL, likelihood="features")), judge()
    last = model.decoder.stack.layers[-1].bias
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model.losses(batch(), Noise(0, 4), see.features)["reconstruction"])
    gradient = tape.gradient(loss, last.value).numpy()
    assert np.abs(gradient[3:]).min() > 0  # The later three channels are the log-variances.
    assert not any(v is w for v in model.trainable_variables for w in see.trainable_variables)


def test_pictures_of_the_feature_likelihood_are_means_and_do_not_vary():
    model = BetaVAE(dataclasses.replace(SMALL, likelihood="features"))
    latents = tf.constant(np.random.default_rng(1).normal(size=(4, 3)), tf.float32)
    logits = model.decoder(latents).numpy()[..., :3]
    np.testing.assert_allclose(model.decode(latents), 1 / (1 + np.exp(-logits)), rtol=1e-5)
    np.testing.assert_array_equal(model.decode(latents), model.decode(latents))


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
        ({"latents": 0}, "latents is 0; expected 1 or more"),
        ({"channels": ()}, r"channels is \(\); expected the size of one layer or more, each 1 or more"),
        ({"channels": (8, 0)}, r"channels is \(8, 0\); expected the size of one layer or more, each 1 or more"),
        ({"precision": 0.0}, "precision is 0; expected more than 0"),
        ({"hold_steps": -1}, "hold_steps is -1; expected 0 or more"),
        ({"color_space": "lab"}, "color_space is 'lab'; expected one of rgb, hsv, chroma"),
        ({"color_space": "chroma", "image_shape": (8, 8, 1)}, "images have 1 channel"),
        ({"color_space": "hsv", "image_shape": (8, 8, 1)}, "images have 1 channel"),
    ],
)
def test_settings_that_make_no_model_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)


def layer_by_layer(model, images) -> np.ndarray:
    """J of float64 pictures, by its weights: convolutions of kernel 4 and stride 2, a code, and all of it mirrored."""

    def relu(x):
        return np.maximum(x, 0.0)

    weights = [w.astype(np.float64) for w in model.get_weights()]
    x = images.astype(np.float64)
    for kernel, bias in zip(weights[0:4:2], weights[1:4:2], strict=True):
        padded, side = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), x.shape[1] // 2
        x = np.stack([
            np.stack([np.einsum("nabc,abcd->nd", padded[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4], kernel)
                      for j in range(side)], axis=1)
            for i in range(side)
        ], axis=1)  # fmt: skip
        x = relu(x + bias)
    x = relu(x.reshape(len(x), -1) @ weights[4] + weights[5])
    for kernel, bias in zip(weights[6:10:2], weights[7:10:2], strict=True):
        x = relu(x @ kernel + bias)
    x = x.reshape(len(x), 2, 2, -1)
    for number, (kernel, bias) in enumerate(zip(weights[10::2], weights[11::2], strict=True)):
        side = x.shape[1]
        spread = np.zeros((len(x), 2 * side + 2, 2 * side + 2, kernel.shape[2]))
        for i in range(side):
            for j in range(side):
                spread[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += np.einsum("nd,abcd->nabc", x[:, i, j], kernel)
        x = spread[:, 1:-1, 1:-1] + bias
        x = relu(x) if number == 0 else x
    return x


def test_j_is_relu_throughout_with_a_last_layer_that_is_linear_and_shown_between_0_and_1():
    model, images = judge(), batch()["image"].numpy()
    model.decoder.stack.layers[-1].bias.assign([-0.5, 0.5, 1.5])
    expected = layer_by_layer(model, images)
    np.testing.assert_allclose(model.features(images), expected, rtol=1e-4, atol=1e-5)
    assert expected.min() < 0.0 and expected.max() > 1.0
    np.testing.assert_allclose(model.reconstruct(images), np.clip(expected, 0, 1), rtol=1e-4, atol=1e-5)


def test_the_denoising_autoencoder_is_judged_by_the_whole_clean_picture_in_the_color_space_of_vision():
    model, noise, data = judge(), Noise(1, 2), batch()
    from reverie.layers import to_chroma, without_rectangle

    for seen in (tf.identity, to_chroma):
        filled = model.features(seen(without_rectangle(data["image"], noise))).numpy().astype(np.float64)
        expected = np.sum((filled - seen(data["image"]).numpy()) ** 2, axis=(1, 2, 3))
        np.testing.assert_allclose(model.losses(data, noise, seen=seen)["total"], expected, rtol=1e-4)


def _scan_of_before(**changes) -> dict:
    """The `model` section of a run that an earlier version has written."""
    section = models.family("scan").section()
    del section["denoising"]["compared"]
    section["attributes"] = (("color", ("red", "blue"), ""),)
    section["image_shape"] = (8, 8, 3)
    section["vision"].update({"channels": (4, 4), **changes.pop("vision", {})})
    section["denoising"].update({"channels": (4, 4), "activation": "elu"})
    return {**section, **changes}


def test_a_run_written_before_is_still_read_where_it_does_without_the_denoising_autoencoder():
    completed = models.complete(_scan_of_before())
    assert completed["denoising"]["compared"] == "codes"
    assert models.build(completed).config.denoising.activation == "elu"
    model = models.Scan(models.ScanConfig(image_shape=(8, 8, 3), attributes=completed["attributes"],
                                          vision=SMALL, denoising=judge().config))  # fmt: skip
    saved = model.get_config()
    del saved["config"]["denoising"]["compared"]
    assert models.Scan.from_config(saved).config.denoising.compared == "codes"


@pytest.mark.parametrize("change", [{"vision": {"likelihood": "features"}}, {"view": "denoised"}])
def test_a_run_written_before_whose_denoising_autoencoder_was_another_is_refused_in_a_line(change):
    with pytest.raises(UserError, match="model.denoising.compared is 'codes', as in runs of an earlier version.*again"):
        models.build(models.complete(_scan_of_before(**change)))
    assert models.complete({"family": "scan"})["denoising"]["compared"] == "pictures"


def test_pictures_may_be_shown_through_the_denoising_autoencoder():
    vision = dataclasses.replace(SMALL, likelihood="features", color_space="chroma")
    words = (("color", ("red", "blue"), ""),)
    config = models.ScanConfig(
        image_shape=(8, 8, 3), attributes=words, vision=vision, denoising=judge().config, view="denoised"
    )
    model, latents = models.Scan(config), tf.constant(np.random.default_rng(1).normal(size=(4, 3)), tf.float32)
    expected = model.vision.shown(model.denoising.reconstruct(model.vision.paint(latents)))
    np.testing.assert_allclose(model.decode(latents)["images"], expected, rtol=1e-5)
    assert np.abs(expected - model.vision.decode(latents)).max() > 0.01


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
