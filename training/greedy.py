"""Networks that learn layer after layer: each on what the layers below it give once they are learned.

A layer's phase begins by encoding all training images through everything below it, once, where that fits into memory;
otherwise every batch goes through the layers below again. What a layer is fitted to and does not learn (whitening) is
done once, too. After the layers, everything may be trained together for
`train.steps` steps.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from .. import pipelines
from ..errors import UserError
from ..models import GreedyLayer
from .phases import Hooks, Phase

_ENCODED_AT_ONCE = 250
# What a layer sees of all images is kept up to so many bytes, and a sample of it to fit whitenings to.
_MOST_KEPT, _MOST_SAMPLED = 3 * 2**30, 2**30
_IMAGES_SAMPLED = 1000


@dataclasses.dataclass(frozen=True)
class GreedySettings:
    """The `greedy` section of a config.

    Attributes:
      steps: of each layer, or one number for all; 0 leaves a layer as it is.
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
    if len(steps) != len(layers):
        raise UserError(f"greedy.steps is {settings.steps}; expected one number, or {len(layers)}, one for each layer")
    teach = functools.partial(_phase, images=images, whole=whole, seed=seed, replicas=replicas)
    made = [teach(layer, count) for layer, count in zip(layers, steps, strict=True) if count]
    made += [whole] if whole.steps else []
    if not made:
        raise UserError("greedy.steps and train.steps are all 0; expected steps for a layer, or for all together")
    return made


def _phase(layer: GreedyLayer, steps: int, images: pipelines.Images, whole: Phase, seed: int, replicas: int) -> Phase:
    kept: dict[str, np.ndarray] = {}
    below, seen = (tf.function(of, autograph=False, reduce_retracing=True) for of in (layer.below, layer.seen))

    def begin() -> None:
        layer.begin(pipelines.drawn(images, _IMAGES_SAMPLED)["image"])
        size = 4 * int(np.prod(below(tf.zeros([1, *images.shape])).shape))
        if size * len(images) <= _MOST_KEPT:
            kept["input"] = _encoded(below, images, layer.name)
            some = np.random.default_rng(0).permutation(len(images))[: max(1, _MOST_SAMPLED // size)]
            layer.fit(kept["input"][np.sort(some)])
            kept["input"] = _in_parts(seen, kept["input"])
        else:
            sample = pipelines.drawn(images, max(1, _MOST_SAMPLED // size))["image"]
            layer.fit(_in_parts(below, sample))

    def losses(batch: dict, noise: Any, training: bool) -> dict:
        if "input" not in batch:
            batch = {"input": tf.stop_gradient(layer.seen(layer.below(batch["image"])))}
        return layer.losses(batch, noise, training)

    def stream(first_step: int, input_context: Any) -> tf.data.Dataset:
        if not kept:
            return whole.stream(first_step, input_context)
        own = seed + getattr(input_context, "seed_offset", 0)
        return pipelines.rows(
            kept, whole.batch_size, seed=own, start_step=first_step, input_context=input_context, replicas=replicas
        )

    return dataclasses.replace(
        whole, name=layer.name, steps=steps, losses=losses, variables=layer.variables, stream=stream,
        hooks=Hooks(begin=begin), constraints=layer.constraints, parts=None,
    )  # fmt: skip


def _encoded(below: Callable, images: pipelines.Images, name: str) -> np.ndarray:
    """What a layer sees of all images, in their order."""
    shown = tqdm(pipelines.in_order(images, _ENCODED_AT_ONCE), f"{name}: encoding", -(-len(images) // _ENCODED_AT_ONCE),
                 unit="batch", disable=None, leave=False)  # fmt: skip
    return np.concatenate([below(batch["image"]) for batch in shown])


def _in_parts(function: Callable, values: Any) -> np.ndarray:
    return np.concatenate([function(values[k : k + _ENCODED_AT_ONCE]) for k in range(0, len(values), _ENCODED_AT_ONCE)])
