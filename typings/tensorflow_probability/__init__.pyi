"""What the package uses of TensorFlow Probability, typed; its own modules are loaded lazily and have no annotations."""

from typing import Any

from . import distributions as distributions

def __getattr__(name: str) -> Any: ...
