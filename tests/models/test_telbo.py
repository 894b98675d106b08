import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from reverie import models
from reverie.layers import Noise, diagonal_gaussian
from reverie.models import TELBO, BetaVAEConfig, SymbolVAEConfig, TELBOConfig
from reverie.models.symbol_vae import khot, some
from reverie.models.telbo import Experts

tfd = tfp.distributions

SIZES = (2, 3)
WORDS = (("color", ("red", "blue"), ""), ("object", ("hat", "ball", "car"), ""))
VISION = BetaVAEConfig(image_shape=(8, 8, 3), channels=(4, 4), hidden=8, latents=3, precision=2.0, beta=1.5)
SMALL = TELBOConfig(
    image_shape=(8, 8, 3), attributes=WORDS, vision=VISION, symbols=SymbolVAEConfig(hidden=6), alpha_x=0.5, alpha_y=7.0
)


def batch() -> dict:
    labels = [[0, 1], [-1, -1], [1, 2], [1, -1], [-1, -1]]
    images = np.random.default_rng(0).random((len(labels), 8, 8, 3))
    return {"image": tf.constant(images, tf.float32), "label": tf.constant(labels, tf.int32)}


def telbo(**changes) -> TELBO:
    tf.keras.utils.set_random_seed(3)
    model = TELBO(dataclasses.replace(SMALL, **changes))
    for variable in model.trainable_variables:  # Biases of zero would hide what they do.
        if variable.path.endswith("bias"):
            variable.assign(np.random.default_rng(len(variable.path)).normal(size=variable.shape) / 3)
    return model


def experts_of(model, symbols) -> tuple:
    """(means, log-variances), float64 [experts, n, latents], each of its own attribute."""
    parts, found = np.split(symbols, np.cumsum(SIZES)[:-1], axis=1), []
    for part, (inner, heads) in zip(parts, model.symbols.experts(), strict=True):
        hidden = np.maximum(part @ inner.kernel.numpy().astype(np.float64) + inner.bias.numpy(), 0.0)
        found.append([hidden @ head.kernel.numpy() + head.bias.numpy() for head in (heads.mean, heads.log_variance)])
    return tuple(np.stack(kind) for kind in zip(*found, strict=True))


def product(model, symbols) -> tuple:
    """(mean, log-variance) of prior times experts that are asked, float64 [n, latents]."""
    means, log_variances = experts_of(model, symbols)
    asked = np.stack([part.sum(1) for part in np.split(symbols, np.cumsum(SIZES)[:-1], axis=1)])[..., None]
    precision = 1.0 + np.sum(asked * np.exp(-log_variances), axis=0)
    return np.sum(asked * means * np.exp(-log_variances), axis=0) / precision, -np.log(precision)


def divergence(code) -> np.ndarray:
    mean, log_variance = code
    return 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=1)


