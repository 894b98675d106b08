"""Whether a change of structure changed anything learned: this tree against an earlier revision, bit for bit.

    python benchmarks/unchanged.py --before=REV [--work=DIR] [--keep] [--out=FILE.md] [--only=xcov,scan]

Both sides are driven through the command line alone, by the same interpreter on the same machine. Every family trains
for some 60 deterministic steps, a step a graph call and a line of losses a step. Then

- both sides train the same run: the SHA-256 over the weights of the last checkpoint, over all of the checkpoint
  (optimizer slots and the state of methods included) and over the logged losses must be equal. A digest is over the
  sorted (shape, dtype, bytes) of the tensors, so that the names under which they are saved do not count;
- run folders that the earlier revision wrote are evaluated, exported and resumed by this tree. A stream of tasks or a
  run in stages is stopped by SIGTERM, resumed here, and must end in the bits of the earlier revision's unbroken run;
  any other run is given more steps, and must end where the earlier revision takes it. Numbers of an evaluation must be
  the earlier revision's own, but for a relative difference of 0.001: they are not computed in deterministic mode.

Asynchronous SGD has no order of steps: of it only the losses are compared, the mean over the last third of the run
within a tenth. Writes a Markdown table; the exit code is 1 if anything differs, 2 if nothing could be compared.

With --work the earlier revision's runs are kept there, by revision, interpreter and processor, and a second call trains
the current side only. --keep leaves the current side's runs too, and without --work the temporary folder.
"""

import argparse
import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NoReturn

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

ROOT = pathlib.Path(__file__).resolve().parents[1]
SECONDS = 300  # The longest that one command may take.
EVALUATION_TOLERANCE = 1e-3
# Measured by the clock, not learned.
CLOCKED = ("time", "examples_per_second", "peak_memory_gib")


# ---- what is compared


@dataclasses.dataclass(frozen=True)
class Case:
    """One small run, and what is compared of it.

    Attributes:
      name: of its folders and rows.
      config: as given to --config.
      settings: overrides by key; `{data}` stands for the folder of drawn data, `{runs}` for those of the earlier
        revision's runs.
      flags: further flags of `train`.
      both: whether both sides train it from the start.
      stop: the step at which the earlier revision is stopped by SIGTERM for this tree to go on; 0 is never.
      grow: overrides with which a finished run is trained on; empty for never.
      evaluate: whether both sides evaluate the earlier revision's run.
      lite: what `export` converts of the earlier revision's run; None leaves the export out.
      tolerance: None where bits are compared, else the relative difference allowed between last losses.
    """

    name: str
    config: str
    settings: dict
    flags: tuple = ("--deterministic",)
    both: bool = False
    stop: int = 0
    grow: dict = dataclasses.field(default_factory=dict)
    evaluate: bool = False
    lite: str | None = None
    tolerance: float | None = None


# A call of several steps is cut by the clock, and the mean of its losses rounded accordingly: hence a step a call.
EACH_STEP = {"train.steps_per_call": 1, "train.log_every": 1}
XCOV = {
    **EACH_STEP, "train.epochs": 0.0, "train.steps": 60, "train.evaluate_every": 30, "model.encoder": (64, 32),
    "model.decoder": (32, 64),
}  # fmt: skip
STREAM = {
    **EACH_STEP, "stream.tasks": 3, "train.steps": 20, "train.batch_size": 32, "model.hidden": (64, 48),
    "model.latents": 8, "continual.fisher_images": 60, "continual.memory": 60, "continual.evaluate_images": 100,
}  # fmt: skip
FEATURES = {
    **EACH_STEP, "data.source": "{data}/bars.npz", "train.steps": 60, "train.batch_size": 16,
    "train.checkpoint_every": 0, "model.convolutions": (4, 8), "model.hidden": (32, 24),
}  # fmt: skip
SPARSE = {
    **EACH_STEP, "data.source": "frames:{data}/frames", "train.steps": 60, "train.batch_size": 8,
    "train.checkpoint_every": 40, "model.maps": 4,
}  # fmt: skip
FINE_TUNE = {
    **EACH_STEP, "data.source": "{data}/bars.npz", "data.image_shape": (32, 32, 3), "model.image_shape": (32, 32, 3),
    "model.field": 7, "model.pool": 3, "model.contrast": 3, "model.tile": 4, "model.maps": 4, "train.steps": 60,
    "train.batch_size": 8, "transfer.pretrained": "{runs}/sparse/whole", "transfer.head_steps": 20,
}  # fmt: skip
SCENES = {
    **EACH_STEP, "data.source": "scenes:2000", "words.pairs": 100, "model.vision.channels": (8, 8, 16, 16),
    "model.vision.hidden": 32, "model.vision.latents": 8, "model.symbols.hidden": 16,
}  # fmt: skip
SCAN = {
    **SCENES, "model.denoising.channels": (4, 4, 8, 8), "model.denoising.bottleneck": 8,
    "model.recombination.hidden": 32, "model.vision.hold_steps": 10, "model.vision.ramp_steps": 10,
    "stages.denoising.steps": 10, "stages.denoising.batch_size": 8, "stages.vision.steps": 30,
    "stages.vision.batch_size": 16, "stages.vision.unmix_at": (10, 20), "stages.symbols.steps": 10,
    "stages.symbols.batch_size": 16, "stages.operators.steps": 10, "stages.operators.batch_size": 16,
}  # fmt: skip
# Evaluating scenes takes minutes on small machines; pictures of 8 x 8 with the same stages do not.
SMALL = {
    "data.source": "table:{data}/bars/bars.csv", "data.image_shape": (8, 8, 3), "data.test_fraction": 0.3,
    "model.image_shape": (8, 8, 3), "model.vision.channels": (8, 8), "words.pairs": 80, "words.held_out": 0.1,
}  # fmt: skip
JMVAE = {**SCENES, **SMALL, "stages.joint.steps": 40, "stages.joint.batch_size": 8}

