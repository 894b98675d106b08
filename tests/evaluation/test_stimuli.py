"""The optimal stimulus of a neuron whose optimum is known, and transformations that are known."""

import numpy as np
from reverie import models
from reverie.evaluation import neurons, stimuli


def _cone(**settings):
    """One filter of 6 x 6 a position, no pooling, no normalization: the response is |w . x|."""
    base = {"family": "sparse", "image_shape": (12, 12, 1), "stages": 1, "field": 6, "maps": 2, "pool": 1}
    model = models.build({**base, "contrast": 0, "whitening": "standardize", "epsilon": 1e-12, **settings}, seed=0)
    return model, neurons.Cone(model)


def test_the_optimal_stimulus_of_a_linear_filter_is_the_filter():
    model, cone = _cone()
    neuron = cone.neuron((2, 3, 1))
    best, response = stimuli.optimal(neuron, 1, restarts=4, steps=150)
    columns = model.stages[0].filters.geometry.positions[1]
    weights = model.stages[0].filters.compact_kernel()[2 * columns + 3, :, 1]
    cosine = abs(best.ravel() @ weights) / np.linalg.norm(best) / np.linalg.norm(weights)
    assert cosine > 0.999
    np.testing.assert_allclose(response, 6.0 * np.linalg.norm(weights), rtol=1e-2)
    silent, least = stimuli.optimal(neuron, -1, restarts=4, steps=150)
    assert least > -0.05 * response and silent.shape == (6, 6, 1)


def test_the_optimal_stimulus_has_the_frequencies_of_images_if_it_is_told_their_strengths():
    model, cone = _cone(field=12)
    neuron = cone.neuron((0, 0, 0))
    rng = np.random.default_rng(3)
    coarse = rng.random((60, 4, 4, 1)).repeat(3, axis=1).repeat(3, axis=2).astype(np.float32)
    strengths = stimuli.spectrum(neuron, coarse)
    np.testing.assert_allclose(np.square(strengths).mean(), 1.0, rtol=1e-5)
    assert strengths[0, 1] > 3 * strengths[0, 6]
    best, response = stimuli.optimal(neuron, 1, strengths, restarts=4, steps=150)
    # Of |w . S u| with a given length of u the best is u = S w, and the network sees S S w.
    weights = model.stages[0].filters.compact_kernel()[0, :, 0].reshape(12, 12)
    expected = np.fft.ifft2(np.fft.fft2(weights) * np.square(strengths)).real
    cosine = abs(best.ravel() @ expected.ravel()) / np.linalg.norm(best) / np.linalg.norm(expected)
    assert cosine > 0.999
    length = np.linalg.norm(np.fft.ifft2(np.fft.fft2(weights) * strengths).real)
    np.testing.assert_allclose(response, 12.0 * length, rtol=1e-2)
    flat = stimuli.spectrum(neuron, rng.random((400, 12, 12, 1)).astype(np.float32))
    np.testing.assert_allclose(flat, 1.0, atol=0.2)


def test_each_transformation_moves_along_its_own_axis():
    image = np.zeros([1, 9, 9, 1], np.float32)
    image[0, 4, 5] = 1.0
    right = stimuli._transformed(image, "shift right", 2 / 9)
    assert np.argmax(right[0, 4, :, 0]) == 7
    down = stimuli._transformed(image, "shift down", 2 / 9)
    assert np.argmax(down[0, :, 5, 0]) == 6
    turned = stimuli._transformed(image, "rotation", 90.0)
    assert abs(np.argmax(turned[0, :, 4, 0]) - 4) == 1
    np.testing.assert_allclose(stimuli._transformed(image, "scale", 1.0), image, atol=1e-6)
    wide = np.zeros([1, 9, 9, 1], np.float32)
    wide[0, 3:6, 3:6] = 1.0
    assert stimuli._transformed(wide, "scale", 1.6).sum() > 1.5 * wide.sum()


def test_invariance_at_rest_is_the_response_itself():
    _, cone = _cone()
    images = np.random.default_rng(1).random((4, 6, 6, 1)).astype(np.float32)
    curves = stimuli.invariance(cone.neuron((1, 1, 0)), -1, images)
    cone.move(1, 1)
    expected = -cone.responses(images)[:, 0].mean()
    for name, rest in (("shift right", 0.0), ("shift down", 0.0), ("scale", 1.0), ("rotation", 0.0)):
        values, responses = curves[name]
        np.testing.assert_allclose(responses[np.argmin(np.abs(values - rest))], expected, rtol=1e-3)


def test_what_neurons_of_a_stage_like_best_are_their_filters_where_nothing_comes_after_them():
    model, _ = _cone()
    places = np.array([[2, 3, 0], [2, 3, 1]])
    starts = np.random.default_rng(0).normal(size=[2, 6, 6, 1]).astype(np.float32)
    found = stimuli.of_places(model, 1, places, starts, (2, 3), np.ones([6, 6]), steps=100)
    columns = model.stages[0].filters.geometry.positions[1]
    weights = model.stages[0].filters.compact_kernel()[2 * columns + 3].T
    for best, filter_ in zip(found.reshape(2, -1), weights, strict=True):
        cosine = best @ filter_ / np.linalg.norm(best) / np.linalg.norm(filter_)
        assert abs(cosine) > 0.999
        np.testing.assert_allclose(np.linalg.norm(best), 6.0, rtol=1e-4)