def numpy_terms(model, data, noise) -> dict:
    """Every term in float64, from the encoders' and decoders' own outputs."""
    labels, images = data["label"], data["image"].numpy().astype(np.float64)
    known = khot(labels, SIZES).numpy().astype(np.float64)
    asked = khot(labels, SIZES, some(labels, noise)).numpy().astype(np.float64)
    features = model.vision.encoder(data["image"])
    seen = [part.numpy().astype(np.float64) for part in model.vision.heads(features)]
    both = model.joint_heads(model.joint(tf.concat([features, tf.constant(known, tf.float32)], -1)))
    both = [part.numpy().astype(np.float64) for part in both]
    told = product(model, asked)

    def draw(code, stream):
        return code[0] + np.exp(0.5 * code[1]) * noise.normal(stream, code[0].shape).numpy()

    def image_surprise(latents):
        painted = model.vision.paint(tf.constant(latents, tf.float32)).numpy().astype(np.float64)
        return 0.5 * VISION.precision * np.sum((painted - images) ** 2, axis=(1, 2, 3))

    def symbol_surprise(latents, symbols):
        weights = [
            w.astype(np.float64) for w in (*model.symbols.middle.get_weights(), *model.symbols.values.get_weights())
        ]
        logits = np.maximum(latents @ weights[0] + weights[1], 0.0) @ weights[2] + weights[3]
        total = 0.0
        for named, part in zip(*(np.split(x, np.cumsum(SIZES)[:-1], axis=1) for x in (symbols, logits)), strict=True):
            total = total - np.sum(named * (part - np.log(np.sum(np.exp(part), axis=1, keepdims=True))), axis=1)
        return total

    named = (labels.numpy() >= 0).any(axis=1)
    chosen = [np.where(named[:, None], b, s) for b, s in zip(both, seen, strict=True)]
    latents = draw(chosen, "latent")
    return {
        "named": named,
        "reconstruction": image_surprise(latents),
        "kl": divergence(chosen),
        "words": np.where(named, symbol_surprise(latents, known), 0.0),
        "image": (image_surprise(draw(seen, "image")), divergence(seen)),
        "symbol": (symbol_surprise(draw(told, "symbol"), asked), divergence(told)),
        "l1": sum(np.abs(layer.kernel.numpy()).sum() for layer in (model.symbols.middle, model.symbols.values)),
    }


@pytest.mark.parametrize("teach", [True, False])
def test_the_objective_is_three_elbos_of_pairs_and_one_of_pictures_without_words(teach):
    model, data, noise = telbo(l1=0.01, pictures_teach=teach), batch(), Noise(1, 5)
    expected, losses = numpy_terms(model, data, noise), model.losses(data, noise)
    for name in ("reconstruction", "kl", "words"):
        np.testing.assert_allclose(losses[name], expected[name], rtol=1e-3, atol=1e-5)
    joint = 0.5 * expected["reconstruction"] + 1.5 * expected["kl"] + 7.0 * expected["words"]
    (of_image, image_kl), (of_symbol, symbol_kl) = expected["image"], expected["symbol"]
    sides = 0.5 * of_image + 1.5 * image_kl + 7.0 * of_symbol + 1.5 * symbol_kl
    np.testing.assert_allclose(
        losses["total"], joint + np.where(expected["named"], sides, 0.0) + 0.01 * expected["l1"], rtol=1e-3
    )
    np.testing.assert_allclose(losses["image_elbo"], np.where(expected["named"], of_image + image_kl, 0.0), rtol=1e-3)
    np.testing.assert_allclose(losses["symbol_elbo"], np.where(expected["named"], of_symbol + symbol_kl, 0), rtol=1e-3)


def of_decoders(model) -> list:
    return [v.value for v in (*model.vision.decoder.trainable_variables, *model.symbols.decoder_variables())]


def gradients(value, variables, tape) -> list:
    return [g.numpy() for g in tape.gradient(value, variables, unconnected_gradients="zero")]


def test_terms_of_one_side_train_their_encoder_and_no_decoder():
    model, data, noise = telbo(), batch(), Noise(1, 5)
    encoders = {
        "image_elbo": [v.value for v in model.vision.heads.trainable_variables],
        "symbol_elbo": [v.value for _, heads in model.symbols.experts() for v in heads.trainable_variables],
    }
    with tf.GradientTape(persistent=True) as tape:
        losses = model.losses(data, noise)
        terms = {name: tf.reduce_sum(losses[name]) for name in encoders}
    for name, variables in encoders.items():
        assert all(np.abs(g).max() > 1e-6 for g in gradients(terms[name], variables, tape))
        assert all(np.abs(g).max() == 0.0 for g in gradients(terms[name], of_decoders(model), tape))


