"""Whitening: what it leaves of means, spreads and correlations."""

import numpy as np
import pytest
import tensorflow as tf
from reverie.errors import UserError
from reverie.layers import Whitening


def _smooth(count=40, side=24, seed=0):
    """Images whose neighboring pixels and channels go together, as in natural ones."""
    noise = np.random.default_rng(seed).normal(size=(count, side + 8, side + 8, 3)).cumsum(1).cumsum(2)
    noise = noise - 0.9 * noise.mean(axis=(1, 2), keepdims=True) + noise.mean(axis=3, keepdims=True)
    return (0.5 + noise[:, 8:, 8:] / np.abs(noise).max()).astype(np.float32)


def _windows(images, side=3):
    views = np.lib.stride_tricks.sliding_window_view(images, (side, side), (1, 2))
    return views.transpose(0, 1, 2, 4, 5, 3).reshape(-1, side * side * images.shape[3])


def test_zca_leaves_neighbors_and_colors_uncorrelated():
    images = _smooth()
    layer = Whitening("zca", window=7, epsilon=1e-4)
    layer.build(images.shape)
    layer.fit(images, windows=40_000)

    def correlation(values):
        found = np.abs(np.corrcoef(_windows(values), rowvar=False))
        return (found.sum() - len(found)) / (found.size - len(found))

    before, after = correlation(images), correlation(layer(images).numpy()[:, 4:-4, 4:-4])
    assert before > 0.5 and after < 0.1


def test_standardize_gives_every_image_mean_zero_and_deviation_one():
    images = _smooth()
    layer = Whitening("standardize")
    result = layer(images).numpy()
    np.testing.assert_allclose(result.mean(axis=(1, 2, 3)), 0.0, atol=1e-4)
    np.testing.assert_allclose(result.std(axis=(1, 2, 3)), 1.0, atol=1e-3)
    np.testing.assert_allclose(layer(0.3 * images + 0.2), result, atol=1e-2)  # Exposure does not matter.
    assert np.all(layer(np.full([1, 8, 8, 3], 0.4, np.float32)).numpy() == 0.0)
    np.testing.assert_array_equal(Whitening("none")(images), images)


def test_a_second_fit_changes_nothing():
    layer = Whitening("zca", window=3)
    layer.build((None, 24, 24, 3))
    layer.fit(_smooth(), windows=2000)
    kernel = layer.kernel.numpy()
    layer.fit(_smooth(seed=1), windows=2000)
    np.testing.assert_array_equal(layer.kernel.numpy(), kernel)


def test_impossible_settings_are_refused():
    for wrong in ({"kind": "pca"}, {"window": 4}, {"epsilon": 0.0}):
        with pytest.raises(ValueError):
            Whitening(**wrong)
    assert tf.is_tensor(Whitening.from_config(Whitening("standardize").get_config())(_smooth(2)))


def test_images_smaller_than_the_windows_of_zca_are_refused_in_a_line():
    layer = Whitening("zca", window=9)
    layer.build((None, 8, 30, 1))
    with pytest.raises(UserError, match="images are 8x30, and whitening 'zca' learns from windows of 9 pixels"):
        layer.fit(np.zeros([4, 8, 30, 1], np.float32))
    assert not float(layer.fitted)
