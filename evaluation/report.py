"""The page of a run: numbers and what they mean, warnings, curves, pictures, settings, machine. No network."""

import datetime
import html
import pathlib
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .. import models, progress
from ..errors import UserError
from ..stored import flatten, in_utf8, read_object, read_steps, whole_file
from . import charts, collapse
from .contract import Headline, headlines, is_number
from .html_page import Section, figure, page, sentences, table
from .numbers import read_numbers, set_anew

_NO_DATE = "date unknown"
# Entries of run.json that are seconds since 1970.
_MOMENTS = ("started", "finished")
# Below so many images what was learned, or measured, is said to be of few.
_FEW_TRAINING, _FEW_TEST = 1000, 500
# Files beside a run, or a version, that the page links to where they are there.
_EXPLORE, _CARD = "explore.html", "MODEL_CARD.md"


def write(workdir) -> pathlib.Path:
    """Writes `report.html` into a run folder and returns its path.

    Raises:
      UserError: no run there, or one of its JSON files is damaged.
      StorageError: the page cannot be written.
    """
    folder = pathlib.Path(workdir)
    config, family = settings(folder)
    run, data, numbers = read_object(folder / "run.json"), read_object(folder / "data.json"), read_numbers(folder)
    exports = _published(folder)
    head = [
        f"<h1>{html.escape(family)} &middot; {html.escape(folder.resolve().name)}</h1>",
        f"<p class=note>{html.escape(_summary(config, run))}</p>",
        _collapse(config, numbers, folder),
        sentences("heed", "To be kept in mind", list(_warnings(run, data, numbers, exports))),
        _headlines(family, config, numbers),
        _links(folder, exports),
    ]
    told = progress.shown(curves(folder).items(), "drawing curves", unit="curve")
    drawn = [charts.chart({name: points}, name) for name, points in told]
    shown = [figure(content, name, caption) for name, (content, caption) in read_pictures(folder).items()]
    sections = [
        Section("", "\n".join(part for part in head if part)),
        Section("Pictures", f"<div class=gallery>{''.join(shown)}</div>" if shown else ""),
        Section("Curves", charts.together(drawn), charts.scripts(drawn)),
        Section("Numbers", _numbers(numbers)),
        Section("Exports", _exports(exports)),
        Section(
            "Details",
            _folded("Data", _told(data))
            + _folded("Settings", flatten(config))
            + _folded("Machine and versions", _told(run)),
        ),
    ]
    path = folder / "report.html"
    with whole_file(path) as place:
        place.write_text(in_utf8(page(folder.resolve().name, sections)), encoding="utf-8")
    return path


def settings(folder: pathlib.Path) -> tuple[dict[str, Any], str]:
    """A run folder's settings, as nested dicts, and the name of its family.

    Raises:
      UserError: no run there, or config.json is damaged.
    """
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no run there (no config.json); train first, or check --workdir")
    config = read_object(folder / "config.json")
    family = _entry(config, "model", "family")
    if not family:
        raise UserError(f"{folder / 'config.json'} is damaged: it names no model.family; restore the file")
    return config, family


def of_run(family: str, config: Mapping[str, Any], numbers: Mapping[str, Any]) -> dict[str, Headline]:
    """The headline numbers that a run has, in order; of several heads those of each.

    Args:
      family: of the run; one that is not registered here (its plugin is missing) has none.
      config: of the run, as nested dicts.
      numbers: of the run.
    """
    if family not in models.families():
        return {}
    heads = _object(_setting(config, "model", "heads"))
    found = {}
    for name, headline in headlines(models.family(family)).items():
        if name in numbers:
            found[name] = headline
        for head in sorted(heads):
            if f"{name}_{head}" in numbers:
                found[f"{name}_{head}"] = headline._replace(meaning=f"{head}: {headline.meaning}")
    return found


def curves(folder: pathlib.Path) -> dict[str, tuple[list[float], list[float]]]:
    """Name -> (steps, values) of what stands in a run's metrics.jsonl at two steps or more."""
    series: dict = {}
    for line in _metrics(folder):
        for name, value in line.items():
            if name not in ("step", "phase", "time") and is_number(value):
                steps, values = series.setdefault(name, ([], []))
                steps.append(line["step"])
                values.append(value)
    return {name: points for name, points in series.items() if len(points[0]) > 1}


