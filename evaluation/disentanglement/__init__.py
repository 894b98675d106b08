"""How far latents and causes of a picture correspond one to one: five scores, a file each.

Every score takes codes float [n, latents] and factors int [n, k], the true causes, each numbered from 0; `all_scores`
gives them all. They are the definitions of the papers named in each file, as Locatello et al. 2019 compare them. Pairs
and votes that fix a factor are drawn from the given pictures, those in which it has the same value. How many pictures
a score looks at is a `Counts`.
"""

import numpy as np

from .beta_vae_score import beta_vae_score
from .counts import FIELD, Counts
from .dci import dci
from .factor_vae_score import factor_vae_score
from .mig import mutual_information_gap
from .sap import separated_attribute_predictability

__all__ = [
    "FIELD", "Counts", "all_scores", "beta_vae_score", "dci", "factor_vae_score", "mutual_information_gap",
    "separated_attribute_predictability",
]  # fmt: skip

_FEW = Counts()
_LEAST = 10  # Pictures of which classifiers can be fitted and tested.


def all_scores(codes, factors, seed: int = 0, counts: Counts = _FEW) -> dict:
    """name -> score in [0, 1], higher is better: "mig", "dci_*", "sap", "factor_vae", "beta_vae".

    Args:
      codes: float [n, latents], means of posteriors.
      factors: int [n, k].
      seed: of splits and draws.
      counts: how many pictures and groups each score takes; `FIELD` are those of published tables. With
        `counts.boosted` there is "dci_boosted_*", too.

    Returns:
      None of them where fewer than two factors vary, as of pictures with one label each, or of fewer than ten pictures:
      there is nothing to be told apart. A factor that does not vary takes no part.

    Example:
      >>> factors = np.random.default_rng(0).integers(0, 4, [500, 2])
      >>> all_scores(factors.astype(float), factors)["factor_vae"]
      1.0
    """
    codes, factors = np.asarray(codes, np.float64), np.asarray(factors)
    factors = factors[:, (factors != factors[:1]).any(axis=0)]
    if factors.shape[1] < 2 or len(codes) < _LEAST:
        return {}
    order = np.random.default_rng(seed).permutation(len(codes))
    fitted, tested = counts.of_classifiers(len(codes))
    few, all_of = order[: fitted + tested], order[: counts.mig or len(codes)]
    found = {
        "mig": mutual_information_gap(codes[all_of], factors[all_of]),
        **{f"dci_{name}": value for name, value in dci(codes[few], factors[few], seed, fitted=fitted).items()},
        "sap": separated_attribute_predictability(codes[few], factors[few], seed, fitted=fitted),
        "factor_vae": factor_vae_score(codes, factors, counts.votes, counts.vote_tests, counts.group, seed),
        "beta_vae": beta_vae_score(codes, factors, counts.pairs, counts.pair_tests, counts.group, seed),
    }
    if counts.boosted:
        boosted = dci(codes[few], factors[few], seed, fitted=fitted, boosted=True)
        found |= {f"dci_boosted_{name}": value for name, value in boosted.items()}
    return found
