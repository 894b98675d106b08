"""Penalties that hold weights near where they served earlier tasks: EWC, online EWC, SI.

Each acts on what classification runs through (trunk, classifier, convolutions that train), never on the
decoder, the posterior or the prior. Notation: w weights, w* those after a task, F its Fisher information.
"""

import numpy as np
import tensorflow as tf

from .method import Method, add_in_place, state


class EWC(Method):
    """Elastic weight consolidation (Kirkpatrick et al. 2017) with one quadratic for each task, folded into one.

        lambda/2 sum_k F_k (w - w_k)^2 = lambda/2 [A (w - c)^2 + r],
        A = sum_k F_k,  c = sum_k F_k w_k / A,  r = sum_k F_k (w_k - c)^2

    so time and memory do not grow with the number of tasks. The centre c and the remainder r are updated as a
    running weighted mean and variance are, which does not cancel in float32 as A w^2 - 2 B w would.

    Arguments:
      variables: Keras variables.
      fisher: task -> [F], arrays of the variables' shapes.
      strength: lambda.
    """

    def __init__(self, variables: list, fisher, strength: float):
        super().__init__(name="ewc")
        self._variables, self._fisher, self._strength = variables, fisher, strength
        self.precision = [state(tf.zeros(v.shape)) for v in variables]
        self.centre = [state(v.numpy()) for v in variables]
        self.remainder = state(0.0)

    def extra_loss(self):
        total = self.remainder + 0.0
        for variable, precision, centre in zip(self._variables, self.precision, self.centre, strict=True):
            total += tf.reduce_sum(precision * tf.square(tf.convert_to_tensor(variable) - centre))
        return 0.5 * self._strength * total

    def after_task(self, task: int) -> None:
        fisher = self._fisher(task)
        for variable, precision, centre, new in zip(self._variables, self.precision, self.centre, fisher, strict=True):
            old, new = precision.numpy().astype(np.float64), np.asarray(new, np.float64)
            total = old + new
            share = np.divide(new, total, out=np.zeros_like(total), where=total > 0.0)
            step = variable.numpy() - centre.numpy().astype(np.float64)
            self.remainder.assign_add(float(np.sum(old * share * step**2)))
            centre.assign((centre.numpy() + share * step).astype(np.float32))
            precision.assign(total.astype(np.float32))


class OnlineEWC(Method):
    """EWC with one running quadratic around the last weights (Schwarz et al. 2018), as in the paper's code:

        lambda/2 sum gamma F (w - w*)^2,   F <- F_new + gamma F

    Arguments:
      variables, fisher, strength: as in `EWC`.
      gamma: how much of the past is kept.
    """

    def __init__(self, variables: list, fisher, strength: float, gamma: float):
        super().__init__(name="online_ewc")
        self._variables, self._fisher, self._strength, self._gamma = variables, fisher, strength, gamma
        self.precision = [state(tf.zeros(v.shape)) for v in variables]
        self.centre = [state(v.numpy()) for v in variables]

    def extra_loss(self):
        total = tf.constant(0.0)
        for variable, precision, centre in zip(self._variables, self.precision, self.centre, strict=True):
            total += tf.reduce_sum(precision * tf.square(tf.convert_to_tensor(variable) - centre))
        return 0.5 * self._strength * self._gamma * total

    def after_task(self, task: int) -> None:
        for variable, precision, centre, new in zip(
            self._variables, self.precision, self.centre, self._fisher(task), strict=True
        ):
            precision.assign(np.asarray(new, np.float32) + self._gamma * precision.numpy())
            centre.assign(variable.numpy())


class SI(Method):
    """Synaptic intelligence (Zenke, Poole and Ganguli 2017): a weight counts by how much moving it lowered the loss.

        every step:       W <- W - g dw         (g: gradient of the whole loss, dw: what the update did)
        after each task:  Omega <- Omega + W / ((w - w')^2 + epsilon),  w' <- w,  W <- 0
        penalty:          c sum Omega (w - w')^2

    Omega may turn negative, as in the authors' code; w' are the weights at the end of the last task.

    Arguments:
      variables: Keras variables to hold.
      trained: all Keras variables the loop trains, in its order, `variables` among them.
      strength, damping: c and epsilon.
    """

    def __init__(self, variables: list, trained: list, strength: float, damping: float):
        super().__init__(name="si")
        places = {id(variable): number for number, variable in enumerate(trained)}
        self._variables, self._places = variables, [places[id(variable)] for variable in variables]
        self._strength, self._damping = strength, damping
        self.path = [state(tf.zeros(v.shape)) for v in variables]
        self.importance = [state(tf.zeros(v.shape)) for v in variables]
        self.anchor = [state(v.numpy()) for v in variables]

    def extra_loss(self):
        total = tf.constant(0.0)
        for variable, importance, anchor in zip(self._variables, self.importance, self.anchor, strict=True):
            total += tf.reduce_sum(importance * tf.square(tf.convert_to_tensor(variable) - anchor))
        return self._strength * total

    def observe(self, gradients: list):
        """See `loop.Phase.observe`: adds -g dw of one step to the path integral."""
        before = [tf.identity(variable.value) for variable in self._variables]

        def compare():
            for variable, old, path, place in zip(self._variables, before, self.path, self._places, strict=True):
                add_in_place(path, -gradients[place] * (tf.identity(variable.value) - old))

        return compare

    def after_task(self, task: int) -> None:
        for variable, path, importance, anchor in zip(
            self._variables, self.path, self.importance, self.anchor, strict=True
        ):
            moved = variable.numpy() - anchor.numpy()
            importance.assign_add(path.numpy() / (moved**2 + self._damping))
            anchor.assign(variable.numpy())
            path.assign(tf.zeros(path.shape))
