"""Checkpoints that hold everything needed to resume, and survive a full disk."""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from absl import logging

from ..errors import StorageError, UserError, first_line, storage_cause
from ..paths import without_patterns

# What a full disk, a quota or a lost mount look like from TensorFlow's file system layer.
_STORAGE_ERRORS = (
    tf.errors.ResourceExhaustedError,
    tf.errors.FailedPreconditionError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnknownError,
    tf.errors.DataLossError,
    tf.errors.InternalError,
    tf.errors.OutOfRangeError,  # EFBIG: over the limit on file size.
    tf.errors.NotFoundError,
    OSError,
)


class Checkpoints:
    """The checkpoints of one run folder.

    Arguments:
      folder: where they lie.
      keep: how many of the latest to keep.
      **tracked: trackable objects by name: model, optimizer, step, ...
    """

    def __init__(self, folder, keep: int, **tracked):
        self.folder, self._keep = pathlib.Path(folder), keep
        self._checkpoint = tf.train.Checkpoint(**tracked)
        _check_complete(self._checkpoint, tracked)

    def restore(self, partial: bool = False) -> str | None:
        """Restores the newest checkpoint, if there is one, and returns its path.

        Args:
          partial: the checkpoint may hold more than is tracked here.

        Raises:
          UserError: the checkpoint does not fit the model, or is damaged.
        """
        path = latest(self.folder)
        if path is None:
            return None
        # A variable that TensorFlow's own manager counts saves with: part of every checkpoint, so that either reads it.
        _ = self._checkpoint.save_counter
        try:
            with reading(path) as name:
                status = self._checkpoint.restore(name)
                if partial:
                    status.expect_partial().assert_existing_objects_matched()
                else:
                    status.assert_consumed()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            raise UserError(f"{path}: does not fit this config ({_misfit(error)}); use a new --workdir") from None
        return path

    def save(self, step: int) -> str:
        """Writes a checkpoint named after the step and returns its path.

        Where the disk is full, the older checkpoints make room; the newest good one is never touched.

        Raises:
          StorageError: it could not be written; the previous one is intact and still the latest.
        """
        try:
            return self._write(step)
        except _STORAGE_ERRORS:
            self._remove(f"ckpt-{step}")
        for older in _steps(self.folder)[:-1]:
            self._remove(f"ckpt-{older}")
        try:
            return self._write(step)
        except _STORAGE_ERRORS as error:
            self._remove(f"ckpt-{step}")
            raise StorageError(
                f"checkpoint of step {step} could not be written under {self.folder} ({storage_cause(error)}); "
                f"the last good one is {latest(self.folder)}"
            ) from None

    def _write(self, step: int) -> str:
        """Writes one and removes those that are too many.

        Not by TensorFlow's own manager: to it the path is a pattern, so a folder with brackets in its name would never
        find its own checkpoints again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._checkpoint.save_counter.assign_add(1)
        path = self._checkpoint.write(without_patterns(str(self.folder / f"ckpt-{step}")))
        steps = _steps(self.folder)
        # The older ones go last: where anything fails before, they are what is left.
        self._write_state([f"ckpt-{number}" for number in steps[-self._keep :]])
        for older in steps[: -self._keep]:
            self._remove(f"ckpt-{older}")
        return path

    def _write_state(self, kept: list[str]) -> None:
        """The file that TensorFlow's own functions look into; what they write it with warns of its age."""
        lines = [f'model_checkpoint_path: "{kept[-1]}"', *(f'all_model_checkpoint_paths: "{name}"' for name in kept)]
        temporary = self.folder / ".checkpoint.tmp"
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.replace(temporary, self.folder / "checkpoint")

    def _remove(self, name: str) -> None:
        """Removes a checkpoint's files, or what a failed write left of it."""
        for path in list(self.folder.iterdir()):
            if not path.name.startswith(f"{name}.") and path.name != f"{name}_temp":
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _check_complete(checkpoint: tf.train.Checkpoint, tracked: dict) -> None:
    """Refuses a model whose weights a checkpoint would silently leave out.

    TensorFlow saves what it can reach through attributes; layers that a Keras 3 model keeps in a dict it
    cannot, and both saving and restoring such a model pass without a word.

    Raises:
      RuntimeError: names the weights (a defect of the model's code).
    """
    items = list(tf.train.TrackableView(checkpoint).descendants())
    # A layer may write some of its variables in a form of its own, and then says which.
    reached = {id(part) for item in items for part in (item, *getattr(item, "written_by_layer", ()))}
    for name, item in tracked.items():
        lost = [v.path for v in getattr(item, "weights", []) if id(v) not in reached and id(v.value) not in reached]
        if lost:
            raise RuntimeError(
                f"checkpoints would not hold these weights of '{name}': {lost}; make their layers attributes"
            )


def latest(folder) -> str | None:
    """Path of the newest complete checkpoint in a folder, or None."""
    steps = _steps(folder)
    return str(pathlib.Path(folder) / f"ckpt-{steps[-1]}") if steps else None


