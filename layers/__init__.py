"""Layers and distributions, each one idea of a paper."""

from .class_conditional_prior import ClassConditionalPrior
from .context_gate import ContextGate
from .convolutional_features import ConvolutionalFeatures, TransposedFeatures
from .cross_covariance import CrossCovariance, cross_covariance
from .gaussian import FittedGaussian, GaussianPosterior, diagonal_gaussian, standard_gaussian
from .noise import Noise

__all__ = [
    "ClassConditionalPrior",
    "ContextGate",
    "ConvolutionalFeatures",
    "CrossCovariance",
    "FittedGaussian",
    "GaussianPosterior",
    "Noise",
    "TransposedFeatures",
    "cross_covariance",
    "diagonal_gaussian",
    "standard_gaussian",
]
