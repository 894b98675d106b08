"""Layers and distributions, each one idea of a paper."""

from .cross_covariance import CrossCovariance, cross_covariance
from .gaussian import FittedGaussian, GaussianPosterior, diagonal_gaussian, standard_gaussian
from .noise import Noise

__all__ = [
    "CrossCovariance",
    "FittedGaussian",
    "GaussianPosterior",
    "Noise",
    "cross_covariance",
    "diagonal_gaussian",
    "standard_gaussian",
]
