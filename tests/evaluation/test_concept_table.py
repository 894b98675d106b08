"""The table of a concept on networks whose answers are known to tell it, and on concepts that are none."""

import numpy as np
import pytest
from reverie import models, pipelines
from reverie.errors import UserError
from reverie.evaluation import concept_probes, concept_table, neuron_pictures, sparse
from reverie.evaluation.concept_images import Concept
from reverie.evaluation.contract import EvaluationData

SIDE = 16


def _shapes(count, seed, noise=25):
    """Gray discs (1) and crosses (0) at the middle, in noise."""
    rng, (down, across) = np.random.default_rng(seed), np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    disc = np.hypot(down, across) < 5
    cross = (np.abs(down) < 2) | (np.abs(across) < 2)
    labels = np.arange(count) % 2
    pixels = 90 + 80 * np.where(labels[:, None, None] == 1, disc, cross) + rng.normal(0, noise, (count, SIDE, SIDE))
    return np.clip(pixels, 0, 255).astype(np.uint8)[..., None], labels


def _model(tile=1, seed=0, **settings):
    base = {
        "family": "sparse", "image_shape": (SIDE, SIDE, 1), "stages": 2, "field": (4, 3), "maps": (6, 8), "pool": 2,
        "contrast": 3, "contrast_floor": "mean", "reconstruction": "window", "decoder": "tied", "tile": tile,
        "signed_pooling": True, "components": (10, 20), "whitening": "standardize",
    }  # fmt: skip
    model = models.build({**base, **settings}, seed=seed)
    model.prepare(_seen(model, _shapes(60, 9)[0]))
    return model


def _seen(model, pixels):
    """At the network's size, as a concept's images are read."""
    source = pipelines.give(pixels, None)
    images = pipelines.read(source, image_shape=model.config.image_shape, resize="stretch", test_fraction=0.0)
    return images.pixels.astype(np.float32) / 255


@pytest.fixture(scope="module")
def train():
    return pipelines.from_arrays("train", _shapes(80, 5)[0], None)


ROWS = ("neuron", "stage_1", "random_weights", "random_filters", "linear_filter", "linear_filter_whitened")


def test_the_table_has_every_row_still_and_moved_with_intervals_and_luck(train):
    concept = Concept("disc", pipelines.give(*_shapes(60, 1)))
    numbers = concept_table.measure(_model(), train, concept, 0, seed=0)
    assert list(concept_table.titles(numbers, "disc")) == [*ROWS]
    for row in ROWS:
        for condition in ("", "_moved"):
            name = f"disc_{row}{condition}"
            assert numbers[f"{name}_low"] <= numbers[name] + 0.02 and numbers[name] <= numbers[f"{name}_high"] + 0.02
            for more in ("_selection", "_auc", "_best_auc", "_spread"):
                assert 0.0 <= numbers[name + more] <= 1.0
    assert numbers["disc_linear_filter"] > 0.9 and numbers["disc_linear_filter_auc"] > 0.9
    assert numbers["disc_neuron"] > numbers["disc_neuron_moved"] - 0.1
    assert numbers["disc_guess"] == 0.5 and 0.55 < numbers["disc_luck"] <= numbers["disc_luck_most"] < 0.95
    found = models.sparse.found_neurons(numbers)
    assert list(found) == ["disc"] and 0 <= found["disc"]["index"] < _model().units


@pytest.mark.thorough
def test_rows_that_are_asked_for_are_those_of_the_whole_table(train):
    concept = Concept("disc", pipelines.give(*_shapes(60, 1)))
    whole = concept_table.measure(_model(), train, concept, 0, seed=0)
    wanted = concept_table.chosen(["random_filters"], stages=2)
    part = concept_table.measure(_model(), train, concept, 0, seed=0, wanted=wanted)
    assert list(concept_table.titles(part, "disc")) == ["neuron", "random_filters"]
    assert part == {name: whole[name] for name in part}
    drawn = neuron_pictures.draw(_model(), train, concept, part, seed=0)
    assert {"disc_controls", "disc_optimal_stimulus", "disc_invariance_rotation"} <= set(drawn)


def test_a_row_that_there_is_not_is_said():
    assert concept_table.chosen([], stages=2) is None
    with pytest.raises(UserError, match=r"rows is 'stage_2'; expected some of neuron, stage_1, random_weights"):
        concept_table.chosen(["stage_1", "stage_2"], stages=2)


