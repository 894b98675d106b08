"""Data: image sets of any kind as `tf.data` streams whose state is their step.

Names are resolved when they are first asked for, so that a process which only decodes video (`frames.worker`)
does not load TensorFlow.
"""

import importlib

_HOMES = {
    "images": ("batches", "dataset", "in_order", "read", "read_splits", "rows"),
    "source": ("UNLABELLED", "Images", "for_heads"),
    "streams": ("Stream", "StreamSettings"),
    "symbols": ("OPERATORS", "Attribute", "Vocabulary"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "OPERATORS", "UNLABELLED", "Attribute", "Images", "Stream", "StreamSettings", "Vocabulary",
    "batches", "dataset", "for_heads", "in_order", "read", "read_splits", "rows",
]  # fmt: skip


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
