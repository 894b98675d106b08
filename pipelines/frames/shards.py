"""Frames as TFRecord shards, each with a note of what is in it, and the manifest of them all.

    job.json, videos.txt         what was asked for, and of which files: fixed when the job starts
    frames-00003-of-00016.tfrecord, .json    a shard and its note; the note is written last and makes it count
    manifest.json                sums over all shards, written when the last is there

A shard without its note was interrupted: it is made again from its videos. Everything is written beside its place
and renamed, through `tf.io.gfile`, so that the folder may lie on any of its file systems.
"""

import collections
import dataclasses
import hashlib
import json
import os
import posixpath
from collections.abc import Mapping
from typing import Any, TypedDict, cast

import tensorflow as tf

from ...errors import StorageError, UserError, first_line, storage_cause
from ...paths import is_remote, shown
from .video import NOT_A_VIDEO

# What a TFRecord has beside its content: the length, and a checksum of each.
RECORD_BYTES = 16
_NAMED = 10  # How many unusable files are listed by name.


class ShardEntry(TypedDict):
    """A shard in the manifest: its file, how many frames are in it, its length and its checksum."""

    file: str
    frames: int
    bytes: int
    sha256: str


class Manifest(TypedDict):
    """What is in the folder of a finished job: the sums of `Tally`, the settings, and the shards."""

    videos: int
    frames: int
    reasons: dict[str, int]
    first: list[list[str]]
    decoded_whole: int
    near_black: int
    near_duplicates: int
    settings: dict
    shards: list[ShardEntry]


@dataclasses.dataclass
class Tally:
    """What became of a number of videos.

    Attributes:
      videos: how many were looked at.
      frames: frames kept.
      reasons: reason -> videos that gave no frame.
      first: the first of them, [path, reason].
      decoded_whole: videos that had to be decoded from their start (no duration, damaged, no seeking).
      near_black, near_duplicates: frames that were left out.
    """

    videos: int = 0
    frames: int = 0
    reasons: dict = dataclasses.field(default_factory=dict)
    first: list = dataclasses.field(default_factory=list)
    decoded_whole: int = 0
    near_black: int = 0
    near_duplicates: int = 0

    @property
    def bad(self) -> int:
        """Videos that gave no frame."""
        return sum(count for reason, count in self.reasons.items() if not reason.startswith(NOT_A_VIDEO))

    @property
    def others(self) -> int:
        """Files that are no videos at all."""
        return sum(self.reasons.values()) - self.bad

    def refuse(self, path: str, reason: str) -> None:
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if len(self.first) < _NAMED and not reason.startswith(NOT_A_VIDEO):
            self.first.append([shown(path), reason])

    def add(self, other: "Tally") -> None:
        for name in ("videos", "frames", "decoded_whole", "near_black", "near_duplicates"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.reasons = dict(collections.Counter(self.reasons) + collections.Counter(other.reasons))
        self.first = (self.first + other.first)[:_NAMED]

    def summary(self) -> str:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(self.reasons.items()))
        first = "; ".join(f"{path}: {reason}" for path, reason in self.first)
        named = f"; first: {first}" if first else ""
        return f"{self.bad} of {self.videos - self.others} videos gave no frame ({reasons}){named}"


def shard_name(number: int, shards: int) -> str:
    return f"frames-{number:05d}-of-{shards:05d}"


