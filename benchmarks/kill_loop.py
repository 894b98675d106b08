"""Kills training with SIGKILL at random moments and resumes it, until every run has ended: are the weights the same?

    python benchmarks/kill_loop.py runs/kills --kills=200

Every case of tests/contracts/family_cases.py, under every strategy that repeats bit for bit, is trained once unbroken
and then again and again with kills, three a run (`--most`). The disk is slowed (benchmarks/slow_disk.c), and half of
the kills are aimed at the moment when a checkpoint is written. A run that ends in other weights, or does not end, is
named, and the exit code is 1. kills.json keeps the count; the same command goes on.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CASES = ("xcov", "replay-bir-si", "replay-task", "scan", "jmvae", "telbo", "sparse", "sparse_classifier")
PLACES = [(case, strategy) for strategy in ("one", "mirrored") for case in CASES]
PLACES += [(case, "multi_worker") for case in ("xcov", "replay-bir-si", "scan", "sparse")]


def _slow_disk(folder: pathlib.Path) -> dict[str, str]:
    library = folder / "slow_disk.so"
    source = ROOT / "benchmarks" / "slow_disk.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return {"LD_PRELOAD": str(library.resolve())}


def _start(case: str, strategy: str, run: pathlib.Path, environment: dict[str, str]) -> list[subprocess.Popen]:
    from tests.cluster import free_ports, python

    command = python("tests.contracts.worker", case, run.resolve(), '{"train.cluster_timeout": 20.0}', strategy)
    count = 2 if strategy == "multi_worker" else 1
    hosts, started = free_ports(count), []
    for index in range(count):
        task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        own = {"TF_CONFIG": json.dumps(task)} if count > 1 else {}
        with open(f"{run}.log", "ab") as log:
            started.append(subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log,
                env={**os.environ, **environment, **own, "TF_NUM_INTRAOP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
            ))  # fmt: skip
    return started


def _ended(processes: list[subprocess.Popen]) -> bool:
    return all(process.poll() is not None for process in processes)


def _writing(run: pathlib.Path) -> bool:
    """Whether a checkpoint is there that its state file does not name yet."""
    folder = run / "checkpoints"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    steps = {int(match[1]) for name in names if (match := re.match(r"ckpt-(\d+)[._]", name))}
    state = folder / "checkpoint"
    said = re.findall(r'all_model_checkpoint_paths: "ckpt-(\d+)"', state.read_text()) if state.is_file() else []
    return bool(steps - {int(step) for step in said})


def _kill_once(processes: list[subprocess.Popen], run: pathlib.Path, chance: random.Random, seconds: float) -> str:
    """Kills one of the processes: "writing", "between", or "" where all had ended before."""
    if chance.random() < 0.5:  # Any moment of the run.
        until = time.monotonic() + chance.uniform(0.3, 1.0) * seconds
        while time.monotonic() < until and not _ended(processes):
            time.sleep(0.005)
    else:  # While the nth checkpoint from here is written.
        for _ in range(chance.randint(1, 3)):
            while not _writing(run) and not _ended(processes):
                time.sleep(0.002)
            until = time.monotonic() + chance.uniform(0.0, 0.4)
            while time.monotonic() < until and not _ended(processes):
                time.sleep(0.002)
    if _ended(processes):
        return ""
    victim = chance.choice(processes)
    victim.kill()
    victim.wait()
    where = "writing" if _writing(run) else "between"
    for process in processes:  # The others notice by themselves, and end.
        process.wait(120)
    return where


def _digest(run: pathlib.Path) -> str:
    from reverie.training import checkpoints

    from tests import experiment

    return checkpoints.weights_digest(experiment.load(run)[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--most", type=int, default=3, help="kills of one run")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folder = arguments.workdir
    folder.mkdir(parents=True, exist_ok=True)
    environment, record = _slow_disk(folder), folder / "kills.json"
    said = json.loads(record.read_text()) if record.is_file() else {"whole": {}, "runs": []}
    chance, wrong, began = random.Random(arguments.seed + len(said["runs"])), [], time.monotonic()

    def kills(where: str = "") -> int:
        return sum(len([one for one in run["kills"] if not where or one == where]) for run in said["runs"])

    while kills() < arguments.kills:
        # Each in turn, so that all have had their share wherever this is stopped.
        case, strategy = PLACES[len(said["runs"]) % len(PLACES)]
        name = f"{case}, {strategy}"
        if name not in said["whole"]:
            run = folder / f"{case}-{strategy}-whole"
            shutil.rmtree(run, ignore_errors=True)
            started = time.monotonic()
            codes = [process.wait() for process in _start(case, strategy, run, environment)]
            assert not any(codes), f"{run}.log"
            said["whole"][name] = [_digest(run), time.monotonic() - started]
        digest, seconds = said["whole"][name]
        run, hits = folder / f"{case}-{strategy}-killed", []
        shutil.rmtree(run, ignore_errors=True)
        while True:
            processes = _start(case, strategy, run, environment)
            if len(hits) < arguments.most and (hit := _kill_once(processes, run, chance, seconds)):
                hits.append(hit)
                continue
            codes = [process.wait() for process in processes]
            break
        same = not any(codes) and _digest(run) == digest
        if not same:
            wrong.append(name)
            shutil.copytree(run, folder / f"wrong-{len(said['runs'])}", dirs_exist_ok=True)
        said["runs"].append({"run": name, "kills": hits, "codes": codes, "same": same})
        record.write_text(json.dumps(said, indent=1))
        rate = kills() / (time.monotonic() - began)
        left = (arguments.kills - kills()) / max(rate, 1e-9) / 60
        print(f"{kills()} kills, {kills('writing')} while writing; {name}: {'same' if same else 'OTHER'}; "
              f"{left:.0f} min left", flush=True)  # fmt: skip
    bad = [run for run in said["runs"] if not run["same"]]
    print(f"{kills()} kills in {len(said['runs'])} runs, {kills('writing')} of them while a checkpoint was written; "
          f"{len(said['runs']) - len(bad)} runs ended in the weights of an unbroken one")  # fmt: skip
    return 1 if bad or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
