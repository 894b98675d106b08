"""Image sets as `tf.data` streams of batches: endless ones whose only state is their step, and single passes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import UserError
from . import decoding, order, service
from .frames import stream as frame_stream
from .image_set import HOST, Images
from .reading import read


def dataset(
    source: str = "mnist_sample",
    split: str = "train",
    *,
    batch_size: int = 128,
    seed: int | None = None,
    **settings: Any,
) -> tf.data.Dataset:
    """Any source as batches: endless and shuffled when `seed` is given, else one pass in order.

    Args:
      source, split, **settings: see `read`.
      batch_size: images a batch.
      seed: keys the endless shuffled stream.

    Returns:
      Batches of {"image", "label", "index"}; see `batches`.

    Raises:
      UserError: as `read` and `batches`.

    Example:
      >>> batch = next(iter(dataset("mnist_sample", batch_size=32, seed=1)))
      >>> batch["image"].shape
      TensorShape([32, 28, 28, 1])
    """
    images = read(source, split, **settings)
    return in_order(images, batch_size) if seed is None else batches(images, batch_size, seed=seed)


def batches(
    images: Images,
    batch_size: int,
    *,
    seed: int = 0,
    start_step: int = 0,
    shuffle: bool = True,
    input_context: tf.distribute.InputContext | None = None,
    replicas: int = 1,
    service_address: str = "",
) -> tf.data.Dataset:
    """An endless stream of training batches whose only state is the step.

    Args:
      images: the set.
      batch_size: images a step, over all hosts and replicas together.
      seed: keys the order; the same seed gives the same batches on any number of hosts and replicas.
      start_step: the step to start at; step k of a resumed stream equals step k of an unbroken one.
      shuffle: a fresh order every epoch, or the set's own.
      input_context: which host this is and how many there are; None is one host.
      replicas: replicas over all hosts. Each element is one replica's share, in replica order.
      service_address: of a tf.data service that makes the batches, as "grpc://localhost:5000", or "". With one, the
        order is nobody's: see `service`.

    Returns:
      Batches of {"image": float32 [b, height, width, channels] in [0, 1],
      "label": int32 [b] or [b, heads], "index": int64 [b]} with b = batch_size / replicas.

    Raises:
      UserError: a batch that replicas do not divide, or larger than the set; a set that no service can read.

    Example:
      >>> from reverie.pipelines import from_arrays
      >>> images = from_arrays("blank", np.zeros([6, 8, 8], np.uint8), None)
      >>> unbroken = [batch["index"].numpy().tolist() for batch in batches(images, 4, seed=5).take(3)]
      >>> next(iter(batches(images, 4, seed=5, start_step=2)))["index"].numpy().tolist() == unbroken[2]
      True
    """
    if batch_size < 1 or batch_size % replicas:
        raise UserError(f"batch_size is {batch_size}; expected a positive multiple of the {replicas} replica(s)")
    if batch_size > len(images):
        raise UserError(f"batch_size is {batch_size}, but {images.name} holds only {len(images)} images")
    if images.shards is not None:
        order_of = {"seed": seed, "start_step": start_step, "shuffle": shuffle}
        spread = {"input_context": input_context, "replicas": replicas}
        made = frame_stream.batches(images.shards, batch_size, **order_of, **spread)
    else:
        chunks = order.index_batches(len(images), batch_size, seed, start_step, shuffle)
        made = _fetch(order.replica_shares(chunks, batch_size, input_context, replicas), images)
    return service.distributed(made, images, service_address) if service_address else made


def rows(
    columns: Mapping[str, np.ndarray],
    batch_size: int,
    *,
    seed: int = 0,
    start_step: int = 0,
    input_context: tf.distribute.InputContext | None = None,
    replicas: int = 1,
) -> tf.data.Dataset:
    """As `batches`, of rows that are no images.

    Args:
      columns: name -> array [n, ...].
      batch_size, seed, start_step, input_context, replicas: see `batches`; a batch may be larger than n.

    Returns:
      Batches of {name: [b, ...]} with b = batch_size / replicas.

    Example:
      >>> batch = next(iter(rows({"code": np.zeros([5, 2], np.float32)}, 8)))
      >>> batch["code"].shape
      TensorShape([8, 2])
    """
    with tf.device(HOST):
        columns = {name: tf.convert_to_tensor(column) for name, column in columns.items()}
    size = len(next(iter(columns.values())))
    chunks = order.index_batches(size, batch_size, seed, start_step)
    chunks = order.replica_shares(chunks, batch_size, input_context, replicas)
    gathered = chunks.map(lambda index: {name: tf.gather(column, index) for name, column in columns.items()})
    return gathered.prefetch(tf.data.AUTOTUNE)


def in_order(images: Images, batch_size: int) -> tf.data.Dataset:
    """One pass in the set's own order, for evaluation.

    Args:
      images: the set.
      batch_size: images a batch; the last may be smaller.

    Returns:
      Batches of {"image", "label", "index"}; see `batches`.

    Example:
      >>> from reverie.pipelines import read
      >>> sum(len(batch["label"]) for batch in in_order(read("mnist_sample", "test"), 300))
      1000
    """
    if images.shards is not None:
        return frame_stream.in_order(images.shards, batch_size)
    chunks = tf.data.Dataset.range(len(images)).batch(batch_size)
    return _fetch(chunks, images)


def drawn(images: Images, count: int, seed: int = 0) -> dict[str, tf.Tensor]:
    """Some images of all over the set: what calibrates, is probed or is shown must not be the first class alone.

    Args:
      images: the set.
      count: how many at most.
      seed: which ones; the same seed draws the same.

    Returns:
      One batch {"image", "label", "index"} in random order; see `batches`.

    Example:
      >>> from reverie.pipelines import from_arrays
      >>> by_class = from_arrays("blank", np.zeros([60, 4, 4], np.uint8), np.arange(60) // 20)
      >>> sorted(set(drawn(by_class, 12)["label"].numpy().tolist()))
      [0, 1, 2]
    """
    count = min(count, len(images))
    if images.shards is not None:
        return next(iter(batches(images, count, seed=seed)))
    rows = np.random.default_rng(seed).permutation(len(images))[:count]
    batch = next(iter(in_order(_at(images, rows), count)))
    return {**batch, "index": tf.constant(rows, tf.int64)}


def _at(images: Images, rows: np.ndarray) -> Images:
    """`Images.take`, also of sets whose rows are pictures under several pixel orders."""
    if images.permutations is None:
        return images.take(rows)
    permuted = _permuted(images, images.permutations, tf.constant(rows)).numpy()
    return dataclasses.replace(images, pixels=permuted, labels=images.labels[rows], permutations=None)


def _fetch(chunks: tf.data.Dataset, images: Images) -> tf.data.Dataset:
    """Turns batches of indices into batches of examples."""
    with tf.device(HOST):
        labels = tf.constant(images.labels)
        nuisances = None if images.nuisances is None else tf.constant(images.nuisances)
    drawn = images.drawn
    if drawn is not None:

        @tf.autograph.experimental.do_not_convert
        def draw(index):
            label = tf.gather(labels, index)
            return {
                "image": decoding.to_unit(drawn(label, tf.gather(nuisances, index))),
                "label": label,
                "index": index,
            }

        dataset = chunks.map(draw, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    elif images.pixels is not None:
        pixels, tables = images.content, images.permutations

        @tf.autograph.experimental.do_not_convert
        def gather(index):
            found = tf.gather(pixels, index) if tables is None else _permuted(images, tables, index)
            return {"image": decoding.to_unit(found), "label": tf.gather(labels, index), "index": index}

        dataset = chunks.map(gather, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    elif images.kept is not None:
        kept = images.kept

        @tf.autograph.experimental.do_not_convert
        def fetch(index):
            found = tf.numpy_function(kept.read, [index], tf.uint8, stateful=False)
            found = tf.ensure_shape(found, [index.shape[0], *images.shape])
            return {"image": decoding.to_unit(found), "label": tf.gather(labels, index), "index": index}

        dataset = chunks.map(fetch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    else:
        contents = images.content

        @tf.autograph.experimental.do_not_convert
        def load(index):
            image = decoding.decode_files(
                tf.gather(contents, index), images.shape, images.resize, images.look, path=images.paths is not None
            )
            return {"image": decoding.to_unit(image), "label": tf.gather(labels, index), "index": index}

        dataset = chunks.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE)


def _permuted(images: Images, permutations: np.ndarray, index):
    """Pictures with their pixels in the order of their row's table; see `Images.permutations`."""
    count = len(images) // len(permutations)
    height, width, channels = images.shape
    pixels = tf.reshape(tf.gather(images.content, index % count), [-1, height * width, channels])
    tables = tf.gather(tf.constant(permutations), index // count)
    return tf.reshape(tf.gather(pixels, tables, batch_dims=1), [-1, *images.shape])
