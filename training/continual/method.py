"""What a continual-learning method is to the loop: an object with three hooks, its state in variables."""

import tensorflow as tf


class Method(tf.Module):
    """Three hooks around a task, all of which do nothing here.

    Everything a method remembers from task to task is in `tf.Variable`s, which travel with the checkpoints.
    """

    def before_task(self, task: int) -> None:
        """Called when task number `task` (from 0) starts, and again when a stopped run goes on inside it."""

    def extra_loss(self):
        """A penalty added to the loss of every step: float32 scalar, differentiable."""
        return tf.constant(0.0)

    def after_task(self, task: int) -> None:
        """Called once after the last step of a task, before its checkpoint is written."""


def state(value, name: str | None = None) -> tf.Variable:
    """A variable that no optimiser touches and that is the same on every replica.

    Args:
      value: initial value, array or tensor.
    """
    aggregation = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return tf.Variable(value, trainable=False, aggregation=aggregation, name=name)


def add_in_place(variable: tf.Variable, change) -> None:
    """variable += change on this replica; the caller sees to it that every replica adds the same."""
    tf.raw_ops.AssignAddVariableOp(resource=variable.handle, value=change)
