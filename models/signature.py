"""`Signature`: one endpoint that a model offers for export."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of named tensors to named tensors, with what the exporter needs to guard, check and describe it.

    Whatever sends a request of its own (warm-up, parity, `serve-check`, the example requests of a version) takes the
    inputs from `examples`; nothing outside a family knows its names, but for two that mean the same everywhere:
    `count`, how many rows to make, and `seed`.

    Attributes:
      function: called with one keyword argument per input, returns a dict of named tensors.
      inputs: input name -> TensorSpec, without limits; the exporter adds shape, finite and count checks.
      examples: images float32 [n, height, width, channels] -> valid values for every input, as numpy; inputs whose
        first dimension is open have n rows.
      ranges: input name -> (least, greatest) admitted value; `limits.PIXELS` of images, `limits.CODES` of what is
        decoded; the greatest of a vector input may be a list with one bound per column. Every input of numbers has one
        but for `count` and `seed`.
      amplification: how many times the function enlarges rounding errors of its input, 1 where it does not; the
        bounds of parity widen by it.
      not_as: LiteRT variants that do not answer for the model, and are not made.
      lite: whether a LiteRT file of this endpoint makes sense (deterministic, float, builtin operators).
      meaning: one line for the model card: what goes in and what comes out.
      sums: input name of probabilities -> sizes of the parts of a row; the values of each part sum to 1.
      needs: what must have been trained, of what the family's stages give (`Stage.gives`); "" where any checkpoint will
        do. An endpoint of a stage that a run has left out is not published.
      rowwise: whether row k of every output is a function of row k of every input that has rows, and of what has none.

    Example:
      >>> images = {"images": tf.TensorSpec([None, 8, 8, 1], tf.float32, name="images")}
      >>> halved = Signature(lambda images: {"images": 0.5 * images}, images, lambda x: {"images": x})
      >>> float(halved.function(**halved.examples(np.ones([1, 8, 8, 1], np.float32)))["images"][0, 0, 0, 0])
      0.5
    """

    function: Callable[..., dict[str, tf.Tensor]]
    inputs: dict[str, tf.TensorSpec]
    examples: Callable[[np.ndarray], dict[str, np.ndarray]]
    ranges: dict[str, tuple] = dataclasses.field(default_factory=dict)
    amplification: float = 1.0
    not_as: tuple[str, ...] = ()
    lite: bool = False
    meaning: str = ""
    sums: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    needs: str = ""
    rowwise: bool = True

    @property
    def batchable(self) -> bool:
        """Whether a server may join requests along their rows and share the answer out: every input has rows.

        A `count`, a `seed` or a task has none, and each request means its own.
        """
        return self.rowwise and all(spec.shape.rank and spec.shape[0] is None for spec in self.inputs.values())


def first_rows(inputs: dict[str, np.ndarray], size: int) -> dict[str, Any]:
    """The same request with fewer rows.

    Args:
      inputs: as `Signature.examples` makes them.
      size: the greatest number of rows; fewer where the request has fewer.

    Returns:
      Input name -> value; `seed` and scalars other than `count` as they were.

    Example:
      >>> first_rows({"count": np.int32(3), "label": np.array([4, 5, 6])}, 2)["label"].tolist()
      [4, 5]
    """
    rows = min([size, *(len(value) for name, value in inputs.items() if name != "seed" and np.ndim(value))])
    return {
        name: np.int32(rows) if name == "count" else value if name == "seed" or not np.ndim(value) else value[:rows]
        for name, value in inputs.items()
    }
