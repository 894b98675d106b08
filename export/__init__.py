"""SavedModel and LiteRT files: written, checked against Keras by the runtimes that will run them, published."""

from .exporter import Published, export
from .graph_loader import GraphModel
from .lite import LiteModel
from .parity import Agreement, LeftOut
from .provenance import Provenance
from .serve_check import Finding

__all__ = ["Agreement", "Finding", "GraphModel", "LeftOut", "LiteModel", "Provenance", "Published", "export"]
