"""Apache Beam, which only the extra `beam` installs; nothing of it is checked."""

from typing import Any

def __getattr__(name: str) -> Any: ...
