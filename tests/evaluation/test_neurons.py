"""The search for the best neuron against trying everything, and cones against the whole network."""

import functools
import itertools

import numpy as np
import pytest
import tqdm
from reverie import models
from reverie.evaluation import neurons, sweep


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


def _plainly(model, cone, images, row, column, stages: int) -> np.ndarray:
    """float64 [n, maps]: what the neurons at a position answer, from the formulas of the layers alone."""
    config, values = model.config, images.astype(np.float64)
    kernels = [stage.filters.compact_kernel().astype(np.float64) for stage in model.stages[:stages]]
    for number, kernel in enumerate(kernels):
        geometry = model.stages[number].filters.geometry
        kernel = kernel.reshape(*geometry.distinct, config.field, config.field, values.shape[-1], config.maps)
        shift = config.stride ** (stages - 1 - number)
        side = (values.shape[1] - config.field) // config.stride + 1
        simple = np.empty([len(values), side, side, config.maps])
        for y, x in np.ndindex(side, side):
            top, left = y * config.stride, x * config.stride
            window = values[:, top : top + config.field, left : left + config.field]
            at_y, at_x = (row - cone.center) * shift + y, (column - cone.center) * shift + x
            own = kernel[at_y % kernel.shape[0], at_x % kernel.shape[1]]
            simple[:, y, x] = np.einsum("nijc,ijcm->nm", window, own)
        side -= config.pool - 1
        pooled = np.empty([len(values), side, side, config.maps])
        for y, x in np.ndindex(side, side):
            energy = np.square(simple[:, y : y + config.pool, x : x + config.pool]).sum(axis=(1, 2))
            pooled[:, y, x] = np.sqrt(energy + config.epsilon)
        values = pooled
        if config.contrast:
            values = pooled - _around(pooled, config.contrast)
            values = values / np.maximum(0.01, np.sqrt(_around(np.square(values), config.contrast)))
    return values[:, cone.center, cone.center]


def _around(values: np.ndarray, window: int) -> np.ndarray:
    """Gaussian means over all maps and what of the window lies inside: [n, rows, columns, 1]."""
    offsets = np.arange(window) - window // 2
    weights = np.exp(-0.5 * np.square(offsets / (0.25 * window)))
    result, (rows, columns) = np.empty([*values.shape[:3], 1]), values.shape[1:3]
    for y, x in np.ndindex(rows, columns):
        total = share = 0.0
        for (down, a), (across, b) in itertools.product(zip(offsets, weights, strict=True), repeat=2):
            if 0 <= y + down < rows and 0 <= x + across < columns:
                total, share = total + a * b * values[:, y + down, x + across].mean(axis=-1), share + a * b
        result[:, y, x, 0] = total / share
    return result


@pytest.mark.parametrize(
    ("settings", "stages", "every"),
    [
        ({"contrast": 3}, 2, 3),
        ({"contrast": 5, "maps": 3}, 1, 5),
        ({"contrast": 0, "stride": 2, "image_shape": (41, 41, 1)}, 2, 2),
        ({"contrast": 3, "tile": 3, "image_shape": (24, 24, 3)}, 2, 4),
    ],
)
def test_the_search_over_places_finds_what_trying_everything_in_64_bits_finds(settings, stages, every):
    base = {"family": "sparse", "image_shape": (26, 26, 1), "stages": 2, "field": 4, "maps": 2, "pool": 3}
    model = models.build({**base, "whitening": "none", **settings}, seed=1)
    cone = neurons.Cone(model, stages)
    rng, count = np.random.default_rng(6), 101  # Two batches of unequal size.
    labels = np.arange(count) % 2
    images = rng.random((count, cone.window, cone.window, model.config.image_shape[2])).astype(np.float32)
    images[labels == 1, : cone.window // 2] *= 0.7
    selections = [neurons.halves(labels, 0), neurons.halves(labels, 1), np.ones(count, bool)]
    found = neurons.best_neurons(cone, images, labels, selections, every)
    top, left = cone.positions[0]
    places = [p for p in cone.positions if (p[0] - top) % every == 0 and (p[1] - left) % every == 0]
    assert 3 < len(places) < len(cone.positions)
    answers = {place: _plainly(model, cone, images, *place, stages) for place in places}
    for (detector, place), selection in zip(found, selections[:2], strict=False):
        expected = [_brute(answers[other], labels, selection) for other in places]
        score, reported, unit = max(expected, key=lambda one: one[0])
        assert detector.selection == pytest.approx(score) and detector.reporting == pytest.approx(reported)
        best = places[next(k for k, one in enumerate(expected) if one[0] == score)]
        assert place == (*best, unit)
        responses = answers[best][:, unit]
        says = (responses > detector.threshold) == (detector.polarity == 1)
        assert (says == (labels == 1))[selection].mean() == pytest.approx(score)
    assert found[2][0].selection >= 0.5 and found[2][0].reporting in (0.0, 1.0)


def test_what_many_places_answer_together_each_answers_alone():
    base = {"family": "sparse", "image_shape": (30, 30, 3), "stages": 2, "field": 5, "maps": 3, "pool": 3}
    model = models.build({**base, "contrast": 3, "whitening": "zca"}, seed=2)
    images = np.random.default_rng(7).random((130, 30, 30, 3)).astype(np.float32)
    model.prepare(images)
    cone = neurons.Cone(model)
    images = images[:, : cone.window, : cone.window]
    answers = dict(sweep.responses(cone, cone.whitened(images), cone.positions[:20]))
    assert list(answers) == cone.positions[:20]
    for place in cone.positions[:20:4]:
        cone.move(*place)
        np.testing.assert_allclose(answers[place], cone.responses(images), atol=1e-3)


def test_a_search_says_how_far_it_is_and_how_long_it_takes(monkeypatch, capsys):
    model = models.build(
        {"family": "sparse", "image_shape": (20, 20, 1), "stages": 1, "field": 4, "maps": 2, "pool": 3, "contrast": 0}
    )
    cone = neurons.Cone(model)
    images = np.random.default_rng(8).random((8, cone.window, cone.window, 1)).astype(np.float32)
    monkeypatch.setattr(neurons, "tqdm", functools.partial(tqdm.std.tqdm, mininterval=0.0, miniters=1))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    neurons.best_neurons(cone, images, np.arange(8) % 2, [np.ones(8, bool)], 5, "faces: neuron")
    said = capsys.readouterr().err
    assert "faces: neuron" in said and "<" in said and "place/s" in said


def test_the_best_linear_filter_is_the_one_that_looks_like_the_concept():
    rng = np.random.default_rng(5)
    concept = rng.normal(size=(6, 6, 1))
    labels = np.arange(80) % 2
    images = rng.normal(size=(80, 6, 6, 1)) + labels[:, None, None, None] * concept
    patches = rng.normal(size=(50, 6, 6, 1))
    patches[33] = concept
    (found,) = neurons.best_filters(patches, images, labels, [neurons.halves(labels, 0)], group=20)
    assert found.unit == 33 and found.polarity == 1 and found.reporting > 0.9
