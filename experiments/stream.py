"""Runs over a stream of tasks: reading, measuring after each task, keeping the history.

tasks.json in the run folder is the history, see `evaluation.continual.History`.
"""

import dataclasses
import pathlib
from typing import Any, cast

import ml_collections
import numpy as np
import tensorflow as tf

from .. import models, pipelines
from ..errors import UserError
from ..evaluation import EvaluationData, of_family, pictures, report
from ..evaluation import continual as measures
from ..evaluation.contract import StreamEvaluation
from ..evaluation.moments import file_of, keep
from ..models import Capability
from ..stored import read_object
from ..training import checkpoints, continual, run_folder
from ..training.loop import Watch, plan
from .kinds import Prepared, Sample
from .plain import Plain, health_of
from .reading import read_streams

# Of longer streams, tasks not learned yet are not measured (a matrix of 100 x 100 is mostly those), and what the
# network imagines is drawn, and kept, after every tenth task only.
_LONG = 20


class StreamOfTasks(Plain):
    """See `kinds.Kind`."""

    name = "stream"
    section = "stream"
    # train.steps is the length of each task: steps already done would belong to other tasks.
    fixed = ("train.steps", "train.epochs")

    def model_section(self, config: ml_collections.ConfigDict) -> dict[str, Any]:
        return continual.model_settings(config)

    def prepare(
        self, config: ml_collections.ConfigDict, strategy: tf.distribute.Strategy, workdir: pathlib.Path, read: dict
    ) -> Prepared:
        del read
        settings = continual.settings_of(config)
        streams = read_streams(config, "train", settings.evaluate_on)
        if settings.evaluate_on not in streams:
            raise UserError("continual.evaluate_on is validation, but there is none: set data.validation_fraction")
        facts = _facts(streams["train"])
        begun = checkpoints.latest(workdir / "checkpoints") is not None
        made = continual.make_experiment(config, streams["train"], strategy, begun)
        accuracies = measures.Accuracies(made.model, streams[settings.evaluate_on], settings.evaluate_images)
        history = read_history(workdir)
        if not begun:
            initial = None if config.stream.scenario == "class" or made.first else accuracies.row(0)
            history = measures.History(_before(settings.learned, len(streams["train"])), initial)
            _write_history(workdir, history)
        family, stream = models.family(config.model.family), streams["train"]

        def met_after(number: int) -> int:
            """Tasks met after task `number`, which are all where one phase trains on all of them."""
            return len(stream) if len(made.phases) == 1 and not made.first else number + 1

        def finished(number: int) -> dict[str, float]:
            number += made.first
            met = met_after(number)
            row = accuracies.row(met, future=len(stream) <= _LONG)
            # A run that resumes from an earlier checkpoint learns its last tasks again.
            unknown: list = [[None] * len(row)] * (number - len(history.accuracy))
            history.accuracy[number:] = [*unknown, row]
            _draw(family, made.model, stream, workdir, met, history)
            _keep(family, made.model, stream, workdir, met, history)
            _write_history(workdir, history)
            known = [value for value in row[:met] if value is not None]
            return {"average_accuracy": float(np.mean(known)), "peak_memory_gib": run_folder.peak_memory_gib()}

        def judged(step: int) -> pipelines.Images:
            ended = [met_after(planned.number + made.first) for planned in plan(made.phases) if planned.own.end == step]
            return _learned(streams[settings.evaluate_on], ended[0] if ended else 0)

        watch = Watch(finished=finished, health=health_of(config, made.model, judged))
        return Prepared(made.model, made.phases, facts, watch, made.state)

    def evaluation_data(
        self, config: ml_collections.ConfigDict, workdir: pathlib.Path, model: Any, step: int
    ) -> EvaluationData:
        del model, step
        history = read_history(workdir)
        streams = read_streams(config, "train", "test")
        run_folder.check_classes(workdir, _named_classes(streams["train"]))
        # What was measured on validation images is no answer to how good the run is on test images.
        measured = history.accuracy if continual.settings_of(config).evaluate_on == "test" else []
        facts = dataclasses.replace(history, accuracy=measured)
        drawn = report.drawn_pictures(workdir)
        kept = {name: drawn[name] for name in history.captions if name in drawn}
        moments = {met: path for met in history.moments if (path := file_of(workdir, met)).is_file()}
        return EvaluationData(
            streams["train"], streams["test"], facts, captions=history.captions, drawn=kept, moments=moments
        )

    def judged(
        self, config: ml_collections.ConfigDict, workdir: pathlib.Path, model: Any, step: int, data: EvaluationData
    ) -> pipelines.Images:
        del config, model, step
        met = len(read_history(workdir).accuracy)
        return _learned(data.test, met if met == len(data.test) else 0)

    def sample(self, config: ml_collections.ConfigDict, workdir: pathlib.Path) -> Sample:
        """Training images of all tasks in random order, as the first task shows their pixels.

        Labels stand for the classes in the order met, or under `domain` for all classes that share them.
        """
        stream = read_streams(config, "train")["train"]
        run_folder.check_classes(workdir, _named_classes(stream))
        names = stream.output_names()
        if stream.settings.kind == "permuted":
            meanings = names * (1 if stream.settings.scenario == "domain" else len(stream))
            return Sample(stream.tasks[0], meanings)
        images = stream.upto(len(stream) - 1)
        return Sample(images, names)


