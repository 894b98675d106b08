"""Disentanglement, completeness and informativeness (Eastwood and Williams 2018)."""

import warnings

import numpy as np


def dci(codes, factors, seed: int = 0, trees: int = 10, fitted: int | None = None, boosted: bool = False) -> dict:
    """Three scores from how much each latent matters to trees that read a factor off all latents.

    Args:
      codes: float [n, latents].
      factors: int [n, k].
      seed: of the trees and of which pictures they are tested on.
      trees: in each forest.
      fitted: how many pictures they learn from, half by default; they are tested on the others.
      boosted: whether trees are boosted by gradients, as in disentanglement_lib (scikit-learn's defaults: a hundred
        rounds of a tree of depth three for each value), or make a random forest, which takes seconds, not minutes.

    Returns:
      {"disentanglement": whether a latent matters to one factor only; "completeness": whether one latent alone
      matters to a factor; "informativeness": mean accuracy on the pictures that were not fitted}, each in [0, 1].
    """
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

    codes, factors = np.asarray(codes), np.asarray(factors)
    order = np.random.default_rng(seed).permutation(len(codes))
    learned, tested = np.split(order, [len(order) - len(order) // 2 if fitted is None else fitted])
    importance, accuracy = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for factor in factors.T:
            # All latents stand for choice at every cut: a few drawn at random would lend importance to useless ones.
            forest = RandomForestClassifier(trees, max_features=None, min_samples_leaf=2, random_state=seed)
            machine = GradientBoostingClassifier(random_state=seed) if boosted else forest
            machine.fit(codes[learned], factor[learned])
            importance.append(machine.feature_importances_)
            accuracy.append(machine.score(codes[tested], factor[tested]))
    importance = np.stack(importance, axis=1)  # [latents, factors]
    total = max(importance.sum(), 1e-12)
    of_latents, of_factors = importance.sum(axis=1) / total, importance.sum(axis=0) / total
    return {
        "disentanglement": float(np.sum(of_latents * _certainty(importance))),
        "completeness": float(np.sum(of_factors * _certainty(importance.T))),
        "informativeness": float(np.mean(accuracy)),
    }


def _certainty(rows) -> np.ndarray:
    """1 - the entropy of each row as a share of the greatest possible: 1 where a single entry has it all."""
    if rows.shape[1] == 1:
        return np.ones(len(rows))
    shares = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12)
    logs = np.log(np.where(shares > 0.0, shares, 1.0))
    return 1.0 + np.sum(shares * logs, axis=1) / np.log(rows.shape[1])
