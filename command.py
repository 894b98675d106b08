"""What a verb of the command line is, and the flags that verbs define."""

import dataclasses
from collections.abc import Callable

from absl import flags

from .errors import UserError


@dataclasses.dataclass(frozen=True)
class Command:
    """One verb: what it does, its flags (defined on `values`), and the action, which may return an exit code."""

    summary: str
    define: Callable
    run: Callable
    usage: str = ""


def string(name, default, text, values):
    flags.DEFINE_string(name, default, text, flag_values=values)


def integer(name, default, text, values):
    flags.DEFINE_integer(name, default, text, flag_values=values)


def boolean(name, default, text, values):
    flags.DEFINE_bool(name, default, text, flag_values=values)


def needed(values, *names) -> None:
    missing = [f"--{name}" for name in names if not values[name].value]
    if missing:
        raise UserError(f"{' and '.join(missing)} must be given")


def save_picture(path: str, picture) -> None:
    """Writes uint8 [height, width, 1 or 3] as a PNG file, or says in a line why it cannot be."""
    from .evaluation import pictures

    try:
        pictures.save_png(path, picture)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
