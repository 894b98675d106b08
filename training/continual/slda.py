"""Streaming linear discriminant analysis: a mean a class and one covariance for all."""

import dataclasses

import numpy as np

from .class_moments import ClassMoments
from .gathering import Gathering, classes_and_units
from .method import MethodContext
from .model import ContinualModel
from .options import Options, option


@dataclasses.dataclass(frozen=True)
class DiscriminantOptions(Options):
    """Settings of discriminants with a shared covariance.

    Attributes:
      shrinkage: share of the covariance that is replaced by its mean variance in all directions, from above 0 to 1.
    """

    shrinkage: float = option(1e-3, above=0, most=1)


class SLDA(Gathering):
    """Streaming linear discriminant analysis (Hayes and Kanan 2020, CVPR workshops, arXiv 1909.01520).

        logit_c(x) = x . P mu_c - mu_c . P mu_c / 2,   P = [(1 - s) C + s tr(C)/units I]^-1

    with the means mu_c and the covariance C of `ClassMoments` and the shrinkage s. All classes count alike, however
    many images they have.

    Arguments:
      model: the network that learns.
      moments: of what its classifier reads.
      shrinkage: s.
    """

    name = "slda"
    summary = "streaming linear discriminant: a mean a class, one covariance; one pass, no gradient"
    options = DiscriminantOptions

    def __init__(self, model: ContinualModel, moments: ClassMoments, shrinkage: float):
        super().__init__(model, moments)
        self._shrinkage = shrinkage

    @classmethod
    def build(cls, context: MethodContext) -> "SLDA":
        """See `Method.build`."""
        return cls(context.model, ClassMoments(*classes_and_units(context)), context.options.shrinkage)

    def solve(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Gathering.solve`."""
        means = self.moments.means.numpy()[self.moments.counts.numpy() > 0.0]
        covariance = self.moments.covariance().numpy()
        return discriminant(means, covariance, self._shrinkage)


def discriminant(means: np.ndarray, covariance: np.ndarray, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """The linear classifier of Gaussian classes with one covariance.

    Args:
      means: float64 [classes, units].
      covariance: float64 [units, units].
      shrinkage: s, see `SLDA`.

    Returns:
      (kernel float64 [units, classes], bias [classes]).
    """
    shrunk = (1.0 - shrinkage) * covariance
    # The least variance keeps the matrix invertible where all rows are alike.
    shrunk[np.diag_indices_from(shrunk)] += shrinkage * max(np.trace(covariance) / len(covariance), 1e-12)
    kernel = np.linalg.solve(shrunk, means.T)
    return kernel, -0.5 * np.sum(means.T * kernel, axis=0)
