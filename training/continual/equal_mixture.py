"""A mixture of equally likely Gaussians, fitted to points."""

from typing import Any

import numpy as np

# Least variance of a Gaussian along a coordinate, in the unit of a standard normal prior.
LEAST_VARIANCE = 1e-3
_ROUNDS = 25


def fit_equal_mixture(points: np.ndarray, modes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The Gaussians with diagonal covariances and equal weights under which points are likely.

    Expectation and maximization from the clusters of k-means; the weights are not fitted, because the prior draws its
    modes evenly (`layers.ClassConditionalPrior`).

    Args:
      points: float [n, units].
      modes: M, at least 1; with fewer points than modes, Gaussians repeat.
      seed: of the clusters' start.

    Returns:
      (means, log-variances), float64 [modes, units] each.

    Example:
      >>> means, log_variances = fit_equal_mixture(np.array([[0.0], [0.2], [9.0], [9.2]]), modes=2, seed=0)
      >>> sorted(means.ravel().round(2).tolist())
      [0.1, 9.1]
    """
    from sklearn.cluster import KMeans

    points = np.asarray(points, np.float64)
    found = min(modes, len(np.unique(points, axis=0)))
    places = np.arange(modes) % found
    if found == 1:
        spread = np.maximum(points.var(axis=0), LEAST_VARIANCE)
        return points.mean(axis=0)[None][places], np.log(spread)[None][places]
    once: dict[str, Any] = {"n_init": 1, "random_state": seed}
    clusters = KMeans(found, **once).fit(points)
    shares = np.eye(found)[clusters.labels_]
    for _ in range(_ROUNDS):
        weights = shares.sum(axis=0)[:, None] + 1e-9
        means = shares.T @ points / weights
        variances = np.maximum(shares.T @ points**2 / weights - means**2, LEAST_VARIANCE)
        surprise = points**2 @ (0.5 / variances).T - points @ (means / variances).T
        surprise += 0.5 * np.sum(means**2 / variances + np.log(variances), axis=1)
        shares = np.exp(surprise.min(axis=1, keepdims=True) - surprise)
        shares /= shares.sum(axis=1, keepdims=True)
    return means[places], np.log(variances)[places]
