"""`Run`: a run folder in Python. What it was trained with, what it can do, and what every verb does with it."""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from .. import models, pipelines
from ..errors import UserError
from ..evaluation import report
from ..evaluation.symbols import imagined
from ..export import Published
from ..models import Capability, limits
from ..pipelines.expressions import Composed
from ..stored import read_object
from ..training import checkpoints, run_folder, stages
from ..training.loop import Outcome
from . import arguments
from .anew import set_anew
from .description import Description
from .endpoints import Endpoints, names_of_heads
from .exported import Exported, ExportedEncoder
from .kinds import Kind, kind_of
from .reading import naming_damage


class Run(Endpoints):
    """A run in its folder.

    Arguments:
      workdir: the run folder.
      outcome: how training ended, where this process trained it.
      settings: what is set anew, name in the section `model` -> value: settings that no training reads (see
        `Family.settable`). The run folder keeps its own.

    Attributes:
      anew: dotted key -> value of these.

    Raises:
      UserError: no run there, a setting that cannot be set anew.

    Example:
      run = reverie.load("runs/a")
      run.evaluate()
      run.encode(images)
    """

    def __init__(
        self,
        workdir: str | pathlib.Path,
        outcome: Outcome | None = None,
        settings: Mapping[str, Any] | None = None,
    ):
        self.folder = arguments.path("workdir", workdir)
        self.config: ml_collections.ConfigDict = run_folder.load_config(self.folder)
        self.anew = set_anew(self.config, settings)
        self.outcome = outcome

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, family {self.config.model.family})"

    __str__ = __repr__

    # ---- what it is

    @property
    def family(self) -> models.Family:
        """The family that its model is of."""
        return models.family(self.config.model.family)

    @property
    def kind(self) -> Kind:
        """The kind of run."""
        return kind_of(self.config)

    @functools.cached_property
    def _restored(self) -> tuple[Any, int]:
        model = models.build(self.kind.model_section(self.config), self.config.seed)
        averaged = self.config.train.ema_decay > 0
        return model, checkpoints.restore_weights(model, f"{self.folder}/checkpoints", averaged)

    @property
    def model(self) -> Any:
        """The Keras model with its trained weights (their moving average, where the run kept one)."""
        return self._restored[0]

    @property
    def step(self) -> int:
        """The step that the weights are of."""
        return self._restored[1]

    def written_config(self) -> dict[str, Any]:
        """What config.json says, with what is set anew."""
        content = read_object(self.folder / "config.json")
        names = {key.partition(".")[2]: value for key, value in self.anew.items()}
        return {**content, "model": {**content["model"], **names}}

    # ---- what the verbs do

    def evaluate(self, **options: Any) -> dict[str, Any]:
        """Measures the run on its test images and writes the report.

        Args:
          **options: of the family's evaluation, as `concept={"faces": "folder:pictures"}` of sparse.

        Returns:
          Name -> number; the same as evaluation.json in the run folder.

        Raises:
          UserError: no checkpoint yet, the data cannot be read any more, an option of another family.
        """
        from .evaluate import evaluate

        with naming_damage(self.config.data.source):
            return evaluate(self, **options)

    def learn(self, workdir: str | pathlib.Path, data: Any = None, **options: Any) -> "Run":
        """Trains further tasks on top of this run over a stream, in a folder of their own; see `learn.learn`.

        Args:
          workdir: the folder of the run that goes on.
          data: images of new classes; None where the run's own source has come to hold more.
          **options: `overrides`, `strategy`, `replicas`, `deterministic`.

        Raises:
          UserError: no run over a stream, one that is not finished, or no new classes.
        """
        from .learn import learn

        return learn(self, workdir, data, **options)

    def report(self) -> pathlib.Path:
        """Writes the report page and returns its path."""
        return report.write(self.folder)

    def explore(self, out: str | pathlib.Path = "", **options: Any) -> pathlib.Path:
        """Writes a page in which the models run in the browser, and returns its path; see `explore.explore`.

        Args:
          out: the HTML file; <run folder>/explore.html by default.
          **options: `weights`, `code`, `build`.

        Raises:
          UserError: a family without a page, code that is not built yet.
        """
        from .explore import explore

        with naming_damage(self.config.data.source):
            return explore(self, out, **options)

    def export(self, name: str = "", to: str | pathlib.Path = "", **options: Any) -> Published:
        """Publishes the run as checked SavedModel and LiteRT files; see `publish.publish`.

        Args:
          name: the model's name on the server; the family's name by default.
          to: folder of all models; <run folder>/export by default.
          **options: `lite`, `max_batch`, `warmup`, `page`.

        Raises:
          UserError: a name that no server could serve, an option that is none.
        """
        from .publish import publish

        with naming_damage(self.config.data.source):
            return publish(self, name, to, **options)

    # ---- what it can do

    @functools.cached_property
    def _signatures(self) -> dict[str, models.Signature]:
        return self.model.signatures()

    @functools.cached_property
    def _compiled(self) -> dict[str, Any]:
        return {}

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(sorted(self._signatures))

    @functools.cached_property
    def class_names(self) -> Mapping[str, Sequence[str]]:
        known = read_object(self.folder / "data.json").get("classes", {})
        return names_of_heads(known, self.family.heads(self.config.model))

    @property
    def attributes(self) -> Any:
        return self.config.model.attributes if Capability.WORDS in self.family.capabilities else ()

    def _inputs(self, endpoint: str) -> Mapping[str, tuple]:
        if endpoint not in self._signatures:
            raise UserError(f"{self.folder}: has no '{endpoint}', only {', '.join(self.endpoints)}")
        return {name: tuple(spec.shape) for name, spec in self._signatures[endpoint].inputs.items()}

    def _call(self, endpoint: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self._inputs(endpoint)
        signature = self._signatures[endpoint]
        _check_request(endpoint, signature, inputs)
        if endpoint not in self._compiled:
            self._compiled[endpoint] = tf.function(signature.function, reduce_retracing=True, autograph=False)
        given = {name: tf.constant(value, signature.inputs[name].dtype) for name, value in inputs.items()}
        return {name: value.numpy() for name, value in self._compiled[endpoint](**given).items()}

    def sheet(self, text: str, count: int, seed: int) -> tuple[np.ndarray, str]:
        """As of `Endpoints.sheet`, with any number of operators."""
        vocabulary = self.vocabulary
        self._wanted(count, seed)  # Refuses what is no count or seed.
        expression = vocabulary.parse_expression(text)
        present = self._trained_words()
        if isinstance(expression, Composed) and "operators" not in present:
            learned = any("operators" in stage.gives for stage in self.model.stages())
            why = "" if learned else f" ({self.family.name} has none)"
            raise UserError(
                f"{self.folder}: the stage operators is not trained{why}; imagine one symbol without "
                f"{expression.operator}"
            )
        made = imagined(self.model, vocabulary, expression, count, seed)
        return made.images, vocabulary.phrase(made.symbol)

    def describe(self, images: Any, least: float = 0.5) -> list[Description]:
        """As of `Endpoints.describe`."""
        if self.attributes:
            self._trained_words()
        return super().describe(images, least)

    def _trained_words(self) -> tuple[str, ...]:
        """What of the stages is trained.

        Raises:
          UserError: no words.
        """
        present = stages.trained(self.config, self.model, self.step)
        if "symbols" not in present:
            raise UserError(f"{self.folder}: the stage symbols is not trained, so words mean nothing yet")
        return present


def load(
    path: str | pathlib.Path, data: Any = None, settings: Mapping[str, Any] | None = None
) -> Run | Exported | ExportedEncoder:
    """A trained run, or what was exported of one.

    Args:
      path: a run folder, a published version's folder, or an encoder's .tflite file.
      data: what the run was trained on, where that was handed over in Python and is wanted again (to evaluate or to
        export). Of a run that went on from another (`Run.learn`) the images that it learned are enough.
      settings: of a run folder, what is set anew, as `{"guidance": 5}` of scan; see `Run`.

    Returns:
      `Run` of a run folder; `Exported` or `ExportedEncoder` of exported files.

    Raises:
      UserError: no such run or file, other data than the run was trained on, a setting that cannot be set anew.

    Example:
      reverie.load("runs/a").encode(images)
    """
    place = arguments.path("path", path, "a run folder, a version's folder or an encoder's .tflite file")
    if settings and (place.suffix == ".tflite" or (place / "saved_model.pb").is_file()):
        raise UserError(f"{place}: is exported, and its settings are fixed; export its run with other ones")
    if place.suffix == ".tflite":
        return ExportedEncoder(path)
    if (place / "saved_model.pb").is_file():
        return Exported(path)
    if not (place / "config.json").is_file():
        raise UserError(f"{place}: no run there (no config.json), and no SavedModel there (no saved_model.pb)")
    run = Run(place, settings=settings)
    if data is not None:
        source = data if isinstance(data, str) else pipelines.give(data)
        if source != run.config.data.source and run.kind.section == "stream":
            from .learn import source_of

            source = source_of(run, data) or source
        if source != run.config.data.source:
            raise UserError(
                f"{place}: was trained on {run.config.data.source}, but the data given is {source}; give the same data"
            )
    return run


def _check_request(endpoint: str, signature: models.Signature, inputs: dict[str, np.ndarray]) -> None:
    """The limits that an export has in its graph, held here in Python."""
    if set(inputs) != set(signature.inputs):
        raise UserError(f"{endpoint} takes {sorted(signature.inputs)}, not {sorted(inputs)}")
    count = int(inputs["count"]) if "count" in inputs else None
    for name, value in inputs.items():
        spec = signature.inputs[name]
        if value.ndim != spec.shape.rank or any(
            side not in (None, found) for side, found in zip(spec.shape, value.shape, strict=True)
        ):
            raise UserError(f"{endpoint}: {name} has shape {value.shape}; expected {limits.shape_of(spec.shape)}")
        if count is not None and spec.shape.rank and spec.shape[0] is None and len(value) not in (1, count):
            raise UserError(f"{endpoint}: {name} has {len(value)} rows; expected 1 or count={count}")
    limits.check(endpoint, inputs, signature.ranges, signature.sums)
