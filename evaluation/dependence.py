"""Linear dependence between two codes over a whole data set: covariance, and correlation beside it.

The covariance penalty falls when a network merely shrinks its latent units. Correlation does not, so the two
are always reported together.
"""

import numpy as np


def linear_dependence(observed, latent) -> dict:
    """Cross-covariance penalty and correlations between the units of two codes.

    Args:
      observed: float [n, p].
      latent: float [n, q].

    Returns:
      "penalty": 1/2 sum of squared covariances (divided by n, as in training);
      "correlation_mean", "correlation_max": of the absolute correlations over all p * q pairs; units that
      never change are left out;
      "latent_deviation": mean standard deviation of the latent units, the scale that the penalty rides on.
    """
    y = np.asarray(observed, np.float64)
    z = np.asarray(latent, np.float64)
    y, z = y - y.mean(axis=0), z - z.mean(axis=0)
    covariance = y.T @ z / len(y)
    scale = np.outer(y.std(axis=0), z.std(axis=0))
    moving = scale > 1e-12
    correlation = np.abs(covariance[moving] / scale[moving])
    return {
        "penalty": float(0.5 * np.sum(covariance**2)),
        "correlation_mean": float(correlation.mean()) if moving.any() else 0.0,
        "correlation_max": float(correlation.max()) if moving.any() else 0.0,
        "latent_deviation": float(z.std(axis=0).mean()),
    }
