"""Configs by name or file, with overrides: what is trained, as data."""

import difflib
import importlib.util
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import ml_collections

from .. import configs
from ..errors import UserError


def config_path(name: str) -> tuple[pathlib.Path, str]:
    """Where a config lies, and its own argument.

    Args:
      name: "xcov_mnist" is a config of the package, anything with a slash or .py a file; what follows a colon is the
        config's own argument, as in "replay_split_mnist:gr".

    Returns:
      (path, argument or "").

    Raises:
      UserError: no such config or file.
    """
    name, _, argument = str(name).partition(":")
    if "/" in name or name.endswith(".py"):
        if not pathlib.Path(name).is_file():
            raise UserError(f"no such config file: {name}")
        return pathlib.Path(name), argument
    if name not in configs.names():
        raise UserError(f"no config '{name}'; the package has {', '.join(configs.names())}, or give a file")
    return configs.FOLDER / f"{name}.py", argument


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
        another type.

    Example:
      >>> import reverie
      >>> reverie.config("xcov_mnist", {"train.epochs": 5}).train.epochs
      5.0
    """
    if isinstance(name, ml_collections.ConfigDict):
        found = name.copy_and_resolve_references()
    else:
        path, argument = config_path(str(name))
        found = _made(path, argument)
    found.lock()
    for key, value in (overrides or {}).items():
        override(found, key, value)
    return found


def override(found: ml_collections.ConfigDict, key: str, value: Any) -> None:
    """Sets one entry by its dotted key.

    Raises:
      UserError: an unknown key (the nearest is named), a value of another type.
    """
    node: Any = found
    *sections, last = key.split(".")
    for section in sections:
        node = node.get(section) if isinstance(node, ml_collections.ConfigDict) else None
    if not isinstance(node, ml_collections.ConfigDict) or last not in node:
        close = difflib.get_close_matches(key, _flat(found), n=1)
        raise UserError(f"unknown config key '{key}'" + (f"; nearest: {close[0]}" if close else ""))
    if isinstance(value, Mapping) and isinstance(node[last], ml_collections.ConfigDict):
        with node.unlocked():
            node[last] = ml_collections.ConfigDict(dict(value))
        return
    if isinstance(value, list):
        value = tuple(value)
    if isinstance(node[last], float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    try:
        node[last] = value
    except (TypeError, ValueError) as error:
        raise UserError(f"config: {key} is {value!r}: {' '.join(str(error).split())}") from None


def _flat(section: ml_collections.ConfigDict, prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, value in section.items():
        keys.append(f"{prefix}{name}")
        if isinstance(value, ml_collections.ConfigDict):
            keys += _flat(value, f"{prefix}{name}.")
    return keys


def _made(path: pathlib.Path, argument: str) -> ml_collections.ConfigDict:
    spec = importlib.util.spec_from_file_location(f"reverie_config_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
        return module.get_config(argument) if argument else module.get_config()
    except UserError:
        raise
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from None
    except Exception as error:  # A config is a program, and may raise anything.
        raise UserError(f"{path}: cannot be made: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
