"""`reverie compare`: methods x seeds over one stream, each a run of its own, and the table of them all.

What is done is skipped, what was stopped goes on, what failed is named and does not stop the rest. Each run is a
process of its own, so that no run sees another's graph, memory or threads.
"""

import collections
import html
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np

from .errors import UserError
from .evaluation import continual as measures
from .evaluation import pictures, report
from .training import run_folder


def run(config: str, overrides: list, methods: list, scenario: str, seeds: list, workdir, jobs: int) -> int:
    """Trains what is missing and writes the table.

    Args:
      config: path of a config file that takes "RECIPE,SCENARIO" as its argument.
      overrides: --config.a.b=value, handed to every run.
      methods: recipes, see configs/recipes.py.
      scenario: task, domain or class.
      seeds: integers.
      workdir: runs lie in <workdir>/<recipe>/seed_<seed>.
      jobs: runs at a time; the cores are shared out among them.

    Returns:
      Exit code: 0, that of a run that failed, or 143 where it was told to stop.

    Raises:
      UserError: the folder holds a comparison with other settings.
    """
    _check_recipes(config, methods, scenario)
    folder = pathlib.Path(workdir)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"config": pathlib.Path(config).name, "scenario": scenario, "overrides": sorted(overrides)}
    before = run_folder.read_json(folder / "settings.json")
    if before and before != settings:
        raise UserError(f"{folder} holds a comparison with other settings ({before}); use a new --workdir")
    run_folder.write_json(folder / "settings.json", settings)
    places = [(method, seed, folder / method / f"seed_{seed}") for seed in seeds for method in methods]
    commands = {
        (method, seed): [
            sys.executable, "-m", "reverie", "train", f"--config={config}:{method},{scenario}",
            *overrides, f"--config.seed={seed}", f"--workdir={place}",
        ]
        for method, seed, place in places if not _done(place)
    }  # fmt: skip
    print(f"{len(places)} runs, {len(places) - len(commands)} already done")
    failed, stopped = _run_all(commands, folder, jobs)
    rows = collect(folder, methods, seeds)
    write(folder, settings, rows)
    for method, seed, code, reason in failed:
        print(f"failed with exit code {code}: {method}, seed {seed}: {reason}", file=sys.stderr)
    return 128 + signal.SIGTERM if stopped else max((code for _, _, code, _ in failed), default=0)


def _check_recipes(config: str, methods: list, scenario: str) -> None:
    """Refuses a recipe that the config does not know before any run is started."""
    spec = importlib.util.spec_from_file_location("compared_config", config)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for method in methods:
        try:
            module.get_config(f"{method},{scenario}")
        except ValueError as error:
            raise UserError(str(error)) from None
        except TypeError:
            raise UserError(
                f"{config}: its get_config takes no recipe; compare needs one as replay_split_mnist"
            ) from None


def _done(place: pathlib.Path) -> bool:
    description = run_folder.read_json(place / "run.json")
    return "finished" in description and description.get("signal") is None


def _run_all(commands: dict, folder: pathlib.Path, jobs: int) -> tuple:
    """([(method, seed, exit code, last line of its log)] of those that failed, whether told to stop)."""
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
    waiting, running, failed = collections.deque(commands.items()), {}, []
    total, began, stop = len(commands), time.monotonic(), []
    kept = {number: signal.signal(number, lambda *_: stop.append(1)) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        while running or (waiting and not stop):
            while waiting and len(running) < jobs and not stop:
                (method, seed), command = waiting.popleft()
                log = folder / method / f"seed_{seed}.log"
                log.parent.mkdir(parents=True, exist_ok=True)
                with open(log, "ab") as stream:
                    process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment)
                running[process] = (method, seed, log, time.monotonic())
            time.sleep(0.2)
            for process in [process for process in running if process.poll() is not None]:
                method, seed, log, started = running.pop(process)
                # A process that a signal killed has a negative code; shells say 128 and the signal.
                code = process.returncode if process.returncode >= 0 else 128 - process.returncode
                if code and not stop:
                    last = log.read_text(errors="replace").strip().splitlines()[-1:] or [""]
                    failed.append((method, seed, code, last[0]))
                ended = total - len(waiting) - len(running)
                left = (time.monotonic() - began) / ended * (total - ended)
                print(
                    f"{ended}/{total} {method}, seed {seed}: {time.monotonic() - started:.0f} s, exit code "
                    f"{code}; about {left / 60:.0f} min left", flush=True,
                )  # fmt: skip
            if stop == [1]:
                stop.append(1)  # Once: each run saves and leaves.
                for process in running:
                    process.terminate()
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    return failed, bool(stop)


