"""What a verb of the command line is, and the flags that verbs define."""

import dataclasses
from collections.abc import Callable
from typing import Any

from absl import flags

from ..errors import UserError


@dataclasses.dataclass(frozen=True)
class Command:
    """One verb.

    Attributes:
      summary: what it does, in a line.
      define: (flag values, argv) -> None: defines its flags.
      run: (flag values, positional arguments) -> exit code or None.
      usage: what follows the verb in its usage line.
    """

    summary: str
    define: Callable[[flags.FlagValues, list[str]], None]
    run: Callable[[Any, list[str]], int | None]
    usage: str = "[flags]"


def string(name: str, default: str, text: str, values: flags.FlagValues) -> None:
    flags.DEFINE_string(name, default, text, flag_values=values)


def integer(name: str, default: int, text: str, values: flags.FlagValues) -> None:
    flags.DEFINE_integer(name, default, text, flag_values=values)


def number(name: str, default: float, text: str, values: flags.FlagValues) -> None:
    flags.DEFINE_float(name, default, text, flag_values=values)


def boolean(name: str, default: bool, text: str, values: flags.FlagValues) -> None:
    flags.DEFINE_bool(name, default, text, flag_values=values)


def config(values: flags.FlagValues, argv: list[str]) -> None:
    """The flag --config, with an override for every entry of the config that `argv` names."""
    text = "A config of the package by name, or a file (default: xcov_demo); --config.a.b=value overrides."
    if any(argument in ("-h", "--help") for argument in argv):
        string("config", "", text, values)  # What is only described need not be made.
        return
    from ml_collections import config_flags

    config_flags.DEFINE_config_file("config", None, text, flag_values=values, sys_argv=argv)


def data_flags(values: flags.FlagValues, *skipped: str) -> None:
    """A flag for every setting of the config section `data` but some, for verbs that read data without a config."""
    from ..pipelines import data_settings

    for name, option in data_settings().items():
        if name in ("source", "image_shape", *skipped):
            continue
        for kind, define in ((bool, boolean), (int, integer), (float, number), (str, string)):
            if isinstance(option.default, kind):
                define(name, option.default, option.meaning, values)
                break


def data_settings_given(values: Any) -> dict[str, Any]:
    """The settings of `data_flags` that were written on the command line."""
    from ..pipelines import data_settings

    names = [name for name in data_settings() if name in values and name not in ("source", "image_shape")]
    return {name: values[name].value for name in names if values[name].present}


def needed(values: Any, *names: str) -> None:
    """Refuses a call without the flags named.

    Raises:
      UserError: names those that are missing.
    """
    missing = [f"--{name}" for name in names if not values[name].value]
    if missing:
        raise UserError(f"{' and '.join(missing)} must be given")
