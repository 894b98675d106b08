"""The search for the best unit against trying everything, and what is said of it against what is known."""

import numpy as np
import pytest
import sklearn.metrics
from reverie.errors import UserError
from reverie.evaluation import detectors
from reverie.evaluation.detectors import Split


def _brute(responses, labels, selection):
    """Best (accuracy on the selection, the same detector's accuracy on the rest, unit, threshold, polarity)."""
    best = (-1.0, None)
    for unit in range(responses.shape[1]):
        chosen = responses[selection, unit].astype(np.float64)
        low, high = chosen.min(), chosen.max()
        for k in range(1, detectors.THRESHOLDS + 1):
            threshold = low + k * (high - low) / (detectors.THRESHOLDS + 1)
            for polarity in (1, -1):
                says = (responses[:, unit] > threshold) == (polarity == 1)
                right = says == (labels == 1)
                score = right[selection].mean()
                if score > best[0] + 1e-12:
                    best = (score, right[~selection].mean(), unit, threshold, polarity)
    return best


def _planted(planted, count=300, units=12, seed=2):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    responses = rng.normal(size=(count, units)).astype(np.float32)
    responses[:, 5] += planted * labels
    return labels, responses


@pytest.mark.parametrize("planted", [1.5, -1.5, 0.0])
@pytest.mark.parametrize("size", [12, 5])
def test_the_search_finds_what_trying_everything_finds(planted, size):
    labels, responses = _planted(planted)
    splits = [detectors.halves(labels, seed) for seed in range(3)]
    blocks = [(first, responses[:, first : first + size]) for first in range(0, 12, size)]
    for found, split in zip(detectors.search(blocks, labels, splits), splits, strict=True):
        score, reported, unit, threshold, polarity = _brute(responses, labels, split.selecting)
        assert found.selection == pytest.approx(score) and found.reporting == pytest.approx(reported)
        assert found.place + found.unit == unit and found.polarity == polarity
        assert found.threshold == pytest.approx(threshold)
        np.testing.assert_array_equal(found.responses, responses[:, unit])
        assert found.hits[split.reporting].mean() == found.reporting
        says = (responses[:, unit] > found.threshold) == (polarity == 1)
        np.testing.assert_array_equal(found.hits, says == (labels == 1))


def test_pieces_searched_by_several_threads_find_the_same(monkeypatch):
    labels, responses = _planted(1.0, units=40)
    splits = [detectors.halves(labels, 0)]
    (whole,) = detectors.search([(0, responses)], labels, splits)
    monkeypatch.setattr(detectors, "_PIECE", 3 * len(labels))
    (pieces,) = detectors.search([(0, responses)], labels, splits)
    assert (whole.unit, whole.threshold, whole.selection) == (pieces.unit, pieces.threshold, pieces.selection)
    assert whole.best_area == pieces.best_area


def test_areas_are_those_of_the_textbook_and_the_best_is_chosen_on_the_selecting_images():
    labels, responses = _planted(-0.8, units=30)
    split = detectors.halves(labels, 1)
    (found,) = detectors.search([(0, responses)], labels, [split])
    on = split.selecting
    areas = [sklearn.metrics.roc_auc_score(labels[on], column[on]) for column in responses.T]
    unit = int(np.argmax(np.abs(np.array(areas) - 0.5)))
    sign = 1 if areas[unit] > 0.5 else -1
    off = split.reporting
    assert found.best_area == pytest.approx(sklearn.metrics.roc_auc_score(labels[off], sign * responses[off, unit]))
    turned = found.polarity * found.responses
    assert found.area == pytest.approx(sklearn.metrics.roc_auc_score(labels[off], turned[off]))


@pytest.mark.parametrize("by_label", [True, False])
def test_units_that_answer_alike_to_many_images_win_nothing_by_the_order_of_the_images(by_label):
    labels = np.sort(np.arange(200) % 2) if by_label else np.arange(200) % 2
    responses = np.zeros([200, 3], np.float32)
    responses[:, 1] = np.random.default_rng(0).integers(0, 3, 200)
    responses[:, 2] = 1e-3
    everything = Split(np.ones(200, bool), np.zeros(200, bool))
    (found,) = detectors.search([(0, responses)], labels, [everything])
    expected = sklearn.metrics.roc_auc_score(labels, responses[:, 1])
    assert found.best_area == pytest.approx(max(expected, 1 - expected), abs=1e-9)
    constant = detectors.search([(0, responses[:, :1])], labels, [everything])[0]
    assert constant.best_area == 0.5 and constant.selection == 0.5


def test_the_area_counts_equal_responses_by_halves():
    assert detectors.area_under_curve([1, 1, 1, 1], [0, 1, 0, 1]) == 0.5
    assert detectors.area_under_curve([2, 1, 3], [0, 0, 1]) == 1.0
    rng = np.random.default_rng(1)
    values, labels = rng.integers(0, 5, 100), rng.integers(0, 2, 100)
    assert detectors.area_under_curve(values, labels) == pytest.approx(sklearn.metrics.roc_auc_score(labels, values))


