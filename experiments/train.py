"""Training a run: from a config to a run folder."""

import contextlib
import dataclasses
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import ml_collections
import tensorflow as tf
from absl import logging

from .. import models, pipelines
from ..errors import UserError
from ..paths import local
from ..pipelines import service
from ..training import cluster, loop, optimizers, run_folder, schedules, signals, strategies
from ..training.agreement import Agreement
from . import arguments
from .configs import check_finite, named_overrides, override_all
from .configs import config as make_config
from .kinds import kind_of
from .reading import check_test_images, naming_damage
from .run import Run


def train(
    config: str | pathlib.Path | ml_collections.ConfigDict,
    workdir: str | pathlib.Path,
    *,
    data: Any = None,
    overrides: Mapping[str, Any] | None = None,
    strategy: str = "auto",
    replicas: int = 0,
    deterministic: bool = False,
    accept_changed_data: bool = False,
) -> Run:
    """Trains a model, or resumes the run already in `workdir`.

    Args:
      config: name of one of the package's configs ("xcov_mnist", "replay_split_mnist:bir"), a file, or settings as
        `reverie.config` gives them.
      workdir: the run folder; "." is the current one.
      data: what to train on; the config's own `data.source` by default. A source string; (images, labels), images
        alone, or a dict of arrays (see `pipelines.give`); a `tf.data.Dataset` of dicts with "image" and "label".
        Of arrays, the model's image shape and number of classes are taken from them, unless overridden.
      overrides: settings by dotted key, as {"train.epochs": 5}.
      strategy, replicas: see `training.strategies.make_strategy`.
      deterministic: operations that repeat bit for bit, on one machine and version.
      accept_changed_data: resume on data that is not what the run was started on; data.json keeps a record of it.

    Returns:
      The run; `run.outcome` says how training ended. SIGTERM and Ctrl-C finish the step, save, and end it early.

    Raises:
      UserError: anything about settings or data that cannot be used, in one line.
      NonFiniteError, StorageError, ClusterError: as their names say; the last checkpoint is good.

    Example:
      run = reverie.train("xcov_mnist", "runs/a", data=(images, labels), overrides={"train.epochs": 5})
    """
    arguments.path("workdir", workdir)  # An empty one would be the current folder.
    overrides, settings = named_overrides(overrides), make_config(config)
    if data is not None:
        _take_data(settings, data)
    override_all(settings, overrides)
    command = "reverie.train(...)"
    how = {"strategy": strategy, "replicas": replicas, "deterministic": deterministic}
    return run_training(settings, workdir, command, accept_changed_data=accept_changed_data, **how)


def run_training(
    config: ml_collections.ConfigDict,
    workdir: str | pathlib.Path,
    command: str,
    *,
    strategy: str = "auto",
    replicas: int = 0,
    deterministic: bool = False,
    accept_changed_data: bool = False,
) -> Run:
    """`train` of settings that are complete; `command` is what run.json says started it."""
    signals.stop_with_parent()
    local("workdir", workdir)
    settings = loop_settings(config)  # Numbers that mean nothing are refused before any work is done.
    optimizers.check(config.optimizer)
    schedules.settings_of(config.schedule)
    check_finite(config)
    if strategy == "ps":
        strategies.serve_if_told()
    chosen = strategies.make_strategy(strategy, replicas, settings.cluster_timeout)
    _check_service(config, settings, chosen, deterministic)
    if deterministic:
        set_deterministic()
    kind = kind_of(config)
    run_folder.inherit(workdir, config)
    read = kind.settle(config)
    # Of an asynchronous run this is the chief; workers and parameter servers do not come here.
    with cluster.lost_processes(chosen):
        agreement = Agreement(chosen)
    if not agreement.leads:
        return _follow(config, settings, chosen, agreement, pathlib.Path(workdir), read)
    with run_folder.held(workdir):
        folder, changed = run_folder.open_run(workdir, config, kind.fixed)
        with cluster.lost_processes(chosen), naming_damage(config.data.source):
            agreement.meet()  # The others read what is in the folder from here on.
            with computing_in(settings.precision):
                prepared = kind.prepare(config, chosen, folder, read)
        check_test_images(config)
        data = run_folder.check_data(folder, prepared.data, accept_changed_data)
        description = run_folder.describe(folder, command, deterministic, chosen, changed)
        run_folder.write_json(folder / "run.json", description)
        run_folder.write_json(folder / "data.json", data)
        if config.data.service and description["resumed"]:
            logging.warning("data.service is %s: the result will not be exactly that of an unbroken run",
                            config.data.service)  # fmt: skip
        context = loop.Context(prepared.model, settings, chosen, folder, prepared.state)
        with naming_damage(config.data.source), service.watched(config.data.service, settings.cluster_timeout):
            outcome = loop.train(context, prepared.phases, prepared.watch)
        run_folder.write_json(folder / "run.json", run_folder.finished(description, dataclasses.asdict(outcome)))
    return Run(folder, outcome=outcome)


