"""Layers and distributions, each one idea of a paper.

Names are imported when they are first used: the layers written in `keras.ops` alone run on JAX and PyTorch without
TensorFlow being installed.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .centering import Centering
    from .class_autoencoders import ClassAutoencoders
    from .class_conditional_prior import ClassConditionalPrior
    from .color import from_chroma, to_chroma, to_hsv, to_rgb
    from .context_gate import ContextGate
    from .convolutional_features import ConvolutionalFeatures, TransposedFeatures
    from .covariance_penalty import CrossCovariance, cross_covariance
    from .fitted_gaussian import FittedGaussian
    from .fourier_features import FourierFeatures
    from .gaussian import diagonal_gaussian, divergence_by_latent, standard_gaussian
    from .gaussian_posterior import GaussianParameters, GaussianPosterior
    from .l2_pooling import L2Pooling2D
    from .latent_operator import LatentOperator
    from .local import LocallyConnected2D, LocallyConnected2DTranspose
    from .local_contrast import LocalContrastNormalization
    from .noise import Noise
    from .random_rectangle import without_rectangle
    from .registry import LAYERS, CallInput, RegisteredLayer, register_layer
    from .strided_convolutions import StridedConvolutions, StridedDeconvolutions
    from .whitening import Whitening
    from .window_whitening import WindowWhitening

__all__ = [
    "LAYERS",
    "CallInput",
    "Centering",
    "ClassAutoencoders",
    "ClassConditionalPrior",
    "ContextGate",
    "ConvolutionalFeatures",
    "CrossCovariance",
    "FittedGaussian",
    "FourierFeatures",
    "GaussianParameters",
    "GaussianPosterior",
    "L2Pooling2D",
    "LatentOperator",
    "LocalContrastNormalization",
    "LocallyConnected2D",
    "LocallyConnected2DTranspose",
    "Noise",
    "RegisteredLayer",
    "StridedConvolutions",
    "StridedDeconvolutions",
    "TransposedFeatures",
    "Whitening",
    "WindowWhitening",
    "cross_covariance",
    "diagonal_gaussian",
    "divergence_by_latent",
    "from_chroma",
    "register_layer",
    "standard_gaussian",
    "to_chroma",
    "to_hsv",
    "to_rgb",
    "without_rectangle",
]

# Module -> what it offers. These are written in keras.ops alone:
_ON_EVERY_BACKEND = {
    "centering": ("Centering",),
    "class_autoencoders": ("ClassAutoencoders",),
    "color": ("from_chroma", "to_chroma", "to_hsv", "to_rgb"),
    "context_gate": ("ContextGate",),
    "convolutional_features": ("ConvolutionalFeatures", "TransposedFeatures"),
    "covariance_penalty": ("CrossCovariance", "cross_covariance"),
    "fourier_features": ("FourierFeatures",),
    "gaussian_posterior": ("GaussianParameters", "GaussianPosterior"),
    "l2_pooling": ("L2Pooling2D",),
    "latent_operator": ("LatentOperator",),
    "local": ("LocallyConnected2D", "LocallyConnected2DTranspose"),
    "local_contrast": ("LocalContrastNormalization",),
    "registry": ("CallInput", "RegisteredLayer", "register_layer"),
    "strided_convolutions": ("StridedConvolutions", "StridedDeconvolutions"),
    "whitening": ("Whitening",),
    "window_whitening": ("WindowWhitening",),
}
# These need TensorFlow: distributions of TensorFlow Probability, and its stateless random numbers.
_ON_TENSORFLOW = {
    "class_conditional_prior": ("ClassConditionalPrior",),
    "fitted_gaussian": ("FittedGaussian",),
    "gaussian": ("diagonal_gaussian", "divergence_by_latent", "standard_gaussian"),
    "noise": ("Noise",),
    "random_rectangle": ("without_rectangle",),
}
_HOMES = {name: module for module, names in {**_ON_EVERY_BACKEND, **_ON_TENSORFLOW}.items() for name in names}


def __getattr__(name: str):
    if name == "LAYERS":
        value = _all_layers()
    elif name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    else:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list:
    return sorted({*globals(), *__all__})


def _all_layers() -> dict:
    """The table of layers, once every module that this backend can run is imported."""
    import keras

    on_tensorflow = keras.backend.backend() == "tensorflow"
    for module in {**_ON_EVERY_BACKEND, **(_ON_TENSORFLOW if on_tensorflow else {})}:
        importlib.import_module(f".{module}", __name__)
    from .registry import LAYERS

    return LAYERS
