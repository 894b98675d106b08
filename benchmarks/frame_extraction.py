"""Frames per second of the extraction against a bare PyAV loop that does the same seeks on the same files.

    python benchmarks/frame_extraction.py --videos=clips [--copies=10] [--repeats=3]

The bare loop opens each file, seeks to the same random time, decodes up to the frame shown then, and turns it into an
RGB array; it has no answer to a broken file, resizes nothing, compresses nothing and writes nothing. The job does all
of that. Both decode with one thread a process. In turn, several times; medians. The files are linked under several
names, so that each is drawn from at several times, and so that starting the processes does not weigh more than it
would in a long job.
"""

import argparse
import pathlib
import shutil
import statistics
import tempfile
import time

import av
import numpy as np
from reverie.pipelines.frames import extract, video


def bare(files: list, seed: int) -> int:
    """Seeks and decodes one frame a file; returns how many."""
    count = 0
    for path in files:
        with av.open(path, metadata_errors="ignore") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            seconds = (
                float(stream.duration * stream.time_base) if stream.duration else container.duration / av.time_base
            )
            first = float((stream.start_time or 0) * stream.time_base)
            target = first + np.random.default_rng(video._key(path, seed)).random() * seconds
            container.seek(int(target / stream.time_base), stream=stream, backward=True)
            shown = None
            for frame in container.decode(stream):
                if shown is not None and frame.time > target:
                    break
                shown = frame
            count += shown.to_ndarray(format="rgb24").ndim == 3
    return count


def timed(function) -> float:
    """Frames per second of a function that returns how many it made."""
    began = time.perf_counter()
    count = function()
    return count / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", required=True, help="Folder of readable videos.")
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        links = pathlib.Path(folder, "clips")
        links.mkdir()
        for path in extract.find((options.videos,)):
            for copy in range(options.copies):
                (links / f"{copy}_{pathlib.Path(path).name}").symlink_to(pathlib.Path(path).resolve())
        files = extract.find((str(links),))

        def job(workers: int, mode: str = "exact"):
            out = pathlib.Path(folder, "out")
            shutil.rmtree(out, ignore_errors=True)
            settings = video.VideoSettings(mode=mode)
            return extract.run(
                extract.Job((str(links),), str(out), settings, distance=-1, least_luma=-1.0, workers=workers)
            )["frames"]

        ways = {
            "bare PyAV loop": lambda: bare(files, 0),
            "one process": lambda: job(1),
            "two processes": lambda: job(2),
            "one process, keyframe": lambda: job(1, "keyframe"),
        }
        for way in ways.values():
            way()  # Caches of the file system, imports.
        rates = {name: [] for name in ways}
        for _ in range(options.repeats):
            for name, way in ways.items():
                rates[name].append(timed(way))
    print(f"{len(files)} files")
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(
            f"{name:24} {middle[name]:8.2f} frames/s ({spread}), {middle[name] / middle['bare PyAV loop']:.3f} of bare"
        )
    print(f"two processes over one: {middle['two processes'] / middle['one process']:.2f}")


if __name__ == "__main__":
    main()
