"""A trained run learns more classes: a run of its own that begins with what the first one knows."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import ml_collections
import numpy as np

from .. import pipelines
from ..errors import UserError
from ..stored import read_object
from ..training import run_folder
from . import arguments
from .configs import named_overrides, override_all
from .reading import read_images
from .run import Run
from .train import run_training

# Settings that `learn` finds from the data, where they are not given.
_FOUND = ("continual.learned", "data.source", "stream.tasks", "stream.order")


def learn(
    run: Run,
    workdir: str | pathlib.Path,
    data: Any = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    **how: Any,
) -> Run:
    """Trains further tasks on top of a finished run over a stream, by the run's own method and settings.

    Only the new tasks are trained; images of earlier ones are read to measure what became of them. The optimizer starts
    anew.

    Args:
      run: of which all tasks are learned. It stays as it is.
      workdir: the folder of the run that goes on; a stopped one is resumed.
      data: the new classes' images, as `train` takes them, for training and for test; classes are new names, or numbers
        that the run has not met. None where the run's own source has come to hold more classes, as a folder does.
      overrides: settings by dotted key, as {"train.steps": 500}.
      **how: as of `train`: strategy, replicas, deterministic.

    Returns:
      The run that went on. Its settings are a config like any other (`continual.learned` names the first run).

    Raises:
      UserError: no run over a stream, one that is not finished, or no new classes.

    Example:
      more = run.learn("runs/b", (images, labels))
    """
    if run.kind.section != "stream":
        raise UserError(f"{run.folder}: is no run over a stream of tasks; train anew with all classes instead")
    arguments.path("workdir", workdir)  # An empty one would be the current folder.
    overrides = named_overrides(overrides)
    config = run_folder.load_config(run.folder)  # As it was trained, whatever is set anew to imagine with.
    override_all(config, overrides)  # Of images that are read here, too, they say how.
    config.continual.learned = str(run.folder)
    if data is not None:
        config.data.source = pipelines.give(_together(config, run.config.data.source, data))
    if config.stream.kind == "split":
        _add_classes(config, run.folder)
    else:
        config.stream.tasks += 1
    override_all(config, {key: value for key, value in overrides.items() if key in _FOUND})
    return run_training(config, workdir, "run.learn(...)", **how)


def source_of(run: Run, data: Any) -> str:
    """The source of a run that went on with these new images, as `learn` made it of them and the first run's.

    Args:
      run: over a stream of tasks.
      data: as it was given to `learn`.

    Returns:
      The source, or "" of a run that went on from none.

    Raises:
      UserError: the first run, or its data, is not to be had.
    """
    if not run.config.continual.learned:
        return ""
    first = Run(run.config.continual.learned)
    try:
        return pipelines.give(_together(run.config, first.config.data.source, data))
    except UserError as error:
        raise UserError(f"{run.folder} went on from {first.folder}: {error}") from None


def _add_classes(config: ml_collections.ConfigDict, folder: pathlib.Path) -> None:
    """Sets the tasks of the stream and their order: the classes met in this run, then those that are new in the data.

    Raises:
      UserError: no new ones, or labels that were met have come to stand for other classes.
    """
    images, met = read_images(config, "train")["train"], read_object(folder / "data.json").get("class_order", [])
    labels, names = images.labels, next(iter(images.class_names.values()), ())
    if names and max(met, default=-1) < len(names):
        run_folder.check_classes(folder, {"label": [names[label] for label in met]})
    new = [int(label) for label in np.unique(labels) if label >= 0 and label not in met]
    each = int(config.stream.classes_per_task)
    if not new or len(new) % each:
        raise UserError(
            f"{config.data.source}: has {len(new)} classes that the run has not met; expected {each} for every new task"
        )
    config.stream.tasks += len(new) // each
    # The order is a word or a list of labels.
    del config.stream["order"]
    config.stream.order = ml_collections.config_dict.placeholder(object)
    config.stream.order = (*met, *new)


def _together(config: ml_collections.ConfigDict, source: str, data: Any) -> dict[str, pipelines.Images]:
    """The images that the first run was trained on and the new ones, split by split, read as `config` says."""
    config = config.copy_and_resolve_references()
    config.data.source = source
    earlier = read_images(config, "train", "test")
    config.data.source = data if isinstance(data, str) else pipelines.give(data)
    added = read_images(config, "train", "test")
    return {split: _joined(earlier[split], added[split]) for split in ("train", "test")}


def _joined(earlier: pipelines.Images, added: pipelines.Images) -> pipelines.Images:
    known, new = _names(earlier), _names(added)
    if bool(known) != bool(new):
        named = "names" if known else "numbers"
        raise UserError(f"{added.name}: its classes are {'numbers' if known else 'names'}; expected {named}, as before")
    if added.labels.ndim > 1:
        heads = ", ".join(added.head_names)
        raise UserError(
            f"{added.name}: has {added.labels.shape[1]} labels a picture ({heads}); expected one, its class"
        )
    labels = np.where(added.labels < 0, added.labels, added.labels + len(known))
    met = sorted(set(known) & set(new)) if known else sorted(set(earlier.labels.tolist()) & set(labels.tolist()))
    if met:
        raise UserError(f"{added.name}: class {met[0]} was learned before; expected new classes only")
    if earlier.pixels is None or added.pixels is None:
        raise UserError(
            f"{earlier.name}: is too large to be held in memory beside new images; put the new classes into the source "
            "itself, and leave data out"
        )
    names = {head: (*known, *new) for head in earlier.class_names} if known else {}
    pixels = [earlier.pixels, added.pixels]
    if earlier.pixels.dtype != added.pixels.dtype:
        pixels = [part / np.float32(255.0) if part.dtype == np.uint8 else part for part in pixels]
    return dataclasses.replace(
        pipelines.from_arrays(earlier.name, np.concatenate(pixels), np.concatenate([earlier.labels, labels])),
        head_names=earlier.head_names,
        class_names=names,
    )


def _names(images: pipelines.Images) -> tuple[str, ...]:
    """Names of the classes in label order; none where they are numbers."""
    return next((tuple(names) for names in images.class_names.values()), ())
