"""Elastic weight consolidation with one running quadratic."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from .ewc import EWCOptions, Quadratic
from .method import MethodContext
from .options import option


@dataclasses.dataclass(frozen=True)
class OnlineEWCOptions(EWCOptions):
    """Settings of online EWC.

    Attributes:
      ewc_gamma: how much of the older quadratic is kept at each new task.
    """

    ewc_gamma: float = option(1.0, least=0)


class OnlineEWC(Quadratic):
    """EWC with one running quadratic around the last weights (Schwarz et al. 2018), as in the paper's code:

        lambda/2 sum gamma F (w - w*)^2,   F <- F_new + gamma F

    Arguments:
      variables, fisher, strength: as in `EWC`.
      gamma: how much of the past is kept.
    """

    name, recipe = "online_ewc", "online_ewc"
    summary = "elastic weight consolidation with one running quadratic"
    options, strength = OnlineEWCOptions, "ewc_strength"
    penalizes = True

    def __init__(self, variables: list, fisher: Callable[[int], list], strength: float, gamma: float):
        super().__init__(variables, fisher, strength)
        self._gamma = gamma

    @classmethod
    def build(cls, context: MethodContext) -> "OnlineEWC":
        """See `Method.build`."""
        options, tasks = context.options, context.tasks
        fisher = lambda task: tasks.fisher(task, options.fisher_images)  # noqa: E731
        return cls(context.held, fisher, options.ewc_strength, options.ewc_gamma)

    def extra_loss(self) -> tf.Tensor:
        """See `Method.extra_loss`."""
        return 0.5 * self._strength * self._gamma * self._distance(tf.constant(0.0))

    def after_task(self, task: int) -> None:
        """Moves the quadratic to the weights as they are now."""
        for variable, precision, center, new in zip(
            self._variables, self.precision, self.center, self._fisher(task), strict=True
        ):
            precision.assign(np.asarray(new, np.float32) + self._gamma * precision.numpy())
            center.assign(variable.numpy())
