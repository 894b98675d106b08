"""FactorVAE: the discriminator's loss and the density ratio, and that each part learns from its own loss alone."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import Noise
from reverie.models.factor_vae import FactorVAE, FactorVAEConfig, shuffled
from reverie.models.unmixing import unmix

from .test_beta_vae import batch

SMALL = FactorVAEConfig(
    image_shape=(8, 8, 3), channels=(4, 4), hidden=12, latents=3, beta=2.0, gamma=5.0, discriminator=(6, 5)
)


@pytest.fixture
def model():
    tf.keras.utils.set_random_seed(1)
    return FactorVAE(SMALL)


def ratio(model, latents) -> np.ndarray:
    """The discriminator in float64 NumPy: log D(z) - log (1 - D(z))."""
    weights = [weight.astype(np.float64) for weight in model.discriminator.get_weights()]
    values = np.asarray(latents, np.float64)
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        values = values @ kernel + bias
        values = np.where(values > 0, values, 0.2 * values)
    return (values @ weights[-2] + weights[-1])[:, 0]


def codes(model, images, noise) -> np.ndarray:
    mean, log_variance = (part.numpy().astype(np.float64) for part in model.code(images))
    return mean + np.exp(0.5 * log_variance) * noise.normal("latent", mean.shape).numpy()


def test_the_objective_is_that_of_the_paper(model):
    noise, data = Noise(0, 4), batch()
    losses, latents = model.losses(data, noise), codes(model, data["image"], noise)
    keys = noise.uniform("shuffle", latents.shape).numpy()
    mixed = np.stack([column[np.argsort(key)] for column, key in zip(latents.T, keys.T, strict=True)], axis=1)
    np.testing.assert_allclose(losses["total_correlation"], ratio(model, latents), rtol=1e-3, atol=1e-5)
    real, fake = (1 / (1 + np.exp(-ratio(model, z))) for z in (latents, mixed))
    np.testing.assert_allclose(losses["discriminator"], -0.5 * np.log(real) - 0.5 * np.log(1 - fake), rtol=1e-4)
    autoencoder = losses["reconstruction"] + 2.0 * losses["kl"] + 5.0 * losses["total_correlation"]
    np.testing.assert_allclose(losses["total"], autoencoder + losses["discriminator"], rtol=1e-5)


def gradients(model, of, variables) -> list:
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(of(model.losses(batch(), Noise(0, 4))))
    return tape.gradient(value, [variable.value for variable in variables], unconnected_gradients="zero")


def test_the_autoencoder_does_not_learn_from_the_discriminator_s_loss_nor_the_discriminator_from_its(model):
    theirs = model.discriminator.trainable_variables
    mine = [variable for variable in model.trainable_variables if not any(variable is other for other in theirs)]
    assert len(mine) + len(theirs) == len(model.trainable_variables) and len(theirs) == 6
    encoder = [*model.encoder.trainable_variables, *model.heads.trainable_variables]
    for learners, part, variables, others in (
        (theirs, "discriminator", theirs, ("reconstruction", "kl", "total_correlation")),
        (encoder, "total_correlation", mine, ("discriminator",)),
    ):
        found = gradients(model, lambda losses, part=part: losses[part], learners)
        assert min(np.abs(gradient).max() for gradient in found) > 0.0
        for name in others:
            found = gradients(model, lambda losses, name=name: losses[name], variables)
            assert max(np.abs(gradient).max() for gradient in found) == 0.0, name
    # So of the total each has the gradient of its own.
    whole = gradients(model, lambda losses: losses["total"], theirs)
    own = gradients(model, lambda losses: losses["discriminator"], theirs)
    for one, another in zip(whole, own, strict=True):
        np.testing.assert_allclose(one, another, rtol=1e-5, atol=1e-7)


def test_the_total_correlation_s_gradient_is_that_of_its_ratio_by_small_differences(model):
    latents = tf.Variable(np.random.default_rng(0).normal(size=(4, 3)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(model.real(latents, learns=False))
    found = tape.gradient(value, latents).numpy()
    at, small = latents.numpy().astype(np.float64), 1e-6
    for row in range(4):
        for unit in range(3):
            moved = np.zeros_like(at)
            moved[row, unit] = small
            slope = (ratio(model, at + moved) - ratio(model, at - moved)).sum() / (2 * small)
            assert found[row, unit] == pytest.approx(slope, abs=1e-4)


def test_shuffling_keeps_every_latent_s_values_and_nothing_of_how_they_go_together():
    column = np.random.default_rng(0).normal(size=4000)
    latents = tf.constant(np.stack([column, column, column], axis=1), tf.float32)
    mixed = shuffled(latents, Noise(0).uniform("shuffle", [4000, 3])).numpy()
    np.testing.assert_array_equal(np.sort(mixed, axis=0), np.sort(latents, axis=0))
    assert np.abs(np.corrcoef(mixed.T) - np.eye(3)).max() < 5 / np.sqrt(4000)
    np.testing.assert_array_equal(shuffled(latents, tf.fill([4000, 3], 0.4)), latents)


def test_a_trained_discriminator_s_ratio_is_the_total_correlation_of_a_gaussian():
    tf.keras.utils.set_random_seed(2)
    model = FactorVAE(dataclasses.replace(SMALL, latents=2, discriminator=(32, 32)))
    optimizer, correlation = tf.keras.optimizers.Adam(3e-3), 0.8
    expected = -0.5 * np.log(1 - correlation**2)
    variables, noise = model.discriminator.trainable_variables, np.linalg.cholesky([[1, correlation], [correlation, 1]])
    posterior = model.posterior(tf.zeros([1, 8, 8, 3]))

    @tf.function
    def step(number):
        latents = tf.random.stateless_normal([256, 2], [3, number]) @ tf.constant(noise.T, tf.float32)
        with tf.GradientTape() as tape:
            _, terms = model.cost(posterior, latents, tf.zeros([256]), 1.0, Noise(0, number))
            loss = tf.reduce_mean(terms["discriminator"])
        optimizer.apply(tape.gradient(loss, variables), variables)

    optimizer.build(variables)
    for number in range(1200):
        step(tf.constant(number))
    latents = np.random.default_rng(5).normal(size=(20_000, 2)) @ noise.T
    assert ratio(model, latents).mean() == pytest.approx(expected, abs=0.06)


def test_a_discriminator_judges_turned_codes_as_it_did_before():
    tf.keras.utils.set_random_seed(5)
    model = FactorVAE(dataclasses.replace(SMALL, latents=6))
    images = tf.constant(np.random.default_rng(1).random((400, 8, 8, 3)), tf.float32)
    # Untrained heads say little: made louder, so that all latents count as used.
    for head, scale in ((model.heads.mean, 8.0), (model.heads.log_variance, 4.0)):
        head.kernel.assign(scale * head.kernel)
    mean, log_variance = (part.numpy() for part in model.code(images))
    before, pictures = ratio(model, mean), model.reconstruct(images).numpy()
    rotation = unmix(model, mean, log_variance)
    assert np.abs(rotation - np.eye(6)).max() > 0.1
    np.testing.assert_allclose(ratio(model, model.code(images)[0]), before, atol=1e-4)
    np.testing.assert_allclose(model.reconstruct(images), pictures, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": -1.0}, "gamma is -1; expected 0 or more"),
        ({"discriminator": ()}, r"discriminator is \(\); expected the size of one layer or more"),
        ({"discriminator": (8, 0)}, r"discriminator is \(8, 0\); expected the size of one layer or more"),
    ],
)
def test_settings_that_make_no_model_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)
