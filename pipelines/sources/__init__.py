"""Where images come from: a file a kind of source, each an instance of `contract.Source`.

A kind that is added here is one file, and its name in the list below; one that is added from outside the package is
handed to `register_source`. Nothing else knows the kinds by name. `sources_table()` lists them all.
"""

from .contract import Option, Request, Source
from .registry import find_source, parse_source, register_source, source_kinds, sources_table

__all__ = [
    "Option", "Request", "Source", "find_source", "parse_source", "register_source", "source_kinds", "sources_table",
]  # fmt: skip

# Modules with a list `SOURCES` each, loaded when a source is first asked for. A path without a kind is of the first
# one that recognizes it, so whatever looks into a folder stands before "folder".
MODULES = (
    "mnist_sample", "npz", "idx", "folder", "table", "tfds", "cifar", "tfd", "multipie", "expressions", "yale",
    "frames", "scenes", "mnist_attributes", "given",
)  # fmt: skip