def _follow(
    config: ml_collections.ConfigDict,
    settings: loop.LoopSettings,
    strategy: tf.distribute.Strategy,
    agreement: Agreement,
    workdir: pathlib.Path,
    read: dict,
) -> Run:
    """The part of a worker that does not lead: it takes every step, and writes nothing into the run."""
    kind = kind_of(config)
    own = tempfile.TemporaryDirectory(prefix="reverie-worker-")
    with own as folder, cluster.lost_processes(strategy), naming_damage(config.data.source):
        agreement.meet()
        with computing_in(settings.precision):
            prepared = kind.prepare(config, strategy, pathlib.Path(folder), read)
        context = loop.Context(prepared.model, settings, strategy, workdir, prepared.state)
        with service.watched(config.data.service, settings.cluster_timeout):
            outcome = loop.train(context, prepared.phases, prepared.watch)
    return Run(workdir, outcome=outcome)


def _check_service(
    config: ml_collections.ConfigDict,
    settings: loop.LoopSettings,
    strategy: tf.distribute.Strategy,
    deterministic: bool,
) -> None:
    """Refuses a tf.data service that is not there, or that cannot do what is asked.

    Raises:
      UserError: together with what asks for an order that repeats, or with asynchronous SGD.
      ClusterError: it does not answer within `train.cluster_timeout`.
    """
    address = config.data.service
    if not address:
        return
    if deterministic:
        raise UserError(
            f"data.service is {address}, but --deterministic asks for batches that repeat in their order, which those "
            "of a service do not; leave one of the two out"
        )
    if strategies.is_asynchronous(strategy):
        raise UserError(
            f"data.service is {address}, but the workers of asynchronous SGD read for themselves; leave it empty"
        )
    service.check(address, settings.cluster_timeout)


@contextlib.contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Inside the block layers are made to compute in a type; those made outside, and weights, stay as they are.

    Args:
      precision: of `training.phases.PRECISIONS`.

    Example:
      with computing_in("mixed_bfloat16"):
          model = models.build(config.model)
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def loop_settings(config: ml_collections.ConfigDict) -> loop.LoopSettings:
    """The `train` section's entries that steer the loop."""
    names = {field.name for field in dataclasses.fields(loop.LoopSettings)} - {"seed"}
    return loop.LoopSettings(seed=config.seed, **{name: config.train[name] for name in names})


def set_deterministic() -> None:
    """Makes TensorFlow's operations repeat bit for bit; call it before any of them is built."""
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()


def command_line() -> str:
    """The command that this process was started with."""
    return " ".join(sys.argv)


def _take_data(config: ml_collections.ConfigDict, data: Any) -> None:
    """Points the config at data that was handed over, and fits what follows from it."""
    if isinstance(data, str):
        config.data.source = data
        return
    config.data.source = pipelines.give(data)
    images = pipelines.read(config.data.source, "train")
    config.data.image_shape = tuple(images.shape)
    for name, value in models.family(config.model.family).sized(images).items():
        with config.unlocked():
            config.model[name] = ml_collections.ConfigDict(value) if isinstance(value, dict) else value