CASES = (
    Case("xcov", "xcov_demo", XCOV, both=True, grow={"train.steps": 80}, evaluate=True, lite="float32"),
    Case("bir", "replay_split_mnist:bir", STREAM, both=True, stop=25, evaluate=True, lite="none"),
    Case("ewc", "replay_split_mnist:ewc", STREAM, both=True, stop=25),
    Case("domain", "replay_split_mnist:er+si,domain", STREAM, stop=25),
    Case("task", "replay_split_mnist:lwf,task", STREAM, stop=25, lite="none"),
    Case("features", "features_cifar10", FEATURES, stop=25, evaluate=True, lite="none"),
    Case("sparse", "sparse_demo", SPARSE, both=True, grow={"train.steps": 80}, evaluate=True, lite="none"),
    Case("sparse_classifier", "sparse_fine_tune", FINE_TUNE, grow={"train.steps": 80}, evaluate=True, lite="none"),
    Case("scan", "scan_scenes", SCAN, both=True, stop=33, lite="none"),
    Case("scan_small", "scan_scenes", {**SCAN, **SMALL, "model.denoising.channels": (4, 4)}, evaluate=True),
    Case("jmvae", "scan_scenes:jmvae", JMVAE, stop=15, evaluate=True, lite="none"),
    Case("asynchronous", "xcov_demo", XCOV, flags=("--strategy=ps", "--replicas=2"), both=True, tolerance=0.1),
)  # fmt: skip


# ---- the two sides


@dataclasses.dataclass(frozen=True)
class Side:
    """One of the two trees: `tree` is the package, `folder` holds what it writes and, as path/reverie, a link to it."""

    name: str
    tree: pathlib.Path
    folder: pathlib.Path

    @property
    def runs(self) -> pathlib.Path:
        return self.folder / "runs"

    @property
    def path(self) -> pathlib.Path:
        """Where commands run: modules are found there before all others, and it holds nothing but the link."""
        return self.folder / "path"

    def link(self) -> None:
        """Makes the tree importable as `reverie`, ahead of any installed one, and checks that it is."""
        self.path.mkdir(parents=True, exist_ok=True)
        link = self.path / "reverie"
        link.unlink(missing_ok=True)
        link.symlink_to(self.tree, target_is_directory=True)
        found = subprocess.run(
            [sys.executable, "-c", "import reverie; print(reverie.__file__)"],
            capture_output=True, text=True, check=False, cwd=self.path, env=self.environment(),
        )  # fmt: skip
        if pathlib.Path(found.stdout.strip()).parent != link:
            lines = (found.stdout + found.stderr).strip().splitlines() or ["nothing"]
            _refuse(f"{self.name}: expected to import {link}, but found {lines[-1]}")

    def environment(self) -> dict:
        kept = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
        return {**kept, "PYTHONPATH": str(self.path), "PYTHONDONTWRITEBYTECODE": "1"}

    def start(self, log: str, *command) -> subprocess.Popen:
        """Starts a command of this side's interpreter; its output goes to a file of the name `log`."""
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        with (logs / f"{log}.txt").open("w") as stream:
            return subprocess.Popen(
                [sys.executable, *map(str, command)], stdout=stream, stderr=stream, cwd=self.path,
                env=self.environment(),
            )  # fmt: skip

    def call(self, log: str, *command) -> None:
        """Runs a command to its end.

        Raises:
          Failure: it did not end well.
        """
        _end(self.start(log, *command), 0, self.folder / "logs" / f"{log}.txt")


