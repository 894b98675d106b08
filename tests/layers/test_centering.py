"""Centering: what it measures, and that it measures it once."""

import numpy as np
import pytest
from reverie.layers import Centering


def _bright(count=50, side=8, seed=0):
    noise = np.random.default_rng(seed).uniform(-0.2, 0.1, (count, side, side, 3))
    return (0.9 + noise * np.linspace(0, 1, side)[:, None, None]).astype(np.float32)


def _fitted(images, **arguments):
    layer = Centering(**arguments)
    layer.build((None, *images.shape[1:]))
    layer.fit(images)
    return layer


@pytest.mark.parametrize("side", [4, 16])
def test_what_comes_out_has_mean_zero_at_every_pixel_and_the_length_asked_for_at_any_size(side):
    images = _bright(side=side)
    deviations = np.asarray(_fitted(images, length=7.0)(images), np.float64)
    np.testing.assert_allclose(deviations.mean(axis=0), 0.0, atol=1e-4)
    assert np.sqrt(np.square(deviations).sum(axis=(1, 2, 3)).mean()) == pytest.approx(7.0, rel=1e-4)


def test_one_scale_holds_for_all_pixels_so_what_never_changes_stays_zero():
    images = _bright()
    layer = _fitted(images)
    deviations = np.asarray(layer(images))
    assert np.abs(deviations[:, 0]).max() < 1e-4  # The first row of these images is always the same.
    scale = float(layer.scale.numpy())
    np.testing.assert_allclose(deviations, (images - images.mean(axis=0)) * scale, atol=1e-4)


def test_the_mean_picture_is_put_back():
    images = _bright()
    layer = _fitted(images)
    np.testing.assert_allclose(layer.restored(images - images.mean(axis=0)), images, atol=1e-5)


def test_before_a_fit_nothing_changes_and_a_second_fit_changes_nothing():
    images = _bright()
    layer = Centering()
    np.testing.assert_array_equal(layer(images), images)
    layer = _fitted(images)
    before = np.asarray(layer(images))
    layer.fit(1.0 - images)
    np.testing.assert_array_equal(layer(images), before)


def test_images_that_are_all_alike_become_zero_and_stay_finite():
    images = np.full([5, 4, 4, 1], 0.7, np.float32)
    np.testing.assert_allclose(_fitted(images)(images), 0.0, atol=1e-6)


def test_a_length_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="length is 0"):
        Centering(length=0.0)
