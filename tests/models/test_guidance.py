"""Guidance of concepts: against a density on a grid, and in what models imagine."""

import re

import numpy as np
import pytest
import tensorflow as tf
from reverie import models
from reverie.errors import UserError
from reverie.models.guidance import guided

WORDS = (("color", ("red", "blue"), ""), ("object", ("hat", "ball"), ""))
SMALL = {"image_shape": (16, 16, 3), "channels": (4, 4), "hidden": 8, "latents": 3}


@pytest.mark.parametrize("guidance", [1.5, 3.0, 8.0])
@pytest.mark.parametrize(("mean", "deviation"), [(0.8, 0.3), (-1.2, 0.6), (0.05, 0.97)])
def test_a_concept_meant_more_is_its_density_over_the_priors_to_a_power_times_the_prior(mean, deviation, guidance):
    """The power is the guidance as far as the latent is known, and 1 as far as it is open."""
    grid = np.linspace(-12.0, 12.0, 200_001)
    log_prior, log_concept = -0.5 * grid**2, -0.5 * ((grid - mean) / deviation) ** 2
    power = guidance * (1.0 - deviation**2) + deviation**2
    log_density = log_prior + power * (log_concept - log_prior)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    wanted = np.sum(density * grid)
    wanted_variance = np.sum(density * (grid - wanted) ** 2)
    concept = tf.constant([[mean]]), tf.constant([[2.0 * np.log(deviation)]], tf.float32)
    found, log_variance = guided(concept, guidance)
    np.testing.assert_allclose(found[0, 0], wanted, rtol=1e-4)
    np.testing.assert_allclose(np.exp(log_variance[0, 0]), wanted_variance, rtol=1e-4)


def test_latents_as_wide_as_the_prior_are_left_alone_and_once_is_what_was_learned():
    code = tf.constant([[0.7, -0.3]]), tf.constant([[0.0, 0.2]])
    for part, before in zip(guided(code, 4.0), code, strict=True):
        np.testing.assert_array_equal(part, before)
    narrow = tf.constant([[0.7, -0.3]]), tf.constant([[-3.0, 0.2]])
    assert guided(narrow, 1.0) is narrow


def test_a_latent_that_is_nearly_open_stays_nearly_as_it_is():
    """A hint of the mean there is not meant: what is imagined must not jump where a deviation passes the prior's."""
    log_variances = np.array([[-1e-2, -1e-4, -1e-6, 0.0, 1e-6, 1e-4]], np.float32)
    means = np.full_like(log_variances, 0.3)
    found, _ = guided((tf.constant(means), tf.constant(log_variances)), 5.0)
    np.testing.assert_allclose(found[0], [0.3 * 1.0396, 0.3, 0.3, 0.3, 0.3, 0.3], atol=2e-4)


@pytest.mark.parametrize("guidance", [2.0, 1000.0])
@pytest.mark.parametrize("log_variance", [-20.0, -12.0, -3.0, -1e-3, -1e-7, 0.0, 20.0])
def test_in_32_bits_it_is_what_it_is_in_64(log_variance, guidance):
    mean, known = 1.7, min(float(np.float32(log_variance)), 0.0)
    power = 1.0 - (guidance - 1.0) * np.expm1(known)
    precision = 1.0 + power * np.expm1(-known)
    wanted = power * np.exp(-known) * mean / precision
    found, width = guided((tf.constant([[mean]]), tf.constant([[log_variance]])), guidance)
    np.testing.assert_allclose(found[0, 0], wanted, rtol=3e-6)
    np.testing.assert_allclose(width[0, 0], -np.log(precision) if known else log_variance, rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("family", ["scan", "jmvae", "telbo"])
def test_what_is_imagined_of_words_is_drawn_from_the_concept_meant_more(family):
    settings = {"family": family, "image_shape": (16, 16, 3), "attributes": WORDS, "vision": SMALL}
    plain, more = models.build(settings, 0), models.build({**settings, "guidance": 4.0}, 0)
    red = tf.constant([[1.0, 0.0, 0.0, 0.0]])
    mean, log_variance = guided(plain.concept(red), 4.0)
    wanted = plain.imagine((mean, log_variance), 3, [0, 1])["images"]
    np.testing.assert_allclose(more.symbols_to_images(red, 3, [0, 1])["images"], wanted, atol=1e-5)
    # The concept itself is what was learned: it may be composed, and is meant more only when it is imagined.
    np.testing.assert_array_equal(more.concept(red)[0], plain.concept(red)[0])


@pytest.mark.parametrize("guidance", [0.5, 1e9, np.inf, np.nan])
def test_guidance_below_one_or_beyond_what_32_bits_hold_is_refused(guidance):
    with pytest.raises(
        UserError, match=re.escape(f"guidance is {guidance:g}; expected 1, a concept as it was learned")
    ):
        models.build({"family": "scan", "image_shape": (16, 16, 3), "attributes": WORDS, "guidance": guidance}, 0)
