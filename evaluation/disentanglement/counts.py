"""How many pictures the scores look at."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Counts:
    """How many pictures, and groups of pictures, each score takes; fewer where there are fewer.

    Attributes:
      mig: pictures of the mutual information gap; 0 is all.
      fitted, tested: pictures that classifiers of latents learn from and are tested on (DCI and SAP).
      votes, vote_tests: groups that make the FactorVAE score's majority vote, and that it is tested on.
      pairs, pair_tests: groups of pairs that the beta-VAE score's classifier learns from and is tested on.
      group: pictures or pairs in each group.
      boosted: whether DCI is taken by gradient boosted trees too, as in disentanglement_lib, beside that by forests;
        with 10,000 pictures that takes many minutes.

    Raises:
      ValueError: a count below 1 (of `mig`, below 0).

    Example:
      >>> Counts(votes=500).group
      64
    """

    mig: int = 0
    fitted: int = 2000
    tested: int = 2000
    votes: int = 2000
    vote_tests: int = 1000
    pairs: int = 2000
    pair_tests: int = 1000
    group: int = 64
    boosted: bool = False

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            least = 0 if name in ("mig", "boosted") else 1
            if value < least:
                raise ValueError(f"{name} is {value}; expected {least} or more")

    def of_classifiers(self, available: int) -> tuple[int, int]:
        """(fitted, tested) where so many pictures are there, in the same ratio."""
        share = min(1.0, available / (self.fitted + self.tested))
        fitted = round(share * self.fitted)
        return fitted, min(available - fitted, round(share * self.tested))


# What disentanglement_lib takes (Locatello et al. 2019), and with it the published tables.
FIELD = Counts(mig=10_000, fitted=10_000, tested=5_000, votes=10_000, vote_tests=5_000, pairs=10_000, pair_tests=5_000)
