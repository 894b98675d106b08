"""Settings that a trained run can be given anew: those that no training reads, and that change what it imagines."""

from collections.abc import Mapping
from typing import Any

import ml_collections

from .. import models
from ..errors import UserError
from . import arguments
from .configs import override

_EXAMPLE = "expected a dict, as {'guidance': 5}"


def set_anew(config: ml_collections.ConfigDict, settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Puts other values into the config of a trained run.

    Args:
      config: of the run; changed.
      settings: name in the section `model` -> value, or None.

    Returns:
      Dotted key -> value of what was set, as the config has it now.

    Raises:
      UserError: a setting that training reads, or that is none; a value of another type.
    """
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise UserError(f"settings are {arguments.shown(settings)}; {_EXAMPLE}")
    family = models.family(config.model.family)
    for name, value in settings.items():
        if name not in family.settable:
            right = ", ".join(sorted(family.settable)) or "nothing"
            raise UserError(f"{name} cannot be set anew; of a trained {family.name} that can be: {right}")
        override(config, f"model.{name}", value)
    return {f"model.{name}": config.model[name] for name in settings}


def differing(
    numbers: Mapping[str, Any], trained: ml_collections.ConfigDict, config: ml_collections.ConfigDict
) -> list[str]:
    """Which settings numbers were measured with that are not those of a run.

    Args:
      numbers: of evaluation.json, which names what had been set anew.
      trained: the config of the run folder, complete: a setting that is younger than the run has its default.
      config: of the run, with what is set anew.

    Returns:
      "model.guidance 5 instead of 12", one entry a setting.
    """
    found = []
    for name in sorted(models.family(config.model.family).settable):
        measured = numbers.get(f"model.{name}", trained.model[name])
        if measured != config.model[name]:
            found.append(f"model.{name} {measured} instead of {config.model[name]}")
    return found
