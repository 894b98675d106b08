"""Configs by name or file, with overrides: what is trained, as data."""

import dataclasses
import difflib
import importlib.machinery
import importlib.util
import inspect
import math
import os
import pathlib
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import ml_collections
from ml_collections import config_dict

from .. import configs
from ..configs import defaults
from ..errors import UserError, first_line
from ..stored import flatten
from ..training import optimizers, schedules
from ..training.phases import LoopSettings, TrainSettings
from . import arguments

# What the rest of the package asks of every config; all else has a default where it is read.
_NEEDED = (
    "seed", "data.source", "data.image_shape", "optimizer.name", "schedule.rate", "model.family",
    *(f"train.{field.name}" for field in dataclasses.fields(TrainSettings)),
)  # fmt: skip

_GREATEST = 3.4028235e38  # Of numbers of 32 bits.


def config_path(name: str) -> tuple[pathlib.Path, str]:
    """Where a config lies, and its own argument.

    Args:
      name: "xcov_mnist" is a config of the package, anything with a slash or .py a file; what follows a colon is the
        config's own argument, as in "replay_split_mnist:gr". A file whose name has a colon is found all the same.

    Returns:
      (path, argument or "").

    Raises:
      UserError: no such config or file.
    """
    text = str(name)
    colons = [place for place, character in enumerate(text) if character == ":"]
    for end in (len(text), *reversed(colons)):
        path = text[:end]
        if ("/" in path or path.endswith(".py")) and os.path.isfile(path):
            return pathlib.Path(path), text[end + 1 :]
    plain, _, argument = text.partition(":")
    if plain in configs.names():
        return configs.FOLDER / f"{plain}.py", argument
    ours = f"one of {', '.join(configs.names())}"
    if os.path.isdir(text):
        raise UserError(f"config {text} is a folder; expected a Python file with a function get_config, or {ours}")
    if "/" in plain or plain.endswith(".py"):
        raise UserError(f"no such config file: {plain}")
    raise UserError(
        f"no config '{plain}'; expected {ours}, or a Python file with a function get_config, as ./{plain}.py"
    )


def config(
    name: str | pathlib.Path | ml_collections.ConfigDict = "xcov_demo", overrides: Mapping[str, Any] | None = None
) -> ml_collections.ConfigDict:
    """The settings of an experiment.

    Args:
      name: as in `config_path`, or settings to start from (a copy is made).
      overrides: "train.epochs" -> value, and so on.

    Returns:
      Locked: an unknown key is an error.

    Raises:
      UserError: no such config, one that refuses its argument, an unknown key (the nearest is named), a value of
        another type, or one of `train` or `seed` that means nothing, as -1 steps.

    Example:
      >>> import reverie
      >>> reverie.config("xcov_mnist", {"train.epochs": 5}).train.epochs
      5.0
    """
    if isinstance(name, ml_collections.ConfigDict):
        found = name.copy_and_resolve_references()
        _check(found, "the config")
    else:
        arguments.path("config", name, "a name as 'xcov_mnist', a file, or settings")
        path, argument = config_path(str(name))
        found = _made(path, argument)
    found.lock()
    override_all(found, named_overrides(overrides))
    return found


def named_overrides(overrides: Any) -> dict[str, Any]:
    """Overrides as given in Python: a dict of dotted keys, or None for none of them.

    Raises:
      UserError: anything else.
    """
    example = 'a dict, as {"train.steps": 3}'
    if overrides is None:
        return {}
    if not isinstance(overrides, Mapping):
        raise UserError(f"overrides are {arguments.shown(overrides)}; expected {example}")
    if wrong := [key for key in overrides if not isinstance(key, str)]:
        raise UserError(f"overrides have the key {arguments.shown(wrong[0])}; expected {example}")
    return dict(overrides)


def override_all(found: ml_collections.ConfigDict, overrides: Mapping[str, Any]) -> None:
    """Sets entries by their dotted keys, choices first, and leaves the run with one length; see `make_room`.

    Raises:
      UserError: as `override`; both `train.steps` and `train.epochs`.
    """
    make_room(found, overrides)
    for key, value in overrides.items():
        override(found, key, value)
    if overrides:
        _check(found, "the overridden config")  # A whole section may have been taken away.
        _check_loop(found)
    keep_one_length(found, overrides)


