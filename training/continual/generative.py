"""Generative replay: rehearsal of what a copy of the network imagines."""

import tensorflow as tf

from ...layers import Noise
from .method import Rehearsed
from .model import ImaginingModel
from .network_copy import Copy


class Generative(Copy):
    """Rehearsal of what the copy imagines and labels.

    With class-conditional modes the class of every row is drawn first: among all earlier classes (class
    incremental), among all classes (domain), or, with a block of units a task, within one earlier task, so that each
    block is rehearsed on rows of its own. The class drawn is never the label: the copy labels what it imagined
    (Shin et al. 2017, NeurIPS; van de Ven et al. 2020, Nature Communications 11:4069).
    """

    name, recipe = "generative", "gr"
    summary = "rehearsal of what a copy of the network imagines and labels"
    needs_generator = True
    copy: ImaginingModel

    def rows(self, current: tf.Tensor, count: int, task: tf.Tensor, noise: Noise) -> Rehearsed:
        """See `Method.rows`: imagines and labels; the current rows are not used."""
        del current
        config, stream = self.copy.config, self._stream
        per_task = stream.classes_per_task
        earlier = tf.maximum(task, 1)
        own_task = stream.blocks > 1 and (config.conditional or config.gating > 0.0)
        # What is drawn is drawn for all rows of the step; those of this part are imagined.
        part, noise, count = noise, noise.whole, count * noise.parts
        weights = tf.ones([count])
        # Rows take turns over the earlier tasks; a random start, so that a small batch reaches all of them.
        turn = (tf.range(count) + tf.cast(noise.uniform("turn", []) * tf.cast(earlier, tf.float32), tf.int32)) % earlier
        uniform = noise.uniform("class", [count])
        if own_task:
            label = turn * per_task + _whole(uniform, per_task)
            blocks = tf.one_hot(turn, stream.blocks)
            share = tf.math.unsorted_segment_sum(tf.ones([count]), turn, stream.tasks)
            weights = 1.0 / tf.gather(share, turn)
            weights *= count / tf.reduce_sum(weights)
        else:
            label = _whole(uniform, per_task if stream.scenario == "domain" else earlier * per_task)
            blocks = self.earlier_blocks(count, task)
        if config.conditional:
            z = self.copy.prior.sample(label, noise.key("imagined"))
        else:
            z = noise.normal("imagined", [count, config.latents])
        gate_task = turn if own_task else _whole(noise.uniform("gate", [count]), earlier)
        label, z, gate_task, weights, blocks = map(part.rows, (label, z, gate_task, weights, blocks))
        inputs = tf.stop_gradient(self.copy.imagine(z, self.copy.context(label, gate_task)))
        targets = tf.stop_gradient(self.answers(inputs, blocks, task))
        # A gate keyed by task stays that of the imagined row; one keyed by class follows the answer.
        context = tf.one_hot(gate_task, config.tasks) if config.gate_by == "task" else targets
        return Rehearsed(inputs, targets, context, weights, self._settings.distillation)


def _whole(uniform: tf.Tensor, count: tf.Tensor | int) -> tf.Tensor:
    """Uniform numbers in [0, 1) as whole numbers 0..count-1."""
    count = tf.cast(count, tf.int32)
    return tf.minimum(tf.cast(uniform * tf.cast(count, tf.float32), tf.int32), count - 1)
