"""Shards of frames as a stream whose state is its step, however many there are.

Each epoch the shards come in a new order, a few at a time: those are read whole, in parallel, and their frames
shuffled together. So a stream that starts at step k reads only the shards that its step lies in, disks and object
stores see whole files, and memory holds a few shards. Every shard is counted as it is read: one that was cut off
is an error, never a shorter epoch.
"""

import dataclasses
import hashlib
import posixpath
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ...errors import UserError, first_line
from .. import decoding
from . import shards

# Shards that are shuffled together.
_TOGETHER = 16


@dataclasses.dataclass(frozen=True)
class FrameShards:
    """The shards of one split.

    Attributes:
      files: paths.
      counts: frames in each.
      shape: (height, width, channels) that a consumer sees.
      resize: how stored pictures are brought to it.
    """

    files: tuple
    counts: tuple
    shape: tuple
    resize: str

    def __len__(self) -> int:
        return sum(self.counts)

    @property
    def digest(self) -> str:
        """What other shards do not have: a hash of their names and counts."""
        named = [(posixpath.basename(file), count) for file, count in zip(self.files, self.counts, strict=True)]
        return hashlib.sha256(repr((named, self.shape)).encode()).hexdigest()[:16]

    def of_host(self, host: int, hosts: int) -> "FrameShards":
        """Every `hosts`-th shard.

        Raises:
          UserError: fewer shards than hosts.
        """
        if len(self.files) < hosts:
            raise UserError(
                f"{len(self.files)} shards cannot be read by {hosts} hosts; extract with fewer --videos_per_shard"
            )
        return dataclasses.replace(self, files=self.files[host::hosts], counts=self.counts[host::hosts])


def splits(folder: str, fractions: dict, seed: int, shape: tuple | None, resize: str) -> dict:
    """split -> `FrameShards`; whole shards are held out, so that no video is in two splits.

    Args:
      folder: of a finished extraction.
      fractions: {"validation": share, "test": share} of the shards, at least one where the share is not 0.
      seed: which ones.
      shape: (height, width, channels) wanted; None is that of the stored frames.
      resize: see `decoding.fit`.

    Raises:
      UserError: no finished extraction, or shards too few to hold any out.
    """
    found = shards.manifest(folder)
    entries = [entry for entry in found["shards"] if entry["frames"]]
    size = found["settings"]["size"]
    shape = shape or (size, size, 3)
    order = sorted(entries, key=lambda entry: hashlib.sha256(f"{seed}:{entry['file']}".encode()).digest())
    result, taken = {}, 0
    for split in ("test", "validation"):
        share = fractions.get(split, 0.0)
        count = max(1, round(share * len(order))) if share else 0
        result[split] = order[taken : taken + count]
        taken += count
    if taken >= len(order):
        raise UserError(
            f"{folder}: {len(order)} shard(s) are too few to hold out any for validation or test; extract with fewer "
            "--videos_per_shard, or set data.test_fraction and data.validation_fraction to 0"
        )
    result["train"] = order[taken:]

    def made(chosen):
        chosen = sorted(chosen, key=lambda entry: entry["file"])
        files = tuple(posixpath.join(folder, entry["file"]) for entry in chosen)
        return FrameShards(files, tuple(entry["frames"] for entry in chosen), tuple(shape), resize)

    return {split: made(chosen) for split, chosen in result.items() if chosen}


