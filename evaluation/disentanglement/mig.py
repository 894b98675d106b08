"""The mutual information gap (Chen, Li, Grosse and Duvenaud 2018, arXiv 1802.04942)."""

import numpy as np


def mutual_information_gap(codes, factors, bins: int = 20) -> float:
    """Mean over factors of (I of the latent that knows most of it - I of the second) / the factor's entropy.

    Args:
      codes: float [n, latents], cut into equal bins between their least and greatest value.
      factors: int [n, k].
      bins: how many.

    Returns:
      In [0, 1]: 1 where one latent alone knows each factor fully.
    """
    binned = [_numbered(column, bins) for column in np.asarray(codes).T]
    gaps = []
    for factor in np.asarray(factors).T:
        entropy = mutual_information(factor, factor)
        known = sorted((mutual_information(latent, factor) for latent in binned), reverse=True)
        if entropy > 0.0:
            gaps.append((known[0] - (known[1] if len(known) > 1 else 0.0)) / entropy)
    return float(np.mean(gaps))


def mutual_information(first, second) -> float:
    """I(first; second) in nats, of two int [n] by their joint histogram."""
    joint = np.zeros([first.max() + 1, second.max() + 1])
    np.add.at(joint, (first, second), 1.0)
    joint /= joint.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    present = joint > 0
    return float(np.sum(joint[present] * np.log(joint[present] / apart[present])))


def _numbered(column, bins: int) -> np.ndarray:
    edges = np.histogram_bin_edges(column, bins)[1:-1]
    return np.digitize(column, edges)