def test_the_neuron_to_be_served_detects_what_the_table_says(train):
    model, concept = _model(image_shape=(12, 12, 1)), Concept("disc", pipelines.give(*_shapes(60, 1)))
    assert model.config.window == 12
    numbers = concept_table.measure(model, train, concept, 0, seed=0)
    model.choose(numbers)
    images, labels = _shapes(200, 77)
    answers = model.encode(_seen(model, images))["neurons"].numpy()[:, 0]
    assert np.mean((answers > 0) == (labels == 1)) > numbers["disc_neuron"] - 0.12


def test_of_noise_nothing_is_found_whatever_is_tried_and_choosing_is_at_the_level_of_luck(train):
    images = np.random.default_rng(3).integers(0, 256, (120, SIDE, SIDE, 1)).astype(np.uint8)
    concept = Concept("noise", pipelines.give(images, np.arange(120) % 2))
    numbers = concept_table.measure(_model(), train, concept, 0, seed=0)
    for row in ROWS:
        assert abs(numbers[f"noise_{row}"] - 0.5) < 0.15, row
        assert numbers[f"noise_{row}_selection"] > 0.58
    assert abs(numbers["noise_neuron_selection"] - numbers["noise_luck"]) < 0.06


def test_a_set_of_its_own_judges_once(train):
    concept = Concept("disc", pipelines.give(*_shapes(60, 1)), pipelines.give(*_shapes(90, 2)))
    numbers = concept_table.measure(_model(), train, concept, 0, seed=0)
    assert "disc_neuron_spread" not in numbers
    assert numbers["disc_neuron"] * 90 == pytest.approx(round(numbers["disc_neuron"] * 90))
    assert numbers["disc_neuron_selection"] * 60 == pytest.approx(round(numbers["disc_neuron_selection"] * 60))


def test_untied_filters_are_searched_through_cones(train):
    model = _model(0, image_shape=(20, 20, 1), components=(10, 12))
    train = pipelines.from_arrays("train", np.random.default_rng(0).integers(0, 256, (40, 20, 20, 1), np.uint8), None)
    concept = Concept("disc", pipelines.give(*_shapes(40, 1)))
    numbers = concept_table.measure(model, train, concept, 2, seed=0)
    assert list(concept_table.titles(numbers, "disc")) == [*ROWS]
    place = model.place(numbers["disc_index"])
    assert all(0 <= part < side for part, side in zip(place, model.output_shape_, strict=True))


def test_random_networks_keep_sizes_and_lengths_and_are_keyed_by_the_seed():
    model = _model()
    images = (_shapes(30, 4)[0] / 255.0).astype(np.float32)
    one, again, other = (concept_table.random_weights(model, images, seed) for seed in (1, 1, 2))
    raw = concept_table.random_filters(model, 1)
    for mine, same, another, theirs in zip(one.stages, again.stages, other.stages, model.stages, strict=True):
        kernel = mine.filters.compact_kernel()
        np.testing.assert_array_equal(kernel, same.filters.compact_kernel())
        assert not np.array_equal(kernel, another.filters.compact_kernel())
        length = np.linalg.norm(theirs.filters.compact_kernel(), axis=1).mean()
        np.testing.assert_allclose(np.linalg.norm(kernel, axis=1), length, rtol=1e-4)
        # What stands above random filters is fitted to what they answer.
        assert float(mine.whitening.fitted) == 1.0
        assert not np.array_equal(mine.whitening.kernel.numpy(), theirs.whitening.kernel.numpy())
    assert raw.output_shape_ == model.output_shape_ and raw.config.whitening == "standardize"
    answers = [net.encode(images)["features"].numpy() for net in (model, one, raw)]
    assert np.corrcoef(answers[0].ravel(), answers[1].ravel())[0, 1] < 0.9


def test_probes_read_what_pixels_say_and_nothing_from_noise():
    model = _model()
    numbers = concept_probes.measure(model, Concept("disc", pipelines.give(*_shapes(80, 1))), seed=0)
    assert list(numbers) == ["disc_probe_pixels", "disc_probe_stage_1", "disc_probe_stage_2"]
    assert numbers["disc_probe_pixels"] > 0.95 and numbers["disc_probe_stage_1"] > 0.9
    noise = np.random.default_rng(3).integers(0, 256, (120, SIDE, SIDE, 1)).astype(np.uint8)
    numbers = concept_probes.measure(model, Concept("noise", pipelines.give(noise, np.arange(120) % 2)), seed=0)
    assert all(abs(value - 0.5) < 0.17 for value in numbers.values())


