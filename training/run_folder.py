"""The run folder: the one place where a run's config, state, numbers and pictures lie.

config.json      the resolved config           metrics.jsonl   numbers by step
.lock            held by the process that trains
run.json         machine, versions, strategy   events/         TensorBoard
data.json        what was read and skipped     checkpoints/    weights, optimizer, step
evaluation.json  numbers of `evaluate`         pictures/, report.html, export/<name>/<version>/
tasks.json       accuracies after each task of a stream
moments/         what imagined after each of them
"""

import contextlib
import fcntl
import importlib.metadata
import itertools
import json
import math
import os
import pathlib
import platform
import re
import resource
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TextIO

import ml_collections
import tensorflow as tf
from absl import logging

from .. import models
from ..errors import UserError
from ..models.settings import of_each_stage, section
from ..pipelines import data_settings
from ..stored import flatten, kind, read_object, whole_file
from . import checkpoints
from .phases import TrainSettings

# What settings meant, of the section `data`, before they were settings.
_EARLIER = {"holdout": "independent"}

# Entries of a config that are objects, where they are there.
_SECTIONS = (
    "data", "train", "optimizer", "schedule", "model", "stream", "continual", "words", "stages", "transfer",
)  # fmt: skip

# Settings that may differ when a run is resumed: they do not change any step already done.
_CADENCES = (
    "train.steps_per_call", "train.log_every", "train.checkpoint_every", "train.evaluate_every", "train.picture_every",
    "train.keep_checkpoints", "train.cluster_timeout", "data.memory_gib",
    "data.cache",
)  # fmt: skip
# Of these the result is not that of a run which had them from the start: run.json keeps what they were until when.
_STEERING = (
    "train.steps", "train.epochs", "train.accumulate", "train.jit", "train.on_nonfinite", "train.max_skipped",
    "schedule.rate", "data.service",
)  # fmt: skip
_STAGE_RATE = re.compile(r"stages\.[^.]+\.rate")
# What a run writes besides config.json, which it writes first.
_OWN_FILES = ("run.json", "data.json", "metrics.jsonl", "evaluation.json", "tasks.json", "checkpoints")

_PACKAGES = (
    "tensorflow", "keras", "tensorflow-probability", "tf-keras", "tensorflow-datasets", "tensorboard", "numpy",
    "ml_collections", "absl-py", "ai-edge-litert", "tensorflow-serving-api",
    "av", "imagehash", "opencv-python-headless", "apache-beam",
)  # fmt: skip


def write_json(path, content: dict) -> None:
    """Writes JSON so that the file is either the old or the new one, whole.

    Raises:
      StorageError: it could not be written; the old file is intact.
    """
    with whole_file(path) as place:
        place.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@contextlib.contextmanager
def held(workdir) -> Iterator[None]:
    """Keeps a run folder for this process: two that train in one would write each other's checkpoints and metrics.

    The system lets go of it when the process ends, however it ends.

    Args:
      workdir: the run folder; made where it does not exist.

    Raises:
      UserError: another process trains there, or the folder cannot be written.

    Example:
      with held("runs/a"):
          train(context, phases)
    """
    folder = pathlib.Path(workdir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise _cannot_be_written(folder, error) from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"workdir {folder} is in use: {_named(stream)} trains there; wait for it, or use another --workdir"
            ) from None
        except OSError as error:  # Some network file systems know no locks.
            logging.warning("%s cannot be locked (%s): start no second training there", folder, error.strerror)
        stream.truncate(0)
        stream.write(f"{os.getpid()} {socket.gethostname()}\n")
        stream.flush()
        try:
            yield
        finally:
            # Not only by closing the file: a process that was forked meanwhile has it too.
            with contextlib.suppress(OSError):
                fcntl.flock(stream, fcntl.LOCK_UN)


