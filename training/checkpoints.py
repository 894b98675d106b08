"""Checkpoints that hold everything needed to resume, and survive a full disk."""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from ..errors import NonFiniteError, StorageError, UserError, first_line, storage_cause
from ..paths import plain_name
from ..stored import flush, whole_file
from .schedules import LOWER

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
    StorageError,
    OSError,
)


# What TensorFlow goes on to say of a checkpoint whose weights do not fit, which is said in one line here.
_SAID_HERE = ("Detecting that an object or model or tf.train.Checkpoint", "Value in checkpoint could not be found")
_ATTEMPTS = 20  # To read a checkpoint that training replaces meanwhile.


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
        items = _reachable(self._checkpoint)
        _check_complete(items, tracked)
        values = [item.value if isinstance(item, keras.Variable) else item for item in items]
        self._floats = [value for value in values if isinstance(value, tf.Variable) and value.dtype.is_floating]

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
            raise UserError(f"{path}: does not fit this config ({misfit(error)}); use a new --workdir") from None
        return path

    @property
    def gone(self) -> bool:
        """Whether the run folder was removed."""
        return not self.folder.parent.is_dir()

    def save(self, step: int) -> str:
        """Writes a checkpoint named after the step and returns its path.

        Where the disk is full, the older checkpoints make room; the newest good one is never touched.

        Raises:
          NonFiniteError: a value is not finite; nothing was written.
          StorageError: it could not be written; the previous one is intact and still the latest. Or the run folder is
            gone: it is not made again behind the back of whoever removed it.
        """
        self.check_finite(step)
        if self.gone:
            raise StorageError(
                f"{self.folder.parent} is gone, removed while this run wrote to it; nothing of step {step} was saved"
            )
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

    def check_finite(self, step: int) -> None:
        """Refuses values that no training could go on from; an update can overflow where its gradient did not.

        Raises:
          NonFiniteError: names the variable.
        """
        bad = _not_finite(self._floats)
        if not bad:
            return
        good = latest(self.folder)
        remedy = (f"the last good checkpoint is {good}: " if good else "") + LOWER
        raise NonFiniteError(
            f"step {step}: {bad} holds values that are not finite; nothing was saved, {remedy} and start the same "
            "command again"
        )

    def _write(self, step: int) -> str:
        """Writes one and removes those that are too many.

        Not by TensorFlow's own manager: to it the path is a pattern, so a folder with brackets in its name would never
        find its own checkpoints again.
        """
        self.folder.mkdir(exist_ok=True)
        self._checkpoint.save_counter.assign_add(1)
        name = f"ckpt-{step}"
        path = self._checkpoint.write(plain_name(str(self.folder / name)))
        # On the disk before anything names it or an older one goes: data, index, the names of both, the state file.
        written = sorted(entry for entry in self.folder.iterdir() if entry.name.startswith(f"{name}."))
        for entry in (*written, self.folder):
            flush(entry)
        _KNOWN[_identity(str(self.folder / name))] = ""
        steps = _steps(self.folder)
        # The older ones go last: where anything fails before, they are what is left.
        self._write_state([f"ckpt-{number}" for number in steps[-self._keep :]])
        for older in steps[: -self._keep]:
            self._remove(f"ckpt-{older}")
        for entry in (self.folder / "damaged").glob(f"{name}.*"):  # What could not be read is there again.
            entry.unlink()
        return path

    def _write_state(self, kept: list[str]) -> None:
        """The file that TensorFlow's own functions look into; what they write it with warns of its age."""
        lines = [f'model_checkpoint_path: "{kept[-1]}"', *(f'all_model_checkpoint_paths: "{name}"' for name in kept)]
        with whole_file(self.folder / "checkpoint") as place:
            place.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _remove(self, name: str) -> None:
        """Removes a checkpoint's files, or what a failed write left of it."""
        for path in list(self.folder.iterdir()) if self.folder.is_dir() else []:
            if not path.name.startswith(f"{name}.") and path.name != f"{name}_temp":
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _reachable(checkpoint: tf.train.Checkpoint) -> list:
    """All that a checkpoint holds, and the variables that layers write in a form of their own."""
    items = list(tf.train.TrackableView(checkpoint).descendants())
    return [part for item in items for part in (item, *getattr(item, "written_by_layer", ()))]