class Failure(Exception):
    """A command that did not end as it should; the message is the last line that it said."""


def _end(process: subprocess.Popen, expected: int, log: pathlib.Path) -> None:
    try:
        code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Failure(f"not done after {SECONDS} s ({log})") from None
    if code != expected:
        said = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise Failure(f"exit code {code}, expected {expected}: {said[-1]} ({log})")


def _git(*arguments) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        _refuse(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _refuse(reason: str) -> NoReturn:
    print(f"unchanged: {reason}", file=sys.stderr)
    sys.exit(2)


def _check_out(revision: str, tree: pathlib.Path) -> None:
    """The files of a revision, in a folder of their own."""
    if tree.is_dir():
        return
    whole = tree.with_name("tree.part")
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir(parents=True)
    archive = tree.with_name("tree.tar")
    _git("archive", "--format=tar", f"--output={archive}", revision)
    shutil.unpack_archive(archive, whole)
    archive.unlink()
    whole.rename(tree)


# ---- what is run


@dataclasses.dataclass(frozen=True)
class Job:
    """One command. `key` names it; it needs the jobs `needs`, and `work` does it in the empty or copied `folder`."""

    side: Side
    key: str
    folder: pathlib.Path
    needs: tuple
    work: Callable
    mark: str  # Equal marks: what is done need not be done again.

    @property
    def done(self) -> pathlib.Path:
        return self.folder.with_name(f"{self.folder.name}.done")

    def is_done(self) -> bool:
        return self.done.is_file() and self.done.read_text() == self.mark

    def run(self) -> None:
        self.done.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.work()
        self.done.write_text(self.mark)


def plan(cases: list, before: Side, now: Side) -> list:
    """All jobs in an order in which each finds what it needs."""
    jobs = [_data(before)]
    for case in cases:
        key, started = f"before {case.name}", ("data",)
        if "{runs}" in json.dumps(case.settings):
            started += ("before sparse trained",)
        whole = before.runs / case.name / "whole"
        jobs.append(_train(before, case, f"{key} trained", "whole", started, before))
        if case.both:
            jobs.append(_train(now, case, f"now {case.name} trained", "whole", started, before))
        if case.stop:
            jobs.append(_stopped(before, case, f"{key} stopped", started))
            source = before.runs / case.name / "stopped"
            jobs.append(_train(now, case, f"now {case.name} resumed", "resumed", (f"{key} stopped",), before, source))
        if case.grow:
            for side in (before, now):
                name, needs = f"{side.name} {case.name} resumed", (f"{key} trained",)
                jobs.append(_train(side, case, name, "resumed", needs, before, whole, case.grow))
        if case.evaluate:
            for side in (before, now):
                jobs.append(_evaluated(side, case, whole, (f"{key} trained",)))
        if case.lite is not None:
            jobs.append(_exported(now, case, whole, (f"{key} trained",)))
    return jobs


def _train(side, case, key, folder, needs, before, source=None, more=None) -> Job:
    place = side.runs / case.name / folder
    command = _command(case, before, place, more or {})

    def work():
        if source is not None:
            shutil.copytree(source, place)
        side.call(key.replace(" ", "_"), *command)

    return Job(side, key, place, needs, work, json.dumps([command, str(source)]))


def _stopped(side, case, key, needs) -> Job:
    place, log = side.runs / case.name / "stopped", key.replace(" ", "_")
    command = _command(case, side, place, {})

    def work():
        process, deadline = side.start(log, *command), time.monotonic() + SECONDS
        while process.poll() is None and _last_step(place) < case.stop and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _end(process, 128 + signal.SIGTERM, side.folder / "logs" / f"{log}.txt")

    return Job(side, key, place, needs, work, json.dumps([command, case.stop]))


def _evaluated(side, case, whole, needs) -> Job:
    key, place = f"{side.name} {case.name} evaluated", side.runs / case.name / "evaluated"

    def work():
        shutil.copytree(whole, place)
        side.call(key.replace(" ", "_"), "-m", "reverie", "evaluate", f"--workdir={place}")

    return Job(side, key, place, needs, work, str(whole))


def _exported(side, case, whole, needs) -> Job:
    key, place = f"{side.name} {case.name} exported", side.runs / case.name / "exported"

    def work():
        shutil.copytree(whole, place)
        command = ("-m", "reverie", "export", f"--workdir={place}", f"--lite={case.lite}")
        side.call(key.replace(" ", "_"), *command)

    return Job(side, key, place, needs, work, str(whole))


def _command(case: Case, before: Side, place: pathlib.Path, more: dict) -> list:
    names = {"data": before.folder / "data", "runs": before.runs}
    given = [
        f"--config.{name}={value.format(**names) if isinstance(value, str) else value}"
        for name, value in {**case.settings, **more}.items()
    ]
    return ["-m", "reverie", "train", f"--config={case.config}", *given, *case.flags, f"--workdir={place}"]


def _data(side: Side) -> Job:
    """Frames of drawn clips, and colored bars of ten classes."""
    place = side.folder / "data"

    def work():
        side.call("clips", side.tree / "benchmarks" / "draw_clips.py", place / "clips", "--clips=8")
        # Of the clips, three more are broken on purpose.
        side.call("frames", "-m", "reverie", "data", "frames", f"--videos={place}/clips/*.mp4", f"--out={place}/frames",
                  "--size=32", "--frames_per_video=20", "--max_distance=-1", "--max_bad_fraction=0.5")  # fmt: skip
        _draw_bars(place / "bars.npz")
        _draw_named_bars(place / "bars")

    return Job(side, "data", place, (), work, "8 clips of 20 frames, 600 and 200 bars, 300 named bars")


def _draw_bars(path: pathlib.Path) -> None:
    """uint8 images [rows, 32, 32, 3] in noise whose label, 0 to 9, is the place of a bright bar."""
    rng, arrays = np.random.default_rng(0), {}
    for split, rows in (("train", 600), ("test", 200)):
        labels = rng.permutation(rows) % 10
        images = rng.integers(0, 60, (rows, 32, 32, 3))
        for row, label in enumerate(labels):
            images[row, 1 + 3 * label : 4 + 3 * label] += rng.integers(60, 190, 3)
        arrays |= {f"x_{split}": images.astype(np.uint8), f"y_{split}": labels.astype(np.int64)}
    np.savez(path, **arrays)


def _draw_named_bars(folder: pathlib.Path, rows: int = 300) -> None:
    """PNG files of 8 x 8 with a bar of one of four colors at one of three heights, and bars.csv that names both."""
    rng = np.random.default_rng(1)
    colors, places = rng.integers(0, 4, rows), rng.integers(0, 3, rows)
    paint = np.array([[220, 30, 30], [30, 220, 30], [30, 30, 220], [220, 220, 220]])
    lines = ["file,color,place"]
    folder.mkdir()
    for row, (color, place) in enumerate(zip(colors, places, strict=True)):
        image = rng.integers(0, 30, (8, 8, 3))
        image[1 + 2 * place : 3 + 2 * place] = paint[color]
        tf.io.write_file(str(folder / f"{row}.png"), tf.io.encode_png(image.astype(np.uint8)))
        lines.append(f"{row}.png,{('red', 'green', 'blue', 'white')[color]},{('top', 'middle', 'bottom')[place]}")
    (folder / "bars.csv").write_text("\n".join(lines) + "\n")


def _last_step(folder: pathlib.Path) -> int:
    lines = _metrics(folder)
    return lines[-1]["step"] if lines else 0


def run_all(jobs: list) -> dict:
    """Runs what is not done yet, one after the other; returns what failed, {key: why}."""
    failed: dict = {}
    left = [job for job in jobs if not job.is_done()]
    began = time.monotonic()
    for number, job in enumerate(left):
        started = time.monotonic()
        lacking = next((need for need in job.needs if need in failed), None)
        if lacking:
            failed[job.key] = f"not tried: '{lacking}' failed"
        else:
            try:
                job.run()
            except Failure as failure:
                failed[job.key] = str(failure)
        now = time.monotonic()
        rest = (now - began) / (number + 1) * (len(left) - number - 1)
        state = failed.get(job.key, "done")
        print(f"[{number + 1}/{len(left)}] {job.key}: {state}, {now - started:.0f} s; about {_clock(rest)} left",
              file=sys.stderr, flush=True)  # fmt: skip
    return failed


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


# ---- how it is compared


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table."""

    config: str
    what: str
    before: str
    now: str
    same: bool


def compare(cases: list, before: Side, now: Side, failed: dict) -> list:
    """The rows of the table."""
    rows = []
    for case in cases:
        old, new = before.runs / case.name, now.runs / case.name

        def add(keys, what, *parts, case=case):
            """`parts` makes rows of folders, or one row says which of the jobs `keys` failed."""
            reason = next((failed[key] for key in keys if key in failed), None)
            rows.extend([Row(case.config, what, "", reason, False)] if reason else [
                Row(case.config, f"{what}{detail}", *cells) for detail, cells in _read(parts)
            ])  # fmt: skip

        trained = f"before {case.name} trained"
        if case.both and case.tolerance is not None:
            add((trained, f"now {case.name} trained"), "trained by both", _last_losses, old / "whole", new / "whole",
                case.tolerance)  # fmt: skip
        elif case.both:
            add((trained, f"now {case.name} trained"), "trained by both", _bits, old / "whole", new / "whole")
        if case.stop:
            keys = (trained, f"before {case.name} stopped", f"now {case.name} resumed")
            step = _step(old / "stopped")
            add(keys, f"stopped at step {step}, resumed now", _bits, old / "whole", new / "resumed")
        if case.grow:
            keys = (trained, f"before {case.name} resumed", f"now {case.name} resumed")
            add(keys, "given more steps", _bits, old / "resumed", new / "resumed")
        if case.evaluate:
            keys = (trained, f"before {case.name} evaluated", f"now {case.name} evaluated")
            add(keys, "evaluated", _evaluations, old / "evaluated", new / "evaluated")
        if case.lite is not None:
            add((trained, f"now {case.name} exported"), "exported", _published, new / "exported")
    return rows


def _read(parts: tuple) -> list:
    try:
        return parts[0](*parts[1:])
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        return [("", ("", f"cannot be read: {lines[0]}", False))]


def _bits(old: pathlib.Path, new: pathlib.Path) -> list:
    found = []
    for what, digest in ((": weights", weights_digest), (": whole checkpoint", state_digest), (": losses", losses)):
        first, second = digest(old), digest(new)
        found.append((what, (f"`{first[:16]}`", f"`{second[:16]}`", first == second)))
    return found


def weights_digest(folder: pathlib.Path) -> str:
    """SHA-256 over all variables of the model in a run's newest checkpoint."""
    return _digest(folder, "model/")


def state_digest(folder: pathlib.Path) -> str:
    """SHA-256 over all numbers in a run's newest checkpoint: model, optimizer, step, state of methods."""
    return _digest(folder, "")


def _digest(folder: pathlib.Path, prefix: str) -> str:
    reader = tf.train.load_checkpoint(str(folder / "checkpoints"))
    types, parts = reader.get_variable_to_dtype_map(), []
    for name, shape in reader.get_variable_to_shape_map().items():
        # What TensorFlow itself adds: how often it saved, and the graph of objects, which is text.
        if not name.startswith(prefix) or name.startswith("save_counter") or types[name] == tf.string:
            continue
        value = np.ascontiguousarray(reader.get_tensor(name))
        parts.append(f"{list(shape)} {types[name].name} {hashlib.sha256(value.tobytes()).hexdigest()}")
    if not parts:
        raise ValueError(f"{folder}: no variable under '{prefix}'")
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def losses(folder: pathlib.Path) -> str:
    """SHA-256 over a run's metrics.jsonl without what the clock says."""
    kept = [{name: value for name, value in line.items() if name not in CLOCKED} for line in _metrics(folder)]
    if not kept:
        raise ValueError(f"{folder}: no losses")
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _last_losses(old: pathlib.Path, new: pathlib.Path, tolerance: float) -> list:
    first, second = (_last_loss(folder) for folder in (old, new))
    same = math.isclose(first, second, rel_tol=tolerance)
    return [(f": last loss, within {tolerance:.0%}", (f"{first:.4g}", f"{second:.4g}", same))]


def _last_loss(folder: pathlib.Path) -> float:
    totals = [float(line["total"]) for line in _metrics(folder) if "total" in line]
    return float(np.mean(totals[-max(1, len(totals) // 3) :]))


def _evaluations(old: pathlib.Path, new: pathlib.Path) -> list:
    first, second = (_numbers(folder) for folder in (old, new))
    lost, apart = sorted(first.keys() - second.keys()), 0.0
    for name in first.keys() & second.keys():
        a, b = float(first[name]), float(second[name])
        if not (a == b or (math.isnan(a) and math.isnan(b))):
            apart = max(apart, abs(a - b) / max(abs(a), abs(b)))
    said = f"without {', '.join(lost)}" if lost else f"{len(second)} numbers, apart by {apart:.1g}"
    return [("", (f"{len(first)} numbers", said, not lost and apart <= EVALUATION_TOLERANCE))]


def _numbers(folder: pathlib.Path) -> dict:
    """A run's numbers; earlier revisions spell two of their names with an s."""
    content = json.loads((folder / "evaluation.json").read_text())
    return {name.replace("_recognised", "_recognized"): value for name, value in content.items()}


def _published(folder: pathlib.Path) -> list:
    versions = list((folder / "export").glob("*/1/saved_model.pb"))
    files = len(list((folder / "export").glob("*/1/lite/*.tflite")))
    return [("", ("", f"published, {files} LiteRT files" if versions else "nothing published", bool(versions)))]


def _metrics(folder: pathlib.Path) -> list:
    path, lines = folder / "metrics.jsonl", []
    if path.is_file():
        for text in path.read_text().splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:  # A line that is being written.
                continue
    return lines


def _step(folder: pathlib.Path) -> str:
    """The step of the newest checkpoint, from its name."""
    return (tf.train.latest_checkpoint(str(folder / "checkpoints")) or "-?").rpartition("-")[2]


# ---- the table


def table(rows: list, about: dict) -> str:
    """The whole report as Markdown."""
    facts = "\n".join(f"- {name}: {value}" for name, value in about.items())
    cells = []
    for row in rows:
        parts = (row.config, row.what, row.before, row.now, "yes" if row.same else "**NO**")
        cells.append(f"| {' | '.join(part.replace('|', '/') for part in parts)} |")
    different = sum(not row.same for row in rows)
    verdict = f"{different} of {len(rows)} differ." if different else f"All {len(rows)} are the same."
    head = "| config | what | before | now | same? |\n|---|---|---|---|---|"
    return f"# Unchanged\n\n{facts}\n\n{verdict}\n\n{head}\n" + "\n".join(cells) + "\n"


def _about(revision: str, seconds: float) -> dict:
    changed = " and uncommitted changes" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "versions": f"Python {platform.python_version()}, TensorFlow {tf.__version__}, "
        f"Keras {importlib.metadata.version('keras')}",
        "before": f"`{revision[:12]}`",
        "now": f"`{_git('rev-parse', 'HEAD')[:12]}`{changed}",
        "seconds": f"{seconds:.0f}",
    }


def _processor() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, help="the revision that this tree is compared with")
    parser.add_argument("--work", type=pathlib.Path, help="folder of all runs; the earlier revision's stay there")
    parser.add_argument("--keep", action="store_true", help="leave all runs where they are")
    parser.add_argument("--out", type=pathlib.Path, help="also write the table to this file")
    parser.add_argument("--only", default="", help=f"of {', '.join(case.name for case in CASES)}; comma-separated")
    options = parser.parse_args()
    asked = options.only.split(",") if options.only else [case.name for case in CASES]
    unknown = sorted(set(asked) - {case.name for case in CASES})
    if unknown:
        parser.error(f"--only: no case '{unknown[0]}'; expected some of {', '.join(case.name for case in CASES)}")
    if "sparse_classifier" in asked and "sparse" not in asked:
        asked.append("sparse")  # It starts from the filters of that run.
    revision = _git("rev-parse", "--verify", f"{options.before}^{{commit}}")
    began, cases = time.monotonic(), [case for case in CASES if case.name in asked]
    work = (options.work or pathlib.Path(tempfile.mkdtemp(prefix="unchanged-"))).resolve()
    place = hashlib.sha256(f"{sys.executable} {sys.version} {tf.__version__} {_processor()}".encode()).hexdigest()
    earlier = work / f"before-{revision[:12]}-{place[:8]}"
    before, now = Side("before", earlier / "tree", earlier), Side("now", ROOT, work / "now")
    try:
        shutil.rmtree(now.folder, ignore_errors=True)
        _check_out(revision, before.tree)
        for side in (before, now):
            side.link()
        rows = compare(cases, before, now, run_all(plan(cases, before, now)))
        text = table(rows, _about(revision, time.monotonic() - began))
    finally:
        if not options.keep:
            shutil.rmtree(now.folder if options.work else work, ignore_errors=True)
    print(text)
    if options.out:
        options.out.write_text(text)
    return 0 if all(row.same for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
