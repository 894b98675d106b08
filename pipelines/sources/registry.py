"""The sources that there are, by kind: the built-in ones and those registered from outside."""

import importlib
from typing import NamedTuple

from ...errors import UserError
from ..nearest import nearest
from .contract import Option, Request, Source

_REGISTERED: dict[str, Source] = {}
_BUILT_IN: dict[str, Source] = {}

_MEMBERS = ("kind", "summary", "forms", "options", "needs_shape", "splits", "read", "recognizes")


class ParsedSource(NamedTuple):
    """A source string in its parts.

    Attributes:
      kind: of `source_kinds()`.
      place: what that kind makes of it: a path, a name, a count.
    """

    kind: str
    place: str


def register_source(source: Source) -> None:
    """Adds a kind of data, for every function and command that takes a source string.

    Registering a kind again replaces it, as a notebook does that runs a cell twice; built-in kinds stay.

    Args:
      source: an object; see `Source` for an example.

    Raises:
      UserError: something missing, a kind that is taken, or a setting whose name is.

    Example:
      register_source(MySource())
      pipelines.read("mine:place")
    """
    missing = [member for member in _MEMBERS if not hasattr(source, member)]
    if missing:
        raise UserError(
            f"source {type(source).__name__} lacks {', '.join(missing)}; derive it from reverie.pipelines.Source"
        )
    if not isinstance(source.kind, str) or not source.kind.replace("-", "_").isidentifier():
        raise UserError(f"source kind is {source.kind!r}; expected a word, as 'folder'")
    if source.kind in _built_in():
        raise UserError(f"source kind '{source.kind}' is built in; choose another")
    _check_options(source)
    _REGISTERED[source.kind] = source


def source_kinds() -> tuple[str, ...]:
    """All kinds, the built-in ones first.

    Example:
      >>> "folder" in source_kinds()
      True
    """
    return (*_built_in(), *_REGISTERED)


def find_source(kind: str) -> Source:
    """The source of a kind.

    Raises:
      UserError: no such kind; names the nearest.
    """
    known = {**_built_in(), **_REGISTERED}
    if kind not in known:
        raise UserError(f"source kind '{kind}' is unknown{nearest(kind, known)}")
    return known[kind]


def parse_source(source: str) -> ParsedSource:
    """Takes a source string apart; paths without a kind are recognized by what they are.

    Raises:
      UserError: unknown kind, or nothing at that path.

    Example:
      >>> parse_source("tfds:cifar100")
      ParsedSource(kind='tfds', place='cifar100')
      >>> parse_source("digits.npz")
      ParsedSource(kind='npz', place='digits.npz')
    """
    kind, colon, place = source.partition(":")
    if kind in source_kinds() and (colon or kind in written(find_source(kind))):
        if not place.strip() and kind not in written(find_source(kind)):
            # A path of nothing would be the current folder.
            raise UserError(f"data source '{source}' says no place; expected {' or '.join(written(find_source(kind)))}")
        return ParsedSource(kind, place)
    if not source.strip():
        raise UserError("data source is empty; expected for example folder:my/pictures, or one of the kinds "
                        f"{', '.join(source_kinds())}")  # fmt: skip
    # Whoever registers a source knows their files better than a folder of pictures does.
    for candidate in (*_REGISTERED.values(), *_built_in().values()):
        if candidate.recognizes(source):
            return ParsedSource(candidate.kind, source)
    kinds = source_kinds()
    close = nearest(kind, kinds)
    raise UserError(
        f"data source '{source}' is neither a known kind ({', '.join(kinds)}), a folder, nor a .npz file"
        f"{close if close.startswith('; nearest') else ''}"
    )


def written(source: Source) -> tuple[str, ...]:
    """The forms in which a source is written."""
    return source.forms or (f"{source.kind}:PATH",)


def source_options() -> dict[str, Option]:
    """The settings of all sources together: setting -> `Option`."""
    return {
        name: option
        for source in (*_built_in().values(), *_REGISTERED.values())
        for name, option in source.options.items()
    }


def sources_table() -> str:
    """All sources as a Markdown table: how each is written, what it is, which settings are its own.

    Example:
      >>> print(sources_table().splitlines()[0])
      | source | what | own settings |
    """
    lines = ["| source | what | own settings |", "|---|---|---|"]
    for kind in source_kinds():
        source = find_source(kind)
        forms = ", ".join(f"`{form}`" for form in written(source))
        options = ", ".join(f"`{name}`" for name in source.options)
        lines.append(f"| {forms} | {source.summary} | {options} |")
    return "\n".join(lines)


def _built_in() -> dict[str, Source]:
    if not _BUILT_IN:
        from . import MODULES

        modules = [importlib.import_module(f".{name}", __package__) for name in MODULES]
        _BUILT_IN.update({source.kind: source for module in modules for source in module.SOURCES})
    return _BUILT_IN


def _check_options(source: Source) -> None:
    """Every setting has one meaning: a second source may share one only with the same default."""
    from ..settings import GENERAL

    others = {
        name: (kind, option)
        for kind in source_kinds()
        if kind != source.kind
        for name, option in find_source(kind).options.items()
    }
    for name, option in source.options.items():
        if name in GENERAL or name in Request.__dataclass_fields__:
            raise UserError(f"source {source.kind}: setting '{name}' is one of all sources; choose another name")
        if name in others and others[name][1].default != option.default:
            raise UserError(
                f"source {source.kind}: setting '{name}' is one of source {others[name][0]} too, with the default "
                f"{others[name][1].default!r}; choose another name"
            )
