"""A method: weights are held near where the last task left them, all alike."""

import dataclasses

import tensorflow as tf
from reverie import Method, register_method
from reverie.training.continual import Options, state


@dataclasses.dataclass(frozen=True)
class ToyHoldOptions(Options):
    """Of `toyhold`.

    Attributes:
      toyhold_strength: weight of the penalty.
    """

    toyhold_strength: float = 1.0


class ToyHold(Method):
    name, summary, penalizes = "toyhold", "holds all weights alike", True
    options, strength = ToyHoldOptions, "toyhold_strength"

    def __init__(self, variables, strength):
        super().__init__(name="toyhold")
        self._variables, self._strength = variables, strength
        self.active = state(0.0)
        self.anchor = [state(v.numpy()) for v in variables]

    @classmethod
    def build(cls, context):
        return cls(context.held, context.options.toyhold_strength)

    def extra_loss(self):
        pairs = zip(self._variables, self.anchor, strict=True)
        distance = tf.add_n([tf.reduce_sum(tf.square(tf.convert_to_tensor(v) - a)) for v, a in pairs])
        return self._strength * self.active * distance

    def after_task(self, task):
        self.active.assign(1.0)
        for variable, anchor in zip(self._variables, self.anchor, strict=True):
            anchor.assign(variable.numpy())


register_method(ToyHold)
