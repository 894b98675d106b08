"""Methods that learn without a gradient: they gather moments of the classes, and the classifier follows from them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ...errors import UserError
from .class_moments import ClassMoments
from .method import Method, MethodContext
from .model import ContinualModel, rows_of


class Gathering(Method):
    """What these methods have in common. Each image is looked at once, and nothing is forgotten: what is gathered does
    not depend on the order of images or tasks.

    The network has no trunk: its classifier reads pixels, frozen features or random features of them. It is the dense
    layer that every method has, so that all that is done with a network is done with this one.

    Arguments:
      model: the network that learns.
      moments: of what its classifier reads.
    """

    gradient = False
    alone = "a classifier that follows from moments of the classes trains no network"

    def __init__(self, model: ContinualModel, moments: ClassMoments):
        super().__init__(name=self.name)
        model.trainable = False
        self._model, self.moments = model, moments
        self._settled = -1.0

    def solve(self) -> tuple[np.ndarray, np.ndarray]:
        """(kernel float64 [units, met], bias [met]) of the classes met, in rising order."""
        raise NotImplementedError

    def take_in(self, batch: dict) -> tuple[dict, Callable[[], None]]:
        """See `Method.take_in`; the loss is the mean squared distance of a unit from the mean of its class so far."""
        rows, _ = self._model.activations(rows_of(self._model, batch["image"]))
        means = tf.cast(tf.gather(self.moments.means, batch["label"]), tf.float32)
        distance = tf.reduce_mean(tf.square(rows - means), axis=-1)
        return {"total": distance}, lambda: self.moments.add(rows, batch["label"])

    def settle(self) -> None:
        """See `Method.settle`: sets the classifier."""
        counts = self.moments.counts.numpy()
        met = counts > 0.0
        if not met.any() or counts.sum() == self._settled:
            return
        set_classifier(self._model.classifier, met, *self.solve())
        self._settled = counts.sum()

    def after_task(self, task: int) -> None:
        """Sets the classifier."""
        self.settle()

    @classmethod
    def configure(cls, config: Any, chosen: bool, value: float | None) -> None:
        """See `Method.configure`: no trunk, and convolutions that are frozen."""
        super().configure(config, chosen, value)
        if chosen:
            config.model.hidden = ()
            config.model.internal = bool(config.model.convolutions)

    @classmethod
    def check_model(cls, chosen: bool, model: Mapping) -> None:
        """See `Method.check_model`: nothing that only a gradient could train."""
        if not chosen:
            return
        for name, trained in (
            ("hidden", bool(model.get("hidden"))),
            ("generator", bool(model.get("generator"))),
            ("internal", bool(model.get("convolutions")) and not model.get("internal")),
        ):
            if trained:
                wanted = {"hidden": (), "generator": False, "internal": True}[name]
                raise UserError(
                    f"{cls.name} learns without a gradient, but model.{name} is {model.get(name)}; expected {wanted}, "
                    f"as the recipe {cls.recipe or cls.name} sets it"
                )


def set_classifier(layer: Any, met: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> None:
    """Sets a dense layer; classes not met get the bias of the least likely other one.

    Args:
      layer: with `kernel` and `bias` of all classes.
      met: bool [classes].
      kernel, bias: float [units, met], [met], of the classes met.
    """
    kernels, biases = np.zeros(layer.kernel.shape, np.float32), np.full(layer.bias.shape, bias.min(), np.float32)
    kernels[:, met], biases[met] = kernel, bias
    layer.kernel.assign(kernels)
    layer.bias.assign(biases)


def classes_and_units(context: MethodContext) -> tuple[int, int]:
    """(output units, units that the classifier reads)."""
    units, classes = context.model.classifier.kernel.shape
    return int(classes), int(units)