@pytest.mark.parametrize("teach", [True, False])
def test_decoders_learn_what_the_joint_elbo_alone_teaches_them(teach):
    """The gradient of the whole is that of the terms of the joint encoder, written out here without the others."""
    model, data, noise = telbo(l1=0.0, pictures_teach=teach), batch(), Noise(1, 5)
    named = tf.reduce_any(data["label"] >= 0, axis=-1)
    known = khot(data["label"], SIZES)
    seen, both = model.posteriors(data["image"], known)
    loc = tf.where(named[:, None], both.distribution.loc, seen.distribution.loc)
    scale = tf.where(named[:, None], both.distribution.scale, seen.distribution.scale)
    latents = loc + scale * noise.normal("latent", loc.shape)
    taught = tf.ones_like(named) if teach else named
    with tf.GradientTape(persistent=True) as tape:
        whole = tf.reduce_sum(model.losses(data, noise)["total"])
        pixels = tf.where(taught, 0.5 * model.vision.surprise(data["image"], latents), 0.0)
        words = tf.where(named, 7.0 * model.symbols.surprise(known, latents), 0.0)
        alone = tf.reduce_sum(pixels + words)
    variables = of_decoders(model)
    for found, expected in zip(gradients(whole, variables, tape), gradients(alone, variables, tape), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert np.abs(expected).max() > 0.0


def test_a_product_of_experts_is_prior_times_experts_but_for_a_constant():
    model = telbo()
    symbols = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0]], np.float64)
    found = diagonal_gaussian(*model.symbols.code(tf.constant(symbols, tf.float32)))
    means, log_variances = experts_of(model, symbols)
    prior, points = tfd.MultivariateNormalDiag(tf.zeros([3], tf.float64)), np.random.default_rng(0).normal(size=(50, 3))
    for row, named in enumerate(((0, 1), (0,), (1,))):
        density = prior.log_prob(points)
        for expert in named:
            scale = np.exp(0.5 * log_variances[expert, row])
            density += tfd.MultivariateNormalDiag(means[expert, row], scale).log_prob(points)
        gap = density - tf.cast(found[row].log_prob(points.astype(np.float32)), tf.float64)
        np.testing.assert_allclose(gap, np.full(50, np.mean(gap)), atol=1e-3)


def test_a_product_of_two_experts_by_hand():
    """N(1, 1) and N(-1, 1/2) with the prior: precision 1 + 1 + 2, mean (1 - 2) / 4. Alone the second: -2 / 3."""
    model = Experts(SymbolVAEConfig(hidden=2), sizes=(1, 1), latents=1)
    for (_, heads), mean, variance in zip(model.experts(), (1.0, -1.0), (1.0, 0.5), strict=True):
        for head, value in ((heads.mean, mean), (heads.log_variance, np.log(variance))):
            head.kernel.assign(np.zeros([2, 1]))
            head.bias.assign([value])
    mean, log_variance = model.code(tf.constant([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]))
    np.testing.assert_allclose(mean[:, 0], [-1 / 4, -2 / 3, 1 / 2, 0.0], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(np.exp(log_variance[:, 0]), [1 / 4, 1 / 3, 1 / 2, 1.0], rtol=1e-6)


def test_naming_more_never_widens_a_concept():
    model = telbo()
    fewer, more = model.symbols.code(tf.constant([[1.0, 0, 0, 0, 0], [1.0, 0, 0, 1, 0]]))[1]
    assert np.all(more < fewer) and np.all(fewer < 0.0)


def test_words_of_a_picture_are_a_distribution_an_attribute():
    found = telbo().images_to_symbols(batch()["image"])
    for part in np.split(found["probabilities"].numpy(), np.cumsum(SIZES)[:-1], axis=1):
        np.testing.assert_allclose(part.sum(axis=1), 1.0, rtol=1e-5)


def test_the_settings_are_those_of_the_paper_and_what_cannot_be_is_refused():
    config = models.family("telbo").settings(attributes=WORDS)
    assert (config.alpha_x, config.alpha_y, config.l1) == (1.0, 50.0, 5e-6)
    with pytest.raises(ValueError, match="telbo takes a likelihood over pixels and a fixed beta"):
        dataclasses.replace(SMALL, vision=dataclasses.replace(VISION, likelihood="features"))
    with pytest.raises(ValueError, match="attributes are empty"):
        TELBOConfig()
