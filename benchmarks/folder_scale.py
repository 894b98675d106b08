"""How reading a folder grows with it: time and memory of `data check` for two sizes.

    python benchmarks/folder_scale.py [--files=100000] [--folder=DIR]

A tenth of the files first, then all of them: tiny gray PNGs in ten class folders, drawn on the spot, and a text file
beside every hundredth. Each size is read by a process of its own; the times are its own, and its memory the most that
it held.
"""

import argparse
import io
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import PIL.Image


def make(folder: pathlib.Path, files: int) -> None:
    """Draws `files` pictures of 8x8 pixels, no two of them alike."""
    for name in range(10):
        (folder / f"class {name}").mkdir(parents=True)
    for number in range(files):
        pixels = np.random.default_rng(number).integers(0, 256, [8, 8], np.uint8)
        stream = io.BytesIO()
        PIL.Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
        place = folder / f"class {number % 10}"
        (place / f"{number:06d}.png").write_bytes(stream.getvalue())
        if number % 100 == 0:
            (place / f"{number:06d}.txt").write_text("beside")


def check(folder: pathlib.Path) -> tuple[float, float]:
    """(seconds, most memory in GiB) of `reverie data check` in a process of its own."""
    code = (
        "import sys, time, resource; from reverie.cli import main; began = time.monotonic(); "
        f"code = main(['reverie', 'data', 'check', 'folder:{folder}']); "
        "print('SECONDS', time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    _, seconds, kibibytes = done.stdout.splitlines()[-1].split()
    return float(seconds), int(kibibytes) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folder", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder or None) as root:
        results = []
        for files in (options.files // 10, options.files):
            folder = pathlib.Path(root) / str(files)
            began = time.monotonic()
            make(folder, files)
            drawn = time.monotonic() - began
            results.append(check(folder))
            seconds, memory = results[-1]
            print(f"{files:,} files (drawn in {drawn:.0f} s): {seconds:.1f} s, {1e6 * seconds / files:.0f} us a file, "
                  f"{memory:.2f} GiB", flush=True)  # fmt: skip
        print(f"ten times the files take {results[1][0] / results[0][0]:.1f} times as long")


if __name__ == "__main__":
    main()
