"""A run goes on with further tasks: its network, grown to the new classes, is where another run begins."""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import keras
import ml_collections
import numpy as np
import tensorflow as tf

from ... import pipelines
from ...errors import UserError
from ...stored import read_object
from .. import run_folder, transfer


@dataclasses.dataclass(frozen=True)
class Learned:
    """A finished run over the first tasks of a stream.

    Attributes:
      folder: of the run.
      config: its config, complete.
      tasks: how many it has learned.
    """

    folder: str
    config: ml_collections.ConfigDict
    tasks: int


def learned_in(folder: str, config: ml_collections.ConfigDict, stream: pipelines.Stream) -> Learned:
    """The run that `continual.learned` names, checked against the one that goes on.

    Args:
      folder: of the run.
      config: of the run that goes on.
      stream: its tasks, those of the earlier run first.

    Raises:
      UserError: no such run, one that is not finished, or one whose tasks, methods or network are others.
    """
    place = pathlib.Path(folder)
    if not (place / "config.json").is_file():
        raise UserError(f"continual.learned is {folder}; expected a run folder, with a config.json")
    before = run_folder.load_config(place)
    known = read_object(place / "data.json").get("class_order")
    if known is None and before.model.family == config.model.family:
        raise UserError(f"continual.learned is {folder}, which has learned nothing yet; expected a finished run")
    if known is None or before.model.family != config.model.family:
        raise UserError(
            f"continual.learned is {folder}, a run of {before.model.family}; expected one of {config.model.family} "
            "over a stream of tasks"
        )
    for section, name in (
        ("stream", "kind"), ("stream", "scenario"), ("stream", "classes_per_task"), ("stream", "padding"),
        ("continual", "methods"),
    ):  # fmt: skip
        ours, theirs = (_plain(one[section][name]) for one in (config, before))
        if ours != theirs:
            raise UserError(f"{section}.{name} is {ours}, but {theirs} in {folder}, which continual.learned names")
    count, met = int(before.stream.tasks), len(read_object(place / "tasks.json").get("accuracy", []))
    if met < count:
        raise UserError(f"{folder}: has learned {met} of its {count} tasks; let it finish before it learns more")
    if len(stream) <= count:
        raise UserError(f"stream.tasks is {len(stream)}, but {folder} has learned {count} tasks; expected more")
    order = list(stream.class_order[: len(known)])
    if order != known:
        raise UserError(
            f"stream.order begins with {order}, but {folder} has learned {known}; set stream.order to these, and then "
            "the new classes"
        )
    return Learned(folder, before, count)


def first_tasks(stream: pipelines.Stream, count: int) -> pipelines.Stream:
    """The stream of the first `count` tasks."""
    settings = dataclasses.replace(stream.settings, tasks=count)
    met = stream.class_order[: settings.classes_per_task * (count if settings.kind == "split" else 1)]
    return dataclasses.replace(stream, settings=settings, tasks=stream.tasks[:count], class_order=met)


def grow(learned: Learned, before: Any, now: Any) -> None:
    """Puts all that the earlier run knows into a run with more tasks.

    What belongs to a class or a task has a place by its number, so that what was known keeps its places and what is new
    stays as it starts.

    Args:
      learned: the earlier run.
      before: an `Experiment` of its sizes.
      now: one of the same methods and more tasks.

    Raises:
      UserError: a damaged checkpoint, or a network of other sizes.
    """
    expected = "the network as configured here, whose section model should be that of its config.json"
    transfer.take(learned.folder, "continual.learned", before.model, expected, state=before.state)
    for known, variable in _paired(before, now):
        if len(known.shape) != len(variable.shape) or any(
            a > b for a, b in zip(known.shape, variable.shape, strict=True)
        ):
            raise UserError(
                f"continual.learned is {learned.folder}; its weights are not those of {expected}: {variable.name} is "
                f"{tuple(variable.shape)} here and {tuple(known.shape)} there"
            )
        value = np.array(variable)
        value[tuple(slice(size) for size in known.shape)] = np.array(known)
        variable.assign(value)


def _paired(before: Any, now: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the variables of two experiments that a checkpoint knows by the same name."""
    roots = tuple(tf.train.Checkpoint(model=one.model, state=one.state) for one in (before, now))
    views = [tf.train.TrackableView(root) for root in roots]  # They hold their roots weakly.
    waiting, met = [roots], set()
    while waiting:
        nodes = waiting.pop()
        if id(nodes[1]) in met:
            continue
        met.add(id(nodes[1]))
        children = [view.children(node) for view, node in zip(views, nodes, strict=True)]
        if isinstance(nodes[1], tf.Variable | keras.Variable):
            yield nodes
        waiting += [(child, children[1][name]) for name, child in children[0].items() if name in children[1]]


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value
