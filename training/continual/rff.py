"""Random Fourier features and a discriminant on them: a kernel classifier in one pass."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...errors import UserError
from .class_moments import ClassMoments
from .gathering import classes_and_units
from .method import MethodContext, TaskData
from .model import ContinualModel
from .slda import SLDA


class RFF(SLDA):
    """Streaming linear discriminant on random Fourier features ("RanDumb", Prabhu et al. 2024, arXiv 2402.08823).

    The features are the network's (`model.fourier`, see `layers.FourierFeatures`), and nothing of them is learned but,
    where `model.fourier_deviation` is 0, the spread of the first task's inputs.

    Arguments:
      model: the network that learns.
      moments: of its features.
      shrinkage: see `SLDA`.
      tasks: the images of the tasks.
    """

    name = "rff"
    summary = "random Fourier features, then the streaming discriminant; one pass, no gradient"

    def __init__(self, model: ContinualModel, moments: ClassMoments, shrinkage: float, tasks: TaskData):
        super().__init__(model, moments, shrinkage)
        self._tasks = tasks

    @classmethod
    def build(cls, context: MethodContext) -> "RFF":
        """See `Method.build`."""
        moments = ClassMoments(*classes_and_units(context))
        return cls(context.model, moments, context.options.shrinkage, context.tasks)

    def before_task(self, task: int) -> None:
        """Measures the spread of the first task's inputs, unless it is given."""
        if not task and not self._model.config.fourier_deviation:
            self._model.fourier.spread.assign(spread_of(self._tasks.represented(task)))

    @classmethod
    def configure(cls, config: Any, chosen: bool, value: float | None) -> None:
        """See `Method.configure`; the number is that of features."""
        super().configure(config, chosen, value)
        config.model.fourier = int(5000 if value is None else value) if chosen else 0
        if chosen:
            # Of pixels in [0, 1]; of standardized ones 1, and of frozen features what is measured.
            scale = 1.0 if config.model.mean else config.model.fourier_deviation
            config.model.fourier_deviation = 0.0 if config.model.internal else scale

    @classmethod
    def check_model(cls, chosen: bool, model: Mapping) -> None:
        """See `Method.check_model`: there must be features."""
        super().check_model(chosen, model)
        if chosen and model.get("fourier", 0) < 1:
            raise UserError(f"rff is on, but model.fourier is {model.get('fourier', 0)}; expected a number of features")


def spread_of(batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """The standard deviation of all numbers of rows, as `TaskData.represented` gives them."""
    count, total, squares = 0, 0.0, 0.0
    for rows, _ in batches:
        rows = rows.astype(np.float64)
        count, total, squares = count + rows.size, total + rows.sum(), squares + np.sum(rows**2)
    return float(np.sqrt(max(squares / count - (total / count) ** 2, 1e-12)))
