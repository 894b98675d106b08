"""Synaptic intelligence: weights are held by how much moving them has lowered the loss."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from .method import Method, MethodContext, add_in_place, state
from .options import Options, option


@dataclasses.dataclass(frozen=True)
class SIOptions(Options):
    """Settings of synaptic intelligence.

    Attributes:
      si_strength: c.
      si_damping: epsilon.
    """

    si_strength: float = option(1.0, least=0)
    si_damping: float = option(0.1, above=0)


class SI(Method):
    """Synaptic intelligence (Zenke et al. 2017, ICML): a weight counts by how much moving it lowered the loss.

        every step:       W <- W - g dw         (g: gradient of the whole loss, dw: what the update did)
        after each task:  Omega <- Omega + W / ((w - w')^2 + epsilon),  w' <- w,  W <- 0
        penalty:          c sum Omega (w - w')^2

    Omega may turn negative, as in the authors' code; w' are the weights at the end of the last task.

    Arguments:
      variables: Keras variables to hold.
      trained: all Keras variables the loop trains, in its order, `variables` among them.
      strength, damping: c and epsilon.
    """

    name, recipe = "si", "si"
    summary = "synaptic intelligence"
    options, strength = SIOptions, "si_strength"
    penalizes = True

    def __init__(self, variables: list, trained: list, strength: float, damping: float):
        super().__init__(name=self.name)
        places = {id(variable): number for number, variable in enumerate(trained)}
        self._variables, self._places = variables, [places[id(variable)] for variable in variables]
        self._strength, self._damping = strength, damping
        self.path = [state(tf.zeros(v.shape)) for v in variables]
        self.importance = [state(tf.zeros(v.shape)) for v in variables]
        self.anchor = [state(v.numpy()) for v in variables]

    @classmethod
    def build(cls, context: MethodContext) -> "SI":
        """See `Method.build`."""
        return cls(context.held, context.trained, context.options.si_strength, context.options.si_damping)

    def extra_loss(self) -> tf.Tensor:
        """See `Method.extra_loss`."""
        total = tf.constant(0.0)
        for variable, importance, anchor in zip(self._variables, self.importance, self.anchor, strict=True):
            total += tf.reduce_sum(importance * tf.square(tf.convert_to_tensor(variable) - anchor))
        return self._strength * total

    def gradients_seen(self, gradients: list) -> Callable[[], None]:
        """See `Method.gradients_seen`: adds -g dw of one step to the path integral."""
        before = [tf.identity(variable.value) for variable in self._variables]

        def compare():
            for variable, old, path, place in zip(self._variables, before, self.path, self._places, strict=True):
                add_in_place(path, -gradients[place] * (tf.identity(variable.value) - old))

        return compare

    def after_task(self, task: int) -> None:
        """Turns the path integral into importances."""
        for variable, path, importance, anchor in zip(
            self._variables, self.path, self.importance, self.anchor, strict=True
        ):
            moved = variable.numpy() - anchor.numpy()
            importance.assign_add(path.numpy() / (moved**2 + self._damping))
            anchor.assign(variable.numpy())
            path.assign(tf.zeros(path.shape))