def test_of_many_units_of_noise_the_best_flatters_on_its_selection_and_luck_says_by_how_much():
    rng = np.random.default_rng(3)
    labels, responses = np.arange(100) % 2, rng.normal(size=(100, 5000)).astype(np.float32)
    splits = [detectors.halves(labels, seed) for seed in range(5)]
    searching = detectors.Search(labels, splits, luck=20)
    searching.see(responses)
    found = searching.found()
    assert searching.units == 5000
    assert np.mean([one.selection for one in found]) > 0.7
    assert abs(np.mean([one.reporting for one in found]) - 0.5) < 0.12
    # Noise is at the level of luck: among its twenty trials, or near.
    assert searching.luck().shape == (20,)
    assert abs(found[0].selection - searching.luck().mean()) < 0.06
    # And luck grows with how many are tried.
    few = detectors.Search(labels, splits, luck=20)
    few.see(responses[:, :10])
    assert few.luck().mean() < searching.luck().mean() - 0.1


def test_what_luck_reaches_is_the_best_accuracy_for_labels_that_were_shuffled():
    labels, responses = _planted(3.0, count=80)
    split = detectors.halves(labels, 0)
    searching = detectors.Search(labels, [split], luck=3, seed=5)
    searching.see(responses)
    for steps, found in zip(searching._shuffled, searching.luck(), strict=True):
        assert np.sum(steps < 0) == labels[split.selecting].sum() and np.all((steps != 0) == split.selecting)
        assert found == pytest.approx(_brute(responses, (steps < 0).astype(int), split.selecting)[0])
    assert searching.luck().max() < 0.85 < searching.found()[0].selection


def test_halves_are_balanced():
    labels = np.array([1] * 30 + [0] * 70)
    split = detectors.halves(labels, 1)
    assert split.selecting[:30].sum() == 15 and split.selecting[30:].sum() == 35
    np.testing.assert_array_equal(split.reporting, ~split.selecting)
    assert not np.array_equal(split.selecting, detectors.halves(labels, 2).selecting)


def test_no_person_is_on_both_sides():
    labels = np.repeat([1, 0], [60, 70])
    people = np.concatenate([np.repeat(np.arange(12), 5), 100 + np.arange(70) // 7])
    order = np.random.default_rng(0).permutation(130)
    labels, people = labels[order], people[order]
    for seed in range(10):
        split = detectors.halves(labels, seed, people)
        assert not set(people[split.selecting]) & set(people[split.reporting])
        assert split.selecting[labels == 1].sum() == 30 and split.selecting[labels == 0].sum() == 35


def test_groups_of_both_labels_stay_together_and_a_single_one_is_refused():
    labels = np.array([1, 0] * 20)
    clips = np.arange(40) // 4
    split = detectors.halves(labels, 0, clips)
    assert split.selecting.sum() == 20 and len(set(clips[split.selecting])) == 5
    lone = np.append(labels, 0), np.append(clips, 99)
    sides = {bool(detectors.halves(lone[0], seed, lone[1]).selecting[-1]) for seed in range(20)}
    assert sides == {True, False}, "a clip without the concept is now here, now there"
    with pytest.raises(UserError, match="the concept has one group of images"):
        detectors.halves(np.array([1, 1, 0, 0]), 0, np.array([7, 7, 1, 2]))


def test_intervals_are_wide_where_few_people_were_photographed_often():
    rng = np.random.default_rng(4)
    labels = np.repeat([1, 0], [200, 200])
    people = np.concatenate([np.arange(200) // 20, 1000 + np.arange(200)])
    # The unit knows some people always and others never.
    responses = rng.normal(size=400).astype(np.float32)
    responses[:200] += np.where(people[:200] % 2 == 0, 4.0, 0.0)
    splits = [detectors.halves(labels, seed, people) for seed in range(4)]
    found = detectors.search([(0, responses[:, None])], labels, splits)
    low, high = detectors.interval(found, splits, labels, people)
    alone = detectors.interval(found, splits, labels)
    mean = np.mean([one.reporting for one in found])
    assert low < mean < high and alone[0] < mean < alone[1]
    assert high - low > 1.5 * (alone[1] - alone[0])


def test_an_interval_holds_the_true_accuracy_about_as_often_as_it_says():
    held, truth = 0, 0.7
    rng = np.random.default_rng(6)
    labels = np.arange(200) % 2
    split = Split(np.zeros(200, bool), np.ones(200, bool))
    for trial in range(100):
        hits = rng.random(200) < truth
        detector = detectors.Detector(None, 0, 0.0, 1, 1.0, hits.mean(), 0.5, 0.5, hits, hits.astype(np.float32))
        low, high = detectors.interval([detector], [split], labels, seed=trial)
        held += low <= truth <= high
    assert 85 <= held <= 100
