"""The images of each task as the network rehearses them: pixels, or features computed once a task."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from ... import pipelines
from .fisher import dense_fisher, general_fisher
from .method import Method
from .model import ContinualModel


class TaskImages:
    """The tasks of a stream, read for training, for memories and for Fisher information.

    Arguments:
      model: the network that learns.
      stream: the training images' tasks.
      seed: of the run; keys the order of images and which of them the Fisher information is estimated on.
    """

    def __init__(self, model: ContinualModel, stream: pipelines.Stream, seed: int):
        self._model, self._stream, self._seed = model, stream, seed
        self._methods: list[Method] = []
        self._cached: dict[int, pipelines.Images] = {}
        # One for all passes over images: each new one would be traced anew, of which TensorFlow warns.
        self._represent = tf.function(model.represent, reduce_retracing=True, autograph=False)

    def choose_by(self, methods: list[Method]) -> None:
        """Lets methods say what a task trains on; the first that does decides."""
        self._methods = methods

    def begin(self, number: int) -> None:
        """Tells the model which classes and tasks it has met."""
        stream = self._stream.settings
        seen = np.arange(stream.outputs) < (number + 1) * stream.classes_per_task
        self._model.seen.assign((seen | (stream.scenario == "domain")).astype(np.float32))
        self._model.tasks_seen.assign(float(number + 1))

    def images(self, number: int) -> pipelines.Images:
        """What task `number` trains on."""
        for method in self._methods:
            images = method.images(self._stream, number)
            if images is not None:
                return images
        return self._stream.tasks[number]

    def batches(self, number: int, batch_size: int, replicas: int, service_address: str = "") -> Callable:
        """The stream of a phase that trains on task `number`; see `loop.Phase.stream` and `pipelines.batches`."""

        def make(first_step: int, input_context: tf.distribute.InputContext | None) -> tf.data.Dataset:
            images = self._learned_from(number)
            # Each task has an order of its own; the same task of two methods has the same.
            seed = self._seed * 1000 + number
            order = {"seed": seed, "start_step": first_step, "input_context": input_context, "replicas": replicas}
            return pipelines.batches(images, batch_size, **order, service_address=service_address)

        return make

    def one_pass(self, number: int, batch_size: int) -> Callable:
        """As `batches`, each image once in the set's own order; the last batch may be smaller."""

        def make(first_step: int, input_context: tf.distribute.InputContext | None) -> tf.data.Dataset:
            del input_context
            return pipelines.in_order(self._learned_from(number), batch_size).skip(first_step)

        return make

    def represented(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields (rows float32 [n, units], labels int32 [n]) of task `number`, in batches."""
        return self._read(self.images(number))

    def fisher(self, number: int, most: int) -> list[np.ndarray]:
        """Fisher information on a random sample of the task's images.

        Args:
          number: of the task.
          most: images of the sample.

        Returns:
          float64 arrays in the order and shapes of the model's `classifying_variables`.
        """
        images = self.images(number)
        random = np.random.default_rng([self._seed, number])
        chosen = np.sort(random.permutation(len(images))[:most])
        rows = np.concatenate([rows for rows, _ in self._chosen(images, chosen)])
        active = self._stream.settings.active(number)
        task = number if self._model.config.task_gating else None
        dense = self._model.features is None or self._model.config.internal
        return (dense_fisher if dense else general_fisher)(self._model, rows, active, task)

    def _learned_from(self, number: int) -> pipelines.Images:
        """What batches of task `number` are made of: its images, or their features where the stack is frozen."""
        return self._featured(number) if self._model.config.internal else self.images(number)

    def _featured(self, number: int) -> pipelines.Images:
        """The task's images as features of the frozen stack, computed once: only the last task's are kept."""
        if number not in self._cached:
            images = self.images(number)
            rows = np.concatenate([rows for rows, _ in self._read(images)])
            self._cached = {
                number: pipelines.Images(f"features of {images.name}", rows.shape[1:], images.labels, pixels=rows)
            }
        return self._cached[number]

    def _read(self, images: pipelines.Images) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for batch in pipelines.in_order(images, 500):
            yield self._represent(batch["image"]).numpy(), batch["label"].numpy()

    def _chosen(self, images: pipelines.Images, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """As `_read`, of some rows only."""
        for start, (rows, labels) in zip(range(0, len(images), 500), self._read(images), strict=False):
            here = chosen[(chosen >= start) & (chosen < start + 500)] - start
            if len(here):
                yield rows[here], labels[here]
