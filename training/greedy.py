"""Networks that learn layer after layer: each on what the layers below it give once they are learned.

A layer's phase begins by encoding all training images through everything below it, once, where that fits into memory;
otherwise every batch goes through the layers below again. What a layer is fitted to and does not learn (whitening) is
done once, too, also of layers without steps. After the layers, everything may be trained together for
`train.steps` steps.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from .. import pipelines, progress
from ..errors import UserError
from ..models import GreedyLayer
from .phases import Hooks, Phase, stream_of

_ENCODED_AT_ONCE = 100
# What a layer sees of all images is kept up to so many bytes, and a sample of it to fit whitenings to.
_MOST_KEPT, _MOST_SAMPLED = 3 * 2**30, 2**29
_IMAGES_SAMPLED = 1000


@dataclasses.dataclass(frozen=True)
class GreedySettings:
    """The `greedy` section of a config.

    Attributes:
      steps: of each layer (of more numbers the first), or one number for all; 0 leaves a layer as it is.
      start_from: run folder of a network of the same kind whose filters are shared more widely; they are spread over
        all positions of this one, as its start. "" starts from nothing.

    Raises:
      UserError: a negative number of steps.
    """

    steps: tuple = (1000,)
    start_from: str = ""

    def __post_init__(self):
        if not self.steps or any(not isinstance(count, int) or count < 0 for count in self.steps):
            raise UserError(f"greedy.steps is {self.steps}; expected a number of steps for each layer, or one for all")


def phases(
    settings: GreedySettings, model: Any, images: pipelines.Images, whole: Phase, seed: int, replicas: int
) -> list[Phase]:
    """A phase for each layer that has steps, then that of everything.

    Args:
      settings: the `greedy` section.
      model: see `models.contract.LayerByLayer`.
      images: it trains on.
      whole: everything together, with the batch size, optimizer, schedule and number of steps of the `train` section.
      seed: keys the order of rows.
      replicas: that share a batch.

    Raises:
      UserError: steps for more layers than there are, or none at all.
    """
    layers = model.greedy_layers()
    steps = settings.steps * len(layers) if len(settings.steps) == 1 else settings.steps
    if len(steps) < len(layers):
        raise UserError(f"greedy.steps is {settings.steps}; expected one number, or {len(layers)}, one for each layer")
    made: list[Phase] = []
    left: list[GreedyLayer] = []
    for layer, count in zip(layers, steps, strict=False):
        left.append(layer)
        if count:
            made.append(_phase(left, count, images, whole, seed, replicas))
            left = []
    if made and left and not whole.steps:  # Nothing comes after the last that learns.

        def finish() -> None:
            for layer in left:
                _fitted(layer, images)

        made[-1] = dataclasses.replace(made[-1], hooks=dataclasses.replace(made[-1].hooks, finish=finish))
    made += [whole] if whole.steps else []
    if not made:
        raise UserError("greedy.steps and train.steps are all 0; expected steps for a layer, or for all together")
    return made


def _phase(
    layers: list[GreedyLayer], steps: int, images: pipelines.Images, whole: Phase, seed: int, replicas: int
) -> Phase:
    """The phase of the last of `layers`; those before it are left as they are, but for what is fitted."""
    layer, kept = layers[-1], {}

    def begin() -> None:
        layer.begin(pipelines.drawn(images, _IMAGES_SAMPLED)["image"])
        for one in layers:
            below, inputs = _fitted(one, images)
        seen = _of_any_rows(layer.seen, tf.TensorSpec(inputs.shape, inputs.dtype))
        sizes = {"input": _bytes(inputs), "seen": _bytes(seen.get_concrete_function().structured_outputs)}
        smaller = "seen" if sizes["seen"] <= sizes["input"] else "input"
        if len(images) * sizes[smaller] <= _MOST_KEPT:
            encode = below if smaller == "input" else lambda shown: seen(below(shown))
            kept[smaller] = _encoded(encode, images, layer.name)

    def losses(batch: dict, noise: Any, training: bool) -> dict:
        if "seen" not in batch:
            inputs = batch["input"] if "input" in batch else layer.below(batch["image"])
            batch = {"seen": tf.stop_gradient(layer.seen(inputs))}
        return layer.losses(batch, noise, training)

    def stream(first_step: int, input_context: Any) -> tf.data.Dataset:
        if not kept:
            return whole.stream(first_step, input_context)
        return stream_of(pipelines.rows, kept, whole.batch_size, seed, replicas)(first_step, input_context)

    return dataclasses.replace(
        whole, name=layer.name, steps=steps, losses=losses, variables=layer.variables, stream=stream,
        hooks=Hooks(begin=begin), constraints=layer.constraints, parts=None,
    )  # fmt: skip


def _fitted(layer: GreedyLayer, images: pipelines.Images) -> tuple[Any, Any]:
    """Fits a layer to what it sees; returns the function of what is below it, and what that gives."""
    # Made for any number of rows: the last ones are fewer, and a graph for each number would be built anew.
    below = _of_any_rows(layer.below, tf.TensorSpec([None, *images.shape], tf.float32))
    inputs = below.get_concrete_function().structured_outputs
    layer.fit(_in_parts(below, pipelines.drawn(images, max(1, _MOST_SAMPLED // _bytes(inputs)))["image"]))
    return below, inputs


def _of_any_rows(function: Callable, rows: tf.TensorSpec) -> Any:
    return tf.function(function, autograph=False, input_signature=[rows])


def _encoded(encode: Callable, images: pipelines.Images, name: str) -> np.ndarray:
    """Codes of all images, in their order."""
    batches, count = pipelines.in_order(images, _ENCODED_AT_ONCE), -(-len(images) // _ENCODED_AT_ONCE)
    shown = progress.shown(batches, f"{name}: encoding", count, unit="batch")
    return _joined((encode(batch["image"]) for batch in shown), len(images))


def _in_parts(function: Callable, values: Any) -> np.ndarray:
    parts = range(0, len(values), _ENCODED_AT_ONCE)
    return _joined((function(values[start : start + _ENCODED_AT_ONCE]) for start in parts), len(values))


def _joined(parts: Iterable, rows: int) -> np.ndarray:
    """Parts one after the other, without holding them all twice."""
    result, row = np.empty(0), 0
    for part in parts:
        if not row:
            result = np.empty([rows, *part.shape[1:]], np.float32)
        result[row : row + len(part)] = part
        row += len(part)
    return result


def _bytes(values: Any) -> int:
    return 4 * int(np.prod(values.shape[1:]))