def drawn_pictures(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The pictures in a run folder, by name.

    They are looked up among the files of the folder, and no name is composed to a path: a folder may come from anybody,
    and a name like "../../x", or a link, would take another picture of this machine into a page that is passed on.
    """
    place = (folder / "pictures").resolve()
    return {path.stem: path for path in place.glob("*.png") if path.is_file() and path.resolve().parent == place}


def read_pictures(folder: pathlib.Path) -> dict[str, tuple[bytes, str]]:
    """Name -> (PNG, caption) of a run's pictures, in the order of its captions."""
    captions = read_object(folder / "pictures" / "captions.json", "restore it, or run `reverie evaluate` again")
    drawn = drawn_pictures(folder)
    return {name: (drawn[name].read_bytes(), str(caption)) for name, caption in captions.items() if name in drawn}


def _summary(config: dict, run: dict) -> str:
    known = {name: value for name, value in run.items() if is_number(value)}
    parts = [
        _day(known.get("finished") or known.get("started")),
        f"seed {config.get('seed', 'unknown')}",
        f"data {_entry(config, 'data', 'source') or 'unknown'}",
    ]
    if known.get("step"):
        parts.append(f"{known['step']:,} steps")
    if known.get("seconds"):
        parts.append(f"{known['seconds'] / 60:.1f} minutes of training")
    if known.get("examples_per_second"):
        parts.append(f"{known['examples_per_second']:,.0f} images/s")
    return ", ".join(parts)


def _told(content: dict) -> dict:
    """What a file says to a person: entries that are empty are left out, moments are dates, lists are written out."""
    said = {}
    for name, value in flatten(content).items():
        if name in _MOMENTS:
            date = _day(value if is_number(value) else None)
            said |= {} if date == _NO_DATE else {name: date}
        elif isinstance(value, list | tuple) and not any(isinstance(item, dict | list | tuple) for item in value):
            said |= {name: ", ".join(map(str, value))} if value else {}
        elif value not in (None, "", [], (), {}):
            said[name] = value
    return said


def _day(when: float | None) -> str:
    try:
        return datetime.datetime.fromtimestamp(when).strftime("%Y-%m-%d %H:%M") if when else _NO_DATE
    except (OverflowError, OSError, ValueError):  # No moment of any calendar.
        return _NO_DATE


def _entry(config: dict, name: str, setting: str) -> str:
    """A text of a section, "" where there is none."""
    value = _setting(config, name, setting)
    return value if isinstance(value, str) else ""


def _setting(config: Mapping[str, Any], name: str, setting: str) -> Any:
    """A setting of a section, None where there is none."""
    return _object(config.get(name)).get(setting)


def _object(value: Any) -> dict[str, Any]:
    """What a file holds where an object should be, {} where it is none."""
    return value if isinstance(value, dict) else {}


def _collapse(config: dict, numbers: dict, folder: pathlib.Path) -> str:
    """What was found wrong with the network by `evaluate`, or, where that was not run, while training."""
    lines = [numbers] if collapse.measured(numbers) else _metrics(folder)
    looks = [{name: value for name, value in line.items() if is_number(value)} for line in lines]
    looks = [line for line in looks if "step" in line and collapse.measured(line)]
    found = collapse.told(looks[-1], looks[-1]["step"]) if looks else []
    if not found:
        return ""
    title = f"This network has not learned ({looks[-1]['step']:,} steps)"
    return sentences("wrong", title, [*found, collapse.remedy(config)])


def _warnings(run: dict, data: dict, numbers: dict, exports: list["_Export"]) -> Iterator[str]:
    """What else must be known before a number is believed."""
    step = run.get("step")
    if not numbers:
        yield "Not evaluated yet: `reverie evaluate` measures the run on its test images and draws its pictures."
    elif is_number(step) and is_number(numbers.get("step")) and step != numbers["step"]:
        yield (
            f"The numbers are of step {numbers['step']:,}, but the run is at step {step:,} by now; run "
            "`reverie evaluate` again."
        )
    for name, value in set_anew(numbers).items():
        yield f"The numbers and pictures are of {name} = {value}, which was set anew."
    if run.get("signal"):
        yield f"Training was stopped by a signal ({run['signal']}); the same command goes on with it."
    if is_number(lost := run.get("skipped")) and lost:
        yield f"{lost:,} updates were left out, because a loss or a gradient was not a number."
    if is_number(images := data.get("images")) and images < _FEW_TRAINING:
        yield f"Trained on {images:,} images only: what was learned may not hold for others."
    if is_number(test := numbers.get("test_images")) and 0 < test < _FEW_TEST:
        # The widest that a share's standard error can be, twice.
        yield (
            f"Measured on {test:,} test images only: a share of them is uncertain by up to "
            f"{100 / test**0.5:.1f} percentage points either way."
        )
    if is_number(skipped := data.get("skipped")) and skipped:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in _object(data.get("skipped_reasons")).items())
        yield f"{skipped:,} files gave no picture and were skipped{f' ({reasons})' if reasons else ''}."
    if cut := _object(data.get("windows")):
        known = {name: cut[name] for name in ("windows", "pictures") if is_number(cut.get(name))}
        if len(known) == 2:
            yield f"The training images are {known['windows']:,} windows cut from {known['pictures']:,} pictures."
    for remark, count in _object(data.get("remarks")).items():
        yield f"Of the data: {remark}: {count:,}." if is_number(count) else f"Of the data: {remark}: {count}."
    for export in exports:
        if export.newest and export.left_out:
            yield f"Left out of the export {export.version}: {', '.join(export.left_out)}; see Exports."


