"""The search for the best neuron against trying everything, and cones against the whole network."""

import numpy as np
import pytest
from reverie import models
from reverie.evaluation import neurons


def _brute(responses, labels, selection):
    """Best (accuracy on the selection, the same detector's accuracy on the rest)."""
    best = (-1.0, None)
    for unit in range(responses.shape[1]):
        chosen = responses[selection, unit].astype(np.float64)
        low, high = chosen.min(), chosen.max()
        for k in range(1, neurons.THRESHOLDS + 1):
            threshold = low + k * (high - low) / (neurons.THRESHOLDS + 1)
            for polarity in (1, -1):
                says = (responses[:, unit] > threshold) == (polarity == 1)
                right = says == (labels == 1)
                score = right[selection].mean()
                if score > best[0] + 1e-12:
                    best = (score, right[~selection].mean(), unit)
    return best


def _streamed(responses, size):
    return [(first, responses[first : first + size]) for first in range(0, len(responses), size)]


@pytest.mark.parametrize("planted", [1.5, -1.5, 0.0])
def test_streaming_finds_what_trying_everything_finds(planted):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 300)
    responses = rng.normal(size=(300, 12)).astype(np.float32)
    responses[:, 5] += planted * labels
    selection = neurons.halves(labels, 0)
    score, reported, unit = _brute(responses, labels, selection)
    for size in (300, 64):
        (found,) = neurons.search(_streamed(responses, size), labels, [selection])
        assert found.selection == pytest.approx(score) and found.reporting == pytest.approx(reported)
        assert found.unit == unit
    if planted:
        assert unit == 5 and found.polarity == np.sign(planted)
        says = (responses[:, 5] > found.threshold) == (found.polarity == 1)
        assert (says == (labels == 1))[~selection].mean() == pytest.approx(reported)


def test_of_many_units_of_noise_the_best_flatters_on_its_selection_only():
    rng = np.random.default_rng(3)
    labels, responses = np.arange(100) % 2, rng.normal(size=(100, 5000))
    selections = [neurons.halves(labels, seed) for seed in range(5)]
    found = neurons.search(_streamed(responses, 40), labels, selections)
    assert np.mean([one.selection for one in found]) > 0.7
    assert abs(np.mean([one.reporting for one in found]) - 0.5) < 0.12


def test_halves_are_balanced():
    labels = np.array([1] * 30 + [0] * 70)
    selection = neurons.halves(labels, 1)
    assert selection[:30].sum() == 15 and selection[30:].sum() == 35
    assert not np.array_equal(selection, neurons.halves(labels, 2))


def test_memory_does_not_depend_on_the_number_of_images():
    search = neurons.NeuronSearch(100)
    sizes = []
    for count in (10, 1000):
        responses, labels = np.random.default_rng(0).normal(size=(count, 100)), np.arange(count) % 2
        search.see_range(responses, labels == labels)
        search.see(responses, labels, labels == labels)
        sizes.append(sum(value.nbytes for value in vars(search).values()))
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(
    "settings",
    [
        {"contrast": 3},
        {"contrast": 0},
        {"contrast": 0, "stride": 2, "image_shape": (41, 41, 1)},
        {"contrast": 3, "tile": 3},
        {"contrast": 3, "shards": 3},
    ],
)
def test_a_cone_answers_as_the_whole_network_where_it_looks(settings):
    base = {"family": "sparse", "image_shape": (26, 26, 1), "stages": 2, "field": 4, "maps": 2, "pool": 3}
    model = models.build({**base, "whitening": "none", **settings}, seed=1)
    images = np.random.default_rng(4).random((3, *model.config.image_shape)).astype(np.float32)
    for stages in (1, 2):
        whole = model.outputs(images)[stages - 1].numpy()
        cone = neurons.Cone(model, stages)
        step = model.config.stride**stages
        assert len(cone.positions) > 3
        for row, column in (cone.positions[0], cone.positions[len(cone.positions) // 2], cone.positions[-1]):
            cone.move(row, column)
            top, left = (row - cone.center) * step, (column - cone.center) * step
            seen = images[:, top : top + cone.window, left : left + cone.window]
            assert seen.shape[1:3] == (cone.window, cone.window)
            # Contrast normalization divides by what lies around the window, too: a little of it is missing here.
            atol = 0.15 if model.config.contrast else 2e-4
            np.testing.assert_allclose(cone.responses(seen), whole[:, row, column], atol=atol)


def test_the_best_linear_filter_is_the_one_that_looks_like_the_concept():
    rng = np.random.default_rng(5)
    concept = rng.normal(size=(6, 6, 1))
    labels = np.arange(80) % 2
    images = rng.normal(size=(80, 6, 6, 1)) + labels[:, None, None, None] * concept
    patches = rng.normal(size=(50, 6, 6, 1))
    patches[33] = concept
    (found,) = neurons.best_filters(patches, images, labels, [neurons.halves(labels, 0)], group=20)
    assert found.unit == 33 and found.polarity == 1 and found.reporting > 0.9
