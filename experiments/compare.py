"""Methods x seeds over one stream of tasks, each a run of its own, and the table of them all.

Finished runs are skipped, stopped ones resumed, failed ones named; none stops the rest. Each run is a process of its
own, so that no run sees another's graph, memory or threads.
"""

import collections
import dataclasses
import html
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import pipelines
from ..errors import UserError
from ..evaluation import continual as measures
from ..evaluation import html_page, pictures
from ..progress import Progress
from ..stored import in_utf8, read_object, whole_file
from ..training import continual, devices, run_folder, signals
from . import arguments
from . import plugins as plugin_files
from .configs import config as make_config
from .configs import config_path, named_overrides
from .kinds import kind_of
from .stream import read_history

Overrides = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What came of a comparison.

    Attributes:
      folder: where its runs, table.md, comparison.json, accuracy.png and report.html lie.
      rows: one dict a finished run: "method", "seed", "seconds", "images_per_second" and the numbers of
        `evaluation.continual.summary`.
      table: Markdown: a row a method, means and standard errors over seeds.
      failures: of runs that failed.
      exit_code: 0, that of a run that failed, or 143 where it was stopped.

    Example:
      comparison = reverie.compare("replay_split_mnist", "runs/methods", ["none", "bir"], seeds=[0, 1])
      print(comparison.table)
    """

    folder: pathlib.Path
    rows: list[dict[str, Any]]
    table: str
    failures: tuple["Failure", ...] = ()
    exit_code: int = 0

    @property
    def report(self) -> pathlib.Path:
        """Path of the page."""
        return self.folder / "report.html"


@dataclasses.dataclass(frozen=True)
class Failure:
    """A run that failed: its exit code and the last line of its log."""

    method: str
    seed: int
    exit_code: int
    reason: str


def compare(
    config: str | pathlib.Path,
    workdir: str | pathlib.Path,
    methods: str | Sequence[str],
    seeds: Sequence[int] = (0,),
    *,
    scenario: str = "",
    data: Any = None,
    overrides: Overrides | None = None,
    jobs: int = 1,
    plugins: Sequence[str] = (),
) -> Comparison:
    """Trains methods x seeds over one stream of tasks, and writes the table of them all.

    Args:
      config: name or path of a config of a stream that takes "RECIPE,SCENARIO" as its argument.
      workdir: runs lie in <workdir>/<recipe>/seed_<seed>; what is finished there is kept, so rerun to resume.
      methods: recipes, see configs/recipes.py; or one of them.
      seeds: whole numbers from 0 to 2^31 - 1; one run of each method for each.
      scenario: task, domain or class; the config's own by default.
      data: a source string, or arrays as `train` takes them (kept in the comparison's folder).
      overrides: settings by dotted key, for every run.
      jobs: runs at a time; the cores are shared out among them, and each trains on one of the GPUs.
      plugins: files and modules that every run loads.

    Raises:
      UserError: a config without a stream, an unknown recipe, the folder holds a comparison with other settings.

    Example:
      reverie.compare("replay_split_mnist", "runs/methods", ["none", "ewc", "bir"], seeds=[0, 1, 2], jobs=2)
    """
    arguments.path("config", config, "a name as 'replay_split_mnist', or a file")
    path = str(config_path(str(config))[0])
    folder = arguments.path("workdir", workdir)
    jobs = arguments.whole("jobs", jobs, 1, 1024)
    methods = arguments.texts("methods", methods, "['none', 'bir']")
    plugins = arguments.texts("plugins", plugins, "['my_method.py']")
    seeds = [arguments.whole("one of the seeds", seed, 0, 2**31 - 1)
             for seed in arguments.listed("seeds", seeds, "[0, 1, 2]")]  # fmt: skip
    if not isinstance(scenario, str):
        raise UserError(f"scenario is {arguments.shown(scenario)}; expected 'task', 'domain' or 'class'")
    for name, given in (("seeds", seeds), ("methods", methods)):
        if not given or len(set(given)) != len(given):
            raise UserError(f"{name} are {', '.join(map(str, given)) or 'empty'}; expected some, and none twice")
    usual = make_config(path)
    if kind_of(usual).name != "stream":
        raise UserError("compare needs a config of a stream of tasks, for example --config=replay_split_mnist")
    scenario = scenario or usual.stream.scenario
    given = named_overrides(overrides)
    _check_recipes(path, methods, scenario, given)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"workdir {folder} cannot be written: {error.strerror}; choose another --workdir") from None
    if data is not None:
        given |= _kept_data(data, folder)
    flags = [f"--config.{key}={value!r}" if isinstance(value, tuple) else f"--config.{key}={value}"
             for key, value in given.items()]  # fmt: skip
    settings = {"config": pathlib.Path(path).name, "scenario": scenario, "overrides": sorted(flags)}
    before = read_object(folder / "settings.json")
    if before and before != settings:
        raise UserError(f"{folder} holds a comparison with other settings ({before}); use a new --workdir")
    run_folder.write_json(folder / "settings.json", settings)
    places = [(method, seed, folder / method / f"seed_{seed}") for seed in seeds for method in methods]
    commands = {
        (method, seed): [
            sys.executable, "-m", "reverie", "train", f"--config={path}:{method},{scenario}",
            *flags, f"--config.seed={seed}", f"--workdir={place}",
        ]
        for method, seed, place in places if not _done(place)
    }  # fmt: skip
    print(f"{len(places)} runs, {len(places) - len(commands)} already finished")
    failures, stopped = _run_all(commands, folder, jobs, plugin_files.environment(plugins))
    rows = collect(folder, methods, seeds)
    table = write(folder, settings, rows)
    for failure in failures:
        shown = f"{failure.method}, seed {failure.seed}: {failure.reason}"
        print(f"failed with exit code {failure.exit_code}: {shown}", file=sys.stderr)
    code = 128 + signal.SIGTERM if stopped else max((failure.exit_code for failure in failures), default=0)
    return Comparison(folder, rows, table, tuple(failures), code)


def _kept_data(data: Any, folder: pathlib.Path) -> dict[str, Any]:
    """Overrides for data that was handed over: arrays are kept as data.npz, where every process can read them."""
    if isinstance(data, str):
        return {"data.source": data}
    source, arrays = pipelines.give(data), {}
    sets = pipelines.read_splits(source, validation_fraction=0.0, test_fraction=0.0)
    for split, images in sets.items():
        arrays |= {f"x_{split}": images.pixels, f"y_{split}": images.labels}
    with whole_file(folder / "data.npz") as place, place.open("wb") as stream:
        np.savez(stream, **arrays)
    return {"data.source": str(folder / "data.npz"), "data.image_shape": tuple(sets["train"].shape)}


def _check_recipes(config: str, methods: Sequence[str], scenario: str, overrides: Overrides) -> None:
    """Refuses a recipe that the config does not know, or overrides that do not suit one, before any run is started."""
    for method in methods:
        try:
            recipe = make_config(f"{config}:{method},{scenario}")
        except UserError as error:
            if "positional argument" in str(error):
                raise UserError(
                    f"{config}: its get_config takes no recipe; compare needs a config that does, "
                    "for example replay_split_mnist"
                ) from None
            raise
        try:
            settings = make_config(recipe, overrides)
            if kind_of(settings).name == "stream":
                continual.settings_of(settings)
        except UserError as error:
            named = str(error).startswith(f"{method} ")
            raise UserError(str(error) if named else f"{method}: {error}") from None


def _done(place: pathlib.Path) -> bool:
    description = read_object(place / "run.json")
    return "finished" in description and description.get("signal") is None


def _run_all(commands: dict, folder: pathlib.Path, jobs: int, more: dict[str, str]) -> tuple[list[Failure], bool]:
    """(those that failed, whether it was stopped); `more` is added to the environment of every run."""
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = {**os.environ, **more, "TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
    environment[signals.WITH_PARENT] = "1"
    gpus = devices.visible(environment)
    waiting, running, failed, told = collections.deque(commands.items()), {}, [], set()
    total, began, stop = len(commands), time.monotonic(), []
    progress = Progress("runs", total, "run")
    kept = {number: signal.signal(number, lambda *_: stop.append(1)) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        while running or (waiting and not stop):
            for _ in range(len(waiting) if len(running) < jobs and not stop else 0):
                (method, seed), command = waiting.popleft()
                if len(running) >= jobs or _held_elsewhere(folder / method / f"seed_{seed}", told):
                    waiting.append(((method, seed), command))
                    continue
                # One GPU a run, however many there are: what a run learns does not depend on how many run beside it.
                gpu = devices.least_used(gpus, [taken for *_, taken in running.values()])
                own = {**environment, devices.VISIBLE: gpu} if gpu else environment
                log = folder / method / f"seed_{seed}.log"
                log.parent.mkdir(parents=True, exist_ok=True)
                with open(log, "ab") as stream:
                    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stream, stderr=stream, env=own)
                running[process] = (method, seed, log, time.monotonic(), gpu)
            time.sleep(0.2)
            for process in [process for process in running if process.poll() is not None]:
                method, seed, log, started, _ = running.pop(process)
                # A process that a signal killed has a negative code; shells say 128 and the signal.
                code = process.returncode if process.returncode >= 0 else 128 - process.returncode
                if code and not stop:
                    last = log.read_text(errors="replace").strip().splitlines()[-1:] or [""]
                    failed.append(Failure(method, seed, code, last[0]))
                ended = total - len(waiting) - len(running)
                left = (time.monotonic() - began) / ended * (total - ended)
                progress.say(
                    f"{ended}/{total} {method}, seed {seed}: {time.monotonic() - started:.0f} s, exit code "
                    f"{code}; about {left / 60:.0f} min left"
                )
                progress.update()
            progress.update(0)
            if stop == [1]:
                stop.append(1)  # Once: each run saves and leaves.
                for process in running:
                    process.terminate()
    finally:
        progress.close()
        for number, handler in kept.items():
            signal.signal(number, handler)
    return failed, bool(stop)


def _held_elsewhere(place: pathlib.Path, told: set) -> bool:
    """Whether a process that is not ours still trains there: one of a comparison that was killed, or of another."""
    by = run_folder.holder(place)
    if by and place not in told:
        told.add(place)
        print(f"{place}: {by} still trains there; waiting for it", file=sys.stderr, flush=True)
    return bool(by)


def collect(folder: pathlib.Path, methods: Sequence[str], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """One dict a finished run: method, seed, seconds and the numbers of `evaluation.continual.summary`."""
    rows = []
    for method in methods:
        for seed in seeds:
            place = folder / method / f"seed_{seed}"
            if _done(place):
                history, description = read_history(place), read_object(place / "run.json")
                numbers = measures.summary(history.accuracy, history.initial)
                rate = description["examples_per_second"]
                rows.append({"method": method, "seed": seed, "seconds": description["seconds"],
                             "images_per_second": rate, **numbers})  # fmt: skip
    return rows


def summarize(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One dict a method: runs, and mean and standard error of every number, as (mean, error).

    One run has no error: None stands in its place.
    """
    result = []
    for method in dict.fromkeys(row["method"] for row in rows):
        of_method = [row for row in rows if row["method"] == method]
        names = [name for name in of_method[0] if name not in ("method", "seed")]
        entry = {"method": method, "runs": len(of_method)}
        for name in names:
            values = np.array([row[name] for row in of_method if name in row], np.float64)
            error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
            entry[name] = (float(values.mean()), error)
        result.append(entry)
    return result


def write(folder: pathlib.Path, settings: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Writes comparison.json, table.md, accuracy.png and report.html in the comparison's folder; returns the table."""
    summary = summarize(rows)
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
            spread = "" if error is None else f" ± {factor * error:.{digits}f}"
            cells.append("-" if mean is None else f"{factor * mean:.{digits}f}{spread}")
        lines.append("| " + " | ".join(cells) + " |")
    table = "\n".join(lines) + "\n"
    notes = (
        "Mean ± standard error over seeds (one run has none). "
        + "; ".join(f"{k}: {v}" for k, v in measures.DEFINITIONS.items())
        + ".\n"
    )
    with whole_file(folder / "table.md") as place:
        place.write_text(in_utf8(f"{table}\n{notes}"), encoding="utf-8")
    if not summary:
        return table
    chart = pictures.bars(
        [(entry["method"], *_percent(*entry["average_accuracy"])) for entry in summary],
        f"average accuracy, {settings['scenario']}-incremental", "per cent",
    )  # fmt: skip
    pictures.save_png(folder / "accuracy.png", chart)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|---")]
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in cells)
    caption = "Average accuracy over all tasks after the last one; lines are standard errors over seeds."
    parts = (
        f"<h1>Comparison</h1><p class=note>{html.escape(json.dumps(settings))}</p>",
        html_page.figure(pictures.to_png(chart), "accuracy", caption),
        f"<div class=wide><table>{body}</table></div><p class=note>{html.escape(notes)}</p>",
    )
    content = html_page.page("comparison", [html_page.Section("", part) for part in parts])
    with whole_file(folder / "report.html") as place:
        place.write_text(in_utf8(content), encoding="utf-8")
    return table


def _percent(mean: float, error: float | None) -> tuple[float, float | None]:
    return 100.0 * mean, None if error is None else 100.0 * error
