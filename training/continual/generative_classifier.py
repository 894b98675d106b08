"""A generative classifier: a small autoencoder a class, and the class that finds an image likeliest."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from ...errors import UserError
from ...layers import Noise
from ...pipelines import StreamSettings
from .method import Method, MethodContext, state
from .model import ContinualModel, rows_of


class GenerativeClassifier(Method):
    """A variational autoencoder of its own for each class (van de Ven, Li and Tolias 2021, arXiv 2104.10093).

    What is learned of a class is touched by no other class, so that nothing is forgotten; the price is a network a
    class. The autoencoders are the network's (`model.classifier`, see `layers.ClassAutoencoders`). Those of a task
    learn together, each from its own rows of a batch.

    Arguments:
      model: the network that learns.
      stream: of the tasks.
    """

    name = "generative_classifier"
    summary = "a small autoencoder a class; the class that finds an image likeliest"
    separate = True
    alone = "a network a class leaves nothing to protect"
    scenarios = ("task", "class")
    scenario_reason = (
        "has a network a class, and in the {scenario}-incremental scenario each class is shared by all tasks"
    )

    def __init__(self, model: ContinualModel, stream: StreamSettings):
        super().__init__(name=self.name)
        self._model, self._count = model, stream.classes_per_task
        self.first = state(0)

    @classmethod
    def build(cls, context: MethodContext) -> "GenerativeClassifier":
        """See `Method.build`."""
        return cls(context.model, context.stream)

    def before_task(self, task: int) -> None:
        """Notes the first class of the task."""
        self.first.assign(task * self._count)

    def losses(self, batch: dict, noise: Noise, training: bool) -> dict:
        """See `Method.losses`: minus the variational bound of each row, a unit."""
        del training
        rows = rows_of(self._model, batch["image"])
        first = tf.convert_to_tensor(self.first)
        drawn = noise.normal("latent", [tf.shape(rows)[0], self._model.config.latents])
        bound = self._model.classifier.bound(rows, batch["label"] - first, drawn, (first, self._count))
        return {"total": -bound / rows.shape[-1]}

    @classmethod
    def configure(cls, config: Any, chosen: bool, value: float | None) -> None:
        """See `Method.configure`: the published sizes, of pixels and of features."""
        super().configure(config, chosen, value)
        config.model.classifier = "autoencoders" if chosen else "dense"
        if chosen:
            features = bool(config.model.convolutions)
            config.model.internal = features
            config.model.hidden, config.model.latents = ((85,), 20) if features else ((85, 85), 5)

    @classmethod
    def check_model(cls, chosen: bool, model: Mapping) -> None:
        """See `Method.check_model`: the network has autoencoders if, and only if, the method is in use."""
        kind = model.get("classifier", "dense")
        if chosen != (kind == "autoencoders"):
            raise UserError(
                f"generative_classifier is {'on' if chosen else 'off'}, but model.classifier is '{kind}'; the method "
                "needs 'autoencoders', other methods need 'dense'"
            )
        if chosen and model.get("convolutions") and not model.get("internal"):
            raise UserError(
                "generative_classifier is on, but model.internal is False; expected frozen convolutions, True"
            )
