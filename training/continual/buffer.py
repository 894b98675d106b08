"""Experience replay: rehearsal of stored rows from a bounded memory."""

import dataclasses
import math
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from ...layers import Noise
from ...pipelines import StreamSettings
from .method import Method, MethodContext, Rehearsed, state
from .model import ContinualModel
from .options import Options, option
from .reservoir import Reservoir


@dataclasses.dataclass(frozen=True)
class BufferOptions(Options):
    """Settings of experience replay.

    Attributes:
      memory: images that may be stored.
    """

    memory: int = option(2000, least=1)


class Buffer(Method):
    """Experience replay: rows stored from earlier tasks, with their true labels (Rolnick et al. 2019, NeurIPS).

    Arguments:
      model: the network that learns.
      stream: of the tasks.
      memory: most rows stored.
      represented: task -> (rows float32 [n, units], labels int32 [n]) in batches.
      seed: of which rows are kept.
    """

    name, recipe = "buffer", "er"
    summary = "rehearsal of stored images from a bounded memory (experience replay)"
    options = BufferOptions
    rehearses = True

    def __init__(
        self,
        model: ContinualModel,
        stream: StreamSettings,
        memory: int,
        represented: Callable[[int], Iterable],
        seed: int,
    ):
        super().__init__(name=self.name)
        self._model, self._stream, self._represented, self._seed = model, stream, represented, seed
        units = math.prod(model.represented_shape)
        # Stored as bytes where they are pixels: a quarter of the memory.
        self._bytes = not model.config.mean and not model.config.internal
        self.memory = state(np.zeros([memory, units], np.uint8 if self._bytes else np.float32))
        self.labels = state(np.zeros([memory], np.int32))
        self.keys = state(np.zeros([memory], np.float64))
        self.filled = state(0)

    @classmethod
    def build(cls, context: MethodContext) -> "Buffer":
        """See `Method.build`."""
        memory, represented = context.options.memory, context.tasks.represented
        return cls(context.model, context.stream, memory, represented, context.seed)

    def rows(self, current: tf.Tensor, count: int, task: tf.Tensor, noise: Noise) -> Rehearsed:
        """See `Method.rows`: drawn from the memory with replacement."""
        del current
        most = tf.maximum(self.filled, 1)
        place = noise.rows(
            tf.random.stateless_uniform([count * noise.parts], noise.key("memory"), 0, most, tf.int32, alg="philox")
        )
        inputs = tf.cast(tf.gather(self.memory, place), tf.float32)
        inputs = inputs / 255.0 if self._bytes else inputs
        label = tf.gather(self.labels, place)
        # In the task and class scenarios a label tells its task.
        of_task = label // self._stream.classes_per_task if self._stream.scenario != "domain" else tf.zeros_like(label)
        targets = tf.one_hot(label, self._stream.outputs)
        return Rehearsed(inputs, targets, self._model.context(label, of_task), tf.ones([count]), soft=False)

    def after_task(self, task: int) -> None:
        """Offers the task's rows to the memory."""
        reservoir = Reservoir(self.memory.shape[0])
        filled = int(self.filled.numpy())
        if filled:
            reservoir.rows, reservoir.labels = self.memory.numpy()[:filled], self.labels.numpy()[:filled]
            reservoir.keys = self.keys.numpy()[:filled]
        random = np.random.default_rng([self._seed, task])
        for rows, labels in self._represented(task):
            stored = np.round(rows * 255.0).astype(np.uint8) if self._bytes else rows
            reservoir.offer(stored, labels, random.random(len(labels)))
        filled = len(reservoir.labels)
        for variable, values in ((self.memory, reservoir.rows), (self.labels, reservoir.labels),
                                 (self.keys, reservoir.keys)):  # fmt: skip
            whole = np.zeros(variable.shape, variable.dtype.as_numpy_dtype)
            whole[:filled] = values
            variable.assign(whole)
        self.filled.assign(filled)
