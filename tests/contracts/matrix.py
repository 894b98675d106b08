"""The tables of what is tested for every family, layer and source, from the outcomes of a test run."""

import json
import pathlib

from .family_cases import CASES

SIGNS = {"passed": "yes", "failed": "NO"}


def write(path: str, cells: dict) -> None:
    """Writes Markdown.

    What was run goes into runs/contract_cells.json too, over what stood there: parts may be run one after the other.

    Args:
      path: of the file.
      cells: (table, row, column) -> [(outcome, reason)].
    """
    kept = pathlib.Path("runs") / "contract_cells.json"
    kept.parent.mkdir(exist_ok=True)
    before = json.loads(kept.read_text()) if kept.is_file() else []
    cells = {**{tuple(key): value for key, value in before}, **cells}
    kept.write_text(json.dumps([[list(key), value] for key, value in cells.items()]))
    tables = list(dict.fromkeys(table for table, _, _ in cells))
    notes: list[str] = []
    parts = [
        "# What every family, layer and source is tested for\n",
        "Made by the test run: `REVERIE_MATRIX=docs/contract_matrix.md python -m pytest tests/contracts -m ''`. "
        "A row is what is registered, a column one test of `tests/contracts/`.\n",
    ]
    for table in sorted(tables):
        parts.append(f"## {table.capitalize()}\n")
        parts.append(_table({key[1:]: value for key, value in cells.items() if key[0] == table}, notes))
    if notes:
        parts.append("\n".join(f"[{number}] {note}." for number, note in enumerate(notes, 1)) + "\n")
    pathlib.Path(path).write_text("\n".join(parts), encoding="utf-8")


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
    for wanted in ("failed", "skipped"):
        for outcome, reason in outcomes:
            if outcome == wanted == "skipped":
                if reason not in notes:
                    notes.append(reason)
                return f"[{notes.index(reason) + 1}]"
            if outcome == wanted:
                return SIGNS[outcome]
    return SIGNS["passed"]
