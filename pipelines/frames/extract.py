"""The job that turns a collection of videos into shards of frames, on one machine.

Stopped anywhere and started again it resumes with the first unfinished shard, and ends in the same bytes as a job
that was never stopped: what is drawn depends on the seed and the file alone, and shards are closed in order.
"""

import dataclasses
import glob
import hashlib
import json
import os
import posixpath
from collections.abc import Iterable
from typing import NamedTuple, cast

import tensorflow as tf

from ...errors import StorageError, UserError, storage_cause
from ...paths import existing, walk
from ...progress import Progress
from . import shards
from .near_duplicates import NearDuplicates
from .pool import Answer, Pool
from .shards import Manifest, Tally
from .video import VideoSettings

# Small jobs still get about so many shards: shards are what splits and hosts divide.
_LEAST_SHARDS = 16
_MOST_VIDEOS = 1000


@dataclasses.dataclass(frozen=True)
class Job:
    """What to take of which videos, and where it goes.

    Attributes:
      videos: patterns, files or folders; local, or anything that `tf.io.gfile` reads.
      out: the folder of shards.
      video: settings per video.
      least_luma: frames of lower mean brightness (0 to 255) are near-black and left out.
      distance: frames whose perceptual hash differs in at most so many of 64 bits from an earlier one are left out;
        -1 keeps all.
      videos_per_shard: 0 chooses: at most 1,000, and at least 16 shards where there are as many videos.
      max_bad_fraction: share of videos without a frame above which the job fails.
      workers: decoding processes; 0 is one a core.
      seconds: time limit for one file.
    """

    videos: tuple
    out: str
    video: VideoSettings = dataclasses.field(default_factory=VideoSettings)
    least_luma: float = 8.0
    distance: int = 4
    videos_per_shard: int = 0
    max_bad_fraction: float = 0.1
    workers: int = 0
    seconds: float = 120.0

    @property
    def fixed(self) -> dict:
        """What may not change while a job is under way."""
        return {**dataclasses.asdict(self.video), "least_luma": self.least_luma, "distance": self.distance}


def find(patterns: tuple[str, ...]) -> list[str]:
    """The files that patterns, folders or names stand for, sorted, each once.

    Raises:
      UserError: nothing is found.
    """
    found: set[str] = set()
    for pattern in patterns:
        # A name that is there is no pattern, whatever brackets and stars are in it.
        literal = existing(pattern)
        if "://" in pattern:
            if tf.io.gfile.isdir(pattern):
                found |= {
                    f"{place.rstrip('/')}/{name}" for place, _, names in tf.io.gfile.walk(pattern) for name in names
                }
            else:
                found |= {path for path in tf.io.gfile.glob(pattern) if not tf.io.gfile.isdir(path)}
        elif os.path.isdir(literal):
            found |= {os.path.join(literal, name) for name in walk(literal).files}
        elif os.path.lexists(literal):
            found.add(literal)
        else:
            # By what it leads to in the end: links in a circle are followed until the system refuses one more.
            matches = glob.glob(pattern, recursive=True)
            found |= {path for path in matches if not os.path.isdir(os.path.realpath(path))}
    files = _once(path for path in found if not posixpath.basename(path).startswith("."))
    if not files:
        raise UserError(f"no videos found: nothing matches {', '.join(patterns)} (quote the pattern in a shell)")
    return files


def _once(found: Iterable[str]) -> list[str]:
    """Paths in order, each file once however many links lead to it; the shortest path is the file's own."""
    own: dict[str, str] = {}
    for path in sorted(found, key=lambda path: (len(path), path)):
        own.setdefault(path if "://" in path else os.path.realpath(path), path)
    return sorted(own.values())


class Plan(NamedTuple):
    """What a job works through.

    Attributes:
      videos: paths, in order.
      per_shard: videos in each shard.
    """

    videos: list[str]
    per_shard: int


