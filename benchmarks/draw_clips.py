"""Draws short videos to try the frames pipeline on: scenes of falling leaves, seen by a camera that pans.

    python benchmarks/draw_clips.py DIR [--clips=48]

Discs of all sizes that cover each other ("dead leaves") have edges and occlusions as natural images have, which is
what sparse filters learn from; nothing has to be downloaded. Among the clips are a few broken ones, as in any
collection: an empty file, a web page saved as .mp4, one cut off in the middle, one all black.
"""

import argparse
import pathlib

import av
import numpy as np


def leaves(generator, height: int, width: int, count: int = 600) -> np.ndarray:
    """A scene of discs, the later on top: uint8 [height, width, 3]."""
    rows, columns = np.mgrid[:height, :width]
    scene = np.full([height, width, 3], generator.integers(40, 216, 3), np.float64)
    radii = np.minimum(6.0 / generator.random(count) ** 0.5, height / 6)
    for radius in radii:
        row, column = generator.random(2) * (height, width)
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        shade = 1.0 + 0.3 * ((columns - column) * np.cos(radius) + (rows - row) * np.sin(radius)) / radius
        scene[inside] = generator.integers(20, 236, 3) * shade[inside][:, None]
    return np.clip(scene, 0, 255).astype(np.uint8)


def write(path: pathlib.Path, generator, frames: int = 50, height: int = 144, width: int = 192) -> None:
    """A pan of two seconds over one scene."""
    scene = leaves(generator, 2 * height, 2 * width)
    start, end = generator.integers(0, (height, width)), generator.integers(0, (height, width))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.codec_context.bit_rate = height, width, "yuv420p", 1_500_000
        for number in range(frames):
            top, left = np.round(start + (end - start) * number / frames).astype(int)
            view = np.ascontiguousarray(scene[top : top + height, left : left + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--clips", type=int, default=48)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for number in range(options.clips):
        write(options.folder / f"clip{number:03d}.mp4", np.random.default_rng(number))
    whole = (options.folder / "clip000.mp4").read_bytes()
    (options.folder / "empty.mp4").write_bytes(b"")
    (options.folder / "page.mp4").write_bytes(b"<!doctype html><title>404</title>")
    (options.folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    print(f"{options.folder}: {options.clips} clips and 3 broken files")


if __name__ == "__main__":
    main()