def _before(folder: str, tasks: int) -> list:
    """What an earlier run measured after each of its tasks, as rows of this one's matrix."""
    rows = read_history(pathlib.Path(folder)).accuracy if folder else []
    return [[*row, *[None] * (tasks - len(row))] for row in rows]


def _learned(stream: pipelines.Stream, met: int) -> pipelines.Images:
    """The images of the last of `met` tasks. While none was just learned, 0, those of the first without their labels:
    what is known of classes then is up to the method, and no collapse."""
    images = stream.tasks[max(met - 1, 0)]
    return images if met else dataclasses.replace(images, labels=np.full_like(images.labels, -1))


def read_history(workdir: pathlib.Path) -> measures.History:
    """What tasks.json says; an empty history where there is none."""
    content = read_object(workdir / "tasks.json")
    known = {field.name for field in dataclasses.fields(measures.History)}
    return measures.History(**{name: value for name, value in content.items() if name in known})


def _write_history(workdir: pathlib.Path, history: measures.History) -> None:
    run_folder.write_json(workdir / "tasks.json", dataclasses.asdict(history))


def _facts(stream: pipelines.Stream) -> dict[str, Any]:
    base = stream.base
    skipped = {"skipped": base.skipped.count, "skipped_first": list(base.skipped.first)}
    return {
        "name": base.name, "images": len(base), "shape": list(base.shape), **skipped, **stream.facts(),
        "classes": _named_classes(stream), "pixels": base.digest,
        "remarks": dict(base.remarks),
    }  # fmt: skip


def _named_classes(stream: pipelines.Stream) -> dict[str, list]:
    """Names of the classes in the order met."""
    # Under `domain` a label stands for a place in its task, and has no name of its own.
    named = stream.base.class_names and stream.settings.scenario != "domain"
    return {"label": stream.names()} if named else {}


def _draw(
    family: models.Family, model: Any, stream: pipelines.Stream, workdir: pathlib.Path, met: int, history
) -> None:
    """What the model imagines after a task; of long streams every tenth."""
    if _passed_over(stream, met):
        return
    evaluation = cast(StreamEvaluation, of_family(family))
    for name, picture in evaluation.after_task(model, stream).items():
        (workdir / "pictures").mkdir(exist_ok=True)
        name = f"{name}_after_task_{met:03d}"
        pictures.save_png(workdir / "pictures" / f"{name}.png", picture.pixels)
        history.captions[name] = f"After task {met}. {picture.caption}"


def _keep(
    family: models.Family, model: Any, stream: pipelines.Stream, workdir: pathlib.Path, met: int, history
) -> None:
    """What imagines after a task, for pages; the history names it once it is on the disk."""
    if Capability.MOMENTS not in family.capabilities or _passed_over(stream, met):
        return
    # What is imagined of permuted pixels looks like noise.
    if stream.settings.kind == "permuted":
        return
    # A run that resumes from an earlier checkpoint learns its last tasks again.
    history.moments = [earlier for earlier in history.moments if earlier < met]
    if keep(file_of(workdir, met), model.moment()):
        history.moments.append(met)


def _passed_over(stream: pipelines.Stream, met: int) -> bool:
    """Whether nothing is drawn or kept after so many tasks of a long stream."""
    return len(stream) > _LONG and met % 10 > 0
