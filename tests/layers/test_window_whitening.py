"""Whitened windows: their correlations, and what becomes of filters on them."""

import numpy as np
import pytest
from reverie.layers import WindowWhitening


def _images(count=60, side=20, channels=2, seed=0):
    noise = np.random.default_rng(seed).normal(size=(count, side, side, channels))
    return (0.3 + (noise.cumsum(1).cumsum(2) / 40)).astype(np.float32)


def _fitted(images, **options):
    layer = WindowWhitening(**options)
    layer.build(images.shape)
    layer.fit(images, windows=30_000)
    return layer


def _windows(images, field, stride):
    rows = range(0, images.shape[1] - field + 1, stride)
    return np.stack([[images[:, a : a + field, b : b + field].reshape(len(images), -1) for b in rows] for a in rows])


def test_components_of_windows_are_uncorrelated_and_weigh_the_same():
    images = _images()
    layer = _fitted(images, field=4, components=10, epsilon=1e-5)
    found = layer(images).numpy().reshape(-1, 10)
    covariance = np.cov(found, rowvar=False)
    np.testing.assert_allclose(covariance, np.eye(10), atol=0.15)
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=0.1)


def test_a_component_is_the_projection_of_its_window_in_float64():
    images = _images(seed=2)
    layer = _fitted(images, field=4, strides=3, components=7, epsilon=0.5)
    flat = layer.kernel.numpy().reshape(-1, 7).astype(np.float64)
    wanted = _windows(images.astype(np.float64), 4, 3) @ flat - layer.offset.numpy()
    np.testing.assert_allclose(layer(images), wanted.transpose(2, 0, 1, 3), atol=2e-4)
    assert np.mean(np.square(layer(images).numpy())) == pytest.approx(1.0, rel=0.2)


def test_a_large_epsilon_keeps_the_natural_weights_of_components():
    images = _images(seed=3)
    whitened = _fitted(images, field=3, components=6, epsilon=1e-6)(images).numpy().reshape(-1, 6).std(axis=0)
    natural = _fitted(images, field=3, components=6, epsilon=100.0)(images).numpy().reshape(-1, 6).std(axis=0)
    assert whitened.max() / whitened.min() < 1.5 < 5.0 < natural.max() / natural.min()


def test_filters_of_components_answer_to_pixels_as_they_do_to_components():
    images = _images(seed=4)
    layer = _fitted(images, field=4, components=9)
    weights = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    filters = layer.window_filters(weights).reshape(-1, 3)
    windows = _windows(images, 4, 1).transpose(2, 0, 1, 3)
    by_pixels = windows @ filters - layer.offset.numpy() @ weights
    np.testing.assert_allclose(layer(images).numpy() @ weights, by_pixels, atol=2e-3)
    # The natural ones are the mixing matrix: what a unit of each component looks like in pixels.
    natural = layer.window_filters(np.eye(9), natural=True).reshape(-1, 9)
    mixing = np.linalg.pinv(layer.window_filters(np.eye(9)).reshape(-1, 9)).T
    cosine = (natural * mixing).sum(0) / np.linalg.norm(natural, axis=0) / np.linalg.norm(mixing, axis=0)
    np.testing.assert_allclose(cosine, 1.0, atol=1e-4)
    np.testing.assert_allclose(layer.mixing().numpy().reshape(-1, 9), mixing, atol=1e-3)
    ratio = np.linalg.norm(natural, axis=0) / np.linalg.norm(mixing, axis=0)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)


def test_a_second_fit_changes_nothing_and_before_the_first_windows_pass_as_they_are():
    images = _images()
    layer = WindowWhitening(3)
    layer.build(images.shape)
    np.testing.assert_allclose(layer(images)[:, 2, 3], images[:, 2:5, 3:6].reshape(len(images), -1), atol=1e-6)
    layer.fit(images, windows=2000)
    kernel = layer.kernel.numpy()
    layer.fit(_images(seed=1), windows=2000)
    np.testing.assert_array_equal(layer.kernel.numpy(), kernel)


def test_impossible_settings_are_refused():
    for wrong in ({"field": 0}, {"field": 3, "strides": 0}, {"field": 3, "components": -1}, {"field": 3, "epsilon": 0}):
        with pytest.raises(ValueError):
            WindowWhitening(**wrong)
    with pytest.raises(ValueError, match="do not fit"):
        WindowWhitening(9).build((None, 8, 12, 1))
