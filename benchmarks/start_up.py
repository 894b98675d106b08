"""How long the package takes to answer before it does anything: its import, and the help of its command.

    python benchmarks/start_up.py --runs=7

Whole processes, so that Python's own start counts; it stands in the first row. Median and range in seconds, beside what
is asked: 0.1 s for the import (over Python's own start), 0.5 s for `reverie --help`, 1 s for `reverie train --help`.
"""

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": (["-c", "pass"], None),
    "import reverie": (["-c", "import reverie"], 0.1),
    "reverie --help": (["-m", "reverie", "--help"], 0.5),
    "reverie train --help": (["-m", "reverie", "train", "--help"], 1.0),
}


def seconds(arguments: list[str]) -> float:
    """Wall time of one process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    own = 0.0
    print("| command | median, s | least to greatest | asked, s |\n|---|---|---|---|")
    for name, (arguments, asked) in COMMANDS.items():
        seconds(arguments)  # Once to warm the file cache.
        times = [seconds(arguments) for _ in range(options.runs)]
        median = statistics.median(times)
        own = own or median
        shown = median - own if name == "import reverie" else median
        print(f"| {name} | {shown:.3f} | {min(times):.3f} to {max(times):.3f} | {asked or ''} |")


if __name__ == "__main__":
    main()
