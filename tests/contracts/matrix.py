"""The tables of what is tested for every family, layer and source, from the outcomes of a test run."""

import pathlib
import re

from .family_cases import CASES

SIGNS = {"passed": "yes", "failed": "NO"}


def write(path: str, cells: dict) -> None:
    """Writes Markdown.

    What was run stands over what the page says so far: parts may be run one after the other.

    Args:
      path: of the file.
      cells: (table, row, column) -> [(outcome, what a cell says beside it)]: why a test was skipped, or a difference
        that it has measured.
    """
    page = pathlib.Path(path)
    cells = {**(_read(page.read_text(encoding="utf-8")) if page.is_file() else {}), **cells}
    tables = list(dict.fromkeys(table for table, _, _ in cells))
    notes: list[str] = []
    parts = [
        "# What every family, layer and source is tested for\n",
        "Made by the test run: `REVERIE_MATRIX=docs/contract_matrix.md python -m pytest tests/contracts -m ''`. "
        "A row is what is registered, a column one test of `tests/contracts/`. A number is the greatest difference of "
        "a loss that the test has found at any step, relative to its size where it is above one.\n",
    ]
    for table in sorted(tables):
        parts.append(f"## {table.capitalize()}\n")
        parts.append(_table({key[1:]: value for key, value in cells.items() if key[0] == table}, notes))
    if notes:
        parts.append("\n".join(f"[{number}] {note}." for number, note in enumerate(notes, 1)) + "\n")
    page.write_text("\n".join(parts), encoding="utf-8")


def _read(text: str) -> dict:
    """What a page that `write` has written says."""
    notes = {number: note for number, note in re.findall(r"^\[(\d+)\] (.*)\.$", text, re.MULTILINE)}
    cells: dict = {}
    for part in text.split("\n## ")[1:]:
        table, _, rest = part.partition("\n")
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in rest.splitlines() if line[:1] == "|"]
        for row in lines[2:]:
            for column, cell in zip(lines[0][1:], row[1:], strict=True):
                if found := re.fullmatch(r"\[(\d+)\]", cell):
                    cells[table.lower(), row[0], column] = [("skipped", notes[found[1]])]
                elif found := re.fullmatch(r"(yes|NO)(?:, (.*))?", cell):
                    cells[table.lower(), row[0], column] = [
                        ({"yes": "passed", "NO": "failed"}[found[1]], found[2] or "")
                    ]
    return cells


def _table(cells: dict, notes: list[str]) -> str:
    columns = list(dict.fromkeys(column for _, column in cells))
    named = sorted({row for row, _ in cells})
    # What holds of a family holds of each of its runs: xcov has one, replay several, as replay-bir.
    rows = [row for row in named if row in CASES or not any(other.startswith(f"{row}-") for other in named)]
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for row in rows:
        shown = []
        for column in columns:
            outcomes = cells.get((row, column)) or cells.get((row.split("-")[0], column)) or []
            shown.append(_cell(outcomes, notes))
        lines.append(f"| {row} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def _cell(outcomes: list, notes: list[str]) -> str:
    if not outcomes:
        return ""
    kinds = {outcome for outcome, _ in outcomes}
    if "failed" in kinds:
        return SIGNS["failed"]
    if "skipped" in kinds:
        reason = next(reason for outcome, reason in outcomes if outcome == "skipped")
        if reason not in notes:
            notes.append(reason)
        return f"[{notes.index(reason) + 1}]"
    measured = [float(said) for _, said in outcomes if said]
    return f"{SIGNS['passed']}, {max(measured):.0e}" if measured else SIGNS["passed"]
