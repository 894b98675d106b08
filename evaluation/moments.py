"""What imagined at moments of a run that have passed: the weights of it, a file each in the run folder.

Files appear whole or not at all; which of them count says the run's history.
"""

import pathlib
import zipfile
from collections.abc import Mapping

import numpy as np

from ..errors import StorageError, UserError, first_line
from ..models.contract import Moment
from ..stored import whole_file

# Numbers of a moment beyond which it is not kept: a page has no room for them, and a long stream many moments.
MOST = 3_000_000


def file_of(workdir: pathlib.Path, tasks: int) -> pathlib.Path:
    """Where the moment after so many tasks is kept."""
    return pathlib.Path(workdir) / "moments" / f"after_task_{tasks:03d}.npz"


def keep(path: pathlib.Path, moment: Moment | None) -> bool:
    """Writes what imagines now, and returns whether there is any and it is small enough to be kept.

    Args:
      path: of the file, from `file_of`; its folder is made.
      moment: of the model.

    Raises:
      StorageError: it could not be written.
    """
    if moment is None:
        return False
    values = values_of(moment)
    if sum(value.size for value in values.values()) > MOST:
        return False
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path.parent} could not be made: {error.strerror or error}") from None
    with whole_file(path) as place, place.open("wb") as stream:
        np.savez(stream, **values)  # pyright: ignore[reportArgumentType]
    return True


def values_of(moment: Moment) -> dict[str, np.ndarray]:
    """Name -> the values that its variables have now."""
    return {name: np.asarray(variable.numpy()) for name, variable in moment.variables.items()}


def read(path: pathlib.Path, moment: Moment) -> dict[str, np.ndarray]:
    """Name -> values as they were kept.

    Args:
      path: of the file.
      moment: of the model that they are for, which says their names and shapes.

    Raises:
      UserError: the file is damaged, or of another model.
    """
    remedy = "restore the file, or delete it: without it the picture drawn then is shown"
    try:
        with np.load(path) as stored:
            values = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise UserError(f"{path} cannot be read ({first_line(error)[:200]}); {remedy}") from None
    expected = {name: tuple(variable.shape) for name, variable in moment.variables.items()}
    if {name: value.shape for name, value in values.items()} != expected:
        raise UserError(f"{path} holds other weights than the model has; {remedy}")
    return values


def put(values: Mapping[str, np.ndarray], moment: Moment) -> None:
    """Gives a model's variables the values of a moment.

    Args:
      values: from `read`.
      moment: of the model, which imagines as it did then afterwards.
    """
    for name, variable in moment.variables.items():
        variable.assign(values[name])
