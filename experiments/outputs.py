"""Files that a verb writes: what cannot be written is said before the work is done, and not after it."""

import pathlib

from ..errors import UserError
from ..paths import local


def output_file(path: str | pathlib.Path, suffix: str = "") -> pathlib.Path:
    """Where a file will be written, its folder made.

    Args:
      path: as somebody gave it.
      suffix: that is added where the path has none; "" leaves the path as it is.

    Returns:
      The path; what lies there is left as it is.

    Raises:
      UserError: a folder, another suffix, or a file that cannot be written.

    Example:
      out = output_file("new/codes", ".npz")
    """
    if not str(path):
        raise UserError("out is empty; expected a file to write to")
    local("out", path)
    place = pathlib.Path(path)
    if place.is_dir():
        raise UserError(f"{path} is a folder; expected a file to write to")
    if suffix and place.suffix.lower() != suffix:
        if place.suffix:
            raise UserError(
                f"{path} ends in {place.suffix}; what is written is a {suffix} file, so expected that ending"
            )
        place = place.with_name(place.name + suffix)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        there = place.exists()
        with open(place, "ab"):
            pass
        if not there:
            place.unlink()
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{place} cannot be written: a part of its path is a file, not a folder") from None
    except OSError as error:
        raise UserError(f"{place} cannot be written: {error.strerror}") from None
    return place
