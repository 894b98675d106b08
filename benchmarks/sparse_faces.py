"""The table of best neurons over seeds, control rows that need training runs of their own included.

    python benchmarks/sparse_faces.py --source=folder:photos/train --concept=face=folder:photos/choose \\
        --report=face=folder:photos/report --seeds=0,1,2 --workdir=runs/faces [--groups=face=RULE] \\
        [--no_faces=folder:photos/train_without_faces] [--config=sparse_small] [--jobs=2] \\
        [-- --config.greedy.steps='(300,150,200)' ...]

For every seed three networks are trained: as configured, without contrast normalization, and without faces: on a
source of its own, or on pictures of the same source in which no face is detected. Each is evaluated by `reverie
evaluate` with the concepts given, one core a run; what is finished is kept, so run it again to resume. Rows are means
over seeds of the accuracy on judging images, in %, with the standard error over seeds; the interval is that of draws
of other people (its ends' means over seeds), "AUC" the area under the ROC curve of the same unit, "choosing" what
choosing and judging on the same images would have claimed.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
from absl import app, flags
from reverie.evaluation import concept_table

FLAGS = flags.FLAGS
flags.DEFINE_string("source", None, "Images or frames to train on.", required=True)
flags.DEFINE_string("no_faces", "", "The same without faces; by default those in which no face is detected.")
flags.DEFINE_multi_string("concept", None, "NAME=SOURCE, see `reverie evaluate`.", required=True)
flags.DEFINE_multi_string("report", [], "NAME=SOURCE, see there.")
flags.DEFINE_multi_string("groups", [], "NAME=RULE, see there.")
flags.DEFINE_string("config", "sparse_small", "What is trained.")
flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds.")
flags.DEFINE_integer("jobs", 2, "Runs at a time, one core each.")
flags.DEFINE_integer("every", 0, "Looks at every N-th row and column of neurons; 0 chooses.")
flags.DEFINE_string("workdir", "runs/faces", "Folder of the runs; finished runs are kept, run again to resume.")

TRAINED, NO_CONTRAST, NO_FACES = "trained", "without contrast", "no faces in training"


def variants() -> dict[str, list]:
    """Name -> what is set differently."""
    without = f"--config.data.source={FLAGS.no_faces}" if FLAGS.no_faces else "--config.data.without_faces=True"
    return {TRAINED: [], NO_CONTRAST: ["--config.model.contrast=0"], NO_FACES: [without]}


def folder_of(variant: str, seed: str) -> pathlib.Path:
    return pathlib.Path(FLAGS.workdir) / f"{variant.replace(' ', '_')}-{seed}"


def numbers_of(variant: str, seed: str) -> dict:
    path = folder_of(variant, seed) / "evaluation.json"
    return json.loads(path.read_text()) if path.exists() else {}


def names() -> list[str]:
    return [given.partition("=")[0] for given in FLAGS.concept]


def run(variant: str, seed: str, more: list) -> None:
    """Trains and evaluates one network, unless that was done."""
    if all(f"{name}_neuron" in numbers_of(variant, seed) for name in names()):
        return
    folder = folder_of(variant, seed)
    train = ["train", f"--config={FLAGS.config}", f"--config.data.source={FLAGS.source}", f"--config.seed={seed}",
             f"--workdir={folder}", "--config.train.keep_checkpoints=1", *variants()[variant], *more]  # fmt: skip
    told = {"concept": FLAGS.concept, "report": FLAGS.report, "groups": FLAGS.groups}
    options = [f"--{option}={value}" for option, values in told.items() for value in values]
    # Of a control the best neuron is all that the table shows.
    rows = [] if variant == TRAINED else ["--rows=neuron"]
    evaluate = ["evaluate", f"--workdir={folder}", *options, *rows, f"--every={FLAGS.every}"]
    threads = str(max(1, (os.cpu_count() or 1) // FLAGS.jobs))
    limits = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads, "OMP_NUM_THREADS": threads}
    for command in (train, evaluate):
        done = subprocess.run(
            [sys.executable, "-m", "reverie", *command], capture_output=True, text=True, check=False,
            env={**os.environ, **limits},
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{variant}, seed {seed}: {done.stderr.strip().splitlines()[-1]}")
    print(f"{variant}, seed {seed}: done", flush=True)


def line(title: str, name: str, row: str, found: list[dict]) -> str:
    """A row of the table: as they are, and moved."""
    cells = [title]
    for condition in ("", concept_table.MOVED):
        key = f"{name}_{row}{condition}"

        def mean(end, key=key):
            return np.mean([numbers[key + end] for numbers in found])

        values = 100 * np.array([numbers[key] for numbers in found])
        error = f" ± {values.std(ddof=1) / len(values) ** 0.5:.1f}" if len(values) > 1 else ""
        interval = f"{100 * mean('_low'):.1f} to {100 * mean('_high'):.1f}"
        cells.append(f"{values.mean():.1f}{error} | {interval} | {mean('_auc'):.3f} | {100 * mean('_selection'):.1f}")
    return f"| {' | '.join(cells)} |"


def table(name: str) -> list[str]:
    """The lines of one concept."""
    trained = [numbers_of(TRAINED, seed) for seed in FLAGS.seeds]
    lines = [
        f"| {name} | as they are | interval | AUC | choosing | moved | interval | AUC | choosing |",
        "|" + "---|" * 9,
    ]
    for row, title in concept_table.titles(trained[0], name).items():
        lines.append(line(title, name, row, trained))
        if row == "neuron":
            for variant in list(variants())[1:]:
                found = [numbers_of(variant, seed) for seed in FLAGS.seeds]
                lines.append(line(f"{title}, {variant}", name, row, found))
    guess, luck = (100 * np.mean([numbers[f"{name}_{key}"] for numbers in trained]) for key in ("guess", "luck"))
    probes = [key for key in trained[0] if key.startswith(f"{name}_probe_")]
    read = ", ".join(
        f"{key.removeprefix(f'{name}_probe_').replace('_', ' ')} "
        f"{100 * np.mean([numbers[key] for numbers in trained]):.1f}"
        for key in probes
    )
    return [*lines, "", f"Guess {guess:.1f}; luck, on choosing images, {luck:.1f}. Linear probe: {read}."]


def main(arguments) -> None:
    jobs = [(variant, seed) for seed in FLAGS.seeds for variant in variants()]
    with concurrent.futures.ThreadPoolExecutor(FLAGS.jobs) as pool:
        list(pool.map(lambda job: run(*job, arguments[1:]), jobs))
    for name in names():
        print("\n" + "\n".join(table(name)))
    for seed in FLAGS.seeds:
        numbers = numbers_of(TRAINED, seed)
        print(f"\nseed {seed}: Gabor R2 {numbers['gabor_fit']:.2f}, {numbers['effective_pixels']:.1f} effective pixels")


if __name__ == "__main__":
    app.run(main)
