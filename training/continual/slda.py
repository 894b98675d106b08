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
      shrinkage: share of the covariance that is replaced by its mean variance in all directions, from 0 to 1; 0 works
        it out from the rows, see `oracle_shrinkage`: for tasks with no more images than the classifier reads numbers.
    """

    shrinkage: float = option(1e-3, least=0, most=1)


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
        return discriminant_of(self.moments, self._shrinkage)


def discriminant_of(moments: ClassMoments, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """The discriminant of all classes met.

    Args:
      moments: of their rows, the scatter included.
      shrinkage: s, see `SLDA`; 0 for `oracle_shrinkage`.

    Returns:
      As `discriminant`.
    """
    counts, covariance = moments.counts.numpy(), moments.covariance().numpy()
    share = shrinkage or oracle_shrinkage(covariance, counts.sum())
    return discriminant(moments.means.numpy()[counts > 0.0], covariance, share)


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


def oracle_shrinkage(covariance: np.ndarray, rows: float) -> float:
    """The share that comes closest to the true covariance of Gaussian rows, as far as the rows themselves tell.

        s = min(1, (tr CC + tr^2 C) / ((n + 1) (tr CC - tr^2 C / units)))

    Chen, Wiesel, Eldar and Hero 2010, IEEE Transactions on Signal Processing 58:5016, equation 23, without its terms in
    2/units. Where there are about as many rows as units, a fixed share that suits many rows is far too small.

    Args:
      covariance: C, float64 [units, units].
      rows: n, how many it was worked out from.

    Example:
      >>> oracle_shrinkage(np.diag([4.0, 1.0]), 9)
      0.9333333333333333
    """
    squares, squared_trace = float(np.sum(covariance**2)), float(np.trace(covariance) ** 2)
    spread = (rows + 1.0) * (squares - squared_trace / len(covariance))
    return min(1.0, (squares + squared_trace) / spread) if spread > 0.0 else 1.0
