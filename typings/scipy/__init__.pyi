"""SciPy has no annotations, and what is inferred from its defaults is too narrow: it is not checked."""

from typing import Any

def __getattr__(name: str) -> Any: ...
