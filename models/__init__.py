"""The model families, each one file, their contract, and the one function that builds them from a config.

`contract.py` says what the rest of the package may know of a family; `registry.py` holds the families by name.
"""

from . import beta_tcvae, factor_vae, jmvae, replay, scan, sparse, sparse_classifier, telbo, vision, xcov
from .beta_tcvae import BetaTCVAE, BetaTCVAEConfig
from .beta_vae import BetaVAE, BetaVAEConfig
from .contract import Capability, Family, GreedyLayer, Model, Stage, StageSettings
from .factor_vae import FactorVAE, FactorVAEConfig
from .jmvae import JMVAE, JMVAEConfig
from .registry import build, complete, families, family, register_family
from .replay import Replay, ReplayConfig
from .scan import Scan, ScanConfig
from .signature import Signature
from .sparse import Sparse, SparseConfig
from .sparse_classifier import SparseClassifier, SparseClassifierConfig
from .symbol_vae import SymbolVAE, SymbolVAEConfig
from .telbo import TELBO, TELBOConfig
from .vision import Vision, VisionConfig
from .xcov import XCov, XCovConfig

for _family in (
    beta_tcvae.FAMILY,
    factor_vae.FAMILY,
    jmvae.FAMILY,
    replay.FAMILY,
    scan.FAMILY,
    sparse.FAMILY,
    sparse_classifier.FAMILY,
    telbo.FAMILY,
    vision.FAMILY,
    xcov.FAMILY,
):
    register_family(_family)

__all__ = [
    "JMVAE",
    "TELBO",
    "BetaTCVAE",
    "BetaTCVAEConfig",
    "BetaVAE",
    "BetaVAEConfig",
    "Capability",
    "FactorVAE",
    "FactorVAEConfig",
    "Family",
    "GreedyLayer",
    "JMVAEConfig",
    "Model",
    "Replay",
    "ReplayConfig",
    "Scan",
    "ScanConfig",
    "Signature",
    "Sparse",
    "SparseClassifier",
    "SparseClassifierConfig",
    "SparseConfig",
    "Stage",
    "StageSettings",
    "SymbolVAE",
    "SymbolVAEConfig",
    "TELBOConfig",
    "Vision",
    "VisionConfig",
    "XCov",
    "XCovConfig",
    "build",
    "complete",
    "families",
    "family",
    "register_family",
]
