"""Layers and distributions, each one idea of a paper."""

from .class_conditional_prior import ClassConditionalPrior
from .context_gate import ContextGate
from .convolutional_features import ConvolutionalFeatures, TransposedFeatures
from .cross_covariance import CrossCovariance, cross_covariance
from .gaussian import FittedGaussian, GaussianPosterior, diagonal_gaussian, standard_gaussian
from .l2_pooling import L2Pooling2D
from .local import LocallyConnected2D, LocallyConnected2DTranspose
from .local_contrast import LocalContrastNormalization
from .noise import Noise
from .whitening import Whitening

__all__ = [
    "ClassConditionalPrior",
    "ContextGate",
    "ConvolutionalFeatures",
    "CrossCovariance",
    "FittedGaussian",
    "GaussianPosterior",
    "L2Pooling2D",
    "LocalContrastNormalization",
    "LocallyConnected2D",
    "LocallyConnected2DTranspose",
    "Noise",
    "TransposedFeatures",
    "Whitening",
    "cross_covariance",
    "diagonal_gaussian",
    "standard_gaussian",
]