def _files(folder) -> dict[int, set[str]]:
    """Step -> the endings of its checkpoint's files: "index", "data-00000-of-00001", ..."""
    found: dict[int, set[str]] = {}
    folder = pathlib.Path(folder)
    for entry in folder.iterdir() if folder.is_dir() else ():
        if match := re.fullmatch(r"ckpt-([0-9]+)\.(index|data-.*)", entry.name):
            found.setdefault(int(match[1]), set()).add(match[2])
    return found


def _is_complete(endings: set[str]) -> bool:
    """Whether all files of a checkpoint are there; the names of its data say how many of those there are."""
    shards = [match for ending in endings if (match := re.fullmatch(r"data-(\d+)-of-(\d+)", ending))]
    return "index" in endings and bool(shards) and len(shards) == int(shards[0][2])


def _steps(folder) -> list[int]:
    """The steps of complete checkpoints, oldest first: TensorFlow renames the index into place when all else is."""
    return sorted(step for step, endings in _files(folder).items() if _is_complete(endings))


def warn_of_incomplete(folder) -> None:
    """Says so where newer checkpoints than the one that will be used have lost files."""
    found, steps = _files(folder), _steps(folder)
    lost = sorted(step for step in found if steps and step > steps[-1])
    if lost:
        shown = ", ".join(f"ckpt-{step}" for step in lost)
        logging.warning("%s: files of %s are missing; going by ckpt-%d instead", folder, shown, steps[-1])


@contextlib.contextmanager
def reading(path: str) -> Iterator[str]:
    """Around whatever reads a checkpoint: tells one that is damaged from one that does not fit.

    Args:
      path: of the checkpoint, as from `latest`.

    Yields:
      The path as TensorFlow is to be given it.

    Raises:
      UserError: the files are damaged; they are left as they are.

    Example:
      with reading(path) as name:
          step = tf.train.load_variable(name, "step/.ATTRIBUTES/VARIABLE_VALUE")
    """
    try:
        yield without_patterns(path)
    except (AssertionError, LookupError, RuntimeError, TypeError, ValueError, tf.errors.OpError):
        damage = _damage(path)
        if damage is None:
            raise
        place = pathlib.Path(path)
        older = [step for step in _steps(place.parent) if f"ckpt-{step}" != place.name]
        remedy = (
            f"remove its files to go on from ckpt-{older[-1]}" if older else "restore its files, or use a new --workdir"
        )
        raise UserError(f"{place.parent}: checkpoint {place.name} is damaged ({damage}); {remedy}") from None


def _damage(path: str) -> str | None:
    """What is wrong with a checkpoint's files, None where every value can be read."""
    try:
        reader = tf.train.load_checkpoint(without_patterns(path))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (LookupError, RuntimeError, TypeError, ValueError, tf.errors.OpError) as error:
        return first_line(error)[:300]
    return None


def saved_step(folder) -> int:
    """The step of the newest complete checkpoint in a folder, 0 without one.

    Raises:
      UserError: that checkpoint is damaged, or was not written by a run.
    """
    path = latest(folder)
    if path is None:
        return 0
    try:
        with reading(path) as name:
            return int(tf.train.load_variable(name, "step/.ATTRIBUTES/VARIABLE_VALUE"))
    except (LookupError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"{path}: is no checkpoint of a run ({_misfit(error)}); use a new --workdir") from None


def restore_weights(model, folder, averaged: bool) -> int:
    """Puts the newest checkpoint's weights into a freshly built model.

    Args:
      model: as built from the run's config.
      folder: the checkpoints' folder.
      averaged: True takes the moving average of the weights, where the run kept one.

    Returns:
      The step of the checkpoint.

    Raises:
      UserError: no checkpoint, or one that is damaged or does not fit.
    """
    path = latest(folder)
    if path is None:
        raise UserError(f"{folder}: no checkpoint there; train first")
    warn_of_incomplete(folder)
    step = tf.Variable(0, dtype=tf.int64)
    average = [tf.Variable(tf.zeros_like(v.value)) for v in model.trainable_variables] if averaged else []
    tracked = {"average": average} if averaged else {}
    try:
        with reading(path) as name:
            status = tf.train.Checkpoint(model=model, step=step, **tracked).restore(name)
            status.expect_partial().assert_existing_objects_matched()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"{path}: does not fit this config ({_misfit(error)})") from None
    for variable, value in zip(model.trainable_variables, average, strict=False):
        variable.assign(value)
    return int(step)


def weights_digest(model) -> str:
    """SHA-256 of all weights in order: equal digests are equal bits."""
    digest = hashlib.sha256()
    for variable in model.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()


def _misfit(error: Exception) -> str:
    """Why a checkpoint was not restored; TensorFlow's own list of lost weights prints their values."""
    lost = isinstance(error, AssertionError)
    return "it holds other weights than the model has" if lost else first_line(error)[:300]