def _not_finite(variables: list) -> str:
    """The first variable with a value that is not a finite number, or ""."""
    for variable in variables:
        if not bool(tf.reduce_all(tf.math.is_finite(variable))):
            return variable.name
    return ""


def _check_complete(items: list, tracked: dict) -> None:
    """Refuses a model whose weights a checkpoint would silently leave out.

    TensorFlow saves what it can reach through attributes; layers that a Keras 3 model keeps in a dict it
    cannot, and both saving and restoring such a model pass without a word.

    Raises:
      RuntimeError: names the weights (a defect of the model's code).
    """
    reached = {id(item) for item in items}
    for name, item in tracked.items():
        lost = [v.path for v in getattr(item, "weights", []) if id(v) not in reached and id(v.value) not in reached]
        if lost:
            raise RuntimeError(
                f"checkpoints would not hold these weights of '{name}': {lost}; make their layers attributes"
            )


def latest(folder) -> str | None:
    """Path of the newest whole checkpoint in a folder, or None where there has never been one.

    Whole is one whose files are all there and of which every value could be read, which is tried once; the checksums
    that TensorFlow keeps of each value tell. Newer ones that are not whole are named in a warning. One that the state
    file does not name was never finished: a process was killed while it wrote it.

    Raises:
      UserError: there are finished checkpoints, but none can be read.
    """
    folder, found = pathlib.Path(folder), _files(folder)
    wrong: dict[int, str] = {}
    for step in sorted(found, reverse=True):
        path = folder / f"ckpt-{step}"
        reason = _damage(str(path)) if _is_complete(found[step]) else "files are missing"
        if not reason:
            _warn(folder, wrong, step)
            return str(path)
        # What is written beside us, or removed because it is old, is neither.
        if _files(folder).get(step) == found[step]:
            wrong[step] = reason
    finished = [step for step in wrong if _is_complete(found[step]) and step in _finished(folder)]
    if finished:
        step = max(finished)
        raise UserError(
            f"{folder}: checkpoint ckpt-{step} is damaged ({wrong[step]}), and there is no older one; restore its "
            "files, or use a new --workdir"
        )
    return None


def _finished(folder: pathlib.Path) -> set[int]:
    """The steps that the state file names, which is written once a checkpoint is on the disk."""
    try:
        content = (folder / "checkpoint").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    return {int(step) for step in re.findall(r'checkpoint_paths?: ".*?ckpt-([0-9]+)"', content)}


def _warn(folder: pathlib.Path, wrong: dict[int, str], instead: int) -> None:
    """Says once a process which newer checkpoints are passed over."""
    for step, reason in wrong.items():
        path = str(folder / f"ckpt-{step}")
        if path not in _WARNED:
            _WARNED.add(path)
            logging.warning("%s cannot be used (%s); going by ckpt-%d instead", path, reason, instead)


def set_aside(folder) -> list[str]:
    """Moves the files of checkpoints newer than `latest`, which cannot be used, to the folder "damaged" below.

    For the process that trains there: it will write the same steps again, and nothing that was not read is lost.

    Returns:
      The names of those checkpoints.
    """
    folder, path = pathlib.Path(folder), latest(folder)
    used = int(path.rsplit("-", 1)[1]) if path else -1
    names = [f"ckpt-{step}" for step in sorted(_files(folder)) if step > used]
    for entry in list(folder.iterdir()) if folder.is_dir() else ():
        name = entry.name.partition(".")[0]
        if name in names:
            (folder / "damaged").mkdir(exist_ok=True)
            os.replace(entry, folder / "damaged" / entry.name)
        elif re.fullmatch(r"ckpt-[0-9]+_temp", entry.name):  # Of a write that a killed process did not end.
            shutil.rmtree(entry, ignore_errors=True)
    return names


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
    tf.get_logger().addFilter(_is_news)  # Of a filter that is there already nothing comes.
    try:
        yield plain_name(path)
    except (AssertionError, LookupError, RuntimeError, TypeError, ValueError, tf.errors.OpError):
        damage = _damage(path)
        if not damage:
            raise
        place = pathlib.Path(path)
        raise UserError(
            f"{place.parent}: checkpoint {place.name} is damaged ({damage}); restore its files, or use a new --workdir"
        ) from None


