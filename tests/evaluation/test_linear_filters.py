"""Linear filters: windows of training images by their cosine with test images."""

import numpy as np
import pytest
from reverie import pipelines
from reverie.evaluation import detectors
from reverie.evaluation.linear_filters import LinearFilters


def _train(count, side, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, side, side, 1)).astype(np.uint8)
    return pipelines.from_arrays("train", pixels, None)


def _all(filters, images):
    blocks = list(filters.blocks(images))
    return np.concatenate([answers for _, answers in blocks], axis=1)


def test_an_answer_is_the_correlation_of_a_window_and_an_image():
    train = _train(6, 14)
    filters = LinearFilters(train, 11, seed=1, whitened=False)
    assert filters.count == 2 * 6 * 4 * 4
    images = np.random.default_rng(2).random((5, 11, 11, 1)).astype(np.float32)
    answers = _all(filters, images)
    assert answers.shape == (5, filters.count)
    windows = np.lib.stride_tricks.sliding_window_view(train.pixels[..., 0], (11, 11), (1, 2)).reshape(-1, 11, 11)
    windows = np.concatenate([windows, windows[:, :, ::-1]]).reshape(-1, 121).astype(np.float64)
    expected = np.corrcoef(images.reshape(5, -1), windows)[:5, 5:]
    np.testing.assert_allclose(np.sort(answers, axis=1), np.sort(expected, axis=1), atol=1e-4)


@pytest.mark.parametrize("whitened", [False, True])
def test_a_filter_found_is_the_one_that_answers(whitened):
    filters = LinearFilters(_train(40, 16), 12, seed=3, whitened=whitened)
    images = np.random.default_rng(4).random((7, 12, 12, 1)).astype(np.float32)
    answers = _all(filters, images)
    for unit in (0, filters.count - 1):
        one = filters.neuron(filters.place(0, unit))
        np.testing.assert_allclose(one.responses(images), answers[:, unit], atol=1e-5)
        assert one.picture.shape == (12, 12, 1) and np.linalg.norm(one.picture) == pytest.approx(1.0, rel=1e-4)
    assert np.abs(answers).max() <= 1.0 + 1e-5


def test_the_best_linear_filter_is_the_one_that_looks_like_the_concept():
    train = _train(30, 10)
    concept = train.pixels[17].astype(np.float32) / 255
    labels = np.arange(80) % 2
    rng = np.random.default_rng(5)
    images = (0.5 * rng.random((80, 10, 10, 1)) + 0.5 * labels[:, None, None, None] * concept).astype(np.float32)
    filters = LinearFilters(train, 10, seed=0, whitened=False)
    assert filters.count == 60, "of images of the windows' size, each and its mirror image"
    (found,) = detectors.search(filters.blocks(images), labels, [detectors.halves(labels, 0)])
    one = filters.neuron(filters.place(found.place, found.unit))
    flat = (concept - concept.mean()).ravel()
    assert one.weights @ flat / np.linalg.norm(flat) > 0.99
    assert found.polarity == 1 and found.reporting > 0.9


def test_there_are_twenty_thousand_where_images_have_so_many():
    filters = LinearFilters(_train(50, 40), 12, seed=0, whitened=False)
    assert filters.count == 20_000
    again = LinearFilters(_train(50, 40), 12, seed=0, whitened=False)
    np.testing.assert_array_equal(filters.neuron(123).weights, again.neuron(123).weights)
    assert not np.array_equal(filters.neuron(123).weights, filters.neuron(124).weights)
