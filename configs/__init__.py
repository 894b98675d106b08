"""One file an experiment; `get_config()` returns its settings, as what differs from `defaults`."""

import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent
_NO_EXPERIMENTS = ("__init__", "defaults", "recipes")


def names() -> list[str]:
    """Names of the experiments, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in _NO_EXPERIMENTS)
