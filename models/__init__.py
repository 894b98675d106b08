"""The model families, each one file, their contract, and the one function that builds them from a config.

`contract.py` says what the rest of the package may know of a family; `registry.py` holds the families by name.
"""

from . import jmvae, replay, scan, sparse, sparse_classifier, telbo, xcov
from .beta_vae import BetaVAE, BetaVAEConfig
from .contract import Capability, Family, GreedyLayer, Model, Stage, StageSettings
from .jmvae import JMVAE, JMVAEConfig
from .registry import build, complete, families, family, register_family
from .replay import Replay, ReplayConfig
from .scan import Scan, ScanConfig
from .signature import Signature
from .sparse import Sparse, SparseConfig
from .sparse_classifier import SparseClassifier, SparseClassifierConfig
from .symbol_vae import SymbolVAE, SymbolVAEConfig
from .telbo import TELBO, TELBOConfig
from .xcov import XCov, XCovConfig

for _family in (
    jmvae.FAMILY,
    replay.FAMILY,
    scan.FAMILY,
    sparse.FAMILY,
    sparse_classifier.FAMILY,
    telbo.FAMILY,
    xcov.FAMILY,
):
    register_family(_family)

__all__ = [
    "JMVAE",
    "TELBO",
    "BetaVAE",
    "BetaVAEConfig",
    "Capability",
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
    "XCov",
    "XCovConfig",
    "build",
    "complete",
    "families",
    "family",
    "register_family",
]
