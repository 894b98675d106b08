"""One self-contained HTML page per run: numbers, curves, pictures, settings, machine. No script, no network."""

import base64
import datetime
import html
import math
import pathlib

from .. import models
from ..errors import UserError
from ..stored import flatten, read_object, read_steps, whole_file
from . import collapse, pictures
from .contract import of_family
from .numbers import read_numbers

_NO_DATE = "date unknown"
# Entries of run.json that are seconds since 1970.
_MOMENTS = ("started", "finished")
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
table{border-collapse:collapse;margin:.6rem 0}td,th{padding:.15rem .9rem .15rem 0;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}figure{margin:1rem 0}img{max-width:100%;height:auto}
figcaption{color:#555;font-size:.9rem}.key{display:flex;gap:2.2rem;flex-wrap:wrap;margin:1rem 0}
.key div{font-size:1.7rem;font-weight:600}.key span{display:block;font-size:.8rem;font-weight:400;color:#555}
.gallery{display:flex;flex-wrap:wrap;gap:.5rem 2rem;align-items:flex-start}.gallery figcaption{max-width:34rem}
.curves{display:flex;flex-wrap:wrap;gap:1rem}.curves img{width:32rem}details{margin:.4rem 0}summary{cursor:pointer}
p.note{color:#555}.wrong{border:2px solid #b00;background:#fee;padding:.6rem 1rem;margin:1rem 0}
.wrong ul{margin:.3rem 0}
"""


def write(workdir) -> pathlib.Path:
    """Writes `report.html` into a run folder and returns its path.

    Raises:
      UserError: no run there, or one of its JSON files is damaged.
      StorageError: the page cannot be written.
    """
    folder = pathlib.Path(workdir)
    if not (folder / "config.json").is_file():
        raise UserError(f"{workdir}: no run there (no config.json); train first, or check --workdir")
    config = read_object(folder / "config.json")
    family = _entry(config, "model", "family")
    if not family:
        raise UserError(f"{folder / 'config.json'} is damaged: it names no model.family; restore the file")
    run, numbers = read_object(folder / "run.json"), read_numbers(folder)
    body = [
        f"<h1>{html.escape(family)} &middot; {html.escape(folder.resolve().name)}</h1>",
        f"<p class=note>{html.escape(_summary(config, run))}</p>",
        _collapse(config, numbers, folder),
        _headlines(family, numbers),
        _pictures(folder),
        _curves(folder),
        _table("Numbers", numbers, "Measured by <code>reverie evaluate</code> on the test images."),
        _exports(folder),
        _table("Data", _told(read_object(folder / "data.json"))),
        _table("Settings", flatten(config)),
        _table("Machine and versions", _told(run)),
    ]
    content = page(folder.resolve().name, body)
    path = folder / "report.html"
    with whole_file(path) as place:
        place.write_text(content, encoding="utf-8")
    return path


def page(title: str, body: list) -> str:
    """A self-contained HTML page of parts, empty ones left out."""
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>"
        + "\n".join(part for part in body if part)
        + "</body></html>\n"
    )


def image(content: bytes, name: str) -> str:
    """A PNG as an element of the page."""
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(content).decode()}">'


def _summary(config: dict, run: dict) -> str:
    known = {name: value for name, value in run.items() if _is_number(value)}
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
            date = _day(value if _is_number(value) else None)
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
    found = config.get(name)
    value = found.get(setting) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def _is_number(value: object) -> bool:
    """Whether this can be reckoned with: no text, and neither too large nor infinite."""
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _collapse(config: dict, numbers: dict, folder: pathlib.Path) -> str:
    """What was found wrong with the network by `evaluate`, or, where that was not run, while training."""
    lines = [numbers] if collapse.measured(numbers) else _metrics(folder)
    looks = [{name: value for name, value in line.items() if _is_number(value)} for line in lines]
    looks = [line for line in looks if "step" in line and collapse.measured(line)]
    found = collapse.told(looks[-1], looks[-1]["step"]) if looks else []
    if not found:
        return ""
    said = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in [*found, collapse.remedy(config)])
    return f"<div class=wrong><b>This network has not learned</b> ({looks[-1]['step']:,} steps)<ul>{said}</ul></div>"


def _headlines(family: str, numbers: dict) -> str:
    """The numbers that the family's evaluation names first, large, with what they mean."""
    # A page is written for any run folder; without the plugin that registers its family, without these.
    headlines = of_family(models.family(family)).HEADLINES if family in models.families() else {}
    tiles = []
    for name, meaning in headlines.items():
        if name in numbers:
            value, shown = numbers[name], html.escape(str(numbers[name]))
            if _is_number(value):
                shown = f"{100 * value:.2f} %" if _is_share(name) else f"{value:.4f}"
            tiles.append(f"<div>{shown}<span>{meaning}</span></div>")
    return f"<div class=key>{''.join(tiles)}</div>" if tiles else ""


def _is_share(name: str) -> bool:
    """Whether a number is a share, to be shown in per cent; errors, fits and pixels are not."""
    return not name.startswith(("reconstruction", "missed", "gabor", "effective"))


def _pictures(folder: pathlib.Path) -> str:
    captions = read_object(folder / "pictures" / "captions.json", "restore it, or run `reverie evaluate` again")
    drawn, figures = drawn_pictures(folder), []
    for name, caption in captions.items():
        if name in drawn:
            shown = image(drawn[name].read_bytes(), name)
            figures.append(f"<figure>{shown}<figcaption>{html.escape(str(caption))}</figcaption></figure>")
    return f"<h2>Pictures</h2><div class=gallery>{''.join(figures)}</div>" if figures else ""


def drawn_pictures(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The pictures in a run folder, by name.

    They are looked up among the files of the folder, and no name is composed to a path: a folder may come from anybody,
    and a name like "../../x", or a link, would take another picture of this machine into a page that is passed on.
    """
    place = (folder / "pictures").resolve()
    return {path.stem: path for path in place.glob("*.png") if path.is_file() and path.resolve().parent == place}


def _curves(folder: pathlib.Path) -> str:
    series: dict = {}
    for line in _metrics(folder):
        for name, value in line.items():
            if name not in ("step", "phase", "time") and _is_number(value):
                steps, values = series.setdefault(name, ([], []))
                steps.append(line["step"])
                values.append(value)
    drawn = []
    for name, points in series.items():
        if len(points[0]) > 1:
            logarithmic = min(points[1]) > 0 and max(points[1]) > 30 * min(points[1])
            drawn.append(image(pictures.to_png(pictures.curves({name: points}, name, logarithmic)), name))
    return f"<h2>Curves</h2><div class=curves>{''.join(drawn)}</div>" if drawn else ""


def _metrics(folder: pathlib.Path) -> list[dict]:
    """The lines of metrics.jsonl; what is none, as one that a crash tore, is left out."""
    return read_steps(folder / "metrics.jsonl")[1]


def _exports(folder: pathlib.Path) -> str:
    rows, left_out = [], []
    for path in sorted(folder.glob("export/*/*/metadata.json")):
        metadata = read_object(path, "restore it, or export again")
        version = f"{path.parent.parent.name}/{path.parent.name}"
        for entry in metadata.get("parity", []):
            # Versions of earlier releases know one measure only.
            cells = (version, entry["artifact"], entry["signature"], entry["output"], entry.get("measure", "greatest"))
            shown = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells)
            numbers = (entry["difference"], entry.get("cost", 0.0), entry["bound"])
            rows.append(f"<tr>{shown}{''.join(f'<td class=n>{value:.2e}</td>' for value in numbers)}</tr>")
        for entry in metadata.get("left_out", []):
            line = f"{version}: {entry['artifact']}, {entry['signature']}: {entry['reason']}"
            left_out.append(f"<li>{html.escape(line)}</li>")
    if not rows:
        return ""
    columns = ("version", "artifact", "signature", "output", "measure", "difference", "rounding must cost", "bound")
    head = "".join(f"<th>{column}</th>" for column in columns)
    missing = f"<p>Left out, because they do not answer as the model does:</p><ul>{''.join(left_out)}</ul>"
    return (
        "<h2>Exports</h2><p class=note>Difference to the Keras model, measured before publication: the greatest, the "
        "typical one (root mean square), or the share of rows in which a whole number differs. Quantized files may "
        f"differ by twice what rounding must cost.</p>{missing if left_out else ''}"
        f"<table><tr>{head}</tr>{''.join(rows)}</table>"
    )


def _table(title: str, content: dict, note: str = "") -> str:
    if not content:
        return ""
    rows = "".join(
        f"<tr><td>{html.escape(str(name))}</td><td class=n>{html.escape(_shown(value))}</td></tr>"
        for name, value in content.items()
    )
    body = f"{f'<p class=note>{note}</p>' if note else ''}<table>{rows}</table>"
    return f"<h2>{title}</h2>{body}" if note else f"<details><summary>{title}</summary>{body}</details>"


def _shown(value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