def batches(
    source: FrameShards,
    batch_size: int,
    *,
    seed: int,
    start_step: int,
    shuffle: bool,
    input_context: tf.distribute.InputContext | None,
    replicas: int,
) -> tf.data.Dataset:
    """Endless batches; see `pipelines.batches`. Each host reads its own shards."""
    hosts = input_context.num_input_pipelines if input_context else 1
    host = input_context.input_pipeline_id if input_context else 0
    own = source.of_host(host, hosts) if hosts > 1 else source
    per_step = batch_size // hosts
    if per_step > len(own):
        raise UserError(f"batch_size is {batch_size}, but the shards of a host hold only {len(own)} frames")
    contents = _endless(own, seed + host, start_step * per_step, shuffle)
    return _decoded(contents, own, batch_size // replicas, drop_remainder=True)


def in_order(source: FrameShards, batch_size: int) -> tf.data.Dataset:
    """One pass in the order of the shards."""
    files = tf.data.Dataset.from_tensor_slices((list(source.files), list(source.counts)))
    contents = files.map(_whole_shard, num_parallel_calls=2, deterministic=True).unbatch()
    return _decoded(contents, source, batch_size, drop_remainder=False)


class Frame(NamedTuple):
    """A stored frame: the video that it is of (a path, as bytes), its number, its file's content."""

    video: bytes
    number: int
    content: bytes


def frames(source: FrameShards) -> Iterator[Frame]:
    """Every frame as it is stored, in the order of the shards, one shard in memory at a time.

    Raises:
      UserError: a shard that cannot be read whole.
    """
    for path, count in zip(source.files, source.counts, strict=True):
        try:
            records = _whole_shard(tf.constant(path), tf.constant(count, tf.int64)).numpy()
        except tf.errors.OpError as error:
            said = shards.damage(posixpath.dirname(path)) or f"{path}: {first_line(error)}"
            raise UserError(said) from None
        for record in records:
            feature = tf.train.Example.FromString(record).features.feature
            yield Frame(
                feature["video"].bytes_list.value[0],
                feature["number"].int64_list.value[0],
                feature["image"].bytes_list.value[0],
            )


def _endless(source: FrameShards, seed: int, position: int, shuffle: bool) -> tf.data.Dataset:
    """Encoded frames from `position` on, counted from the start of the first epoch."""
    files, counts = tf.constant(source.files), tf.constant(source.counts, tf.int64)
    first_epoch, offset = divmod(position, len(source))

    def order(epoch):
        shard_numbers = tf.range(len(source.files), dtype=tf.int64)
        if not shuffle:
            return shard_numbers
        key = tf.stack([tf.cast(seed, tf.int64), epoch])
        return tf.random.experimental.stateless_shuffle(shard_numbers, key, alg="philox")

    skipped_groups, rest = 0, offset
    if offset:  # Whole groups before the place where the stream starts are never read.
        sizes = np.asarray(source.counts)[order(tf.constant(first_epoch, tf.int64)).numpy()]
        edges = np.append(np.add.reduceat(sizes, np.arange(0, len(sizes), _TOGETHER)).cumsum(), 0)
        skipped_groups = int(np.searchsorted(edges[:-1], offset, side="right"))
        rest = offset - int(edges[skipped_groups - 1])

    @tf.autograph.experimental.do_not_convert
    def epoch_contents(epoch):
        first = tf.where(epoch == first_epoch, skipped_groups, 0)
        groups = (
            tf.data.Dataset.from_tensor_slices(order(epoch)).batch(_TOGETHER).enumerate().skip(tf.cast(first, tf.int64))
        )

        @tf.autograph.experimental.do_not_convert
        def group_contents(number, members):
            members = tf.data.Dataset.from_tensor_slices((tf.gather(files, members), tf.gather(counts, members)))
            whole = members.map(_whole_shard, num_parallel_calls=_TOGETHER, deterministic=True).unbatch()
            if not shuffle:
                return whole
            together = whole.batch(int(max(source.counts)) * _TOGETHER).get_single_element()
            # Not the key of the epochs' order, which the same numbers would make.
            key = tf.stack([tf.cast(seed, tf.int64), -1 - (epoch * 2**20 + number)])
            mixed = tf.random.experimental.stateless_shuffle(together, key, alg="philox")
            return tf.data.Dataset.from_tensor_slices(mixed)

        return groups.flat_map(group_contents)

    return tf.data.Dataset.range(first_epoch, 2**40).flat_map(epoch_contents).skip(rest)


@tf.autograph.experimental.do_not_convert
def _whole_shard(path, count):
    """All encoded frames of a shard, string [count]; an error that names it if there are more or fewer."""
    message = tf.strings.format("{}: its records do not fill it; extract it again", path)
    with tf.control_dependencies([tf.debugging.Assert(_fills(tf.io.read_file(path)), [message])]):
        path = tf.identity(path)
    # One more at the end, so that a shard cut off at its very start gives a batch too.
    records = tf.data.TFRecordDataset(path).concatenate(tf.data.Dataset.from_tensors(b""))
    content = records.batch(2**31).get_single_element()[:-1]
    read = tf.size(content, out_type=tf.int64)
    message = tf.strings.format("{}: {} frames, but its manifest says {}; extract it again", (path, read, count))
    with tf.control_dependencies([tf.debugging.Assert(read == tf.cast(count, tf.int64), [message])]):
        return tf.ensure_shape(tf.identity(content), [None])


def _fills(content):
    """Whether the lengths that records claim lead exactly to the end of a shard.

    TensorFlow's reader believes a length whose checksum is right, and ends the process where memory does not reach.
    """
    size = tf.cast(tf.strings.length(content), tf.int64)

    def follow(place):
        length = tf.io.decode_raw(tf.strings.substr(content, place, 8), tf.int64)[0]
        # Beyond the end is wrong whatever it claims, and so is what would overflow.
        wrong = (length < 0) | (length > size)
        return tf.where(wrong, size + 1, place + length + shards.RECORD_BYTES)

    place = tf.while_loop(lambda place: place + 8 <= size, lambda place: (follow(place),), [tf.constant(0, tf.int64)])
    return place[0] == size


def _decoded(contents: tf.data.Dataset, source: FrameShards, size: int, drop_remainder: bool) -> tf.data.Dataset:
    features = {"image": tf.io.FixedLenFeature([], tf.string), "number": tf.io.FixedLenFeature([], tf.int64)}

    # A whole batch at once: what tf.data spends on an element costs as much as decoding a small picture.
    @tf.autograph.experimental.do_not_convert
    def load(batch):
        parsed = tf.io.parse_example(batch, features)
        image = tf.map_fn(
            lambda content: decoding.decode(content, source.shape, source.resize),
            parsed["image"],
            fn_output_signature=tf.TensorSpec(source.shape, tf.uint8),
        )
        label = tf.fill(tf.shape(parsed["number"]), -1)
        return {"image": decoding.to_unit(image), "label": label, "index": parsed["number"]}

    batches = contents.batch(size, drop_remainder=drop_remainder)
    return batches.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)
