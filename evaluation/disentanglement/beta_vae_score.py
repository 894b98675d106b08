"""The score of beta-VAE (Higgins et al. 2017)."""

import warnings

import numpy as np


def beta_vae_score(codes, factors, fitted: int = 2000, tests: int = 1000, group: int = 64, seed: int = 0) -> float:
    """Accuracy of a linear classifier that names the factor that pairs of pictures share.

    It sees the mean absolute difference of their codes over a group of pairs, all of which agree in that factor.

    Args:
      codes: float [n, latents].
      factors: int [n, k].
      fitted, tests: groups that it learns from and is tested on.
      group: pairs in each.
      seed: of the draws.

    Returns:
      In [0, 1]; guessing comes to 1/k.
    """
    from sklearn.linear_model import LogisticRegression

    codes, factors = np.asarray(codes), np.asarray(factors)
    rng = np.random.default_rng(seed)
    rows = []
    for column in factors.T:
        order = np.argsort(column, kind="stable")
        starts = np.searchsorted(column[order], column, "left")
        ends = np.searchsorted(column[order], column, "right")
        rows.append((order, starts, ends))

    def example():
        factor = rng.integers(len(rows))
        order, starts, ends = rows[factor]
        first = rng.integers(0, len(codes), group)
        second = order[rng.integers(starts[first], ends[first])]
        return np.abs(codes[first] - codes[second]).mean(axis=0), factor

    features, answers = zip(*(example() for _ in range(fitted + tests)), strict=True)
    features, answers = np.stack(features), np.asarray(answers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machine = LogisticRegression(max_iter=200).fit(features[:fitted], answers[:fitted])
    return float(machine.score(features[fitted:], answers[fitted:]))
