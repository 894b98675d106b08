"""XCov on public faces: the model beside a plain classifier of the same size, over seeds.

    python benchmarks/xcov_faces.py --config=xcov_expressions --data=expressions:facial_expressions
    python benchmarks/xcov_faces.py --config=xcov_yale --data=yale:pattern_recognition/yalefaces

Trains what is missing, evaluates it, and prints the tables of docs/results/faces.md. The plain classifier is the same
encoder with the same heads and steps, trained on cross-entropy alone. It may be stopped and restarted at any time.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

from reverie.evaluation.numbers import read_numbers

PLAIN = ("--config.model.reconstruction_weight=0.0", "--config.model.covariance_weight=0.0")
# Of a plain classifier nothing but its accuracy means anything.
SHOWN = {
    "xcov": ("accuracy", "balanced_accuracy", "chance", "probe", "probe_balanced", "judge_accuracy",
             "judge_balanced_accuracy", "clamped_recognized", "generated_recognized", "reconstruction"),
    "plain": ("accuracy", "balanced_accuracy"),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, choices=["xcov_expressions", "xcov_yale"])
    parser.add_argument("--data", required=True, help="expressions:DIR or yale:DIR")
    parser.add_argument("--runs", default="runs/bench_faces")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()
    for variant, names in SHOWN.items():
        rows = []
        for seed in options.seeds:
            folder = pathlib.Path(options.runs) / f"{options.config}_{variant}_{seed}"
            arguments = [f"--config.data.source={options.data}", f"--config.seed={seed}"]
            arguments += PLAIN if variant == "plain" else ()
            _reverie("train", f"--config={options.config}", f"--workdir={folder}", *arguments)
            if not (folder / "evaluation.json").is_file():
                _reverie("evaluate", f"--workdir={folder}")
            run = json.loads((folder / "run.json").read_text())
            rows.append({**read_numbers(folder), "seconds": run["seconds"]})
        print(f"\n{options.config}, {variant}, seeds {options.seeds}: mean, min, max")
        for name in sorted(rows[0]):
            # With several heads the names end in the head's.
            if name.startswith((*names, "seconds")):
                values = [row[name] for row in rows]
                print(f"  {name:36} {statistics.mean(values):.4f}  {min(values):.4f}  {max(values):.4f}")


def _reverie(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "reverie", *arguments], check=True)


if __name__ == "__main__":
    main()
