"""`Signature`: one endpoint that a model offers for export."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of named tensors to named tensors, with what the exporter needs to guard and check it.

    Attributes:
      function: called with one keyword argument per input, returns a dict of named tensors.
      inputs: input name -> TensorSpec, without limits; the exporter adds shape, finite and count checks.
      examples: images float32 [n, height, width, channels] -> valid values for every input, as numpy.
      ranges: input name -> (least, greatest) admitted value, integers only; the greatest of a vector input
        may be a list with one bound per column.
      amplification: how many times the function enlarges rounding errors of its input, 1 where it does not; the
        bounds of parity widen by it.
      not_as: LiteRT variants that do not answer for the model, and are not made.
      lite: whether a LiteRT file of this endpoint makes sense (deterministic, float, builtin operators).
    """

    function: Callable[..., dict]
    inputs: dict[str, tf.TensorSpec]
    examples: Callable[..., dict]
    ranges: dict[str, tuple] = dataclasses.field(default_factory=dict)
    amplification: float = 1.0
    not_as: tuple = ()
    lite: bool = False


def first_rows(inputs: dict, size: int) -> dict:
    """The same request with at most `size` images; `inputs` as `Signature.examples` makes them."""
    rows = min([size, *(len(value) for name, value in inputs.items() if name != "seed" and np.ndim(value))])
    return {
        name: np.int32(rows) if name == "count" else value if name == "seed" or not np.ndim(value) else value[:rows]
        for name, value in inputs.items()
    }
