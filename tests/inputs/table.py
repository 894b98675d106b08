"""The corpus as a table of docs/inputs.md, made by the test run: REVERIE_INPUTS=FILE makes the run write it."""

import dataclasses
import os
import pathlib
import re

from .corpus import CASES, Case

VARIABLE = "REVERIE_INPUTS"
START, END = "<!-- made by the test run: start -->", "<!-- made by the test run: end -->"
_ROWS: list["Row"] = []


@dataclasses.dataclass(frozen=True)
class Row:
    """What came of one case: its exit code and all that was printed."""

    case: Case
    code: int
    text: str


def note(row: Row) -> None:
    """Keeps a row; the last case of the corpus writes the table, where it was asked for."""
    _ROWS.append(row)
    if len(_ROWS) == len(CASES) and os.environ.get(VARIABLE):
        write(pathlib.Path(os.environ[VARIABLE]))


def write(path: pathlib.Path) -> None:
    lines, group = [], ""
    for row in _ROWS:
        if row.case.group != group:
            group = row.case.group
            lines += ["", f"### {group.capitalize()}", "", "| input | understood as | said |", "|---|---|---|"]
        understood = "refused" if row.code else f"{row.case.expected.images} images"
        lines.append(f"| {_cell(row.case.what)} | {understood} | {_cell(_said(row))} |")
    before, _, rest = path.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{START}\n" + "\n".join(lines) + f"\n\n{END}{after}", encoding="utf-8")


def _said(row: Row) -> str:
    """The line of the error, or of what was counted beside the images."""
    lines = [line.strip() for line in row.text.splitlines()]
    if row.code:
        return next(line for line in lines if "error: " in line).partition("error: ")[2]
    beside = [
        line for line in lines if not re.match(r"(source|train|test|validation|digest|no validation|checking)", line)
    ]
    return "; ".join(line for line in beside if not line.startswith("label: no labels"))


def _cell(text: str) -> str:
    short = text if len(text) <= 200 else text[:197] + "..."
    return short.replace("|", "\\|").replace("<", "&lt;")
