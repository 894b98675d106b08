"""The score of FactorVAE (Kim and Mnih 2018, arXiv 1802.05983)."""

import numpy as np


def factor_vae_score(
    codes, factors, votes: int = 2000, tests: int = 1000, group: int = 64, seed: int = 0, least_variance: float = 0.05
) -> float:
    """Accuracy of naming the factor that a group of pictures shares from the latent that varies least in it.

    Args:
      codes: float [n, latents]; each is divided by its deviation over all pictures.
      factors: int [n, k].
      votes, tests: groups that the majority vote is made of, and that it is tested on.
      group: pictures in each.
      seed: of the draws.
      least_variance: latents that vary less over all pictures are dead and take no part.

    Returns:
      In [0, 1]; guessing comes to 1/k.
    """
    codes, factors = np.asarray(codes), np.asarray(factors)
    variance = codes.var(axis=0)
    alive = variance >= least_variance
    if not alive.any():
        return 0.0
    codes = codes[:, alive] / np.sqrt(variance[alive])
    rng, table = np.random.default_rng(seed), np.zeros([codes.shape[1], factors.shape[1]])
    rows = [[np.flatnonzero(column == value) for value in np.unique(column)] for column in factors.T]
    outcomes = [_vote(codes, rows, group, rng) for _ in range(votes + tests)]
    for latent, factor in outcomes[:votes]:
        table[latent, factor] += 1
    named = table.argmax(axis=1)
    return float(np.mean([named[latent] == factor for latent, factor in outcomes[votes:]]))


def _vote(codes, rows, group: int, rng) -> tuple:
    factor = rng.integers(len(rows))
    shared = rows[factor][rng.integers(len(rows[factor]))]
    return int(codes[rng.choice(shared, group)].var(axis=0).argmin()), int(factor)
