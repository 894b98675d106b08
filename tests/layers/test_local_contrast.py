"""Local contrast normalization against a direct loop in numpy."""

import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import LocalContrastNormalization


def _gaussian_sum(values, window, sigma, i, j):
    """Sum of G * values over the part of the window that lies inside, and G's own sum there."""
    half, total, weight = window // 2, 0.0, 0.0
    for u in range(-half, half + 1):
        for v in range(-half, half + 1):
            if 0 <= i + u < values.shape[0] and 0 <= j + v < values.shape[1]:
                g = np.exp(-(u * u + v * v) / (2 * sigma**2))
                total += g * values[i + u, j + v].sum()
                weight += g * values.shape[2]
    return total / weight


def _loop(h, window, sigma, floor):
    h = h.astype(np.float64)
    g, y = np.zeros_like(h), np.zeros_like(h)
    for i in range(h.shape[0]):
        for j in range(h.shape[1]):
            g[i, j] = h[i, j] - _gaussian_sum(h, window, sigma, i, j)
    for i in range(h.shape[0]):
        for j in range(h.shape[1]):
            y[i, j] = g[i, j] / max(floor, np.sqrt(_gaussian_sum(g**2, window, sigma, i, j)))
    return y


@pytest.mark.parametrize(("window", "sigma", "floor"), [(5, None, 0.01), (3, 1.0, 0.01), (7, 2.0, 0.9)])
def test_is_the_papers_formula(window, sigma, floor):
    h = np.random.default_rng(1).normal(1.0, 1.0, (10, 12, 4)).astype(np.float32)
    result = LocalContrastNormalization(window, sigma, floor)(h[None])[0]
    np.testing.assert_allclose(result, _loop(h, window, sigma or window / 4, floor), atol=1e-4)


def test_valid_is_the_inside_of_same():
    h = np.random.default_rng(2).normal(size=(2, 14, 15, 3)).astype(np.float32)
    same, valid = LocalContrastNormalization(5)(h), LocalContrastNormalization(5, padding="valid")(h)
    np.testing.assert_allclose(valid, same[:, 4:-4, 4:-4], atol=1e-5)
    assert tuple(valid.shape) == LocalContrastNormalization(5, padding="valid").compute_output_shape(h.shape)


def test_contrast_does_not_matter_above_the_floor_and_flat_images_stay_flat():
    h = np.random.default_rng(3).normal(size=(1, 12, 12, 2)).astype(np.float32)
    layer = LocalContrastNormalization(5)
    np.testing.assert_allclose(layer(3.0 * h + 7.0), layer(h), atol=1e-4)
    flat = tf.fill([1, 12, 12, 2], 5.0)
    with tf.GradientTape() as tape:
        tape.watch(flat)
        result = layer(flat)
    np.testing.assert_allclose(result, 0.0, atol=1e-3)
    assert np.all(np.isfinite(tape.gradient(result, flat)))


def test_the_floor_mean_is_each_images_mean_deviation_in_float64():
    images = np.random.default_rng(5).normal(size=(3, 9, 8, 2)) * np.linspace(0.2, 3.0, 9)[:, None, None]
    images = np.concatenate([images, np.full((1, 9, 8, 2), 0.7)]).astype(np.float32)
    fine = LocalContrastNormalization(5, floor=1e-6)(images).numpy()
    found = LocalContrastNormalization(5, floor="mean")(images).numpy()
    for one, all_divided, floored in zip(images[:3].astype(np.float64), fine, found, strict=False):
        centered = one - _means(one)
        deviation = np.sqrt(np.maximum(_means(np.square(centered)), 1e-12))
        np.testing.assert_allclose(floored, centered / np.maximum(deviation, deviation.mean()), atol=2e-4)
        assert np.all(np.abs(floored) <= np.abs(all_divided) + 1e-4)
    np.testing.assert_allclose(found[3], 0.0, atol=3e-3)
    # The scale of an image does not matter.
    np.testing.assert_allclose(LocalContrastNormalization(5, floor="mean")(10 * images)[:3], found[:3], atol=1e-3)


def _means(image):
    places = np.ndindex(image.shape[:2])
    found = [_gaussian_sum(image, 5, 1.25, *place) for place in places]
    return np.reshape(found, [*image.shape[:2], 1])
