"""Runs that are there, compared on one page."""

import pathlib
from collections.abc import Sequence

from ..evaluation import runs_compared
from . import arguments
from .outputs import output_file


def compare_runs(workdirs: Sequence[str | pathlib.Path], out: str | pathlib.Path = "compare.html") -> pathlib.Path:
    """Writes one page of several runs: settings that differ, headline numbers, curves and pictures beside each other.

    Runs of different families are compared by what all of them have. (`compare` trains methods and compares those.)

    Args:
      workdirs: run folders, two or more.
      out: the HTML file to write.

    Returns:
      Its path.

    Raises:
      UserError: fewer than two folders, one of them twice, no run in one, a damaged file, or no file to write to.

    Example:
      reverie.compare_runs(["runs/a", "runs/b"], "compare.html")
    """
    given = arguments.listed("workdirs", workdirs, "['runs/a', 'runs/b']")
    folders = [arguments.path("one of the workdirs", folder) for folder in given]
    place = output_file(out, ".html")
    runs_compared.write(folders, place)
    return place
