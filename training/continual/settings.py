"""The `continual` section of a config: which methods, with which settings, and what cannot be combined."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ...errors import UserError
from .method import REHEARSING, Method
from .options import ContinualSettings, Options
from .registry import methods


@dataclasses.dataclass(frozen=True)
class Settings:
    """The whole section, read-only: every setting is an attribute, whichever method it belongs to.

    Attributes:
      general: the settings that belong to no one method.
      options: name of a method -> its own settings, of every registered method.

    Example:
      >>> settings_from({"memory": 500}).memory
      500
    """

    general: ContinualSettings
    options: Mapping[str, Options]

    def __getattr__(self, name: str) -> Any:
        if "options" in vars(self):
            for part in (self.general, *self.options.values()):
                if name in part.__dataclass_fields__:
                    return getattr(part, name)
        raise AttributeError(f"the section continual has no setting '{name}'")


def defaults() -> dict[str, Any]:
    """The section with every setting of every registered method at its default.

    Example:
      >>> defaults()["ewc_strength"]
      1.0
    """
    kinds = [ContinualSettings, *(method.options for method in methods().values())]
    return {field.name: field.default for kind in kinds for field in dataclasses.fields(kind)}


def settings_from(section: Mapping) -> Settings:
    """The section as a record; what it leaves out has its default.

    Args:
      section: as `config.continual.to_dict()`.

    Raises:
      UserError: an entry that neither the section nor a method has, or a number outside its limits.
    """
    unknown = sorted(set(section) - set(defaults()))
    if unknown:
        raise UserError(f"continual has no setting '{unknown[0]}'; expected {', '.join(sorted(defaults()))}")

    def part(kind: type[Options]) -> Any:
        return kind(**{field.name: section[field.name] for field in dataclasses.fields(kind) if field.name in section})

    section = {**section, "methods": tuple(section.get("methods", ()))}
    return Settings(part(ContinualSettings), {name: part(method.options) for name, method in methods().items()})


def checked(section: Mapping, scenario: str, model: Mapping) -> Settings:
    """The section as `Settings`, refused where its parts cannot be combined.

    Args:
      section: the section as a dict.
      scenario: of the stream.
      model: the `model` section, a dict.

    Raises:
      UserError: unknown names, methods that exclude one another, that the scenario forbids, or that the model
        is not made for; see `settings_from` too.

    Example:
      >>> checked({"methods": ("si", "buffer")}, "class", {}).memory
      2000
    """
    names = tuple(section.get("methods", ()))
    known = methods()
    for name in names:
        if name not in known:
            raise UserError(f"continual.methods has '{name}'; expected some of {', '.join(known)}, or none of them")
    if len(set(names)) != len(names):
        raise UserError(f"continual.methods names one twice: {', '.join(names)}")
    settings = settings_from(section)
    chosen = [known[name] for name in names]
    _check_together(chosen)
    for method in chosen:
        if scenario not in method.scenarios:
            reason = method.scenario_reason.format(scenario=scenario)
            raise UserError(f"{method.name} {reason}; set stream.scenario={' or '.join(method.scenarios)}")
    for one in chosen:
        for other in chosen:
            reason = one.excludes.get(other.name) or (other.rehearses and one.excludes.get(REHEARSING))
            if other is not one and reason:
                raise UserError(f"{one.name} and {other.name} {reason}")
    for method in known.values():
        used = method in chosen
        method.check_model(used, model)
        if used and method.needs_generator and not model.get("generator", True):
            kind = f"{method.name} rehearsal" if method.rehearses else method.name
            raise UserError(f"{kind} needs a generator: set --config.model.generator=True")
    return settings


def _check_together(chosen: list[type[Method]]) -> None:
    """Refuses two ways of rehearsing, and a method that must be used alone beside others."""
    names = [method.name for method in chosen]
    rehearsing = [method.name for method in chosen if method.rehearses]
    if len(rehearsing) > 1:
        raise UserError(f"continual.methods rehearses in {len(rehearsing)} ways ({', '.join(rehearsing)}); choose one")
    alone = next((method.alone for method in chosen if method.alone), "")
    if alone and len(chosen) > 1:
        raise UserError(f"continual.methods has {', '.join(names)}; {alone} and cannot be combined with other methods")
