"""Test images for a face neuron: photographs of faces against gray patches of frames without a face.

    reverie data frames --videos=clips --out=other_frames --size=128 --frames_per_video=30 --seed=9
    reverie data faces other_frames --without_faces=other_no_faces
    python benchmarks/faces_against_patches.py --faces=orl_faces.npz --frames=other_no_faces --out=orl
    reverie evaluate --workdir=runs/sparse --concept=orl=orl_choose.npz --report=orl=orl_report.npz \\
        --groups=orl=label_1

Writes OUT_choose.npz (half of the people, and half of the clips) to choose by, and OUT_report.npz (the others) to
report on. The first column of labels says face or not, the second who or which clip it is. The faces are an npz file
with "x", uint8 [n, h, w] of gray photographs, and "y", the number of the person (as the 400 photographs of the ORL/AT&T
collection). Patches are as many as faces, of every clip about as many.
"""

import argparse
import collections
import pathlib

import numpy as np
import PIL.Image
import tensorflow as tf

SIDE = 64


def resized(image: np.ndarray) -> np.ndarray:
    return np.asarray(PIL.Image.fromarray(image).resize((SIDE, SIDE), PIL.Image.Resampling.BOX))


def faces(photographs: np.ndarray) -> list:
    """The central square of each."""
    height, width = photographs.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return [resized(photograph[top : top + side, left : left + side]) for photograph in photographs]


def clips(folder: str) -> list[list[np.ndarray]]:
    """The frames of every clip, uint8 [side, side, 3] each; clips in the order of their names."""
    found = collections.defaultdict(list)
    kinds = {"image": tf.io.FixedLenFeature([], tf.string), "video": tf.io.FixedLenFeature([], tf.string)}
    shards = sorted(str(path) for path in pathlib.Path(folder).glob("*.tfrecord"))
    if not shards:
        raise SystemExit(f"{folder}: no frames there (*.tfrecord); expected the output of `reverie data frames`")
    for record in tf.data.TFRecordDataset(shards):
        frame = tf.io.parse_single_example(record, kinds)
        found[frame["video"].numpy()].append(tf.io.decode_image(frame["image"], channels=3).numpy())
    return [frames for _, frames in sorted(found.items())]


def patches(clips_: list, count: int, generator) -> tuple[list, list]:
    """Squares of random place and size (a third of the frame to all of it), gray: uint8 [SIDE, SIDE] each; and of
    which of the clips they are, all by turns."""
    found, sources = [], []
    for number in range(count):
        frames = clips_[number % len(clips_)]
        frame = frames[generator.integers(len(frames))]
        side = generator.integers(len(frame) // 3, len(frame) + 1)
        top, left = generator.integers(0, len(frame) - side + 1, 2)
        color = frame[top : top + side, left : left + side]
        found.append(resized(np.round(color @ [0.299, 0.587, 0.114]).astype(np.uint8)))
        sources.append(number % len(clips_))
    return found, sources


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", required=True)
    parser.add_argument("--frames", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    photographs, people = (np.load(options.faces)[key] for key in ("x", "y"))
    generator = np.random.default_rng(options.seed)
    every = clips(options.frames)
    if len(every) < 4:
        raise SystemExit(f"{options.frames}: frames of {len(every)} clip(s); expected four or more, two for each half")
    every = [every[number] for number in generator.permutation(len(every))]
    names = np.unique(people)
    groups = {"choose": names[: len(names) // 2], "report": names[len(names) // 2 :]}
    for half, (name, group) in enumerate(groups.items()):
        rows = np.isin(people, group)
        positives = faces(photographs[rows])
        negatives, sources = patches(every[half::2], len(positives), generator)
        images = np.repeat(np.stack(positives + negatives)[..., None], 3, axis=3)
        # Clips are numbered above the people, and differently in the two halves.
        who = np.concatenate([people[rows], names.max() + 1 + 2 * np.array(sources) + half])
        labels = np.stack([np.repeat([1, 0], len(positives)), who], axis=1)
        np.savez_compressed(f"{options.out}_{name}.npz", x=images, y=labels)
        print(
            f"{options.out}_{name}.npz: {len(positives)} faces of {len(group)} people, {len(negatives)} patches of "
            f"{len(every[half::2])} clips"
        )


if __name__ == "__main__":
    main()
