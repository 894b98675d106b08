"""The table of docs/reliability.md, made by the test run: REVERIE_FAULTS=docs/reliability.md makes the run write it.

A test marked `fault(what, kept, said, code)` is a row: what goes wrong, what is kept, what is printed, the exit code.
"""

import json
import pathlib

START, END = "<!-- made by the test run: start -->", "<!-- made by the test run: end -->"
_COLUMNS = ("fault", "what is kept", "what is printed", "exit code", "tested")


def write(path: str, rows: dict) -> None:
    """Writes Markdown between the two lines of the page; what an earlier run found stands until it is run again.

    Args:
      path: of the page.
      rows: (fault, kept, said, code) -> outcomes of its tests.
    """
    kept = pathlib.Path("runs") / "faults.json"
    kept.parent.mkdir(exist_ok=True)
    before = json.loads(kept.read_text()) if kept.is_file() else []
    rows = {**{tuple(key): value for key, value in before}, **rows}
    kept.write_text(json.dumps([[list(key), value] for key, value in rows.items()]))
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---" * len(_COLUMNS) + "|"]
    for row, outcomes in sorted(rows.items()):
        tested = "yes" if set(outcomes) == {"passed"} else "NO" if "failed" in outcomes else "not run"
        lines.append("| " + " | ".join([*row, tested]) + " |")
    page = pathlib.Path(path)
    head, _, rest = page.read_text(encoding="utf-8").partition(START)
    page.write_text("\n".join([head + START, *lines, END]) + rest.partition(END)[2], encoding="utf-8")