def holder(workdir) -> str:
    """Which process trains in a run folder, in words; "" where none does."""
    try:
        with (pathlib.Path(workdir) / ".lock").open("r", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _named(stream)
    except OSError:  # No such folder, or a file system without locks.
        pass
    return ""


def _named(lock: TextIO) -> str:
    """The process that wrote itself into a lock."""
    lock.seek(0)
    number, _, host = lock.read(200).strip().partition(" ")
    by = f"process {number}" if number.isdigit() else "another process"
    return f"{by} on {host}" if host and host != socket.gethostname() else by


def _cannot_be_written(folder: pathlib.Path, error: OSError) -> UserError:
    return UserError(f"workdir {folder} cannot be written: {error.strerror}; choose another --workdir")


class Opened(NamedTuple):
    """A run folder that may be trained in.

    Attributes:
      folder: its path.
      changed: what was changed each time the run was resumed: the step, and [before, after] of settings by key.
    """

    folder: pathlib.Path
    changed: list[dict]


def open_run(workdir, config: ml_collections.ConfigDict, fixed: tuple[str, ...] = ()) -> Opened:
    """Makes the run folder, or checks that a run with checkpoints there belongs to the same config.

    Args:
      workdir: the folder.
      config: of the run.
      fixed: settings that may not change on resume, of those that usually may.

    Raises:
      UserError: the folder cannot be written, is of something else, holds a run with other settings, or one whose
        checkpoints are damaged or gone.
    """
    folder = pathlib.Path(workdir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise _cannot_be_written(folder, error) from None
    _check_ours(folder)
    old, new = _completed(_settings(folder)), json.loads(config.to_json_best_effort())
    earlier = read_object(folder / "run.json").get("changed")
    record = list(earlier) if isinstance(earlier, list) else []
    # A start that failed before its first checkpoint leaves nothing worth guarding.
    if old and checkpoints.latest(folder / "checkpoints"):
        # A config of somebody's own may leave out what a family has learned to do since; then it has the default.
        before, after = flatten(old), flatten(_completed(new))
        changed = [key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)]
        refused = [key for key in changed if key in fixed or not (key in _CADENCES or _steers(key))]
        if refused:
            shown = ", ".join(f"{key}: {before.get(key)} -> {after.get(key)}" for key in refused[:5])
            raise UserError(
                f"workdir {folder} holds a run with other settings ({shown}); use a new --workdir, or the same settings"
            )
        steering = {key: [before.get(key), after.get(key)] for key in changed if _steers(key)}
        if steering:
            record.append({"step": checkpoints.saved_step(folder / "checkpoints"), **steering})
    _check_checkpoints(folder)
    write_json(folder / "config.json", new)
    return Opened(folder, record)


def _steers(key: str) -> bool:
    return key in _STEERING or bool(_STAGE_RATE.fullmatch(key))


def _check_ours(folder: pathlib.Path) -> None:
    """Refuses a folder with files of the names that a run writes, but not of a run: they would be written over."""
    if (folder / "config.json").exists():
        return  # Which says itself whose it is.
    found = [name for name in _OWN_FILES if (folder / name).exists()]
    if found:
        raise UserError(
            f"workdir {folder} holds {' and '.join(found[:2])} but no config.json, so it is no run of this package, or "
            "one that lost that file; use another --workdir, or restore it"
        )


def _check_checkpoints(folder: pathlib.Path) -> None:
    """Refuses to start again from nothing where a run has been, and to go on from a damaged checkpoint."""
    place = folder / "checkpoints"
    # A start that failed before its first checkpoint has written no step.
    reached = _number(read_object(folder / "run.json").get("step"))
    whole = checkpoints.latest(place)
    if whole or not reached:
        checkpoints.saved_step(place)
        moved = checkpoints.set_aside(place)
        if moved:
            logging.warning("%s: %s moved to its folder damaged", place, ", ".join(moved))
    else:
        raise UserError(
            f"workdir {folder} was trained to step {reached:.0f}, but holds no checkpoint; restore checkpoints/, or "
            "use a new --workdir"
        )


def inherit(workdir, config: ml_collections.ConfigDict) -> None:
    """Settings that a run was started without keep meaning for it what was done then.

    Args:
      workdir: the run folder, whether there is a run in it or not.
      config: of the run; changed.
    """
    folder = pathlib.Path(workdir)
    before = _settings(folder)
    if before and checkpoints.latest(folder / "checkpoints") and "holdout" not in before.get("data", {}):
        config.data.holdout = _EARLIER["holdout"]


def check_data(workdir, facts: dict, accept_changed: bool = False) -> dict:
    """What data.json is to say, once it is certain that a resumed run goes on with the data that it was started on.

    Args:
      workdir: the run folder.
      facts: of the data as it is now; "digest" and "pixels" tell it from other data.
      accept_changed: go on with other data, and keep a record of that under "changed".

    Raises:
      UserError: the data has changed.
    """
    folder = pathlib.Path(workdir)
    before, path = read_object(folder / "data.json"), checkpoints.latest(folder / "checkpoints")
    if not before or path is None:
        return facts
    if not accept_changed:
        check_classes(folder, facts.get("classes", {}), "bring the old names back, or go on with --accept_changed_data")
    earlier = before.get("changed")
    changed = list(earlier) if isinstance(earlier, list) else []
    differing = [key for key in ("digest", "pixels") if key in before and before[key] != facts.get(key)]
    if differing and not accept_changed:
        raise UserError(
            f"workdir {folder} holds a run on other data: it had {before.get('images')} images of "
            f"{before.get('name')} (digest {before[differing[0]]}), now there are {facts.get('images')} of "
            f"{facts.get('name')} (digest {facts.get(differing[0])}); bring the old data back, use a new --workdir, or "
            "go on with --accept_changed_data"
        )
    if differing:
        step = checkpoints.saved_step(folder / "checkpoints")
        changed.append({"step": step, **{key: [before[key], facts.get(key)] for key in differing}})
    return {**facts, "changed": changed} if changed else facts


def check_classes(workdir, classes: dict, advice: str = "bring the old data back, or train anew") -> None:
    """Refuses data whose labels stand for other classes than those of the data that a run was trained on.

    Args:
      workdir: the run folder; what data.json does not say is not compared.
      classes: names of the classes in label order, by head or attribute, of the data as it is now; a head without
        names, as of arrays, is not compared.
      advice: what to do about it.

    Raises:
      UserError: the names of a head, or their order, have changed.
    """
    before = read_object(pathlib.Path(workdir) / "data.json").get("classes")
    for head, names in before.items() if isinstance(before, dict) else ():
        then = list(map(str, names)) if isinstance(names, list) else []
        now = list(map(str, classes.get(head, ())))
        for label, (was, is_now) in enumerate(itertools.zip_longest(then, now)):
            if then and now and was != is_now:
                raise UserError(
                    f"{workdir}: the data's labels stand for other classes than those that the run was trained on: "
                    f"{head} {label} was {was or 'none'} and is {is_now or 'none'}; {advice}"
                )


def describe(
    workdir, command: str, deterministic: bool, strategy: tf.distribute.Strategy, changed: list[dict] | None = None
) -> dict:
    """What run.json says at the start of training; a resumed run keeps count of its past.

    Warns where the resumed run cannot end in the bits of an unbroken one. `changed` is from `open_run`.
    """
    now = {"started": time.time(), "command": command, "deterministic": deterministic, **environment(strategy)}
    before = read_object(pathlib.Path(workdir) / "run.json")
    if not before or not checkpoints.latest(pathlib.Path(workdir) / "checkpoints"):
        return {**now, "resumed": 0}
    for name in ("deterministic", "replicas"):
        if before.get(name) != now[name]:
            logging.warning("%s was %s and is %s now: the result will not be exactly that of an unbroken run",
                            name, before.get(name), now[name])  # fmt: skip
    record, done = list(changed or []), checkpoints.saved_step(pathlib.Path(workdir) / "checkpoints")
    placed = {name: [before.get(name), now[name]] for name in ("strategy", "replicas") if before.get(name) != now[name]}
    if placed:
        record.append({"step": done, **placed})
    return {
        **now,
        **({"changed": record} if record else {}),
        "started": before.get("started", now["started"]),
        "resumed": int(_number(before.get("resumed"))) + 1,
        "before": _number(before.get("seconds")),
        # A folder that loses its checkpoints while this is being trained is still known to have had some.
        "step": done,
    }


def finished(description: dict, outcome: dict) -> dict:
    """run.json at the end of training: the outcome, with the seconds of the whole run, resumed or not."""
    seconds = description.pop("before", 0.0) + outcome["seconds"]
    memory = {"peak_memory_gib": round(peak_memory_gib(), 2)}
    return {**description, **outcome, **memory, "seconds": seconds, "finished": time.time()}


def load_config(workdir) -> ml_collections.ConfigDict:
    """The config of a run.

    Raises:
      UserError: no run there, or its config.json is damaged.
    """
    content = _settings(pathlib.Path(workdir))
    if not content:
        raise UserError(f"{workdir}: no run there (no config.json); train first, or check --workdir")
    return ml_collections.ConfigDict(_completed(content))


def _settings(folder: pathlib.Path) -> dict:
    """What config.json says, as it was written; {} where there is none.

    Raises:
      UserError: it is damaged.
    """
    path = folder / "config.json"
    if not path.is_file():
        return {}
    content = read_object(path)
    wrong = _wrong(content)
    if wrong:
        raise UserError(f"{path} is damaged: {wrong}; restore the file, or use another folder")
    return content


def _wrong(content: dict) -> str:
    """What in a config cannot have been written by a run; "" where nothing is."""
    if not content:
        return "it holds no settings"
    lacking = [name for name in ("seed", "model") if name not in content]
    if lacking:
        return f"it lacks {' and '.join(lacking)}"
    if type(content["seed"]) is not int:
        return f"seed is {kind(content['seed'])}, expected a whole number"
    for name in _SECTIONS:
        if not isinstance(content.get(name, {}), dict):
            return f"{name} is {kind(content[name])}, expected an object"
    family = content["model"].get("family")
    if not isinstance(family, str):
        return f"model.family is {kind(family)}, expected a text"
    known, either = {}, ()
    if family in models.families():
        known, either = models.family(family).section(), of_each_stage(models.family(family).settings)
    for name in either:
        value = content["model"].get(name, known.pop(name))
        if not all(isinstance(one, int | float) for one in (value if isinstance(value, list) else [value])):
            return f"model.{name} is {kind(value)}, expected a number or a list of them"
    expected = {
        "data": {name: option.default for name, option in data_settings().items()},
        "train": section(TrainSettings),
        "model": known,
    }
    return next((said for name in expected if (said := _misplaced(content.get(name, {}), expected[name], name))), "")


def _misplaced(content: Mapping[str, Any], expected: Mapping[str, Any], where: str) -> str:
    """The first value that is of another kind than the default of its setting; a list may be written as an object."""
    for name, default in expected.items():
        if name not in content or default is None:
            continue
        value = content[name]
        if isinstance(default, Mapping):
            fits = isinstance(value, dict)
        elif isinstance(default, list | tuple):
            fits = isinstance(value, list | dict)
        else:
            fits = isinstance(value, str if isinstance(default, str) else int | float)
        if not fits:
            wanted = "an object" if isinstance(default, Mapping) else kind(default)
            return f"{where}.{name} is {kind(value)}, expected {wanted}"
        if isinstance(default, Mapping) and (said := _misplaced(value, default, f"{where}.{name}")):
            return said
    return ""


def _number(value: object) -> float:
    """A number of run.json, 0 where it is none."""
    return value if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _completed(content: dict) -> dict:
    """A config as written at any time, its model's settings with today's names and every default."""
    if not content:
        return content
    # To JSON and back: what is compared with another config must have its types.
    data = json.loads(json.dumps({name: option.default for name, option in data_settings().items()}))
    content = {**content, "data": {**data, **_EARLIER, **content.get("data", {})}}
    train = {**section(TrainSettings), **content.get("train", {})}
    return {**content, "train": train, "model": json.loads(json.dumps(models.complete(content["model"])))}


def environment(strategy: tf.distribute.Strategy | None = None) -> dict:
    """Machine and versions, for run.json and the report."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "processor": _processor(),
        "cpu_cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": [device.name for device in tf.config.list_physical_devices("GPU")],
        "strategy": type(strategy).__name__ if strategy else None,
        "replicas": strategy.num_replicas_in_sync if strategy else None,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0",
        "versions": versions,
    }


def peak_memory_gib() -> float:
    """Most memory that this process has held so far."""
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes / 2**20


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
