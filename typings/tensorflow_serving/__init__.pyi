"""The protocol of TensorFlow Serving: its messages are made at run time, so nothing of it is checked."""

from typing import Any

def __getattr__(name: str) -> Any: ...