def test_a_probe_in_the_span_of_its_rows_is_the_probe_on_all_features():
    from reverie.evaluation.probes import fit_softmax

    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 90)).astype(np.float32)
    labels = (features[:, 0] + 0.3 * rng.normal(size=40) > 0).astype(int)
    rows, reporting = np.arange(24), np.arange(40) >= 24
    inner = np.arange(24) % 2 == 0
    found = concept_probes.accuracy(features, labels, rows, inner, reporting)
    mean, deviation = features[rows].mean(axis=0), features[rows].std(axis=0)
    whole = ((features - mean) / deviation / 90**0.5).astype(np.float64)
    expected = []
    for decay in concept_probes._DECAYS:
        weights = fit_softmax(whole[rows], labels[rows], 2, decay)
        scores = whole[24:] @ weights[:-1] + weights[-1]
        expected.append(np.mean(scores.argmax(axis=1) == labels[24:]))
    assert min(abs(found - one) for one in expected) < 1e-9


@pytest.mark.thorough
def test_the_evaluation_draws_the_neuron_beside_its_controls(train):
    model, source = _model(), pipelines.give(*_shapes(60, 1))
    data = EvaluationData(train, train.take(np.arange(20)), options={"concept": {"disc": source}})
    numbers = sparse.evaluate(model, data)
    assert numbers["neuron"] == numbers["disc_neuron"] and numbers["linear_filter"] == numbers["disc_linear_filter"]
    assert set(sparse.HEADLINES) <= set(numbers)
    assert all(isinstance(value, int | float) for value in numbers.values())
    drawn = sparse.draw(model, data, numbers)
    expected = {"filters_encoder", "reconstructions", "disc_controls", "disc_responses", "disc_top_stimuli",
                "disc_top_stimuli_controls", "disc_optimal_stimulus", "disc_moved", "disc_map",
                "disc_invariance_scale", "disc_invariance_rotation", "disc_invariance_shift_down"}  # fmt: skip
    assert expected <= set(drawn)
    for name, picture in drawn.items():
        assert picture.pixels.dtype == np.uint8 and picture.pixels.std() > 1 and picture.caption.endswith("."), name
    assert set(sparse.draw(model, EvaluationData(train, train), {})) == {"filters_encoder", "reconstructions"}


def test_a_map_finds_where_the_concept_is():
    class Bright:
        def responses(self, images):
            return images.mean(axis=(1, 2, 3))

    photograph = np.zeros([40, 40, 1], np.float32)
    photograph[24:34, 6:16] = 1.0
    unit = neuron_pictures.Unit("neuron", "", Bright(), 1, 0.2, 0.1, np.zeros(1))
    values = neuron_pictures.response_map(unit, photograph, 10)
    row, column = np.unravel_index(np.argmax(values), values.shape)
    assert abs(row - 29) <= 2 and abs(column - 11) <= 2
    assert values[5, 30] < 0 and values.shape == (40, 40)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"concept": "face=folder:x"}, r"concept is 'face=folder:x'; expected a dict of names"),
     ({"concept": {"face": "a.npz"}, "groups": {"face": 3}}, "groups of face is 3; expected a column of labels"),
     ({"concept": {"face": None}}, "data is None; expected \\(images, labels\\)"),
     ({"every": "x"}, "every is 'x'; expected a whole number"),
     ({"rows": "nothing"}, "rows is 'nothing'; expected some of neuron")],
)  # fmt: skip
def test_options_that_say_nothing_are_refused_in_words(train, options, said):
    with pytest.raises(UserError, match=said):
        sparse.evaluate(_model(), EvaluationData(train, train, options=options))


def test_arrays_with_labels_are_a_concept(train):
    numbers = sparse.evaluate(
        _model(), EvaluationData(train, train, options={"concept": {"disc": _shapes(40, 1)}, "rows": "neuron"})
    )
    assert 0.0 <= numbers["disc_neuron"] <= 1.0 and "disc_linear_filter" not in numbers


def test_options_for_concepts_that_are_not_there_are_refused(train):
    data = EvaluationData(train, train, options={"concept": {"disc": "a.npz"}, "report": {"face": "b.npz"}})
    with pytest.raises(UserError, match=r"report is given for face, but the concept\(s\) are disc"):
        sparse.evaluate(_model(), data)


def test_a_concept_that_cannot_be_read_is_refused_before_another_is_searched_for(train, monkeypatch):
    monkeypatch.setattr(sparse.concept_table, "measure", lambda *_: pytest.fail("a search was begun"))
    images, labels = _shapes(20, 1)
    concepts = {"disc": pipelines.give(images, labels), "odd": pipelines.give(images, labels + 1)}
    data = EvaluationData(train, train, options={"concept": concepts})
    with pytest.raises(UserError, match="concept odd: .* has the labels 1, 2; expected 1 for the concept"):
        sparse.evaluate(_model(), data)