def record(path: str, number: int, frame, size: int) -> bytes:
    """One frame as a serialized tf.train.Example."""

    def text(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = {
        "image": text(frame.content),
        "video": text(os.fsencode(path)),
        "number": tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
        "seconds": tf.train.Feature(float_list=tf.train.FloatList(value=[frame.seconds])),
        "size": tf.train.Feature(int64_list=tf.train.Int64List(value=[size])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def write(folder: str, name: str, records: list, tally: Tally, fingerprints: list) -> dict:
    """Writes a shard and then its note; returns the note.

    Raises:
      StorageError: the disk is full or not writable; nothing half-written counts.
    """
    path = posixpath.join(folder, f"{name}.tfrecord")
    temporary = posixpath.join(folder, f".{name}.tmp")
    try:
        with tf.io.TFRecordWriter(temporary) as writer:
            for item in records:
                writer.write(item)
        with tf.io.gfile.GFile(temporary, "rb") as file:
            content = file.read()
        tf.io.gfile.rename(temporary, path, overwrite=True)
        note = {
            "file": f"{name}.tfrecord",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            **dataclasses.asdict(tally),
            "fingerprints": [f"{value:016x}" for value in fingerprints],
        }
        write_json(folder, f"{name}.json", note)
    except (tf.errors.OpError, OSError) as error:
        raise StorageError(
            f"{path} could not be written: {storage_cause(error)}; finished shards are kept, rerun to resume"
        ) from None
    return note


def write_json(folder: str, name: str, content: Mapping[str, Any]) -> None:
    temporary = posixpath.join(folder, f".{name}.tmp")
    with tf.io.gfile.GFile(temporary, "w") as file:
        file.write(json.dumps(content, indent=1))
    tf.io.gfile.rename(temporary, posixpath.join(folder, name), overwrite=True)


def read_json(folder: str, name: str) -> dict | None:
    """The content of a file, or None if there is none (or only half of one).

    Raises:
      UserError: an object store that does not let it be read.
    """
    try:
        with tf.io.gfile.GFile(posixpath.join(folder, name), "r") as file:
            return json.loads(file.read())
    except (tf.errors.NotFoundError, ValueError):
        return None
    except tf.errors.OpError as error:
        if isinstance(error, tf.errors.FailedPreconditionError) and not is_remote(folder):
            return None  # A file where the folder should be.
        raise UserError(f"{posixpath.join(folder, name)} cannot be read: {first_line(error)}") from None


def note(folder: str, name: str) -> dict | None:
    """The note of a finished shard whose file is there in full length, or None."""
    found = read_json(folder, f"{name}.json")
    if found is None:
        return None
    try:
        length = tf.io.gfile.stat(posixpath.join(folder, found["file"])).length
    except tf.errors.NotFoundError:
        return None
    return found if length == found["bytes"] else None


def tally_of(found: dict) -> Tally:
    return Tally(**{field.name: found[field.name] for field in dataclasses.fields(Tally)})


def manifest(folder: str) -> Manifest:
    """The manifest of a finished job.

    Raises:
      UserError: none there, or an unfinished job.
    """
    found = read_json(folder, "manifest.json")
    if found is None:
        started = read_json(folder, "job.json") is not None
        what = (
            "the job is not finished; run the same command again" if started else "make it with `reverie data frames`"
        )
        raise UserError(f"{folder}: no manifest.json there: {what}")
    return cast(Manifest, found)


def verify(folder: str) -> int:
    """Compares every shard with the manifest and its own note; returns the number of frames.

    Raises:
      UserError: a shard is missing or changed, or the manifest is not what the job wrote.
    """
    found = manifest(folder)
    if said := damage(folder):
        raise UserError(said)
    frames = sum(shard["frames"] for shard in found["shards"])
    if found["frames"] != frames:
        raise UserError(f"{folder}/manifest.json: says {found['frames']} frames, but its shards are of {frames}")
    return frames


def damage(folder: str) -> str:
    """The first shard that is not what the manifest says, and what is wrong with it; "" where all is well.

    Raises:
      UserError: there is no manifest.
    """
    return next((said for shard in manifest(folder)["shards"] if (said := _wrong(folder, shard))), "")


def _wrong(folder: str, shard: ShardEntry) -> str:
    """What is wrong with a shard, or with what the manifest says of it; "" where nothing is."""
    path = posixpath.join(folder, shard["file"])
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            content = file.read()
    except (tf.errors.OpError, OSError) as error:
        missing = isinstance(error, tf.errors.NotFoundError)
        return (
            f"{path}: missing; the manifest has {shard['frames']} frames there"
            if missing
            else (f"{path}: cannot be read ({storage_cause(error)})")
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != shard["sha256"]:
        return f"{path}: not the file that the manifest describes (SHA-256 {digest[:12]}...); extract it again"
    records = _records(content)
    if records != shard["frames"]:
        return f"{folder}/manifest.json: says {shard['frames']} frames of {shard['file']}, which holds {records}"
    own = read_json(folder, f"{posixpath.splitext(shard['file'])[0]}.json")
    if own is not None and own.get("sha256") != digest:
        return f"{path}: not the file that its own note describes; extract it again"
    return ""


def _records(content: bytes) -> int:
    """How many records fill a shard, -1 where they do not."""
    place, count = 0, 0
    while place + 8 <= len(content):
        place += int.from_bytes(content[place : place + 8], "little") + RECORD_BYTES
        count += 1
    return count if place == len(content) else -1
