"""The SCAN table: three seeds of the default config, its baselines, and curves over the number of pairs.

    python benchmarks/scan_table.py --workdir=runs/scan_table --seeds=0,1,2 --jobs=2

Every run is a `reverie train` of its own; with `--jobs=2` two run at a time on one core each. Baselines that differ in
words only start from the vision of the same seed. One classifier judges all of them. Finished runs are kept;
rerun to resume. Writes table.json and table.md.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

PAIRS = (50, 150, 500, 5000)
PER_CONCEPT = (1, 5, 10, 50)  # Pictures for each of 51 values, as Higgins et al. count.
ROWS = (
    "judge_accuracy", "symbols_to_images", "symbols_to_images_wall_colour", "symbols_to_images_floor_colour",
    "symbols_to_images_object_colour", "symbols_to_images_object", "symbols_to_images_alone_wall_colour",
    "symbols_to_images_alone_floor_colour", "symbols_to_images_alone_object_colour", "symbols_to_images_alone_object",
    "symbols_to_images_full", "diversity_kl", "images_to_symbols", "images_to_symbols_wall_colour",
    "images_to_symbols_floor_colour", "images_to_symbols_object_colour", "images_to_symbols_object",
    "images_to_symbols_all", "and", "in_common", "ignore", "and_held_out", "in_common_held_out", "ignore_held_out",
    "operators_held_out", "and_held_out_direct", "in_common_held_out_direct", "ignore_held_out_direct",
    "in_common_leak", "in_common_held_out_leak", "reconstruction", "kl", "active_latents", "disentanglement_mig",
    "disentanglement_dci_disentanglement", "disentanglement_dci_completeness", "disentanglement_dci_informativeness",
    "disentanglement_sap", "disentanglement_factor_vae", "disentanglement_beta_vae", "minutes",
)  # fmt: skip


def train(folder: pathlib.Path, core: int, config: str, *overrides) -> None:
    """One run to its end, pinned to a core; 0 or more is pinned, -1 is not."""
    done = folder / "run.json"
    if done.is_file() and json.loads(done.read_text()).get("finished"):
        return
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "reverie", "train", f"--config={config}", f"--workdir={folder}", *overrides]
    with (folder / "log.txt").open("a") as log:
        pinned = {"preexec_fn": lambda: os.sched_setaffinity(0, {core})} if core >= 0 else {}
        subprocess.run(command, check=True, stdout=log, stderr=log, **pinned)


def plan(workdir: pathlib.Path, seeds: list, given: list) -> list:
    """Units of work: (name, [(folder, config, overrides), ...] one after the other), longest first."""
    units = []
    for seed in seeds:
        own = [f"--config.seed={seed}", *given]
        base = workdir / f"scan-{seed}"
        later = [f"--config.stages.start_from={base}", "--config.stages.vision.steps=0", *own]
        jobs = [(base, "scan_scenes", own), (workdir / f"reverse-{seed}", "scan_scenes:reverse", later)]
        told = [*later, "--config.stages.symbols.steps=0"]
        jobs += [(workdir / f"{v}-{seed}", f"scan_scenes:{v}", told) for v in ("latentwise", "compares")]
        words_only = [*later, "--config.stages.operators.steps=0"]
        jobs += [
            (workdir / f"pairs{count}-{seed}", "scan_scenes", [f"--config.words.pairs={count}", *words_only])
            for count in PAIRS
        ]
        jobs += [
            (workdir / f"concept{count}-{seed}", "scan_scenes", [f"--config.words.per_concept={count}", *words_only])
            for count in PER_CONCEPT
        ]
        units.append(jobs)
    # What unmixing does shows in one seed.
    for variant, of in (("entangled", seeds), ("jmvae", seeds), ("telbo", seeds), ("mixed", seeds[:1])):
        units += [[(workdir / f"{variant}-{s}", f"scan_scenes:{variant}", [f"--config.seed={s}", *given])] for s in of]
    return units


def evaluate(folder: pathlib.Path, sets: dict, reference) -> dict:
    """Numbers of a run by the classifier they all share; kept in its evaluation.json."""
    from reverie.evaluation import EvaluationData, scan
    from reverie.experiments import Run, Staged

    path = folder / "evaluation.json"
    if path.is_file():
        return json.loads(path.read_text())
    run = Run(folder)
    config, model, step = run.config, run.model, run.step
    # Vision that another run has trained is measured there.
    own = not config.stages.start_from
    data = EvaluationData(sets["train"], sets["test"], Staged().facts(config, model, step))
    numbers = scan.evaluate(model, data, reference=reference, disentangled=own)
    record = json.loads((folder / "run.json").read_text())
    numbers["minutes"] = record["seconds"] / 60
    path.write_text(json.dumps(numbers, indent=2))
    return numbers


def table(results: dict) -> str:
    """Markdown: a row a number, a column a method; mean over seeds (least to greatest)."""
    methods = list(results)
    lines = [
        "| | " + " | ".join(f"{method} ({len(results[method])})" for method in methods) + " |",
        "|---|" + "---|" * len(methods),
    ]
    for row in ROWS:
        cells = []
        for method in methods:
            values = [numbers[row] for numbers in results[method] if row in numbers]
            shown = f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})" if values else ""
            cells.append(shown)
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--workdir", required=True)
    arguments.add_argument("--seeds", default="0,1,2")
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("given", nargs="*", help="overrides for all runs, as --config.a.b=c after --")
    options = arguments.parse_args()
    workdir, seeds = pathlib.Path(options.workdir), [int(seed) for seed in options.seeds.split(",")]
    free = list(range(options.jobs))

    def work(jobs):
        core = free.pop() if options.jobs > 1 else -1
        try:
            for folder, config, overrides in jobs:
                began = time.monotonic()
                train(folder, core, config, *overrides)
                print(f"{folder.name}: {time.monotonic() - began:.0f} s", flush=True)
        finally:
            free.append(core)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(work, plan(workdir, seeds, options.given)))

    from reverie.evaluation import scan
    from reverie.experiments import read_images
    from reverie.training import run_folder, stages

    config = run_folder.load_config(workdir / f"scan-{seeds[0]}")
    sets = read_images(config, "train", "test")
    reference = scan.attribute_classifier(sets["train"], stages.vocabulary_of(config))
    results: dict = {}
    for folder in sorted(workdir.glob("*-*")):
        method, _, seed = folder.name.rpartition("-")
        if seed.isdigit() and int(seed) in seeds:
            results.setdefault(method, []).append(evaluate(folder, sets, reference))
            print(f"{folder.name}: evaluated", flush=True)
    order = ["scan", "latentwise", "compares", "reverse", "entangled", "jmvae", "telbo", "mixed"]
    order += [f"pairs{count}" for count in PAIRS]
    order += [f"concept{count}" for count in PER_CONCEPT]
    results = {method: results[method] for method in order if method in results}
    (workdir / "table.json").write_text(json.dumps(results, indent=2))
    (workdir / "table.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
