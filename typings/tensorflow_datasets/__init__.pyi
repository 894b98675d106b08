"""TensorFlow Datasets loads its modules lazily and types the features of a set too widely; nothing of it is checked."""

from typing import Any

def __getattr__(name: str) -> Any: ...
