"""The copy of the network that labels rehearsed rows, and imagines them: what two methods have in common.

The weight of rehearsal against current images is the objective's matter.
"""

from typing import Any

import tensorflow as tf

from ...pipelines import StreamSettings
from .method import Method, MethodContext
from .model import ContinualModel


class Copy(Method):
    """Rehearsal that asks a copy of the network as it was at the end of the last task.

    Arguments:
      model: the network that learns.
      copy: another one of the same settings, built inside the strategy's scope.
      stream: `pipelines.StreamSettings`.
      settings: the section `continual`: distillation, temperature.
    """

    rehearses = True

    def __init__(self, model: ContinualModel, copy: ContinualModel, stream: StreamSettings, settings: Any):
        super().__init__(name=self.name)
        copy.trainable = False
        self._model, self.copy, self._stream, self._settings = model, copy, stream, settings

    @classmethod
    def build(cls, context: MethodContext) -> "Copy":
        """See `Method.build`."""
        return cls(context.model, context.copy(), context.stream, context.settings)

    def after_task(self, task: int) -> None:
        """Takes the copy."""
        for kept, variable in zip(self.copy.weights, self._model.weights, strict=True):
            kept.assign(variable.numpy())

    def answers(self, inputs: tf.Tensor, blocks: tf.Tensor, task: tf.Tensor) -> tf.Tensor:
        """The copy's answers as targets: float32 [r, classes].

        Args:
          inputs: float32 [r, units].
          blocks: float32 [r, blocks], how far each block of units is asked.
          task: int32 scalar, the current task: only classes of earlier ones are answered with.
        """
        soft = self._settings.distillation
        hidden, _ = self.copy.activations(inputs)
        temperature = self._settings.temperature if soft else 1.0
        log_probabilities = self.copy.log_probabilities(self.judged(inputs, hidden), self._active(task), temperature)
        if soft:
            answers = tf.exp(log_probabilities)
        else:
            answers = tf.one_hot(tf.argmax(log_probabilities, axis=-1), log_probabilities.shape[-1])
        return tf.reshape(answers * blocks[..., None], [-1, self._stream.outputs])

    def judged(self, inputs: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:
        """Logits that rows are labeled by, float32 [r, classes]: all that the copy answers by."""
        return self.copy.answers(inputs, hidden)

    def earlier_blocks(self, count: tf.Tensor | int, task: tf.Tensor) -> tf.Tensor:
        """float32 [count, blocks]: all earlier blocks in equal parts."""
        if self._stream.blocks == 1:
            return tf.ones([count, 1])
        earlier = tf.sequence_mask(task, self._stream.blocks, tf.float32) / tf.cast(tf.maximum(task, 1), tf.float32)
        return tf.repeat(earlier[None], count, axis=0)

    def _active(self, task: tf.Tensor) -> tf.Tensor:
        """float32 [classes]: the classes of earlier tasks; with blocks or shared units, all."""
        if self._stream.scenario != "class":
            return tf.ones([self._stream.outputs])
        return tf.sequence_mask(task * self._stream.classes_per_task, self._stream.outputs, tf.float32)
