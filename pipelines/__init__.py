"""Data: image sets of any kind as `tf.data` streams whose state is their step.

    for batch in dataset("folder:my/pictures", image_shape=(64, 64, 3), batch_size=32, seed=1): ...

`sources_table()` lists the kinds of sources and `data_settings()` what can be set; `register_source` adds a kind,
`give` hands over arrays that are already in memory. Names are resolved when they are first asked for, so that a
process which only decodes video (`frames.worker`) does not load TensorFlow.
"""

import importlib

_HOMES = {
    "batching": ("batches", "dataset", "drawn", "in_order", "rows"),
    "decoding": ("LOST",),
    "image_set": ("UNLABELED", "Images", "Skipped", "for_heads", "from_arrays"),
    "reading": ("damage", "own_splits", "read", "read_splits"),
    "settings": ("data_settings",),
    "sources.contract": ("Option", "Request", "Source"),
    "sources.given": ("give",),
    "sources.registry": ("parse_source", "register_source", "source_kinds", "sources_table"),
    "streams": ("Stream", "StreamSettings"),
    "symbols": ("OPERATORS", "Attribute", "Vocabulary"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "LOST",
    "OPERATORS",
    "UNLABELED",
    "Attribute",
    "Images",
    "Option",
    "Request",
    "Skipped",
    "Source",
    "Stream",
    "StreamSettings",
    "Vocabulary",
    "batches",
    "damage",
    "data_settings",
    "dataset",
    "drawn",
    "for_heads",
    "from_arrays",
    "give",
    "in_order",
    "own_splits",
    "parse_source",
    "read",
    "read_splits",
    "register_source",
    "rows",
    "source_kinds",
    "sources_table",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
