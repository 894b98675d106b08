"""XCov on the whole of MNIST: accuracy, probe, clamped decodings over seeds, and the same without the penalty.

    python benchmarks/xcov_mnist.py --data=mnist.npz --runs=runs/bench_xcov

Trains what is missing, evaluates it, and prints the table of docs/results/xcov_mnist.md. It may be stopped and
restarted at any time.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

from reverie.evaluation.numbers import read_numbers

SHOWN = ("accuracy", "probe", "probe_quadratic", "clamped_recognized", "generated_recognized", "judge_accuracy",
         "dependence_correlation_mean", "dependence_penalty", "reconstruction")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="npz with x_train, y_train, x_test, y_test")
    parser.add_argument("--runs", default="runs/bench_xcov")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", default=["xcov", "no_penalty"])
    options = parser.parse_args()
    table = {}
    for variant in options.variants:
        overrides = ["--config.model.covariance_weight=0.0"] if variant == "no_penalty" else []
        for seed in options.seeds:
            folder = pathlib.Path(options.runs) / f"{variant}_{seed}"
            arguments = [f"--config.data.source={options.data}", f"--config.seed={seed}", *overrides]
            _reverie("train", "--config=xcov_mnist", f"--workdir={folder}", *arguments)
            if not (folder / "evaluation.json").is_file():
                _reverie("evaluate", f"--workdir={folder}")
            numbers = read_numbers(folder)
            run = json.loads((folder / "run.json").read_text())
            table.setdefault(variant, []).append({**numbers, "seconds": run["seconds"]})
    for variant, rows in table.items():
        print(f"\n{variant}, seeds {options.seeds}: mean, min, max")
        for name in SHOWN:
            values = [row[name] for row in rows]
            print(f"  {name:28} {statistics.mean(values):.5f}  {min(values):.5f}  {max(values):.5f}")


def _reverie(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "reverie", *arguments], check=True)


if __name__ == "__main__":
    main()
