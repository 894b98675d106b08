"""What an evaluation of a family is to the rest of the package: numbers and pictures from a model and data.

An evaluation is any object that answers `Evaluation`, a module with these functions included. A family names its own
in `models.Family.evaluation`.
"""

import dataclasses
import importlib
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeGuard, cast

import numpy as np

from .. import models, pipelines
from ..errors import UserError


class Picture(NamedTuple):
    """A picture of a report.

    Attributes:
      pixels: uint8 [height, width, 1 or 3].
      caption: what is to be seen on it, in a sentence or two.

    Example:
      >>> Picture(np.zeros([4, 4, 3], np.uint8), "Nothing to be seen yet.").caption
      'Nothing to be seen yet.'
    """

    pixels: np.ndarray
    caption: str


class Headline(NamedTuple):
    """What a number that is shown large at the top of a report is.

    Attributes:
      meaning: of the number, in a line.
      good: what would be a good one, in a line; "" where nothing can be said.
      share: whether it is a share, shown in per cent.
      better: "higher" or "lower", by which runs are compared; "" where neither is.

    Example:
      >>> Headline("test accuracy", "99 % on MNIST", share=True, better="higher").shown(0.9871)
      '98.71 %'
    """

    meaning: str
    good: str = ""
    share: bool = False
    better: str = ""

    def shown(self, value: Any) -> str:
        """A value as a person reads it; what is no number as it stands."""
        if not is_number(value):
            return str(value)
        if self.share:
            return f"{100 * value:.2f} %"
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.6g}"

    def best(self, values: Sequence[Any]) -> float | None:
        """The best of several values, None where none is better than another."""
        known = [value for value in values if is_number(value)]
        if not self.better or len(known) < 2 or min(known) == max(known):
            return None
        return max(known) if self.better == "higher" else min(known)


RECONSTRUCTION = Headline(
    "mean squared reconstruction error",
    "0 is perfect; far below the variance of the pixels, which one gray picture for all would reach",
    better="lower",
)


@dataclasses.dataclass(frozen=True)
class EvaluationData:
    """What a model is evaluated on.

    Attributes:
      train: training images (`pipelines.Images`), or the tasks of a stream (`pipelines.Stream`): fits probes and
        separate classifiers.
      test: the same of the test images: everything is measured on them.
      facts: what the kind of run knows of it (`evaluation.continual.History` of a stream, `training.stages.StagesFacts`
        of a run in stages), or None.
      options: what was asked of the evaluation, by the names in its OPTIONS.
      captions: of pictures that were drawn while training, by name.
      drawn: files of these pictures, by name.
      moments: number of tasks -> file of what imagined once they were learned, see `moments`.

    Example:
      >>> EvaluationData(train=None, test=None, options={"every": 2}).options["every"]
      2
    """

    train: Any
    test: Any
    facts: Any = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    captions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    drawn: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)
    moments: Mapping[int, pathlib.Path] = dataclasses.field(default_factory=dict)


class Evaluation(Protocol):
    """Numbers and pictures of one family.

    Attributes:
      HEADLINES: name of a number -> what it means and what would be good (a `Headline`, or a text for the meaning
        alone), for those shown large at the top of the report, in order.
      OPTIONS: name of an option of `reverie evaluate` that it takes -> what it does.

    Example:
      family = models.family("xcov")
      numbers = of_family(family).evaluate(model, EvaluationData(train, test))
    """

    HEADLINES: Mapping[str, str | Headline]
    OPTIONS: Mapping[str, str]

    def quick(self, model: Any, images: pipelines.Images) -> dict[str, float]:
        """Numbers cheap enough to be measured while training."""
        ...

    def evaluate(self, model: Any, data: EvaluationData) -> dict[str, float]:
        """All numbers."""
        ...

    def draw(self, model: Any, data: EvaluationData, numbers: Mapping[str, Any]) -> dict[str, Picture]:
        """All pictures by name; `numbers` are those of `evaluate`, or empty where it was not run."""
        ...


class StreamEvaluation(Evaluation, Protocol):
    """Of a family that learns a stream of tasks."""

    def after_task(self, model: Any, stream: pipelines.Stream) -> dict[str, Picture]:
        """What is drawn after each task."""
        ...


def of_family(family: models.Family) -> Evaluation:
    """A family's evaluation, imported where it is given by its path."""
    found = family.evaluation
    return cast(Evaluation, importlib.import_module(found) if isinstance(found, str) else found)


def headlines(family: models.Family) -> dict[str, Headline]:
    """The numbers that a family's evaluation names first, in order.

    Example:
      >>> headlines(models.family("xcov"))["accuracy"].meaning
      'test accuracy'
    """
    found = of_family(family).HEADLINES
    return {name: Headline(said) if isinstance(said, str) else said for name, said in found.items()}


def is_number(value: object) -> TypeGuard[Any]:
    """Whether this can be reckoned with: no text, and neither too large nor infinite."""
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def check_options(family: models.Family, options: Mapping[str, Any]) -> None:
    """Refuses options that the family's evaluation does not have.

    Raises:
      UserError: an option of another family; the message names it.
    """
    for name in options:
        if name not in of_family(family).OPTIONS:
            able = [other for other in models.families() if name in of_family(models.family(other)).OPTIONS]
            raise UserError(
                f"--{name} is not for runs of the family {family.name}; it is for {', '.join(able) or 'none'}"
            )
