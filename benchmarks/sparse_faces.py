"""The paper's table of best neurons, control rows that need training runs of their own included.

    reverie data frames --videos=clips --out=frames --size=128 --frames_per_video=100 --max_distance=-1
    reverie data faces frames --without_faces=no_faces
    python benchmarks/sparse_faces.py --frames=frames --no_faces=no_faces --concept=faces.npz --seeds=0,1,2 \\
        --workdir=runs/faces [--steps=300] [--jobs=2] [-- --config.model.tile=8 ...]

For every seed three networks are trained: as configured, without contrast normalization, and on frames without faces.
Rows are means over seeds of the accuracy on reporting halves, with the standard error over seeds; "selection" is what
choosing and reporting on the same images would have claimed.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("frames", None, "Frames to train on.", required=True)
flags.DEFINE_string("no_faces", None, "The same without faces.", required=True)
flags.DEFINE_list("concept", None, "Data sources with label 1 for faces, comma-separated.", required=True)
flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds.")
flags.DEFINE_integer("steps", 300, "Training steps.")
flags.DEFINE_integer("jobs", 2, "Runs at a time, one core each.")
flags.DEFINE_integer("every", 2, "Looks at every N-th row and column of neurons.")
flags.DEFINE_string("workdir", "runs/faces", "Folder of the runs; finished runs are kept, rerun to resume.")

VARIANTS = {"trained": [], "without contrast": ["--config.model.contrast=0"], "no faces in training": []}


def _run(variant: str, seed: str, more: list) -> None:
    folder = pathlib.Path(FLAGS.workdir) / f"{variant.replace(' ', '_')}-{seed}"
    source = FLAGS.no_faces if variant == "no faces in training" else FLAGS.frames
    train = ["train", "--config=sparse_small", f"--config.data.source=frames:{source}", "--config.data.resize=crop",
             f"--config.train.steps={FLAGS.steps}", f"--config.seed={seed}", f"--workdir={folder}",
             "--config.train.keep_checkpoints=1", *VARIANTS[variant], *more]  # fmt: skip
    names = [f"{pathlib.Path(source).stem}={source}" for source in FLAGS.concept]
    evaluate = ["evaluate", f"--workdir={folder}", f"--concept={','.join(names)}", f"--every={FLAGS.every}"]
    threads = str(max(1, (os.cpu_count() or 1) // FLAGS.jobs))
    limits = {"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads}
    for command in (train, evaluate):
        if command is evaluate and (folder / "evaluation.json").exists():
            continue
        done = subprocess.run(
            [sys.executable, "-m", "reverie", *command], capture_output=True, text=True, check=False,
            env={**os.environ, **limits},
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{variant}, seed {seed}: {done.stderr.strip().splitlines()[-1]}")
    print(f"{variant}, seed {seed}: done", flush=True)


def main(arguments):
    more = arguments[1:]
    with concurrent.futures.ThreadPoolExecutor(FLAGS.jobs) as pool:
        list(pool.map(lambda job: _run(*job, more), [(variant, seed) for seed in FLAGS.seeds for variant in VARIANTS]))

    def numbers(variant, seed):
        folder = pathlib.Path(FLAGS.workdir) / f"{variant.replace(' ', '_')}-{seed}"
        return json.loads((folder / "evaluation.json").read_text())

    rows = [("guess", "trained", "guess"), ("best neuron", "trained", "neuron"),
            ("best neuron of the first stage", "trained", "first_stage"),
            ("random weights, same network", "trained", "random_weights"),
            ("best linear filter", "trained", "linear_filter"),
            ("best neuron without contrast normalization", "without contrast", "neuron"),
            ("best neuron, no faces in training", "no faces in training", "neuron")]  # fmt: skip
    for source in FLAGS.concept:
        name = pathlib.Path(source).stem
        print(f"\n| {name} | reporting, % | selection, % |\n|---|---|---|")
        for title, variant, row in rows:
            found = [numbers(variant, seed) for seed in FLAGS.seeds]
            values = 100 * np.array([entry[f"{name}_{row}"] for entry in found])
            error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
            selection = 100 * np.mean([entry.get(f"{name}_{row}_selection", np.nan) for entry in found])
            print(f"| {title} | {values.mean():.1f} +- {error:.1f} | {selection:.1f} |")


if __name__ == "__main__":
    app.run(main)
