"""Guidance of concepts: against a density on a grid, and in what models imagine."""

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
def test_a_concept_meant_more_is_its_density_over_the_priors_to_that_power_times_the_prior(mean, deviation, guidance):
    grid = np.linspace(-12.0, 12.0, 200_001)
    log_prior, log_concept = -0.5 * grid**2, -0.5 * ((grid - mean) / deviation) ** 2
    log_density = log_prior + guidance * (log_concept - log_prior)
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


def test_guidance_below_one_is_refused():
    with pytest.raises(UserError, match="guidance is 0.5; expected 1"):
        models.build({"family": "scan", "image_shape": (16, 16, 3), "attributes": WORDS, "guidance": 0.5}, 0)
