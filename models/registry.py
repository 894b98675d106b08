"""The families by name, and the one function that builds a model from a config."""

import difflib
import inspect
import re
from collections.abc import Mapping
from typing import Any, cast

import keras

from ..errors import UserError
from ..stored import flatten
from . import settings as settings_module
from .contract import Family

_FAMILIES: dict[str, Family] = {}


def register_family(family: Family) -> Family:
    """Makes a family known to every verb; registered again under the same name, the later one counts.

    Raises:
      UserError: no `Family`, or a name that no folder of exports could have.

    Example:
      >>> from reverie import models
      >>> "xcov" in models.families()
      True
    """
    if not isinstance(family, Family):
        raise UserError(
            f"register_family got {family!r:.80}; expected a Family, as Family(name=..., settings=..., build=...)"
        )
    if not isinstance(family.name, str) or not re.fullmatch("[A-Za-z0-9_-][A-Za-z0-9._-]*", family.name):
        raise UserError(f"Family.name is {family.name!r:.80}; expected letters, digits, '.', '_' and '-'")
    _FAMILIES[family.name] = family
    return family


def families() -> tuple[str, ...]:
    """Names of all registered families, sorted."""
    return tuple(sorted(_FAMILIES))


def family(name: str | None) -> Family:
    """A family by its name.

    Raises:
      UserError: no such family; the nearest is named.
    """
    if name not in _FAMILIES:
        close = difflib.get_close_matches(str(name), _FAMILIES, n=1)
        nearest = f"; nearest: {close[0]}" if close else ""
        raise UserError(
            f"model.family is '{name}'; expected one of {', '.join(families())} (or one that a file given with "
            f"--plugins registers){nearest}"
        )
    return _FAMILIES[name]


def build(content: Mapping[str, Any], seed: int = 0) -> keras.Model:
    """Builds a model with its weights initialized from `seed`.

    Args:
      content: the `model` section of a config, {"family": "xcov", ...}; what is left out has its default.
      seed: of the initial weights.

    Raises:
      UserError: unknown family, unknown or unusable setting.

    Example:
      >>> from reverie import models
      >>> models.build({"family": "xcov", "latents": 3}).config.latents
      3
    """
    if callable(convert := getattr(content, "to_dict", None)):
        content = cast(Mapping, convert())  # The section as `reverie.config` gives it.
    if not isinstance(content, Mapping):
        raise UserError(f'model settings are {content!r}; expected a dict, as {{"family": "xcov", "latents": 3}}')
    content = dict(content)
    chosen = family(content.pop("family", None))
    if not 0 <= seed < 2**31:
        raise UserError(f"seed is {seed}; expected 0 to {2**31 - 1}")
    keras.utils.set_random_seed(seed)
    try:
        if heads := chosen.heads({**settings_module.section(chosen.settings), **content}):
            content["heads"] = heads
        return chosen.build(settings_module.read(chosen.settings, content))
    except (ValueError, TypeError) as error:
        reason = inspect.cleandoc(str(error)).splitlines()[0]
        raise UserError(f"model settings of family '{chosen.name}': {_named(chosen, content, reason)}") from error


def _named(chosen: Family, content: Mapping[str, Any], reason: str) -> str:
    """The reason why a model cannot be built, with the setting that it is about.

    Layers name their own arguments, which need not be called as the setting is. The setting is the one without which
    the model can be built.
    """
    usual, given = flatten(settings_module.section(chosen.settings)), flatten(content)
    if any(re.search(rf"\b{re.escape(name.rpartition('.')[2])}(=| is | are )", reason) for name in given):
        said = [name for name in given if re.match(rf"{re.escape(name.rpartition('.')[2])}(=| is | are )", reason)]
        section, dot, _ = said[0].rpartition(".") if len(said) == 1 else ("", "", "")
        return f"model.{section}{dot}{reason}" if len(said) == 1 else reason
    for name in [name for name, value in given.items() if name in usual and value != usual[name]]:
        entries = dict(content)
        around: Any = entries
        *sections, last = name.split(".")
        for section in sections:
            around[section] = around = dict(around[section])
        around[last] = usual[name]
        try:
            chosen.build(settings_module.read(chosen.settings, entries))
        except (ValueError, TypeError):
            continue
        return f"model.{name} is {given[name]!r}; expected a value like {usual[name]!r} ({reason})"
    return reason


def complete(content: Mapping[str, Any]) -> dict[str, Any]:
    """A `model` section as written at any time, with today's names and every default; of unknown families as it is."""
    content = dict(content)
    name = content.get("family")
    if name not in _FAMILIES:
        return content
    entries = {k: v for k, v in content.items() if k != "family"}
    found = settings_module.complete(_FAMILIES[name].settings, entries, written=True)
    return {"family": name, **found}