def make_room(found: ml_collections.ConfigDict, overrides: Mapping[str, Any]) -> None:
    """Gives sections the entries that overrides choose: an optimizer or a family has settings of its own.

    Another optimizer or family takes the place of the config's. Settings that it does not know fall away, and a line
    says so. A setting of the optimizer that the config leaves at its default gets an entry, to be overridden.

    Args:
      found: the config.
      overrides: dotted key -> value, which may be text from a command line; those that choose nothing are left alone.

    Raises:
      UserError: no such optimizer or family.
    """
    for key, choose in (("model.family", _choose_family), ("optimizer.name", _choose_optimizer)):
        section, _, name = key.partition(".")
        wanted = overrides.get(key)
        if wanted is not None and wanted != found[section][name]:
            choose(found, str(wanted))
    named = [key.removeprefix("optimizer.") for key in overrides if key.startswith("optimizer.")]
    lacking = [name for name in named if name not in found.optimizer]
    if not lacking:
        return
    known = optimizers.known_settings(found.optimizer.name)
    with found.unlocked():
        for name in lacking:
            if name in known:
                default = known[name]
                found.optimizer[name] = config_dict.placeholder(object) if default is None else default


def keep_one_length(found: ml_collections.ConfigDict, given: Iterable[str]) -> None:
    """Of `train.steps` and `train.epochs` the one that was given counts, and the config's own other one does not.

    Args:
      found: the config, overridden.
      given: keys of the overrides.

    Raises:
      UserError: both were given.
    """
    train, named = found.train, {"train.steps", "train.epochs"}.intersection(given)
    if len(named) == 2 and train.steps > 0 and train.epochs > 0:
        raise UserError(
            f"train.steps is {train.steps} and train.epochs is {train.epochs:g}; give one of them, the other follows"
        )
    if named == {"train.steps"} and train.steps > 0:
        train.epochs = 0.0
    elif named == {"train.epochs"} and train.epochs > 0:
        train.steps = 0


def _choose_optimizer(found: ml_collections.ConfigDict, name: str) -> None:
    known, before = optimizers.known_settings(name), found.optimizer.to_dict()
    old = before.pop("name")
    kept = {setting: value for setting, value in before.items() if setting in known}
    gone = [setting for setting in before if setting not in known]
    with found.unlocked():
        found.optimizer = ml_collections.ConfigDict({"name": name, **kept})
    stays = ", ".join(f"{key}={value}" for key, value in {**kept, "schedule.rate": found.schedule.rate}.items())
    falls = f"{', '.join(gone)} of {old} {'falls' if len(gone) == 1 else 'fall'} away; " if gone else ""
    print(f"optimizer.name={name} instead of {old}: {falls}{stays} as for {old}", file=sys.stderr)


def _choose_family(found: ml_collections.ConfigDict, name: str) -> None:
    section, before = defaults.model_section(name), found.model.to_dict()
    # What the data says holds for every family.
    kept = {key: before[key] for key in ("image_shape", "heads") if key in section and key in before}
    with found.unlocked():
        section.update(kept)
        found.model = section
    stays = f", but for {', '.join(kept)}" if kept else ""
    print(
        f"model.family={name} instead of {before['family']}: the section model has the defaults of {name}{stays}",
        file=sys.stderr,
    )


