"""Separated attribute predictability (Kumar, Sattigeri and Balakrishnan 2018, arXiv 1711.00848)."""

import warnings

import numpy as np


def separated_attribute_predictability(
    codes, factors, seed: int = 0, cost: float = 0.01, fitted: int | None = None
) -> float:
    """Mean over factors of the gap between the two latents that predict it best, each alone.

    Args:
      codes: float [n, latents].
      factors: int [n, k]; a linear support vector classifier reads each off one latent.
      seed: of which pictures accuracy is measured on.
      cost: C of the classifier (0.01 in the authors' and in Locatello's comparison).
      fitted: how many pictures it learns from, half by default; accuracy is that on the others.

    Returns:
      In [0, 1].
    """
    from sklearn.svm import LinearSVC

    codes, factors = np.asarray(codes), np.asarray(factors)
    order = np.random.default_rng(seed).permutation(len(codes))
    learned, tested = np.split(order, [len(order) - len(order) // 2 if fitted is None else fitted])
    gaps = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Some latents carry nothing, and the solver says so.
        for factor in factors.T:
            if len(np.unique(factor[learned])) < 2:  # Any latent predicts what never changes.
                gaps.append(0.0)
                continue
            scores = []
            for latent in codes.T:
                column = latent[:, None]
                machine = LinearSVC(C=cost, class_weight="balanced", random_state=seed)
                scores.append(machine.fit(column[learned], factor[learned]).score(column[tested], factor[tested]))
            best = sorted(scores, reverse=True)
            gaps.append(best[0] - (best[1] if len(best) > 1 else 0.0))
    return float(np.mean(gaps))
