import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import sklearn.metrics
from reverie.evaluation.probes import balanced_accuracy, fit_softmax, probe_accuracy


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _split(codes, labels):
    half = len(codes) // 2
    return codes[:half], labels[:half], codes[half:], labels[half:]


def test_classes_that_lie_apart_are_read_off_perfectly(rng):
    labels = rng.integers(0, 4, 400)
    codes = np.eye(4)[labels] * 5 + rng.normal(size=(400, 4)) * 0.1
    assert probe_accuracy(*_split(codes, labels), 4) == 1.0


def test_codes_free_of_class_stay_at_chance(rng):
    labels = rng.integers(0, 10, 8000)
    assert probe_accuracy(*_split(rng.normal(size=(8000, 2)), labels), 10) == pytest.approx(0.1, abs=0.025)


def test_squares_and_products_find_what_a_linear_probe_cannot(rng):
    codes = rng.normal(size=(2000, 2))
    labels = (codes[:, 0] * codes[:, 1] > 0).astype(int)
    assert probe_accuracy(*_split(codes, labels), 2) < 0.75
    assert probe_accuracy(*_split(codes, labels), 2, degree=2) > 0.95


def test_unlabeled_rows_are_left_out(rng):
    labels = rng.integers(0, 2, 400)
    codes = labels[:, None] * 6.0 + rng.normal(size=(400, 1))
    hidden = np.where(rng.random(400) < 0.5, -1, labels)
    assert probe_accuracy(codes, hidden, codes, labels, 2) > 0.98


def test_scale_and_offset_of_the_code_do_not_matter(rng):
    labels = rng.integers(0, 3, 600)
    codes = np.eye(3)[labels] + rng.normal(size=(600, 3)) * 0.6
    plain = probe_accuracy(*_split(codes, labels), 3)
    assert probe_accuracy(*_split(codes * 1e-4 + 7.0, labels), 3) == pytest.approx(plain, abs=0.01)


def test_the_fit_is_the_minimum_that_another_method_finds(rng):
    x, y = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)

    def loss(flat):
        weights = flat.reshape(3, 3)
        scores = x @ weights[:-1] + weights[-1]
        likelihood = scores[np.arange(60), y] - np.log(np.exp(scores).sum(axis=1))
        return -likelihood.mean() + 0.05 * np.sum(weights[:-1] ** 2)

    best = scipy.optimize.minimize(loss, np.zeros(9), method="Powell", options={"maxiter": 20_000, "ftol": 1e-10})
    assert loss(fit_softmax(x, y, 3, 0.1).ravel()) == pytest.approx(best.fun, abs=1e-5)


def test_balanced_accuracy_is_the_one_of_scikit_learn(rng):
    labels, predicted = rng.integers(0, 4, 300) ** 2 // 3, rng.integers(0, 4, 300)
    assert balanced_accuracy(predicted, labels) == pytest.approx(
        sklearn.metrics.recall_score(labels, predicted, average="macro", labels=np.unique(labels))
    )


def test_a_balanced_probe_finds_a_rare_class_that_a_plain_one_passes_over(rng):
    labels = (rng.random(4000) < 0.05).astype(int)
    codes = labels[:, None] + rng.normal(size=(4000, 1))
    half = _split(codes, labels)
    assert probe_accuracy(*half, 2) == pytest.approx(0.95, abs=0.015)
    # The best threshold between unit normals one apart is right for either with the probability of half a deviation.
    assert probe_accuracy(*half, 2, balanced=True) == pytest.approx(scipy.stats.norm.cdf(0.5), abs=0.05)
    free = _split(rng.normal(size=(4000, 1)), labels)
    assert probe_accuracy(*free, 2) > 0.93
    assert probe_accuracy(*free, 2, balanced=True) == pytest.approx(0.5, abs=0.08)


def test_rows_that_weigh_twice_are_rows_that_stand_twice(rng):
    x, y = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    twice = rng.integers(1, 3, 60)
    repeated = fit_softmax(np.repeat(x, twice, axis=0), np.repeat(y, twice), 3, 0.1)
    weighted = fit_softmax(x, y, 3, 0.1, twice / twice.mean())
    np.testing.assert_allclose(weighted, repeated, atol=1e-3)