def open_job(job: Job) -> Plan:
    """The plan of a new job, or of the one that is under way in `job.out`.

    Raises:
      UserError: another job is there; nothing found.
      StorageError: the folder cannot be written.
    """
    earlier = shards.read_json(job.out, "job.json")
    if earlier is not None:
        changed = [f"{key} is {value!r}, was {earlier['settings'].get(key)!r}" for key, value in job.fixed.items()
                   if earlier["settings"].get(key) != value]  # fmt: skip
        if job.videos_per_shard not in (0, earlier["videos_per_shard"]):
            changed.append(f"videos_per_shard is {job.videos_per_shard}, was {earlier['videos_per_shard']}")
        if changed:
            raise UserError(f"{job.out}: a job with other settings is there ({'; '.join(changed)}); use a new --out")
        with tf.io.gfile.GFile(posixpath.join(job.out, "videos.txt"), "r") as file:
            videos = [_from_line(line) for line in file.read().split("\n") if line]
        if _digest(videos) != earlier["videos_sha256"]:
            raise UserError(f"{job.out}/videos.txt: not the list that the job started with; use a new --out")
        if videos != find(job.videos):
            raise UserError(
                f"{job.out}: --videos now stands for other files than when the job started; use a new --out"
            )
        return Plan(videos, earlier["videos_per_shard"])
    videos = find(job.videos)
    per_shard = job.videos_per_shard or min(_MOST_VIDEOS, max(1, -(-len(videos) // _LEAST_SHARDS)))
    facts = {"settings": job.fixed, "videos_per_shard": per_shard, "videos_sha256": _digest(videos)}
    try:
        tf.io.gfile.makedirs(job.out)
        with tf.io.gfile.GFile(posixpath.join(job.out, "videos.txt"), "w") as file:
            file.write("\n".join(map(_to_line, videos)) + "\n")
        shards.write_json(job.out, "job.json", facts)
    except (tf.errors.OpError, OSError) as error:
        raise StorageError(f"{job.out} could not be written: {storage_cause(error)}") from None
    return Plan(videos, per_shard)


def run(job: Job) -> Manifest:
    """Runs a job to its end, or resumes it; returns the manifest.

    Raises:
      UserError: nothing found, another job in the folder, or more bad videos than `max_bad_fraction`.
      StorageError: a shard could not be written.
    """
    videos, per_shard = open_job(job)
    count = -(-len(videos) // per_shard)
    total, kept, notes = Tally(), FrameFilter(job), []
    while len(notes) < count and (note := shards.note(job.out, shards.shard_name(len(notes), count))):
        total.add(shards.tally_of(note))
        for fingerprint in note["fingerprints"]:
            kept.seen.add(int(fingerprint, 16))
        notes.append(note)
    rest = range(len(notes) * per_shard, len(videos))
    if rest:
        progress = Progress("videos", len(videos), "video", rest.start)
        with progress, Pool(min(job.workers or os.cpu_count() or 1, len(rest)), job.video, job.seconds) as pool:
            closing = ShardInProgress(job)
            for number, answer in zip(rest, pool.map(videos[k] for k in rest), strict=True):
                closing.take(number, answer, kept.verdicts(answer.frames))
                progress.update()
                if number + 1 == len(videos) or (number + 1) % per_shard == 0:
                    notes.append(closing.close(shards.shard_name(len(notes), count)))
                    total.add(shards.tally_of(notes[-1]))
                    closing = ShardInProgress(job)
                    check_budget(total, len(videos), job)
    check_budget(total, len(videos), job)
    return finish(job, total, notes)


class FrameFilter:
    """Which frames are kept, asked in the order of the videos.

    Arguments:
      job: its thresholds.
    """

    def __init__(self, job: Job):
        self._least_luma = job.least_luma
        self.seen = NearDuplicates(job.distance)

    def verdicts(self, frames) -> list[str]:
        """What becomes of each of one video's frames: "kept", "near_black" or "near_duplicates".

        Args:
          frames: anything with `luma` and `fingerprint`.
        """
        return [self._verdict(frame) for frame in frames]

    def _verdict(self, frame) -> str:
        if frame.luma < self._least_luma:
            return "near_black"
        if self.seen.found(frame.fingerprint):
            return "near_duplicates"
        self.seen.add(frame.fingerprint)
        return "kept"


class ShardInProgress:
    """Frames of consecutive videos on their way into one shard.

    Arguments:
      job: whose shard it is.
    """

    def __init__(self, job: Job):
        self._job, self._tally, self._records, self._fingerprints = job, Tally(), [], []

    def take(self, number: int, answer: Answer, verdicts: list) -> None:
        """Keeps what is to be kept of one video's frames, and counts the rest."""
        tally = self._tally
        tally.videos += 1
        tally.decoded_whole += answer.whole
        if answer.reason:
            tally.refuse(answer.path, answer.reason)
        for frame, verdict in zip(answer.frames, verdicts, strict=True):
            if verdict == "kept":
                tally.frames += 1
                self._fingerprints.append(frame.fingerprint)
                self._records.append(shards.record(answer.path, number, frame, self._job.video.size))
            else:
                setattr(tally, verdict, getattr(tally, verdict) + 1)

    def close(self, name: str) -> dict:
        """Writes the shard; returns its note."""
        return shards.write(self._job.out, name, self._records, self._tally, self._fingerprints)


def finish(job: Job, total: Tally, notes: list) -> Manifest:
    """Writes and returns the manifest.

    Raises:
      UserError: not a single frame was kept.
    """
    if not total.frames:
        raise UserError(f"{job.out}: no frame was kept; {total.summary()}, {total.near_black} frames near-black")
    content = {
        **dataclasses.asdict(total),
        "settings": job.fixed,
        "shards": [{key: note[key] for key in ("file", "frames", "bytes", "sha256")} for note in notes],
    }
    try:
        shards.write_json(job.out, "manifest.json", content)
    except (tf.errors.OpError, OSError) as error:
        raise StorageError(f"{job.out}/manifest.json could not be written: {storage_cause(error)}") from None
    return cast(Manifest, content)


def check_budget(total: Tally, videos: int, job: Job) -> None:
    """Raises a UserError if more of all `videos` were bad than the job bears."""
    if total.bad > job.max_bad_fraction * max(videos - total.others, 1):
        raise UserError(
            f"{total.summary()}; that is over max_bad_fraction={job.max_bad_fraction:g} of {videos}: raise it to go on "
            "with what was done, or remove those files and use a new --out"
        )


def _digest(videos: list) -> str:
    return hashlib.sha256("\n".join(videos).encode("utf-8", "surrogateescape")).hexdigest()


def _to_line(path: str) -> str:
    """A path as a line of videos.txt: as it is, or as JSON where it is no plain line."""
    return path if path.isprintable() and not path.startswith('"') else json.dumps(path)


def _from_line(line: str) -> str:
    return json.loads(line) if line.startswith('"') else line