def _headlines(family: str, config: dict, numbers: dict) -> str:
    """The numbers that the family's evaluation names first, large, with what they mean and what would be good."""
    tiles = []
    for name, headline in of_run(family, config, numbers).items():
        good = f"<small>Good: {html.escape(headline.good)}</small>" if headline.good else ""
        shown = html.escape(headline.shown(numbers[name]))
        tiles.append(f"<div><strong>{shown}</strong><span>{html.escape(headline.meaning)}</span>{good}</div>")
    return f"<div class=headlines>{''.join(tiles)}</div>" if tiles else ""


def _links(folder: pathlib.Path, exports: list["_Export"]) -> str:
    """What else there is to look at, by links that hold wherever the run folder is moved to."""
    entries = []
    if (folder / _EXPLORE).is_file():
        entries.append(f'<a href="{_EXPLORE}">Touch it: move latents, perceive and imagine in the browser</a>')
    for export in exports:
        if export.newest and export.card:
            place = urllib.parse.quote(f"export/{export.version}/{export.card}")
            entries.append(f'<a href="{place}">Model card of {html.escape(export.version)}</a>')
    if (folder / "events").is_dir():
        entries.append("TensorBoard, in the run folder: <code>tensorboard --logdir events</code>")
    return f"<ul>{''.join(f'<li>{entry}</li>' for entry in entries)}</ul>" if entries else ""


def _metrics(folder: pathlib.Path) -> list[dict]:
    """The lines of metrics.jsonl; what is none, as one that a crash tore, is left out."""
    return read_steps(folder / "metrics.jsonl")[1]


class _Export(NamedTuple):
    """A published version: where below export/, what its metadata says, and whether none is newer."""

    version: str
    metadata: dict[str, Any]
    card: str
    newest: bool

    @property
    def left_out(self) -> list[str]:
        """Names of the files that are not there because they did not answer as the model does."""
        return list(dict.fromkeys(str(entry["artifact"]) for entry in self.metadata.get("left_out", [])))


def _published(folder: pathlib.Path) -> list[_Export]:
    places = sorted(folder.glob("export/*/*/metadata.json"))
    newest = {path.parent.parent: path for path in sorted(places, key=lambda path: _number(path.parent.name))}
    return [
        _Export(
            f"{path.parent.parent.name}/{path.parent.name}",
            read_object(path, "restore it, or export again"),
            _CARD if (path.parent / _CARD).is_file() else "",
            newest[path.parent.parent] == path,
        )
        for path in places
    ]


def _number(name: str) -> int:
    return int(name) if name.isascii() and name.isdigit() else -1


def _exports(exports: list[_Export]) -> str:
    rows, left_out = [], []
    for export in exports:
        for entry in export.metadata.get("parity", []):
            # Versions of earlier releases know one measure only.
            cells = (
                export.version, entry["artifact"], entry["signature"], entry["output"], entry.get("measure", "greatest")
            )  # fmt: skip
            shown = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells)
            numbers = (entry["difference"], entry.get("cost", 0.0), entry["bound"])
            rows.append(f"<tr>{shown}{''.join(f'<td class=n>{value:.2e}</td>' for value in numbers)}</tr>")
        for entry in export.metadata.get("left_out", []):
            line = f"{export.version}: {entry['artifact']}, {entry['signature']}: {entry['reason']}"
            left_out.append(f"<li>{html.escape(line)}</li>")
    if not rows:
        return ""
    columns = ("version", "artifact", "signature", "output", "measure", "difference", "rounding must cost", "bound")
    head = "".join(f"<th>{column}</th>" for column in columns)
    missing = f"<p>Left out, because they do not answer as the model does:</p><ul>{''.join(left_out)}</ul>"
    return (
        "<p class=note>Difference to the Keras model, measured before publication: the greatest, the "
        "typical one (root mean square), or the share of rows in which a whole number differs. Quantized files may "
        f"differ by twice what rounding must cost.</p>{missing if left_out else ''}<details><summary>All "
        f"{len(rows)} comparisons</summary><div class=wide><table><tr>{head}</tr>{''.join(rows)}</table></div>"
        "</details>"
    )


def _numbers(numbers: dict) -> str:
    note = "<p class=note>Measured by <code>reverie evaluate</code> on the test images.</p>"
    return f"{note}{table(_shown(numbers))}" if numbers else ""


def _folded(title: str, content: dict) -> str:
    return f"<details><summary>{title}</summary>{table(_shown(content))}</details>" if content else ""


def _shown(content: dict) -> dict[str, str]:
    return {str(name): shown(value) for name, value in content.items()}


def shown(value: Any) -> str:
    """A number or setting as it stands in a table."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
