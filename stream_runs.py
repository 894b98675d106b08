"""Runs over a stream of tasks, from a config to the loop: reading, measuring after each task, keeping the history.

tasks.json in the run folder is the history: {"accuracy": R, "initial": b, "captions": {picture: caption}}; see
evaluation/continual.py for R and b.
"""

import pathlib

import numpy as np

from . import pipelines
from .errors import UserError
from .evaluation import continual as measures
from .evaluation import pictures, replay
from .training import checkpoints, continual, experiment, loop, run_folder


def prepare(config, strategy, workdir: pathlib.Path) -> tuple:
    """Everything that `loop.train` takes for a run over a stream.

    Args:
      config: of the run.
      strategy: from `strategies.build`.
      workdir: an opened run folder.

    Returns:
      (model, phases, facts about the data, state, `loop.Watch`).

    Raises:
      UserError: settings or data that make no stream or no run; another stream than the run was started on.
    """
    settings = continual.settings_of(config)
    streams = experiment.read_streams(config, "train", settings.evaluate_on)
    if settings.evaluate_on not in streams:
        raise UserError("continual.evaluate_on is validation, but there is none: set data.validation_fraction")
    facts = _facts(streams["train"], workdir)
    made = continual.build(config, streams["train"], strategy)
    accuracies = measures.Accuracies(made.model, streams[settings.evaluate_on], settings.evaluate_images)
    history = run_folder.read_json(workdir / "tasks.json")
    if not checkpoints.latest(workdir / "checkpoints"):
        initial = None if config.stream.scenario == "class" else accuracies.row(0)
        history = {"accuracy": [], "initial": initial, "captions": {}}
        run_folder.write_json(workdir / "tasks.json", history)
    history = {"accuracy": [], "initial": None, "captions": {}, **history}  # Of a file that somebody removed.
    # With many tasks, the ones not learned yet are left out: a matrix of 100 x 100 is mostly those.
    future = len(streams["train"]) <= 20

    def finished(number: int) -> dict:
        met = len(streams["train"]) if len(made.phases) == 1 else number + 1
        row = accuracies.row(met, future)
        # A run that goes on from an earlier checkpoint learns its last tasks again.
        unknown = [[None] * len(row)] * (number - len(history["accuracy"]))
        history["accuracy"][number:] = [*unknown, row]
        _draw(made.model, streams["train"], workdir, met, history)
        run_folder.write_json(workdir / "tasks.json", history)
        return {"average_accuracy": float(np.mean(row[:met])), "peak_memory_gib": run_folder.peak_memory_gib()}

    return made.model, made.phases, facts, made.state, loop.Watch(finished=finished)


def _facts(stream: pipelines.Stream, workdir: pathlib.Path) -> dict:
    base = stream.base
    skipped = {"skipped": base.skipped.count, "skipped_first": list(base.skipped.first)}
    facts = {"name": base.name, "images": len(base), "shape": list(base.shape), **skipped, **stream.facts()}
    before = run_folder.read_json(workdir / "data.json")
    if before and checkpoints.latest(workdir / "checkpoints") and before.get("digest") != facts["digest"]:
        raise UserError(
            f"workdir {workdir} holds a run on another stream (labels or their order differ: {before.get('name')}, "
            f"{before.get('images')} images, classes {before.get('class_order')}; now {facts['name']}, "
            f"{facts['images']} images, classes {facts['class_order']}); use a new --workdir, or the same data"
        )
    return facts


def _draw(model, stream: pipelines.Stream, workdir: pathlib.Path, met: int, history: dict) -> None:
    """What the model imagines after a task; of long streams every tenth."""
    if not model.config.generator or model.config.internal or (len(stream) > 20 and met % 10):
        return
    (workdir / "pictures").mkdir(exist_ok=True)
    picture, caption = replay.imagined(model, stream)["imagined"]
    name = f"imagined_after_task_{met:03d}"
    pictures.save_png(workdir / "pictures" / f"{name}.png", picture)
    history["captions"][name] = f"After task {met}. {caption}"


def read(config, folder: pathlib.Path) -> tuple:
    """({"train", "test"}: streams, (history,)) of a run, for the evaluator.

    Raises:
      UserError: the data cannot be read any more.
    """
    history = run_folder.read_json(folder / "tasks.json")
    if continual.settings_of(config).evaluate_on != "test":
        history = {key: value for key, value in history.items() if key != "accuracy"}
    return experiment.read_streams(config, "train", "test"), (history,)


def sample(config) -> tuple:
    """What an export needs of the data.

    Returns:
      (training images of all tasks in random order as the first task shows their pixels, what each label stands
      for: the classes in the order met, or under `domain` one tuple of classes a label).
    """
    stream = experiment.read_streams(config, "train")["train"]
    names = stream.names()
    if stream.settings.kind == "permuted":
        meanings = names * (1 if stream.settings.scenario == "domain" else len(stream))
        return stream.tasks[0], meanings
    if stream.settings.scenario == "domain":
        per_task = stream.settings.classes_per_task
        names = [" or ".join(names[place::per_task]) for place in range(per_task)]
    images = stream.upto(len(stream) - 1)
    return images.take(np.random.default_rng(0).permutation(len(images))), names
