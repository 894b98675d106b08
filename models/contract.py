"""What the rest of the package may know of a family of models, and nothing more.

A family is one file (or folder) that makes a `Family`: settings, how a model is built from them, the kinds of run it
learns in, what it can do beside the core, and its evaluation. `register_family` makes every verb work on it.

The model itself is a `keras.Model` that answers `Model`. What only some models do is declared in
`Family.capabilities`, and each capability is a protocol here.
"""

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import tensorflow as tf

from ..layers import Noise
from . import settings as settings_module
from .signature import Signature


class Capability(enum.StrEnum):
    """What a model does beside `Model`; a family declares it, and the protocol of the same name says how.

    Example:
      >>> from reverie import models
      >>> Capability.CALIBRATE in models.family("xcov").capabilities
      True
    """

    CALIBRATE = "calibrate"
    PREPARE = "prepare"
    CONSTRAIN = "constrain"
    PARTS = "parts"
    CHOOSE = "choose"
    STAGES = "stages"
    WORDS = "words"
    HEAD = "head"
    GREEDY = "greedy"
    EXPLORE = "explore"
    MOMENTS = "moments"


@runtime_checkable
class Model(Protocol):
    """The core: what every model of every family answers.

    Attributes:
      config: its settings, with `image_shape`.
    """

    config: Any

    def losses(self, batch: Mapping[str, tf.Tensor], noise: Noise, training: bool) -> dict[str, tf.Tensor]:
        """The terms of the objective, float32 [batch] each, "total" among them; a pure function of batch and weights.

        Args:
          batch: "image" float32 [batch, height, width, channels] in [0, 1], "label" int32 [batch] or [batch, heads].
          noise: keys every draw.
          training: whether batch statistics are updated.
        """
        ...

    def encode(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Named codes of float32 images [n, height, width, channels], a row each."""
        ...

    def signatures(self) -> dict[str, Signature]:
        """Endpoints by name, "encode" among them. What else the model does with images (`reconstruct`, `classify`,
        `decode`, `generate`) it offers here too, under that name."""
        ...


class Calibrates(Protocol):
    """CALIBRATE: measures on training images what the losses do not train, before every checkpoint."""

    def calibrate(self, images: tf.Tensor) -> None: ...


class Prepares(Protocol):
    """PREPARE: fits to training images what must stand before the first step (whitening)."""

    def prepare(self, images: tf.Tensor) -> None: ...


class Constrains(Protocol):
    """CONSTRAIN: weights that are brought back after every update."""

    def constraints(self) -> list[tuple[Any, Callable]]:
        """[(variable, value -> admitted value)]."""
        ...


class InParts(Protocol):
    """PARTS: the losses in parts that share no weights, so that memory holds the gradients of one part only."""

    def parts(self, batch: Mapping[str, tf.Tensor]) -> list[tuple[Callable, list]]:
        """[(() -> losses, variables)]; a model is trained so where its settings say `memory_saving`."""
        ...


class Chooses(Protocol):
    """CHOOSE: an evaluation finds units that serve by themselves, and the export gives them."""

    def choose(self, numbers: Mapping[str, Any]) -> None:
        """Takes them from the numbers of the family's evaluation."""
        ...


class Words(Protocol):
    """WORDS: symbols become pictures and pictures symbols; symbols are k-hot float32 [n, values].

    Attributes:
      sizes: number of values of each attribute.
    """

    sizes: tuple[int, ...]

    def symbols_to_images(self, symbols, count, seed) -> dict[str, tf.Tensor]: ...

    def images_to_symbols(self, images) -> dict[str, tf.Tensor]: ...

    def concept(self, symbols) -> tuple:
        """What symbols mean: (mean, log_variance) over the latents, float32 [n, latents] each."""
        ...

    def imagine(self, code: tuple, count, seed) -> dict[str, tf.Tensor]:
        """{"images"}: pictures of draws from a concept. With a setting `attempts` it takes `named`, too, k-hot symbols:
        what to look for in the pictures."""
        ...


class OnTop(Protocol):
    """HEAD: a head on a pretrained network, trained alone first and then together with it."""

    network: keras.Model

    def head_variables(self) -> list: ...

    def all_variables(self) -> list: ...


class Explores(Protocol):
    """EXPLORE: functions that a page in a browser runs, one row at a time; its evaluation says what the page shows."""

    def page_functions(self) -> dict[str, Signature]:
        """Deterministic functions of float inputs with rows each, by name; LiteRT files are made of them."""
        ...


@dataclasses.dataclass(frozen=True)
class Moment:
    """What a model imagines with, at one moment of its training.

    Attributes:
      function: of `Explores.page_functions`, that imagines.
      variables: name -> variable: all that this function and its priors stand on and that training changes.

    Example:
      >>> from reverie import models
      >>> model = models.build({"family": "replay", "hidden": (8, 8), "latents": 3})
      >>> model.moment().function
      'imagine'
    """

    function: str
    variables: Mapping[str, Any]


class Remembers(Protocol):
    """MOMENTS: what imagines can be kept after each task of a stream, and imagine again later as it did then."""

    def moment(self) -> Moment | None:
        """What imagines now; None where nothing does, or nothing that could be looked at."""
        ...


@dataclasses.dataclass(frozen=True)
class StageSettings:
    """One stage in the `stages` section of a config.

    Attributes:
      steps: of the stage; 0 leaves it out.
      batch_size: rows a step, over all replicas.
      rate: peak learning rate.
    """

    steps: int = 0
    batch_size: int = 100
    rate: float = 1e-3


@dataclasses.dataclass(frozen=True)
class Stage:
    """One of the stages that a family of the kind `staged` is trained in, one after the other.

    Attributes:
      name: its entry in the `stages` section.
      variables: what it trains.
      losses: (first step of the stage, pairs of values held out, float32 [values, values]) -> the stage's losses, a
        function as `Model.losses`.
      sees: "images", "codes" (of the images with words, encoded once by `Model.encode`), or "mixed" (all images
        without words and, repeated, those with).
      part: attribute of the model that it trains, by which another run hands it over; "" for the whole model.
      needed: whether later stages stand on it.
      gives: what the model can do once it is trained, of "vision", "symbols", "operators".
      unmix: (means, log-variances of codes) -> None: turns latents apart at the steps that the settings say, or None.
      whole_batch: why the losses of a row are not its own (as of `Family`), or "".
      settles: after how many of its steps the objective changes no more; whoever gives it fewer is told.

    Example:
      stage = Stage("vision", model.vision.trainable_variables, lambda first_step, held_out: model.vision_losses)
    """

    name: str
    variables: list
    losses: Callable[[int, np.ndarray], Callable]
    sees: str = "images"
    part: str = ""
    needed: bool = True
    gives: tuple[str, ...] = ()
    unmix: Callable | None = None
    whole_batch: str = ""
    settles: int = 0


class Staged(Protocol):
    """STAGES: a model that is trained in stages."""

    def stages(self) -> list[Stage]: ...


@dataclasses.dataclass(frozen=True)
class GreedyLayer:
    """One of the layers that a model of the kind `greedy` is trained in, one after the other.

    Attributes:
      name: of the phase that trains it.
      variables: what it trains.
      losses: {"seen": what `seen` gives, float32 [batch, ...]} -> losses, as `Model.losses`.
      below: images -> what this layer sees, through everything below it.
      begin: (images) -> None, first of all: fits what looks at images alone.
      fit: (inputs as `below` gives them) -> None, before its first step: fits what must stand by then. Both change
        nothing that is fitted already.
      seen: (inputs) -> what of them the losses look at; it does not change while the layer learns.
      constraints: as `Constrains.constraints`, of its own weights.
    """

    name: str
    variables: list
    losses: Callable
    below: Callable
    begin: Callable[[Any], None]
    fit: Callable[[Any], None]
    seen: Callable
    constraints: tuple = ()


class LayerByLayer(Protocol):
    """GREEDY: a model whose layers can be trained one after the other, and handed over to a model that shares less."""

    def greedy_layers(self) -> list[GreedyLayer]: ...

    def spread(self, other: Any, images: Any) -> None:
        """Takes the weights of a model of the same family whose filters are shared more widely, or whose images are of
        another size.

        Args:
          other: the model.
          images: float32 [n, height, width, channels] of this one, to bring weights to their scale.

        Raises:
          ValueError: a model with other sizes.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of models, as it is registered.

    Attributes:
      name: of `model.family` in configs.
      settings: a frozen dataclass with `image_shape`, defaults, and an `Attributes:` block that says what each field
        means; the config's `model` section is made from it. A field `heads` (head -> classes) asks for labels.
      build: settings -> model with fresh weights; `ValueError` for sizes that make no model.
      summary: in one line.
      evaluation: an object (or "module.path" of one, imported when it is needed) that answers
        `evaluation.contract.Evaluation`.
      paper: where it comes from.
      kinds: of run that it learns in, see `experiments.kinds`; the first is the usual one.
      capabilities: what its models do beside `Model`.
      stages: stage -> settings dataclass, for the kind `staged`.
      whole_batch: settings -> why the losses of a row are not its own, so that a step needs all its rows at once and
        train.accumulate is refused; "" where they are. Draws of `Noise` and means over rows are no reason.
      settable: settings that no training reads and no code of an image depends on, so that a trained run may be given
        them anew: they change what it imagines.
      legend: settings -> lines for the model card, plain text or items ("- ..."), that say what the entries of a code
        or symbol mean.

    Example:
      >>> from reverie import models
      >>> models.family("xcov").kinds
      ('plain',)
    """

    name: str
    settings: type
    build: Callable[[Any], keras.Model]
    summary: str
    evaluation: Any
    paper: str = ""
    kinds: tuple[str, ...] = ("plain",)
    capabilities: frozenset[Capability] = frozenset()
    stages: Mapping[str, type] = dataclasses.field(default_factory=dict)
    whole_batch: Callable[[Any], str] = lambda settings: ""
    settable: frozenset[str] = frozenset()
    legend: Callable[[Any], tuple[str, ...]] = lambda settings: ()

    def section(self) -> dict[str, Any]:
        """The `model` section of a config with every default."""
        return {"family": self.name, **settings_module.section(self.settings)}

    def heads(self, content: Mapping[str, Any]) -> dict[str, int]:
        """Head -> number of classes of a `model` section, in the order of the model's outputs: by name.

        A section has no order of its own (ml_collections sorts it, JSON may), so the order is fixed here.
        """
        return dict(sorted(dict(content["heads"]).items())) if "heads" in self._names() else {}

    def image_shape(self, content: Mapping[str, Any]) -> tuple[int, ...] | None:
        """(height, width, channels) of a `model` section; None where it follows from other sections."""
        return tuple(content["image_shape"]) if "image_shape" in self._names() else None

    def sized(self, images: Any, classes: Mapping[str, int] | None = None) -> dict[str, Any]:
        """What of the `model` section a set of images says by itself: their shape and, where it has heads, theirs.

        Args:
          images: a `pipelines.Images`.
          classes: head -> number of classes; counted by default.
        """
        known = {"image_shape": tuple(images.shape), "heads": dict(classes or _counted(images))}
        return {name: value for name, value in known.items() if name in self._names() and value}

    def _names(self) -> set[str]:
        return {f.name for f in dataclasses.fields(self.settings) if not f.metadata.get("derived")}


def _counted(images: Any) -> dict[str, int]:
    columns = images.labels.reshape(len(images), -1)
    counts = {}
    for name, column in zip(images.head_names, columns.T, strict=True):
        counts[name] = max(int(column.max()) + 1, len(images.class_names.get(name, ())), 2)
    return counts if (columns >= 0).any() else {}