def collect(folder: pathlib.Path, methods: list, seeds: list) -> list:
    """One dict a finished run: method, seed, seconds and the numbers of `evaluation.continual.summary`."""
    rows = []
    for method in methods:
        for seed in seeds:
            place = folder / method / f"seed_{seed}"
            if _done(place):
                history, description = (
                    run_folder.read_json(place / "tasks.json"),
                    run_folder.read_json(place / "run.json"),
                )
                numbers = measures.summary(history["accuracy"], history.get("initial"))
                rate = description["examples_per_second"]
                rows.append({"method": method, "seed": seed, "seconds": description["seconds"],
                             "images_per_second": rate, **numbers})  # fmt: skip
    return rows


def summarise(rows: list) -> list:
    """One dict a method: runs, and mean and standard error of every number, as (mean, error)."""
    result = []
    for method in dict.fromkeys(row["method"] for row in rows):
        of_method = [row for row in rows if row["method"] == method]
        names = [name for name in of_method[0] if name not in ("method", "seed")]
        entry = {"method": method, "runs": len(of_method)}
        for name in names:
            values = np.array([row[name] for row in of_method if name in row], np.float64)
            error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
            entry[name] = (float(values.mean()), error)
        result.append(entry)
    return result


def write(folder: pathlib.Path, settings: dict, rows: list) -> None:
    """comparison.json, table.md, accuracy.png and report.html in the comparison's folder."""
    summary = summarise(rows)
    run_folder.write_json(folder / "comparison.json", {"settings": settings, "runs": rows})
    columns = ("average_accuracy", "forgetting", "backward_transfer", "seconds")
    lines = [
        "| method | runs | accuracy, % | forgetting, % | backward transfer, % | s a run |",
        "|---|---|---|---|---|---|",
    ]
    for entry in summary:
        cells = [entry["method"], str(entry["runs"])]
        for name in columns:
            mean, error = entry.get(name, (None, None))
            factor, digits = (1.0, 0) if name == "seconds" else (100.0, 2)
            cells.append("-" if mean is None else f"{factor * mean:.{digits}f} ± {factor * error:.{digits}f}")
        lines.append("| " + " | ".join(cells) + " |")
    table = "\n".join(lines) + "\n"
    notes = (
        "Mean ± standard error over seeds. " + "; ".join(f"{k}: {v}" for k, v in measures.DEFINITIONS.items()) + ".\n"
    )
    (folder / "table.md").write_text(f"{table}\n{notes}", encoding="utf-8")
    print(table)
    if not summary:
        return
    chart = pictures.bars(
        [(e["method"], 100.0 * e["average_accuracy"][0], 100.0 * e["average_accuracy"][1]) for e in summary],
        f"average accuracy, {settings['scenario']}-incremental", "per cent",
    )  # fmt: skip
    pictures.save_png(folder / "accuracy.png", chart)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|---")]
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in cells)
    page = report.page(
        "comparison",
        [
            "<h1>Comparison</h1>", f"<p class=note>{html.escape(json.dumps(settings))}</p>",
            report.image(pictures.to_png(chart), "accuracy"), f"<table>{body}</table>",
            f"<p class=note>{html.escape(notes)}</p>",
        ],
    )  # fmt: skip
    (folder / "report.html").write_text(page, encoding="utf-8")
    print(f"report: {folder / 'report.html'}")
