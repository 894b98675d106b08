"""How far latents and causes of a picture correspond one to one: five scores, a file each.

Every score takes codes float [n, latents] and factors int [n, k], the true causes, each numbered from 0; `all_scores`
gives them all. They are the definitions of the papers named in each file, as Locatello et al. 2019 compare them. Pairs
and votes that fix a factor are drawn from the given pictures, those in which it has the same value.
"""

import numpy as np

from .beta_vae_score import beta_vae_score
from .dci import dci
from .factor_vae_score import factor_vae_score
from .mig import mutual_information_gap
from .sap import separated_attribute_predictability

__all__ = [
    "all_scores", "beta_vae_score", "dci", "factor_vae_score", "mutual_information_gap",
    "separated_attribute_predictability",
]  # fmt: skip

_FITTED = 4000  # Pictures that the scores which train a classifier a latent look at.


def all_scores(codes, factors, seed: int = 0) -> dict:
    """name -> score in [0, 1], higher is better: "mig", "dci_*", "sap", "factor_vae", "beta_vae".

    Args:
      codes: float [n, latents], means of posteriors.
      factors: int [n, k].
      seed: of splits and draws.
    """
    codes, factors = np.asarray(codes, np.float64), np.asarray(factors)
    few = np.random.default_rng(seed).permutation(len(codes))[:_FITTED]
    return {
        "mig": mutual_information_gap(codes, factors),
        **{f"dci_{name}": value for name, value in dci(codes[few], factors[few], seed).items()},
        "sap": separated_attribute_predictability(codes[few], factors[few], seed),
        "factor_vae": factor_vae_score(codes, factors, seed=seed),
        "beta_vae": beta_vae_score(codes, factors, seed=seed),
    }
