from typing import Any

from . import Layer as Layer

class Dense(Layer):
    units: int
    kernel: Any
    bias: Any
    def __init__(self, units: int, activation: Any = None, use_bias: bool = True, **kwargs: Any) -> None: ...

def __getattr__(name: str) -> Any: ...
