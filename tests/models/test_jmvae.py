"""The joint VAE: every term against float64 arithmetic on what its own encoders and decoders give."""

import numpy as np
import tensorflow as tf
from reverie import models
from reverie.layers import Noise
from reverie.models.symbol_vae import khot, some

SIZES = (2, 3)
WORDS = (("color", ("red", "blue"), ""), ("object", ("hat", "ball", "car"), ""))


def small():
    vision = models.BetaVAEConfig(image_shape=(8, 8, 3), channels=(4, 4), hidden=8, latents=3, precision=2.0, beta=1.5)
    content = {"family": "jmvae", "image_shape": (8, 8, 3), "attributes": WORDS, "vision": vision, "alpha": 0.5}
    model = models.JMVAE(models.JMVAEConfig(**{k: v for k, v in content.items() if k != "family"}, words_weight=7.0))
    for number, variable in enumerate(model.trainable_variables):  # Biases of zero would hide what they do.
        variable.assign(np.random.default_rng(number).normal(size=variable.shape) / 3)
    return model


def batch() -> dict:
    labels = [[0, 1], [-1, -1], [1, 2], [1, -1]]
    images = np.random.default_rng(0).random((len(labels), 8, 8, 3))
    return {"image": tf.constant(images, tf.float32), "label": tf.constant(labels, tf.int32)}


def divergence(one, other) -> np.ndarray:
    (mean, log_variance), (to, log_scale) = one, other
    ratio = np.exp(log_variance - log_scale)
    return 0.5 * np.sum(ratio + (mean - to) ** 2 / np.exp(log_scale) - 1 - np.log(ratio), axis=1)


def test_terms_are_those_of_the_formula_with_all_known_words_in_both_sides_and_some_asked_of_the_symbol_alone():
    model, data, noise = small(), batch(), Noise(0, 5)
    found = {name: value.numpy() for name, value in model.losses(data, noise).items()}
    known = khot(data["label"], SIZES)
    asked = khot(data["label"], SIZES, some(data["label"], noise))
    assert np.any(known.numpy() != asked.numpy())
    features = model.vision.encoder(data["image"])
    seen, both, told = (
        [part.numpy().astype(np.float64) for part in code]
        for code in (
            model.vision.heads(features),
            model.joint_heads(model.joint(tf.concat([features, known], axis=-1))),
            model.symbols.code(asked),
        )
    )
    named = np.array([True, False, True, True])
    mean, log_variance = (np.where(named[:, None], one, other) for one, other in zip(both, seen, strict=True))
    latents = mean + np.exp(0.5 * log_variance) * noise.normal("latent", mean.shape).numpy()
    painted = model.vision.paint(tf.constant(latents, tf.float32)).numpy().astype(np.float64)
    surprise = 0.5 * 2.0 * np.sum((painted - data["image"].numpy()) ** 2, axis=(1, 2, 3))
    chances = model.symbols.probabilities(tf.constant(latents, tf.float32)).numpy().astype(np.float64)
    words = -np.sum(np.where(known.numpy() > 0, np.log(chances), np.log1p(-chances)), axis=1) * named
    prior = (np.zeros_like(mean), np.zeros_like(mean))
    kl = divergence((mean, log_variance), prior)
    sides = (divergence(both, seen) + divergence(both, told)) * named
    expected = {"reconstruction": surprise, "kl": kl, "words": words, "alignment": sides}
    expected["total"] = surprise + 1.5 * kl + 7.0 * words + 0.5 * sides
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-4, atol=1e-5, err_msg=name)
