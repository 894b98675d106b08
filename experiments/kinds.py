"""The kinds of run: what reading, training, measuring and exporting mean for one.

A kind is named by the config section that makes a run one of it; without any such section a run is `plain`. This file
is the only place that asks which sections a config has.
"""

import dataclasses
import pathlib
from typing import Any, Protocol

import ml_collections
import tensorflow as tf

from .. import models, pipelines
from ..errors import UserError
from ..evaluation import EvaluationData
from ..training.loop import Phase, Watch


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Everything that the loop takes for a run, made by its kind.

    Attributes:
      model: with fresh weights, or those taken over from another run.
      phases: of the loop.
      data: what is said of the data in data.json.
      watch: what is measured and drawn while training.
      state: what checkpoints hold beside model, optimizer and step, or None.
    """

    model: Any
    phases: list[Phase]
    data: dict[str, Any]
    watch: Watch = dataclasses.field(default_factory=Watch)
    state: tf.Module | None = None


@dataclasses.dataclass(frozen=True)
class Sample:
    """What an export needs of a run's data.

    Attributes:
      images: training images.
      classes: what each label stands for, in label order; empty where the labels are the data's own.
    """

    images: pipelines.Images
    classes: list[Any] = dataclasses.field(default_factory=list)


class Kind(Protocol):
    """A kind of run; `plain.Plain` is the one to derive from.

    Attributes:
      name: as families name it in `kinds`.
      section: the config section that makes a run one of this kind; "" for plain runs.
      fixed: settings that may not change when a run is resumed, though they may in other kinds.
    """

    name: str
    section: str
    fixed: tuple[str, ...]

    def settle(self, config: ml_collections.ConfigDict) -> dict[str, pipelines.Images]:
        """Writes into the config what only the data says, and returns the splits that it had to read for that."""
        ...

    def model_section(self, config: ml_collections.ConfigDict) -> dict[str, Any]:
        """The `model` section with the sizes that follow from other sections."""
        ...

    def prepare(
        self, config: ml_collections.ConfigDict, strategy: tf.distribute.Strategy, workdir: pathlib.Path, read: dict
    ) -> Prepared:
        """A run ready for the loop; `read` is what `settle` returned."""
        ...

    def evaluation_data(
        self, config: ml_collections.ConfigDict, workdir: pathlib.Path, model: Any, step: int
    ) -> EvaluationData:
        """What the run's evaluation is given."""
        ...

    def judged(
        self, config: ml_collections.ConfigDict, workdir: pathlib.Path, model: Any, step: int, data: EvaluationData
    ) -> pipelines.Images | None:
        """The images by which a collapse is noticed (see `evaluation.collapse`), None while nothing can be said yet."""
        ...

    def sample(self, config: ml_collections.ConfigDict, workdir: pathlib.Path) -> Sample:
        """What an export is calibrated and judged on.

        Raises:
          UserError: the data cannot be read any more, or its labels stand for other classes.
        """
        ...


_KINDS: dict[str, Kind] = {}


def register_kind(kind: Kind) -> Kind:
    """Makes a kind of run known; the later one of two with the same name counts.

    Example:
      class Distilled(Plain):
          name, section = "distilled", "teacher"

      register_kind(Distilled())
    """
    _KINDS[kind.name] = kind
    return kind


def kinds() -> tuple[str, ...]:
    """Names of all registered kinds, sorted."""
    return tuple(sorted(_KINDS))


def kind_of(config: ml_collections.ConfigDict) -> Kind:
    """The kind of a run, by its config's sections.

    Raises:
      UserError: a kind that the family does not learn in.
    """
    found = next((kind for kind in _KINDS.values() if kind.section and kind.section in config), _KINDS["plain"])
    family = models.family(config.model.family)
    if found.name not in family.kinds:
        sections = [_KINDS[name].section or "none of them" for name in family.kinds if name in _KINDS]
        raise UserError(
            f"a run of the kind {found.name} is not for the family {family.name}; its configs have the section "
            f"{' or '.join(sections)}"
        )
    return found
