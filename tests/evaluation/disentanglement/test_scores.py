"""All five scores on codes whose score is known: one latent a factor, every latent of everything, and noise."""

import dataclasses

import numpy as np
import pytest
from reverie.evaluation import disentanglement
from reverie.evaluation.disentanglement.mig import mutual_information

COUNT, SIZES = 4000, (4, 4, 4)
SMALL = disentanglement.Counts(fitted=200, tested=200, votes=50, vote_tests=50, pairs=50, pair_tests=50)


@pytest.fixture(scope="module")
def factors():
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(0, size, COUNT) for size in SIZES], axis=-1)


@pytest.fixture(scope="module")
def perfect(factors):
    noise = np.random.default_rng(1).normal(0, 0.01, factors.shape)
    return np.concatenate([factors + noise, np.random.default_rng(2).normal(0, 1e-3, [COUNT, 2])], axis=1)


@pytest.fixture(scope="module")
def entangled(perfect):
    """An orthogonal rotation: all the information, none of it where it belongs."""
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    return (perfect[:, :3] - perfect[:, :3].mean(axis=0)) @ rotation


@pytest.fixture(scope="module")
def random():
    return np.random.default_rng(4).normal(size=(COUNT, 5))


def test_a_latent_a_factor_scores_one(perfect, factors):
    scores = disentanglement.all_scores(perfect, factors)
    assert scores["mig"] > 0.97
    assert scores["dci_disentanglement"] > 0.97 and scores["dci_completeness"] > 0.97
    assert scores["dci_informativeness"] > 0.99
    assert scores["factor_vae"] > 0.99 and scores["beta_vae"] > 0.99
    # One linear cut a value against all others cannot tell inner values of a line apart, whatever the code.
    assert scores["sap"] > 0.3


def test_a_rotation_keeps_the_information_and_loses_the_rest(perfect, entangled, factors):
    scores, best = disentanglement.all_scores(entangled, factors), disentanglement.all_scores(perfect, factors)
    assert scores["dci_informativeness"] > 0.8
    for name in ("mig", "dci_disentanglement", "dci_completeness", "sap"):
        assert scores[name] < 0.5 * best[name], name
    assert scores["factor_vae"] < 0.95


def test_of_one_factor_and_of_a_handful_of_pictures_there_is_no_score(perfect, factors):
    constant = np.zeros_like(factors[:, :1])
    assert disentanglement.all_scores(perfect, factors[:, :1]) == {}
    assert disentanglement.all_scores(perfect, np.concatenate([factors[:, :1], constant], axis=1)) == {}
    assert disentanglement.all_scores(perfect[:9], factors[:9]) == {}
    assert disentanglement.all_scores(perfect[:0], factors[:0]) == {}


def test_a_factor_that_does_not_vary_takes_no_part(perfect, factors):
    beside = np.concatenate([factors, np.full_like(factors[:, :1], 2)], axis=1)
    with_it, without = (disentanglement.all_scores(perfect, of, counts=SMALL) for of in (beside, factors))
    assert with_it == without


def test_of_few_pictures_with_rare_values_all_scores_are_numbers():
    rng, rare = np.random.default_rng(0), np.zeros([12, 2], int)
    rare[0, 0] = rare[1, 1] = 1
    for seed in range(8):  # In some splits classifiers see one value alone.
        scores = disentanglement.all_scores(rng.normal(size=(12, 3)), rare, seed, SMALL)
        assert scores and all(0.0 <= value <= 1.0 for value in scores.values()), scores


def test_noise_scores_as_guessing_does(random, factors):
    scores = disentanglement.all_scores(random, factors)
    assert scores["mig"] < 0.02 and scores["sap"] < 0.05
    assert scores["dci_disentanglement"] < 0.1 and scores["dci_informativeness"] == pytest.approx(0.25, abs=0.05)
    for name in ("factor_vae", "beta_vae"):
        assert scores[name] == pytest.approx(1 / 3, abs=0.07), name


def test_a_factor_in_two_latents_is_disentangled_but_not_complete(perfect, factors):
    doubled = np.concatenate([perfect, factors[:, :1] + np.random.default_rng(5).normal(0, 0.01, [COUNT, 1])], axis=1)
    scores = disentanglement.dci(doubled, factors)
    assert scores["disentanglement"] > 0.95 and scores["completeness"] < 0.93
    assert disentanglement.mutual_information_gap(doubled, factors) == pytest.approx(2 / 3, abs=0.03)


def test_mutual_information_of_a_worked_example():
    # A fair coin copied is log 2; two independent ones nothing; a coin and its noisy copy by hand.
    coin = np.array([0, 1] * 8)
    assert mutual_information(coin, coin) == pytest.approx(np.log(2))
    assert mutual_information(coin, np.repeat([0, 1], 8)) == pytest.approx(0.0, abs=1e-12)
    noisy = coin.copy()
    noisy[:2] = 1 - noisy[:2]
    entropy = -(0.125 * np.log(0.125) + 0.875 * np.log(0.875))
    assert mutual_information(coin, noisy) == pytest.approx(np.log(2) - entropy)


def test_dead_latents_take_no_part_in_votes(factors):
    assert disentanglement.factor_vae_score(np.zeros([COUNT, 4]), factors) == 0.0


def test_counts_say_how_many_pictures_are_fitted_and_tested_and_shrink_together():
    counts = disentanglement.Counts(fitted=10_000, tested=5_000)
    assert counts.of_classifiers(15_000) == (10_000, 5_000) and counts.of_classifiers(40_000) == (10_000, 5_000)
    assert counts.of_classifiers(300) == (200, 100)
    field = disentanglement.FIELD
    assert (field.mig, field.fitted, field.tested) == (10_000, 10_000, 5_000)
    assert (field.votes, field.vote_tests, field.group) == (10_000, 5_000, 64)
    with pytest.raises(ValueError, match="votes is 0; expected 1 or more"):
        disentanglement.Counts(votes=0)


def test_dci_is_tested_on_what_was_not_fitted(factors):
    """Codes that say nothing, but for the pictures that are fitted first: learning them by heart earns nothing."""
    rows, codes = 300, np.random.default_rng(6).normal(size=(300, 3))
    for boosted in (False, True):
        scores = disentanglement.dci(codes, factors[:rows], fitted=200, boosted=boosted)
        assert scores["informativeness"] == pytest.approx(0.25, abs=0.12)


def test_boosted_trees_agree_on_a_latent_a_factor_and_on_a_rotation(perfect, entangled, factors):
    some = slice(0, 900)
    best = disentanglement.dci(perfect[some], factors[some], fitted=600, boosted=True)
    assert best["disentanglement"] > 0.97 and best["completeness"] > 0.97 and best["informativeness"] > 0.99
    mixed = disentanglement.dci(entangled[some], factors[some], fitted=600, boosted=True)
    assert mixed["disentanglement"] < 0.5 * best["disentanglement"]


def test_the_field_s_counts_give_both_kinds_of_trees(perfect, factors):
    few = disentanglement.Counts(mig=300, fitted=200, tested=100, votes=50, vote_tests=30, pairs=50, pair_tests=30)
    scores = disentanglement.all_scores(perfect, factors, counts=few)
    boosted = disentanglement.all_scores(perfect, factors, counts=dataclasses.replace(few, boosted=True))
    assert set(boosted) - set(scores) == {
        "dci_boosted_disentanglement", "dci_boosted_completeness", "dci_boosted_informativeness",
    }  # fmt: skip
    assert {name: boosted[name] for name in scores} == scores
