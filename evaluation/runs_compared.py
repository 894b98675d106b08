"""One page of several runs: settings that differ, numbers and pictures beside each other, curves over each other."""

import html
import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .. import progress
from ..errors import UserError
from ..stored import flatten, in_utf8, whole_file
from . import charts, report
from .contract import Headline
from .html_page import Section, figure, page
from .numbers import read_numbers, set_anew

_ABSENT = "not set"


class _Read(NamedTuple):
    """What the page shows of a run."""

    name: str
    family: str
    settings: dict[str, Any]
    numbers: dict[str, Any]
    headlines: dict[str, Headline]
    curves: dict[str, tuple[list[float], list[float]]]
    pictures: dict[str, tuple[bytes, str]]


def write(folders: Sequence[pathlib.Path], path: pathlib.Path) -> None:
    """Writes the page of several runs.

    Args:
      folders: of the runs, two or more.
      path: of the page.

    Raises:
      UserError: fewer than two folders, one of them twice, no run in one, or a damaged file.
      StorageError: the page cannot be written.
    """
    if len(folders) < 2:
        raise UserError(f"{len(folders)} run is no comparison; expected two run folders or more")
    twice = [place for place, count in Counter(folder.resolve() for folder in folders).items() if count > 1]
    if twice:
        raise UserError(f"{twice[0]} is given twice; expected each run once")
    named = zip(folders, _names(folders), strict=True)
    runs = [_read(folder, name) for folder, name in progress.shown(named, "runs", len(folders), "run")]
    head = f"<h1>{len(runs)} runs compared</h1>" + "".join(
        f"<p class=note>{html.escape(f'{run.name}: {run.family}')}</p>" for run in runs
    )
    if _mixed(runs):
        families = ", ".join(dict.fromkeys(run.family for run in runs))
        said = f"These are runs of different families ({families}): only what all of them have is compared."
        head += f"<div class=heed role=note>{html.escape(said)}</div>"
    drawn, shown = _curves(runs), _pictures(runs)
    sections = [
        Section("", head),
        Section("Headlines", _headlines(runs)),
        Section("Settings that differ", _settings(runs)),
        Section("Curves", charts.together(drawn), charts.scripts(drawn)),
        Section("Pictures", shown),
        Section("Numbers", _numbers(runs)),
    ]
    with whole_file(path) as place:
        place.write_text(in_utf8(page(f"{len(runs)} runs compared", sections)), encoding="utf-8")


def _names(folders: Sequence[pathlib.Path]) -> list[str]:
    """The last parts of the folders' paths, as many as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-count:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _read(folder: pathlib.Path, name: str) -> _Read:
    config, family = report.settings(folder)
    numbers = read_numbers(folder)
    anew = set_anew(numbers)
    numbers = {name: value for name, value in numbers.items() if name not in anew}
    settings = {**flatten(config), **anew}
    return _Read(
        name, family, settings, numbers, report.of_run(family, config, numbers), report.curves(folder),
        report.read_pictures(folder),
    )  # fmt: skip


def _shared(contents: Sequence[Mapping[str, Any]], least: int) -> list[str]:
    """Names that so many of the runs have, in the order in which they come."""
    counts = Counter(name for content in contents for name in content)
    return [name for name, count in counts.items() if count >= least]


def _mixed(runs: Sequence[_Read]) -> bool:
    """Whether these are runs of different families."""
    return len({run.family for run in runs}) > 1


def _least(runs: Sequence[_Read]) -> int:
    """How many runs must have something for it to be shown: all of different families, two of one."""
    return len(runs) if _mixed(runs) else 2


def _headlines(runs: Sequence[_Read]) -> str:
    rows = []
    for name in _shared([run.headlines for run in runs], len(runs) if _mixed(runs) else 1):
        headline = next(run.headlines[name] for run in runs if name in run.headlines)
        best = headline.best([run.numbers.get(name) for run in runs])
        cells = []
        for run in runs:
            value = run.numbers.get(name)
            said = "not measured" if value is None else headline.shown(value)
            mark = " best" if best is not None and value == best else ""
            cells.append(f'<td class="n{mark}">{html.escape(said)}{" (best)" if mark else ""}</td>')
        good = f"<br><small>Good: {html.escape(headline.good)}</small>" if headline.good else ""
        rows.append(f"<tr><td>{html.escape(headline.meaning)}{good}</td>{''.join(cells)}</tr>")
    return _table(runs, "number", rows) if rows else "<p class=note>No headline number that these runs share.</p>"


def _settings(runs: Sequence[_Read]) -> str:
    rows = []
    for name in sorted({name for run in runs for name in run.settings}):
        values = [report.shown(run.settings[name]) if name in run.settings else _ABSENT for run in runs]
        if len(set(values)) > 1:
            rows.append(_row(name, values))
    return _table(runs, "setting", rows) if rows else "<p class=note>None: the runs have the same settings.</p>"


def _numbers(runs: Sequence[_Read]) -> str:
    rows = []
    for name in _shared([run.numbers for run in runs], _least(runs)):
        rows.append(_row(name, [report.shown(run.numbers[name]) if name in run.numbers else "-" for run in runs]))
    return _table(runs, "number", rows) if rows else ""


def _curves(runs: Sequence[_Read]) -> list[str]:
    drawn = []
    for name in progress.shown(_shared([run.curves for run in runs], _least(runs)), "drawing curves", unit="curve"):
        drawn.append(charts.chart({run.name: run.curves[name] for run in runs if name in run.curves}, name))
    return drawn


def _pictures(runs: Sequence[_Read]) -> str:
    parts = []
    for name in _shared([run.pictures for run in runs], _least(runs)):
        beside = [
            figure(run.pictures[name][0], f"{name} of {run.name}", f"{run.name}: {run.pictures[name][1]}")
            for run in runs
            if name in run.pictures
        ]
        words = html.escape(name.replace("_", " "))
        parts.append(f"<h3>{words}</h3><div class=gallery>{''.join(beside)}</div>")
    return "".join(parts)


def _row(name: str, values: Sequence[str]) -> str:
    cells = "".join(f"<td class=n>{html.escape(value)}</td>" for value in values)
    return f"<tr><td>{html.escape(name)}</td>{cells}</tr>"


def _table(runs: Sequence[_Read], first: str, rows: Sequence[str]) -> str:
    heads = "".join(f"<th scope=col>{html.escape(name)}</th>" for name in (first, *(run.name for run in runs)))
    return f"<div class=wide><table><tr>{heads}</tr>{''.join(rows)}</table></div>"
