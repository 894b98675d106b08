"""The recipe of the README, "Your own images", on three sets of color pictures of different size, over seeds.

    python benchmarks/own_images.py --emoji=emoji --cifar=cifar.npz --scenes=scenes.npz --runs=runs/own_images

`--emoji` is a folder of class folders, the others are .npz files with x_train, y_train, x_test, y_test; the flag
`--make-scenes` draws the last one first. Trains what is missing, evaluates it, and prints the table of
docs/results/own_images.md. It may be stopped and restarted at any time.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np
from reverie import pipelines
from reverie.evaluation.numbers import read_numbers

# Set -> (side, classes, steps).
SETS = {"emoji": (48, 9, 2000), "cifar": (32, 10, 2000), "scenes": (64, 3, 1000)}
SHOWN = ("accuracy", "probe", "chance", "judge_accuracy", "clamped_recognized", "generated_recognized",
         "reconstruction", "dependence_latent_deviation", "varies_reconstruction")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in SETS:
        parser.add_argument(f"--{name}", default="", help="where it is; left out, the set is")
    parser.add_argument("--make-scenes", action="store_true", help="draws --scenes: 4,000 and 1,000, by object")
    parser.add_argument("--runs", default="runs/own_images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--plain", action="store_true", help="not centered, as before: for comparison")
    options = parser.parse_args()
    if options.make_scenes:
        make_scenes(options.scenes)
    print(f"{'':10}" + "".join(f"{name[:20]:>22}" for name in SHOWN))
    for name, (side, classes, steps) in SETS.items():
        source = getattr(options, name)
        for seed in options.seeds if source else ():
            folder = pathlib.Path(options.runs) / f"{name}_{seed}{'_plain' if options.plain else ''}"
            shape = f"({side}, {side}, 3)"
            overrides = {
                "seed": seed, "data.source": source, "data.resize": "crop", "data.image_shape": shape,
                "model.image_shape": shape, "model.heads.label": classes, "model.centered": not options.plain,
                "train.epochs": 0, "train.steps": steps,
            }  # fmt: skip
            given = [f"--config.{key}={value}" for key, value in overrides.items()]
            _reverie("train", "--config=xcov_mnist", f"--workdir={folder}", *given)
            if not (folder / "evaluation.json").is_file():
                _reverie("evaluate", f"--workdir={folder}")
            numbers = read_numbers(folder)
            seconds = json.loads((folder / "run.json").read_text())["seconds"]
            print(f"{name:8}{seed:2}" + "".join(f"{numbers.get(key, float('nan')):22.4f}" for key in SHOWN), end="")
            print(f"{seconds:8.0f} s", flush=True)


def make_scenes(path: str) -> None:
    """Drawn rooms whose label is the object in them, and nothing else."""
    arrays = {}
    for split, count in (("train", 4000), ("test", 1000)):
        images = pipelines.read(f"scenes:{count}", split)
        column = images.head_names.index("object")
        assert images.pixels is not None  # So few lie in memory.
        arrays |= {f"x_{split}": images.pixels[:count], f"y_{split}": images.labels[:count, column]}
    np.savez(path, **arrays)


def _reverie(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "reverie", *arguments], check=True)


if __name__ == "__main__":
    main()
