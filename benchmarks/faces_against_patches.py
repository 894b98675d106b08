"""Test images for a face neuron: photographs of faces against gray patches of frames without a face.

    reverie data frames --videos=clips --out=other_frames --size=128 --frames_per_video=30 --seed=9
    reverie data faces other_frames --without_faces=other_no_faces
    python benchmarks/faces_against_patches.py --faces=orl_faces.npz --frames=other_no_faces --out=orl

Writes OUT_choose.npz (the first half of the people, and half of the frames) to choose settings by, and OUT_report.npz
(the others) to report on. The faces are an npz file with "x", uint8 [n, h, w] of gray photographs, and "y", the number
of the person (as the 400 photographs of the ORL/AT&T collection). Patches are as many as faces.
"""

import argparse

import numpy as np
import PIL.Image
from reverie import pipelines
from reverie.evaluation.codes import some_images

SIDE = 64


def resized(image: np.ndarray) -> np.ndarray:
    return np.asarray(PIL.Image.fromarray(image).resize((SIDE, SIDE), PIL.Image.Resampling.BOX))


def faces(photographs: np.ndarray) -> list:
    """The central square of each."""
    height, width = photographs.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return [resized(photograph[top : top + side, left : left + side]) for photograph in photographs]


def patches(frames: np.ndarray, count: int, generator) -> list:
    """Squares of random place and size (a third of the frame to all of it), gray: uint8 [SIDE, SIDE] each."""
    found, whole = [], frames.shape[1]
    for _ in range(count):
        side = generator.integers(whole // 3, whole + 1)
        top, left = generator.integers(0, whole - side + 1, 2)
        color = frames[generator.integers(len(frames)), top : top + side, left : left + side]
        found.append(resized(np.round(255 * color @ [0.299, 0.587, 0.114]).astype(np.uint8)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", required=True)
    parser.add_argument("--frames", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    photographs, people = (np.load(options.faces)[key] for key in ("x", "y"))
    whole = {"validation_fraction": 0.0, "test_fraction": 0.0}
    source = pipelines.read(f"frames:{options.frames}", "train", **whole)
    frames = some_images(source, len(source)).numpy()
    generator = np.random.default_rng(options.seed)
    frames = frames[generator.permutation(len(frames))]
    names = np.unique(people)
    groups = {"choose": names[: len(names) // 2], "report": names[len(names) // 2 :]}
    for half, (name, group) in enumerate(groups.items()):
        positives = faces(photographs[np.isin(people, group)])
        negatives = patches(frames[half::2], len(positives), generator)
        images = np.repeat(np.stack(positives + negatives)[..., None], 3, axis=3)
        labels = np.repeat([1, 0], len(positives))
        np.savez_compressed(f"{options.out}_{name}.npz", x=images, y=labels)
        print(f"{options.out}_{name}.npz: {len(positives)} faces, {len(negatives)} patches")


if __name__ == "__main__":
    main()
