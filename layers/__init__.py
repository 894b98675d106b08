"""Layers and distributions, each one idea of a paper."""

from .class_conditional_prior import ClassConditionalPrior
from .colour import from_chroma, to_chroma, to_hsv, to_rgb
from .context_gate import ContextGate
from .convolutional_features import ConvolutionalFeatures, TransposedFeatures
from .cross_covariance import CrossCovariance, cross_covariance
from .gaussian import FittedGaussian, GaussianPosterior, diagonal_gaussian, divergence_by_latent, standard_gaussian
from .l2_pooling import L2Pooling2D
from .latent_operator import LatentOperator
from .local import LocallyConnected2D, LocallyConnected2DTranspose
from .local_contrast import LocalContrastNormalization
from .noise import Noise
from .random_rectangle import without_rectangle
from .strided_convolutions import StridedConvolutions, StridedDeconvolutions
from .whitening import Whitening

__all__ = [
    "ClassConditionalPrior",
    "ContextGate",
    "ConvolutionalFeatures",
    "CrossCovariance",
    "FittedGaussian",
    "GaussianPosterior",
    "L2Pooling2D",
    "LatentOperator",
    "LocalContrastNormalization",
    "LocallyConnected2D",
    "LocallyConnected2DTranspose",
    "Noise",
    "StridedConvolutions",
    "StridedDeconvolutions",
    "TransposedFeatures",
    "Whitening",
    "cross_covariance",
    "diagonal_gaussian",
    "divergence_by_latent",
    "from_chroma",
    "standard_gaussian",
    "to_chroma",
    "to_hsv",
    "to_rgb",
    "without_rectangle",
]
