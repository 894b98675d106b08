import numpy as np
import pytest
import scipy.optimize
from reverie.evaluation.probes import fit_softmax, probe_accuracy


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