# What is known of the checkpoints that this process has read or written: the state of their files -> what is wrong.
_KNOWN: dict[tuple, str] = {}
_WARNED: set[str] = set()


def _damage(path: str) -> str:
    """What is wrong with a checkpoint's files, "" where every value can be read."""
    try:
        known = _identity(path)
    except OSError as error:
        return error.strerror or "gone"
    if known not in _KNOWN:
        _KNOWN[known] = _read_through(path)
    return _KNOWN[known]


def _read_through(path: str) -> str:
    try:
        reader = tf.train.load_checkpoint(plain_name(path))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (LookupError, RuntimeError, TypeError, ValueError, tf.errors.OpError) as error:
        return first_line(error)[:300]
    return ""


def _identity(path: str) -> tuple:
    """What changes when a checkpoint's files do."""
    place = pathlib.Path(path)
    stats = [(entry.name, entry.stat()) for entry in place.parent.iterdir() if entry.name.startswith(f"{place.name}.")]
    return path, *sorted((name, found.st_ino, found.st_size, found.st_mtime_ns) for name, found in stats)


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
        raise UserError(f"{path}: is no checkpoint of a run ({misfit(error)}); use a new --workdir") from None


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
    step = tf.Variable(0, dtype=tf.int64)
    average = [tf.Variable(tf.zeros_like(v.value)) for v in model.trainable_variables] if averaged else []
    tracked = {"average": average} if averaged else {}
    for path in _newest_while_training(folder):
        try:
            with reading(path) as name:
                status = tf.train.Checkpoint(model=model, step=step, **tracked).restore(name)
                status.expect_partial().assert_existing_objects_matched()
            break
        except (AssertionError, ValueError, UserError, tf.errors.OpError) as error:
            if not _is_complete(_files(folder).get(int(path.rsplit("-", 1)[1]), set())):
                continue  # The process that trains there has written a newer one and removed this.
            if isinstance(error, UserError):
                raise
            raise UserError(f"{path}: does not fit this config ({misfit(error)})") from None
    for variable, value in zip(model.trainable_variables, average, strict=False):
        variable.assign(value)
    return int(step)


def _newest_while_training(folder) -> Iterator[str]:
    """The newest checkpoint, again and again: one that is being read may go, because a newer one came.

    Raises:
      UserError: there is none, or they go faster than they can be read.
    """
    for _ in range(_ATTEMPTS):
        path = latest(folder)
        if path is None:
            raise UserError(f"{folder}: no checkpoint there; train first")
        yield path
    raise UserError(
        f"{folder}: each checkpoint was replaced before it was read; train with a larger train.keep_checkpoints"
    )


def weights_digest(model) -> str:
    """SHA-256 of all weights in order: equal digests are equal bits."""
    digest = hashlib.sha256()
    for variable in model.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()


def misfit(error: Exception) -> str:
    """Why a checkpoint was not restored; TensorFlow's own list of lost weights prints their values."""
    if isinstance(error, AssertionError):
        return "it holds other weights than the model has"
    said = first_line(error)
    sizes = re.search(r"tensor with shape (\(.*?\)) when .* with shape (\(.*?\)) and name (\S+?)\.?$", said)
    return f"{sizes[3]} is {sizes[2]} here and {sizes[1]} there" if sizes else said[:300]


def _is_news(record) -> bool:
    """Whether a line of TensorFlow's log says something that no error here does."""
    return not str(record.msg).startswith(_SAID_HERE)
