"""Pictures that a verb writes: rows of imagined images, and a sheet under its words."""

import pathlib

import numpy as np

from ..errors import UserError
from ..evaluation import pictures
from .outputs import output_file


def save_rows(path: str | pathlib.Path, rows: np.ndarray) -> None:
    """Writes images float [rows, columns, height, width, channels] in [0, 1] as one PNG file.

    Raises:
      UserError: it cannot be written.
    """
    _save(path, pictures.grid(rows))


def save_sheet(path: str | pathlib.Path, images: np.ndarray, title: str) -> None:
    """Writes images float [n, height, width, channels] in [0, 1] under a line of words as one PNG file.

    Raises:
      UserError: it cannot be written.
    """
    _save(path, pictures.titled_sheet(images, title, 96))


def _save(path: str | pathlib.Path, picture: np.ndarray) -> None:
    try:
        pictures.save_png(output_file(path, ".png"), picture)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
