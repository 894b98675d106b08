"""XCov on public faces: the model beside a plain classifier of the same size, over seeds and divisions of the people.

    python benchmarks/xcov_faces.py --config=xcov_expressions --data=expressions:facial_expressions
    python benchmarks/xcov_faces.py --config=xcov_yale --data=yale:yale_faces --holdouts 50 51 64

Trains what is missing, evaluates it, and prints the tables of docs/results/faces.md. The plain classifier is the same
encoder with the same heads and steps, trained on cross-entropy alone. The separate classifier is trained once for each
division of the people. It may be stopped and restarted at any time; `reverie evaluate` draws a run's pictures.
"""

import argparse
import json
import pathlib
import statistics

import numpy as np
import reverie
from reverie import pipelines
from reverie.evaluation import EvaluationData, xcov
from reverie.evaluation.codes import over, some_images
from reverie.evaluation.reference_classifier import ReferenceClassifier
from reverie.experiments.reading import read_images

PLAIN = {"model.reconstruction_weight": 0.0, "model.covariance_weight": 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, choices=["xcov_expressions", "xcov_yale"])
    parser.add_argument("--data", required=True, help="expressions:DIR or yale:DIR")
    parser.add_argument("--runs", default="runs/bench_faces")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--holdouts", type=int, nargs="+", default=[0], help="seeds that divide the people")
    options = parser.parse_args()
    judges: dict[int, ReferenceClassifier] = {}
    for variant in ("xcov", "plain"):
        rows = []
        for holdout in options.holdouts:
            for seed in options.seeds:
                folder = pathlib.Path(options.runs) / f"{options.config}_{variant}_{holdout}_{seed}"
                settings = {"seed": seed, "data.source": options.data, "data.holdout_seed": holdout}
                settings |= PLAIN if variant == "plain" else {}
                run = reverie.train(options.config, folder, overrides=settings)
                file = folder / "benchmark.json"
                if not file.is_file():
                    numbers = {name: float(value) for name, value in _numbers(run, variant, judges).items()}
                    file.write_text(json.dumps(numbers, indent=2))
                rows.append(json.loads(file.read_text()))
        print(f"\n{options.config}, {variant}, seeds {options.seeds}, holdouts {options.holdouts}: mean, min, max")
        for name in rows[0]:
            values = [row[name] for row in rows]
            print(f"  {name:40} {statistics.mean(values):.4f}  {min(values):.4f}  {max(values):.4f}", flush=True)


def _numbers(run: reverie.Run, variant: str, judges: dict) -> dict[str, float]:
    """All numbers of a model; of a plain classifier, whose decoder never learned, the accuracies."""
    sets = read_images(run.config, "train", "test")
    test, holdout = sets["test"], run.config.data.holdout_seed
    seconds = {"seconds": json.loads((run.folder / "run.json").read_text())["seconds"]}
    if variant == "plain":
        numbers = {name: value for name, value in xcov.quick(run.model, test).items() if "accuracy" in name}
        return numbers | _right(run, test) | seconds
    if holdout not in judges:
        judges[holdout] = ReferenceClassifier(sets["train"], run.model.config.heads)
    numbers = xcov.evaluate(run.model, EvaluationData(sets["train"], test), reference=judges[holdout])
    return numbers | _right(run, test) | _judged(run, test, judges[holdout]) | seconds


def _right(run, test) -> dict[str, float]:
    """Share of each class's test images that are told right."""
    probabilities = over(run.model.encode, test)["probabilities"]
    result, start = {}, 0
    for _, labels, names in _heads(run, test):
        predicted = np.argmax(probabilities[:, start : start + len(names)], axis=1)
        result |= {f"right: {name}": np.mean(predicted[labels == k] == k) for k, name in enumerate(names)}
        start += len(names)
    return result


def _judged(run, test, judge: ReferenceClassifier) -> dict[str, float]:
    """The separate classifier on each class: of real test images, and of test images with that class clamped."""
    sample = some_images(test, 1000)
    codes = run.model.encode(sample)
    result, start = {}, 0
    for head, labels, names in _heads(run, test):
        seen = np.concatenate([judge.classes(batch["image"], head) for batch in pipelines.in_order(test, 500)])
        for k, name in enumerate(names):
            clamped = codes["probabilities"].numpy()
            clamped[:, start : start + len(names)] = np.eye(len(names))[k]
            decoded = run.model.decode(codes["features"], clamped)
            result[f"judge: {name}"] = np.mean(seen[labels == k] == k)
            result[f"clamped: {name}"] = np.mean(judge.classes(decoded, head) == k)
        start += len(names)
    return result


def _heads(run, test):
    """(head, labels [n], class names) of each."""
    columns = test.labels.reshape(len(test), -1)
    return [(head, columns[:, number], test.class_names[head]) for number, head in enumerate(run.model.config.heads)]


if __name__ == "__main__":
    main()
