"""reverie: models that perceive and imagine through the same units, on TensorFlow and Keras.

    import reverie

    run = reverie.train("xcov_mnist", "runs/a", data=(images, labels))
    run.evaluate()
    run.encode(images), run.generate(16, label=3, seed=0)
    reverie.load("runs/a")

What is listed in `__all__` is the public interface; each name is imported when it is first asked for.
"""

import importlib
import os
import typing

# TensorFlow reads these once, before its first tensor. Whoever has set one of them is heard.
# It would take all memory of every GPU that it sees, and no two processes could share one: it shall take what it needs,
# as it needs it.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# And it would give the memory of every large tensor back to the system at once, to have it mapped, zeroed and cached
# anew a moment later: steps with wide results take up to 1.8 times as long then (docs/pitfalls.md, "large tensors").
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
if hasattr(os, "sysconf"):
    # Its limit would be 64 GB. It counts what is reserved, free pieces included: twice the memory that there is.
    _PHYSICAL = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(max(2**16, 2 * _PHYSICAL // 2**20)))

__version__ = "0.1.0"

if typing.TYPE_CHECKING:
    from .errors import (
        ClusterError,
        NonFiniteError,
        ParityError,
        StorageError,
        UserError,
    )
    from .evaluation import Evaluation, EvaluationData, Headline, Picture
    from .experiments import Comparison, Exported, Run, compare, compare_runs, config, load, register_kind, train
    from .layers import register_layer
    from .models import (
        JMVAE,
        TELBO,
        BetaVAE,
        Capability,
        Family,
        Replay,
        Scan,
        Signature,
        Sparse,
        SparseClassifier,
        Stage,
        SymbolVAE,
        XCov,
        register_family,
    )
    from .pipelines import Images, Vocabulary, give, register_source
    from .training.continual import Method, register_method

# Where each public name lives.
_HOMES = {
    "errors": ("ClusterError", "NonFiniteError", "ParityError", "StorageError", "UserError"),
    "evaluation": ("Evaluation", "EvaluationData", "Headline", "Picture"),
    "experiments": (
        "Comparison", "Exported", "Run", "compare", "compare_runs", "config", "load", "register_kind", "train",
    ),
    "layers": ("register_layer",),
    "models": (
        "JMVAE", "TELBO", "BetaVAE", "Capability", "Family", "Replay", "Scan", "Signature", "Sparse",
        "SparseClassifier", "Stage", "SymbolVAE", "XCov", "register_family",
    ),
    "pipelines": ("Images", "Vocabulary", "give", "register_source"),
    "training.continual": ("Method", "register_method"),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "JMVAE",
    "TELBO",
    "BetaVAE",
    "Capability",
    "ClusterError",
    "Comparison",
    "Evaluation",
    "EvaluationData",
    "Exported",
    "Family",
    "Headline",
    "Images",
    "Method",
    "NonFiniteError",
    "ParityError",
    "Picture",
    "Replay",
    "Run",
    "Scan",
    "Signature",
    "Sparse",
    "SparseClassifier",
    "Stage",
    "StorageError",
    "SymbolVAE",
    "UserError",
    "Vocabulary",
    "XCov",
    "__version__",
    "compare",
    "compare_runs",
    "config",
    "give",
    "load",
    "register_family",
    "register_kind",
    "register_layer",
    "register_method",
    "register_source",
    "train",
]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    # Folders of the package, as `reverie.export`, without an import of their own.
    if not name.startswith("_"):
        try:
            return importlib.import_module(f".{name}", __name__)
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
