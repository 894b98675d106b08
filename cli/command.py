"""What a verb of the command line is, and the flags that verbs define."""

import ast
import dataclasses
import itertools
import re
from collections.abc import Callable
from typing import Any

from absl import flags

from ..errors import UserError
from ..stored import flatten

DEFAULT_CONFIG = "xcov_demo"


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


def folder(name: str, text: str, values: flags.FlagValues) -> None:
    """A flag for a run folder or exported files; with every verb that takes one, --run is another name of it."""
    string(name, "", text, values)
    string("run", "", f"Another name of --{name}.", values)


def anew(values: flags.FlagValues) -> None:
    """A flag for what is set anew on a trained run, see `set_anew`."""
    text = (
        "NAME=VALUE, a setting of the model that training does not read, for this call only, as guidance=5; a name "
        "that is none is answered by those that are. May be given several times."
    )
    flags.DEFINE_multi_string("set", [], text, flag_values=values)


def set_anew(values: Any) -> dict[str, Any]:
    """Name -> value of what `anew` was given; values are written as in Python.

    Raises:
      UserError: no NAME=VALUE, a value that is no number or word, one name twice.
    """
    found: dict[str, Any] = {}
    for text in values["set"].value:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise UserError(f"--set is '{text}'; expected NAME=VALUE, for example guidance=5")
        if name in found:
            raise UserError(f"--set gives {name} twice; expected one value")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            found[name] = value
    return found


def one_folder(values: flags.FlagValues) -> None:
    """Puts what --run says where `folder` was defined.

    Raises:
      UserError: both are given, and differ.
    """
    for name in ("workdir", "model"):
        if "run" in values and name in values and values["run"].value:
            if values[name].value not in ("", values["run"].value):
                raise UserError(
                    f"--run is {values['run'].value} and --{name} is {values[name].value}; expected one of them"
                )
            values[name].value = values["run"].value


def integer(
    name: str, default: int, text: str, values: flags.FlagValues, least: int | None = None, most: int | None = None
) -> None:
    flags.DEFINE_integer(name, default, text, lower_bound=least, upper_bound=most, flag_values=values)


def seed(text: str, values: flags.FlagValues, name: str = "seed") -> None:
    """A flag for what keys random numbers; TensorFlow's keys have 32 bits."""
    integer(name, 0, text, values, least=0, most=2**31 - 1)


def number(name: str, default: float, text: str, values: flags.FlagValues) -> None:
    flags.DEFINE_float(name, default, text, flag_values=values)


def boolean(name: str, default: bool, text: str, values: flags.FlagValues) -> None:
    flags.DEFINE_bool(name, default, text, flag_values=values)


def config(values: flags.FlagValues, argv: list[str]) -> None:
    """The flag --config, with an override for every entry of the config that `argv` names.

    `values.config` is the config, `values.config_name` what it was named by.

    Raises:
      UserError: no such config, one that cannot be made, or a key that it does not have; errors of flags are as they
        come.
    """
    text = f"A config of the package by name, or a file (default: {DEFAULT_CONFIG}); --config.a.b=value overrides."
    if any(argument in ("-h", "--help") for argument in argv):
        string("config", "", text, values)  # What is only described need not be made.
        return
    from ml_collections import config_flags

    from .. import experiments

    named, rest = without_config(argv)
    name = named[-1] if named else DEFAULT_CONFIG
    found = experiments.config(name)
    overrides = _overrides(rest)
    experiments.make_room(found, overrides)
    experiments.check_keys(found, overrides)
    rest = last_lists(rest, found)
    string("config_name", name, "What the config was named by.", values)
    config_flags.DEFINE_config_dict("config", found, text, flag_values=values, sys_argv=rest)


def configured(values: Any) -> Any:
    """The config of `values`, its flags parsed: with one length, see `experiments.keep_one_length`."""
    from ml_collections import config_flags

    from .. import experiments

    experiments.keep_one_length(values.config, config_flags.get_override_values(values["config"]))
    return values.config


def without_config(argv: list[str]) -> tuple[list[str], list[str]]:
    """(the values of --config, all other arguments); `--config=NAME` and `--config NAME` are the same."""
    named, rest, left = [], [], list(argv)
    while left:
        argument = left.pop(0)
        if argument == "--":
            return named, [*rest, argument, *left]
        if match := re.fullmatch(r"--?config(?:=(.*))?", argument, re.DOTALL):
            value = match.group(1)
            if value is None and not left:
                raise UserError("--config needs a name or a file")
            named.append(left.pop(0) if value is None else value)
        else:
            rest.append(argument)
    return named, rest


def last_lists(argv: list[str], found: Any) -> list[str]:
    """The arguments without overrides of a list that a later one replaces: of every setting the last one counts.

    Several overrides of one list would be joined to one list.

    Args:
      argv: without --config itself.
      found: the config.

    Example:
      >>> import reverie
      >>> last_lists(["--config.model.encoder=1,2", "--config.model.encoder=3"], reverie.config("xcov_demo"))
      ['--config.model.encoder=3']
    """
    lists = {key for key, value in flatten(found.to_dict()).items() if isinstance(value, tuple | list)}
    kept: list[tuple[str, list[str]]] = []
    left = list(argv)
    while left:
        argument = left.pop(0)
        if argument == "--":
            kept.append(("", [argument, *left]))
            break
        match = re.fullmatch(r"--?config\.([^=]+)(=.*)?", argument, re.DOTALL)
        key = match.group(1) if match and match.group(1) in lists else ""
        value = [left.pop(0)] if match and key and match.group(2) is None and left else []
        kept = [*(entry for entry in kept if not key or entry[0] != key), (key, [argument, *value])]
    return [argument for _, arguments in kept for argument in arguments]


def _overrides(argv: list[str]) -> dict[str, str]:
    """Key -> value, as text, of the arguments `--config.KEY=VALUE` and `--config.KEY VALUE`."""
    found = {}
    for argument, following in itertools.pairwise([*argv, ""]):
        if argument == "--":
            break
        if match := re.fullmatch(r"--?config\.([^=]*)(?:=(.*))?", argument, re.DOTALL):
            found[match.group(1)] = following if match.group(2) is None else match.group(2)
    return found


def data_flags(values: flags.FlagValues, *skipped: str) -> None:
    """A flag for every setting of the config section `data` but some, for verbs that read data without a config."""
    from ..pipelines import data_settings

    for name, option in data_settings().items():
        if name in ("source", "image_shape", "service", *skipped) or name in values:
            continue
        default = option.default
        if isinstance(default, bool):
            boolean(name, default, option.meaning, values)
        elif isinstance(default, int):
            integer(name, default, option.meaning, values)
        elif isinstance(default, float):
            number(name, default, option.meaning, values)
        else:
            string(name, str(default), option.meaning, values)


def data_settings_given(values: Any) -> dict[str, Any]:
    """The settings of `data_flags` that were written on the command line."""
    from ..pipelines import data_settings

    names = [name for name in data_settings() if name in values and name not in ("source", "image_shape", "service")]
    return {name: values[name].value for name in names if values[name].present}


def needed(values: Any, *names: str) -> None:
    """Refuses a call without the flags named.

    Raises:
      UserError: names those that are missing.
    """
    missing = [f"--{name}" for name in names if not values[name].value]
    if missing:
        raise UserError(f"{' and '.join(missing)} must be given")