def override(found: ml_collections.ConfigDict, key: str, value: Any) -> None:
    """Sets one entry by its dotted key.

    Raises:
      UserError: an unknown key (the nearest is named), a value of another type.
    """
    node, last = _section_of(found, key)
    if isinstance(value, Mapping) and isinstance(node[last], ml_collections.ConfigDict):
        with node.unlocked():
            node[last] = ml_collections.ConfigDict(dict(value))
        return
    typed = node.get_type(last)
    if (value is None and node[last] is not None and typed is not object) or (
        isinstance(value, bool) and typed in (int, float)
    ):
        raise UserError(f"config: {key} is {value}; expected a value like {arguments.shown(node[last])}")
    if isinstance(value, list):
        value = tuple(value)
    if isinstance(node[last], tuple) and isinstance(value, int | float) and not isinstance(value, bool):
        value = (value,)  # As on the command line.
    try:
        if isinstance(node[last], float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        node[last] = value
    except (TypeError, ValueError, OverflowError):
        raise UserError(
            f"config: {key} is {arguments.shown(value)}; expected a value like {arguments.shown(node[last])}"
        ) from None


def check_keys(found: ml_collections.ConfigDict, keys: Iterable[str]) -> None:
    """Refuses keys that the config does not have.

    Args:
      found: the config, with room for what was chosen; see `make_room`.
      keys: dotted.

    Raises:
      UserError: the first unknown key, the nearest is named; a single entry of a list.
    """
    for key in keys:
        if entry := re.fullmatch(r"(.+?)(\[.*\])+", key):
            section, name = _section_of(found, entry.group(1))
            raise UserError(
                f"config key '{key}' is an entry of {entry.group(1)}, whose entries are set together; expected all of "
                f'them, as --config.{entry.group(1)}="{arguments.shown(section[name])}"'
            )
        _section_of(found, key)


def check_finite(found: ml_collections.ConfigDict) -> None:
    """Refuses numbers that are none, or of more than 32 bits; comparisons let these pass, and training fails late.

    A limit of `data` may be infinite, for no limit, and lengths of `train` are numbers of Python, checked elsewhere.

    Raises:
      UserError: the first such setting.
    """
    for key, value in flatten(found.to_dict()).items():
        numbers = [number for number in (value if isinstance(value, tuple) else (value,)) if isinstance(number, float)]
        open_ended = key.startswith(("data.", "train."))
        if any(math.isnan(number) or (abs(number) > _GREATEST and not open_ended) for number in numbers):
            right = "a number" if open_ended else "a finite number of 32 bits"
            raise UserError(f"{key} is {arguments.shown(value)}; expected {right}")


def _section_of(found: ml_collections.ConfigDict, key: str) -> tuple[ml_collections.ConfigDict, str]:
    """The section that an entry stands in, and the entry's own name.

    Raises:
      UserError: an unknown key.
    """
    node: Any = found
    *sections, last = key.split(".")
    for section in sections:
        node = node.get(section) if isinstance(node, ml_collections.ConfigDict) else None
    if isinstance(node, ml_collections.ConfigDict) and last in node:
        return node, last
    known = [*found, *flatten(found.to_dict())]
    if sections == ["optimizer"]:  # What the config leaves at its default has no entry.
        known += [f"optimizer.{name}" for name in optimizers.known_settings(found.optimizer.name)]
    own = [name for name in known if sections and name.startswith(f"{sections[0]}.")]
    # The same name in another section, one like it in its own, or anything like it.
    close = [name for name in known if last and name.endswith(f".{last}")]
    close = close or difflib.get_close_matches(key, own or known, n=1, cutoff=0.8 if own else 0.6)
    right = f"nearest: {close[0]}" if close else f"expected one of {', '.join(dict.fromkeys(own or found))}"
    raise UserError(f"unknown config key '{key}'; {right}")


def _made(path: pathlib.Path, argument: str) -> ml_collections.ConfigDict:
    """What a config file's `get_config` returns, checked.

    Raises:
      UserError: it cannot be made, whatever the file does instead, or is no config.
    """
    name, folder = f"reverie_config_{path.stem}", str(path.resolve().parent)
    spec = importlib.util.spec_from_loader(name, importlib.machinery.SourceFileLoader(name, str(path)))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Dataclasses look up the module that they stand in.
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
        if not callable(getattr(module, "get_config", None)):
            raise UserError(f"{path}: has no function get_config; it must return what `reverie.config` does")
        if argument and not inspect.signature(module.get_config).parameters:
            raise UserError(
                f"config {path.stem}:{argument}: {path.stem} has no variants; write it without ':{argument}'"
            )
        found = module.get_config(argument) if argument else module.get_config()
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # A config is a program, and may do anything.
        reason = " ".join(str(error).split())
        if isinstance(error, ValueError) and reason and path.parent == configs.FOLDER:
            raise UserError(reason) from None  # What our own configs say of their argument.
        said = reason if isinstance(error, SystemExit) else first_line(error)
        raise UserError(f"{path}: cannot be made: {type(error).__name__}: {said}") from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
    _check(found, str(path))
    return found


def _check_loop(found: ml_collections.ConfigDict) -> None:
    """Refuses numbers of the loop that mean nothing as soon as they are given."""
    numbers = {field.name: found.train[field.name] for field in dataclasses.fields(TrainSettings)}
    try:
        LoopSettings(seed=found.seed, **numbers)
        schedules.settings_of(found.schedule)
    except TypeError as error:
        what = "seed or a setting of train or schedule"
        raise UserError(f"config: {what} is no number: {first_line(error)}") from None
    optimizers.check(found.optimizer)


def _check(found: Any, where: str) -> None:
    """Refuses what is no config, or lacks what every run asks for."""
    advice = "start from reverie.configs.defaults.get_config(FAMILY)"
    if not isinstance(found, ml_collections.ConfigDict):
        raise UserError(f"{where}: get_config returned {type(found).__name__}, not a ConfigDict; {advice}")
    entries = flatten(found.to_dict())
    lacking = [key for key in _NEEDED if key not in entries]
    if lacking:
        shown = ", ".join(lacking[:3]) + (f" and {len(lacking) - 3} more" if len(lacking) > 3 else "")
        raise UserError(f"{where}: lacks {shown}; {advice}")
