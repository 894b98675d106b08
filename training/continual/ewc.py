"""Elastic weight consolidation, with one quadratic for each task folded into one."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from .method import Method, MethodContext, state
from .options import Options, option


@dataclasses.dataclass(frozen=True)
class EWCOptions(Options):
    """Settings of both kinds of EWC.

    Attributes:
      ewc_strength: lambda.
      fisher_images: images that the Fisher information is estimated on.
    """

    ewc_strength: float = option(1.0, least=0)
    fisher_images: int = option(1000, least=1)


class Quadratic(Method):
    """What both kinds of EWC have in common: a quadratic of a precision around a center.

    Arguments:
      variables: Keras variables.
      fisher: task -> [F], arrays of the variables' shapes.
      strength: lambda.
    """

    def __init__(self, variables: list, fisher: Callable[[int], list], strength: float):
        super().__init__(name=self.name)
        self._variables, self._fisher, self._strength = variables, fisher, strength
        self.precision = [state(tf.zeros(v.shape)) for v in variables]
        self.center = [state(v.numpy()) for v in variables]

    def _lookup_dependency(self, name: str, *cached):
        # Earlier checkpoints have the center under its British spelling.
        return super()._lookup_dependency("center" if name == "centre" else name, *cached)

    def _distance(self, total: tf.Tensor) -> tf.Tensor:
        """`total` + sum A (w - c)^2."""
        for variable, precision, center in zip(self._variables, self.precision, self.center, strict=True):
            total += tf.reduce_sum(precision * tf.square(tf.convert_to_tensor(variable) - center))
        return total


class EWC(Quadratic):
    """Elastic weight consolidation (Kirkpatrick et al. 2017, PNAS 114:3521) with the quadratics of all tasks in one.

        lambda/2 sum_k F_k (w - w_k)^2 = lambda/2 [A (w - c)^2 + r],
        A = sum_k F_k,  c = sum_k F_k w_k / A,  r = sum_k F_k (w_k - c)^2

    so time and memory do not grow with the number of tasks. The center c and the remainder r are updated as a
    running weighted mean and variance are, which does not cancel in float32 as A w^2 - 2 B w would. It acts on what
    classification runs through, never on the decoder, the posterior or the prior.

    Arguments:
      variables: Keras variables.
      fisher: task -> [F], arrays of the variables' shapes.
      strength: lambda.
    """

    name, recipe = "ewc", "ewc"
    summary = "elastic weight consolidation, one quadratic a task, folded into one"
    options, strength = EWCOptions, "ewc_strength"
    penalizes = True
    excludes = {"online_ewc": "are two forms of one penalty; choose one"}

    def __init__(self, variables: list, fisher: Callable[[int], list], strength: float):
        super().__init__(variables, fisher, strength)
        self.remainder = state(0.0)

    @classmethod
    def build(cls, context: MethodContext) -> "EWC":
        """See `Method.build`."""
        options, tasks = context.options, context.tasks
        return cls(context.held, lambda task: tasks.fisher(task, options.fisher_images), options.ewc_strength)

    def extra_loss(self) -> tf.Tensor:
        """See `Method.extra_loss`."""
        return 0.5 * self._strength * self._distance(self.remainder + 0.0)

    def after_task(self, task: int) -> None:
        """Adds the task's quadratic."""
        fisher = self._fisher(task)
        for variable, precision, center, new in zip(self._variables, self.precision, self.center, fisher, strict=True):
            old, new = precision.numpy().astype(np.float64), np.asarray(new, np.float64)
            total = old + new
            share = np.divide(new, total, out=np.zeros_like(total), where=total > 0.0)
            step = variable.numpy() - center.numpy().astype(np.float64)
            self.remainder.assign_add(float(np.sum(old * share * step**2)))
            center.assign((center.numpy() + share * step).astype(np.float32))
            precision.assign(total.astype(np.float32))
