"""How many faces are among the frames, and the same frames without those that show one (Le et al. 2012, section 4).

The paper ran OpenCV's face detector over 100,000 random 60 x 60 patches (less than 3 % fired), and for a control
removed every image in which it fired. The detector is a Haar cascade for upright frontal faces: it misses profiles
and fires now and then at nothing, so both numbers are estimates.
"""

import posixpath
from collections.abc import Iterable
from typing import cast

import numpy as np
import tensorflow as tf

from ... import progress
from ...errors import UserError
from ..faces import Share, detector, estimate
from . import shards
from .shards import Manifest, ShardEntry, Tally


class FacelessManifest(Manifest):
    """The manifest of frames without faces, which also says how many frames were left out for a face."""

    with_face_removed: int


def share(folder: str, patches: int = 100_000, side: int = 60, seed: int = 0) -> Share:
    """Share of random patches in which the detector fires.

    Args:
      folder: of a finished extraction.
      patches: how many, spread evenly over the frames.
      side: of a patch, in pixels.
      seed: keys their places.

    Raises:
      UserError: OpenCV missing, no extraction there, patches larger than the frames.
    """
    fires, found = detector(), shards.manifest(folder)
    size = found["settings"]["size"]
    if side > size:
        raise UserError(f"patches of {side} do not fit into frames of {size} pixels")
    generator = np.random.default_rng(seed)
    per_frame = np.full(found["frames"], patches // found["frames"])
    per_frame[generator.permutation(found["frames"])[: patches % found["frames"]]] += 1
    hits = 0
    frames = progress.shown(_images(folder, found["shards"]), "frames", found["frames"], unit="frame")
    for count, (_, image) in zip(per_frame, frames, strict=True):
        for top, left in generator.integers(0, size - side + 1, (count, 2)):
            hits += fires(image[top : top + side, left : left + side])
    return estimate(hits, patches)


def without_faces(folder: str, out: str) -> FacelessManifest:
    """Writes the frames in which the detector does not fire as an extraction of its own; returns its manifest.

    Raises:
      UserError: OpenCV missing, no extraction there, nothing left.
    """
    fires, found = detector(), shards.manifest(folder)
    tf.io.gfile.makedirs(out)
    total, notes, removed = Tally(), [], 0
    for shard in progress.shown(found["shards"], "shards", unit="shard"):
        name = shard["file"].removesuffix(".tfrecord")
        pairs = list(_images(folder, [shard]))
        kept = [record for record, image in pairs if not fires(image)]
        removed += len(pairs) - len(kept)
        tally = Tally(frames=len(kept))
        notes.append(shards.write(out, name, kept, tally, []))
        total.add(tally)
    if not total.frames:
        raise UserError(f"{folder}: the detector fires in all {removed} frames; nothing is left")
    manifest = {
        **found,
        "frames": total.frames,
        "with_face_removed": removed,
        "shards": [{key: note[key] for key in ("file", "frames", "bytes", "sha256")} for note in notes],
    }
    shards.write_json(out, "manifest.json", manifest)
    return cast(FacelessManifest, manifest)


def _images(folder: str, entries: Iterable[ShardEntry]):
    """(record, uint8 [size, size, 3]) of every frame.

    Raises:
      UserError: a shard holds fewer frames than its manifest says.
    """
    for shard in entries:
        path, count = posixpath.join(folder, shard["file"]), 0
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            content = tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]
            yield record, tf.io.decode_image(content, channels=3).numpy()
            count += 1
        if count != shard["frames"]:
            raise UserError(f"{path}: {count} frames, but its manifest says {shard['frames']}; extract it again")
