"""SavedModel and LiteRT files: written, checked against Keras by the runtimes that will run them, published."""

from .exporter import export
from .graph_loader import GraphModel
from .lite import LiteModel

__all__ = ["GraphModel", "LiteModel", "export"]
