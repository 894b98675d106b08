"""Settings as dataclasses: a config section is made from one, and read back into one.

A model's settings stand once, in a frozen dataclass with defaults, whose docstring says what each field means. A
config's `model` section holds its fields under their names; sections nest as dataclasses do. Fields that follow from
elsewhere (the number of classes from the stream of tasks, the picture's shape from the section around) are marked with
`derived` and stand in no section.
"""

import dataclasses
import difflib
import numbers
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

S = TypeVar("S")


def derived(default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field that stands in no config section, because something else says it.

    Args:
      default: as of `dataclasses.field`; without it the field must be given.
    """
    return dataclasses.field(default=default, metadata={"derived": True})


def renamed(default: Any, was: str) -> Any:
    """A dataclass field that was called otherwise in configs written earlier; they are still read."""
    return dataclasses.field(default=default, metadata={"was": was})


def added(default: Any, before: Any) -> Any:
    """A dataclass field that configs written earlier lack.

    Args:
      default: as of `dataclasses.field`.
      before: what was done before there was the setting; see `complete`.
    """
    return dataclasses.field(default=default, metadata={"before": before})


def each_stage(default: Any) -> Any:
    """A dataclass field that is one value, or a tuple of one for each stage of a network."""
    return dataclasses.field(default=default, metadata={"each_stage": True})


def of_each_stage(kind: type) -> tuple[str, ...]:
    """The fields that may be a tuple of one value for each stage."""
    return tuple(field.name for field in _fields(kind) if field.metadata.get("each_stage"))


def at_least(least: float, settings: Any, *names: str) -> None:
    """Refuses fields below a number.

    Raises:
      ValueError: the first such field.

    Example:
      >>> @dataclasses.dataclass(frozen=True)
      ... class Sizes:
      ...     latents: int = 2
      >>> at_least(1, Sizes(), "latents")
    """
    _each(settings, names, lambda value: value >= least, f"{least:g} or more")


def not_negative(settings: Any, *names: str) -> None:
    """Refuses fields below 0, as weights of a sum that is made small: a negative one would be made large.

    Raises:
      ValueError: the first such field.

    Example:
      >>> @dataclasses.dataclass(frozen=True)
      ... class Weights:
      ...     beta: float = 1.0
      >>> not_negative(Weights(), "beta")
    """
    at_least(0, settings, *names)


def positive(settings: Any, *names: str) -> None:
    """Refuses fields that are not above 0.

    Raises:
      ValueError: the first such field.

    Example:
      >>> @dataclasses.dataclass(frozen=True)
      ... class Weights:
      ...     precision: float = 1.0
      >>> positive(Weights(), "precision")
    """
    _each(settings, names, lambda value: value > 0, "more than 0")


def _each(settings: Any, names: tuple[str, ...], fits: Callable[[Any], bool], expected: str) -> None:
    for name in names:
        if not fits(value := getattr(settings, name)):
            raise ValueError(f"{name} is {value:g}; expected {expected}")


def sizes(settings: Any, *names: str) -> None:
    """Refuses fields that are no sizes of one layer or more.

    Raises:
      ValueError: the first field that is empty or holds a number below 1.

    Example:
      >>> @dataclasses.dataclass(frozen=True)
      ... class Network:
      ...     channels: tuple = (16, 32)
      >>> sizes(Network(), "channels")
    """
    for name in names:
        given = tuple(getattr(settings, name))
        if not given or min(given) < 1:
            raise ValueError(f"{name} is {given}; expected the size of one layer or more, each 1 or more")


def section(kind: type) -> dict[str, Any]:
    """The defaults of a settings dataclass as plain nested dicts.

    Args:
      kind: a dataclass whose fields all have defaults, but for derived ones.

    Returns:
      Field name -> default value, a dict for a field that is a dataclass itself.

    Example:
      >>> @dataclasses.dataclass(frozen=True)
      ... class Sizes:
      ...     latents: int = 2
      ...     classes: int = derived(10)
      >>> section(Sizes)
      {'latents': 2}
    """
    content = {}
    for field in _fields(kind):
        nested = _nested(field)
        if not field.metadata.get("derived"):
            content[field.name] = section(nested) if nested else _default(field)
    return content


def read(kind: type[S], content: Mapping[str, Any], **shared: Any) -> S:
    """A config section as its settings dataclass.

    Args:
      kind: the dataclass.
      content: the section; lists become tuples, missing entries take their defaults, earlier names are understood.
      **shared: derived fields; nested dataclasses take theirs from the fields of the one around.

    Raises:
      ValueError: an entry that the dataclass does not have, a value of another kind than its default, or one that it
        refuses.

    Example:
      >>> @dataclasses.dataclass(frozen=True)
      ... class Sizes:
      ...     latents: int = 2
      >>> read(Sizes, {"latents": 5})
      Sizes(latents=5)
    """
    content = complete(kind, {**content, **shared}, check=True)
    values: dict[str, Any] = {}
    for field in _fields(kind):
        nested = _nested(field)
        if nested and not isinstance(content.get(field.name), nested):
            around = {f.name: values[f.name] for f in _fields(nested) if f.metadata.get("derived") and f.name in values}
            values[field.name] = read(nested, content.get(field.name, {}), **around)
        elif field.name in content:
            values[field.name] = _tuples(content[field.name])
            _check_kind(field, values[field.name])
    return kind(**values)


def complete(kind: type, content: Mapping[str, Any], check: bool = False, written: bool = False) -> dict[str, Any]:
    """The section with what it lacks, and under the names of today.

    Args:
      kind: the dataclass.
      content: the section, as it was written at any time.
      check: whether to refuse entries that the dataclass does not have.
      written: whether it was written whole, so that what it lacks was no setting then and has the value of before.

    Raises:
      ValueError: with `check`, an unknown entry; the nearest known one is named.
    """
    content, result = dict(content), section(kind)
    fields = {field.name: field for field in _fields(kind)}
    for field in fields.values():
        if (was := field.metadata.get("was")) in content:
            content.setdefault(field.name, content.pop(was))
        if written and content and "before" in field.metadata:
            content.setdefault(field.name, field.metadata["before"])
    unknown = sorted(set(content) - set(fields))
    if check and unknown:
        close = difflib.get_close_matches(unknown[0], fields, n=1) or sorted(fields)
        raise ValueError(f"no setting '{unknown[0]}'; expected {' or '.join(close)}")
    for name, value in content.items():
        nested = _nested(fields[name]) if name in fields else None
        plain = isinstance(value, Mapping) or hasattr(value, "items")
        result[name] = complete(nested, dict(value), check, written) if nested and plain else value
    return result


def meanings(kind: type) -> dict[str, str]:
    """What each field means, from the `Attributes:` block of the dataclass' docstring.

    Returns:
      Field name -> one line; fields that share an entry share its text.
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        _, _, block = (base.__doc__ or "").partition("Attributes:")
        for match in re.finditer(r"^ {4,6}(\w[\w, ]*): (.*(?:\n {8,}.*)*)", block, re.MULTILINE):
            text = " ".join(match.group(2).split())
            found |= {name.strip(): text for name in match.group(1).split(",")}
    return found


def _fields(kind: type) -> tuple:
    return dataclasses.fields(kind)


def _nested(field: dataclasses.Field) -> type | None:
    kind = field.default_factory
    return kind if isinstance(kind, type) and dataclasses.is_dataclass(kind) else None


def _default(field: dataclasses.Field) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    raise TypeError(f"{field.name} has no default; a section needs one, or mark the field as derived")


# What a field of a plain default may hold, and how that is said.
_KINDS = {
    bool: ((bool, np.bool_), "True or False"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    str: (str, "a text"),
}


def _check_kind(field: dataclasses.Field, value: Any) -> None:
    """Refuses a value of another kind than a plain default; what stages may differ in, their family looks at itself.

    Raises:
      ValueError: which field, the value, and what is expected.
    """
    kind = type(field.default)
    if kind not in _KINDS or field.metadata.get("each_stage"):
        return
    fits, said = _KINDS[kind]
    # Python counts True as a whole number; nobody who writes it means 1.
    if not isinstance(value, fits) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{field.name} is {value!r}; expected {said}")


def _tuples(value: Any) -> Any:
    """Lists as tuples all the way down, sections as dicts: what JSON and ml_collections turn them into is undone."""
    if isinstance(value, list | tuple):
        return tuple(_tuples(item) for item in value)
    return dict(value) if hasattr(value, "items") else value
