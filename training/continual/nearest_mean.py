"""Nearest class mean: the simplest classifier that forgets nothing."""

import numpy as np

from .class_moments import ClassMoments
from .gathering import Gathering, classes_and_units
from .method import MethodContext


class NearestMean(Gathering):
    """The class whose mean is nearest: logit_c(x) = x . mu_c - |mu_c|^2 / 2 (the classifier of Rebuffi et al. 2017)."""

    name = "nearest_mean"
    summary = "the class whose mean is nearest; one pass, no gradient"

    @classmethod
    def build(cls, context: MethodContext) -> "NearestMean":
        """See `Method.build`."""
        return cls(context.model, ClassMoments(*classes_and_units(context), scatter=False))

    def solve(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Gathering.solve`."""
        means = self.moments.means.numpy()[self.moments.counts.numpy() > 0.0]
        return means.T, -0.5 * np.sum(means**2, axis=1)
