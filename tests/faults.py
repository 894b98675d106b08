"""The table of docs/reliability.md, made by the test run: REVERIE_FAULTS=docs/reliability.md makes the run write it.

A test marked `fault(what, kept, said, code)` is a row: what goes wrong, what is kept, what is printed, the exit code.
"""

import pathlib

START, END = "<!-- made by the test run: start -->", "<!-- made by the test run: end -->"
_COLUMNS = ("fault", "what is kept", "what is printed", "exit code", "tested")


def write(path: str, rows: dict) -> None:
    """Writes Markdown between the two lines of the page; what an earlier run found stands until it is run again.

    Args:
      path: of the page.
      rows: (fault, kept, said, code) -> outcomes of its tests.
    """
    page = pathlib.Path(path)
    head, _, rest = page.read_text(encoding="utf-8").partition(START)
    table, _, tail = rest.partition(END)
    rows = {**_rows(table), **rows}
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---" * len(_COLUMNS) + "|"]
    for row, outcomes in sorted(rows.items()):
        tested = "yes" if set(outcomes) == {"passed"} else "NO" if "failed" in outcomes else "not run"
        lines.append("| " + " | ".join([*row, tested]) + " |")
    page.write_text("\n".join([head + START, *lines, END]) + tail, encoding="utf-8")


def _rows(table: str) -> dict:
    """(fault, kept, said, code) -> outcomes, of a table that an earlier run has written."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[3:] if line]
    outcome = {"yes": "passed", "NO": "failed", "not run": "skipped"}
    return {tuple(row): [outcome[tested]] for *row, tested in cells}
