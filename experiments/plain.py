"""Plain runs: one objective on one set of images from the first step to the last."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar

import ml_collections
import tensorflow as tf

from .. import models, pipelines
from ..errors import UserError
from ..evaluation import EvaluationData, collapse, of_family
from ..models import Capability, settings
from ..training import checkpoints, run_folder
from ..training.loop import Hooks, Phase, Watch
from ..training.phases import check_batch_size, stream_of
from .kinds import Prepared, Sample
from .reading import describe_images, named_classes, read_images, total_steps

S = TypeVar("S")

# How many training images `calibrate` looks at.
_CALIBRATION_IMAGES = 5000
# Likewise `prepare`.
_PREPARATION_IMAGES = 1000


class Plain:
    """See `kinds.Kind`; the others derive from this one."""

    name = "plain"
    section = ""
    fixed: tuple[str, ...] = ()

    def settle(self, config: ml_collections.ConfigDict) -> dict[str, pipelines.Images]:
        """Nothing: the settings say everything."""
        del config
        return {}

    def model_section(self, config: ml_collections.ConfigDict) -> dict[str, Any]:
        return config.model.to_dict()

    def prepare(
        self, config: ml_collections.ConfigDict, strategy: tf.distribute.Strategy, workdir: pathlib.Path, read: dict
    ) -> Prepared:
        sets = read or read_images(config, "train", "validation")
        with strategy.scope():
            model = models.build(self.model_section(config), config.seed)
        begun = checkpoints.latest(workdir / "checkpoints") is not None
        phases = self.phases(config, model, sets["train"], strategy, begun)
        data = EvaluationData(sets["train"], sets.get("validation") or sets["train"])
        health = health_of(config, model, lambda step: self.judged(config, workdir, model, step, data))
        watch = dataclasses.replace(monitors(models.family(config.model.family), model, sets), health=health)
        return Prepared(model, phases, describe_images(sets["train"]), watch)

    def phases(
        self, config, model: Any, images: pipelines.Images, strategy: tf.distribute.Strategy, begun: bool = False
    ) -> list[Phase]:
        """The run as phases of the loop.

        A run that has begun finds its weights in its checkpoint, and needs no other run any more that it started from.

        Raises:
          UserError: settings that make no run.
        """
        del begun
        return [whole(config, model, images, strategy)]

    def own_settings(self, config: ml_collections.ConfigDict, kind: type[S]) -> S:
        """The config section of this kind of run as its settings dataclass.

        Raises:
          UserError: an entry that the dataclass does not have, or a value that it refuses.
        """
        try:
            return settings.read(kind, config[self.section].to_dict())
        except ValueError as error:
            raise UserError(f"{self.section}: {error}") from None

    def facts(self, config: ml_collections.ConfigDict, model: Any, step: int) -> Any:
        """What an evaluation has to know of the run, or None."""
        del config, model, step

    def evaluation_data(
        self, config: ml_collections.ConfigDict, workdir: pathlib.Path, model: Any, step: int
    ) -> EvaluationData:
        sets = read_images(config, "train", "test")
        run_folder.check_classes(workdir, named_classes(sets["train"]))
        return EvaluationData(sets["train"], sets["test"], self.facts(config, model, step))

    def judged(
        self, config: ml_collections.ConfigDict, workdir: pathlib.Path, model: Any, step: int, data: EvaluationData
    ) -> pipelines.Images | None:
        del config, workdir, model, step
        return data.test

    def sample(self, config: ml_collections.ConfigDict, workdir: pathlib.Path) -> Sample:
        images = read_images(config, "train")["train"]
        run_folder.check_classes(workdir, named_classes(images))
        return Sample(images)


def whole(
    config: ml_collections.ConfigDict, model: Any, images: pipelines.Images, strategy, steps: int | None = None
) -> Phase:
    """The whole of a run as one phase.

    Args:
      config: of the run.
      model: built from it.
      images: it trains on.
      strategy: it will run under.
      steps: how many; by default those of the section `train`.

    Raises:
      UserError: a batch size or a number of steps that cannot be.
    """
    replicas = strategy.num_replicas_in_sync
    held = f"{images.name} holds only {len(images)} images"
    batch_size = check_batch_size("train.batch_size", int(config.train.batch_size), replicas, len(images), held)
    family = models.family(config.model.family)
    able = family.capabilities
    batches = functools.partial(pipelines.batches, service_address=config.data.service)

    def sample(most: int) -> tf.Tensor:
        return pipelines.drawn(images, most, config.seed)["image"]

    calibrate: Callable | None = None
    if Capability.CALIBRATE in able:
        calibration = sample(_CALIBRATION_IMAGES)

        def calibrate_on_sample() -> None:
            model.calibrate(calibration)

        calibrate = calibrate_on_sample

    parts = model.parts if Capability.PARTS in able and config.model.memory_saving else None
    if parts and config.train.ema_decay:
        raise UserError(
            f"train.ema_decay is {config.train.ema_decay:g}, but model.memory_saving keeps no moving average of the "
            "weights; expected 0"
        )
    return Phase(
        name=config.model.family,
        steps=total_steps(config, len(images)) if steps is None else steps,
        batch_size=batch_size,
        losses=model.losses,
        variables=model.trainable_variables,
        stream=stream_of(batches, images, batch_size, config.seed, replicas),
        optimizer=config.optimizer.to_dict(),
        schedule=config.schedule.to_dict(),
        hooks=Hooks(
            begin=(lambda: model.prepare(sample(_PREPARATION_IMAGES))) if Capability.PREPARE in able else None,
            calibrate=calibrate,
        ),
        constraints=tuple(model.constraints()) if Capability.CONSTRAIN in able else (),
        parts=parts,
        whole_batch=family.whole_batch(model.config),
    )


def monitors(family: models.Family, model: Any, sets: dict[str, pipelines.Images]) -> Watch:
    """What is looked at while training: numbers of validation images only, pictures of any."""
    evaluation, validation = of_family(family), sets.get("validation")

    def numbers() -> dict[str, float]:
        assert validation is not None
        return {f"validation_{name}": value for name, value in evaluation.quick(model, validation).items()}

    def pictures() -> dict:
        data = EvaluationData(sets["train"], validation or sets["train"])
        return {name: picture.pixels for name, picture in evaluation.draw(model, data, {}).items()}

    return Watch(evaluate=numbers if validation else None, pictures=pictures)


def health_of(
    config: ml_collections.ConfigDict, model: Any, images: Callable[[int], pipelines.Images | None]
) -> Callable[[int], dict[str, float]]:
    """The `health` of a `Watch`: the numbers of `collapse.measure`; what they tell is said once.

    Args:
      config: of the run.
      model: that is trained.
      images: step -> those that it is looked at on, or None where nothing can be said.
    """
    said: set[str] = set()
    kept: list[pipelines.Images] = []  # The set, and what was drawn of it: frames would be read from their files anew.

    def look(step: int) -> dict[str, float]:
        shown = images(step)
        if shown is not None and (not kept or kept[0] is not shown):
            kept[:] = [shown, collapse.some(shown)]
        numbers = {} if shown is None else collapse.measure(model, kept[1])
        found = collapse.told(numbers, step)
        if not said.issuperset(found):
            collapse.warn(found, step, config.to_dict())
            said.update(found)
        return numbers

    return look
