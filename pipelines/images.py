"""Labelled images from anywhere, as one `tf.data.Dataset` of dicts.

    dataset("folder:my/pictures", image_shape=(64, 64, 3), batch_size=32, seed=1)

A source is written `kind:place`; plain paths are recognised:

| source | what |
|---|---|
| `mnist_sample` | 5,000 + 1,000 real digits that ship with the package |
| `FILE.npz` | x_train, y_train, x_test, y_test (any of them), uint8 or floats in [0, 1] |
| `idx:DIR` | MNIST's own files, raw or .gz |
| `tfds:NAME` | a TensorFlow Datasets set that is already prepared (`reverie data build NAME`) |
| `folder:DIR` | images, flat, one folder a class, or split folders of either |
| `cifar10:DIR`, `cifar100:DIR` | the authors' Python files, unpacked |
| `tfd:DIR` | Toronto Face Database, `TFD_48x48.mat` |
| `multipie:DIR` | CMU Multi-PIE, labels from file names |
| `frames:DIR` | frames of videos, extracted by `reverie data frames` |
| `scenes`, `scenes:COUNT:SEED` | drawn rooms with one object, four named attributes |
| `table:FILE.csv` | image files with named attributes, a row a file |
"""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf

from ..errors import UserError
from . import decoding, order
from .arrays import idx_splits, npz_splits, read_idx, read_npz, read_sample
from .cifar import read_cifar
from .files import Budget
from .folder import folder_splits, read_folder
from .frames import stream as frame_stream
from .holdout import carve
from .multipie import read_multipie
from .prepared import prepared_splits, read_prepared
from .scenes.source import read_scenes
from .source import UNLABELLED, Images
from .table import read_table, table_splits
from .tfd import read_tfd

KINDS = (
    "mnist_sample", "npz", "idx", "tfds", "folder", "cifar10", "cifar100", "tfd", "multipie", "frames", "scenes",
    "table",
)  # fmt: skip
_NO_PLACE = ("mnist_sample", "scenes")
SPLITS = ("train", "validation", "test")


def read(source: str, split: str = "train", **settings) -> Images:
    """Reads one split of a source into an indexable set.

    Args:
      source: see the table above.
      split: "train", "validation" or "test".
      **settings: see `read_splits`.

    Raises:
      UserError: anything about the source or the settings that cannot be used; no such split.
    """
    sets = read_splits(source, (split,), **settings)
    if split not in sets:
        raise UserError(f"{source}: has no {split} split, and none is held out ({split}_fraction is 0)")
    return sets[split]


def read_splits(
    source: str,
    splits: tuple = SPLITS,
    *,
    image_shape: tuple | None = None,
    resize: str = "none",
    data_dir: str = "",
    label_key: str = "label",
    attributes: bool = False,
    validation_fraction: float = 0.0,
    test_fraction: float = 0.1,
    holdout_seed: int = 0,
    fold: int = 0,
    max_pixels: int = Budget.max_pixels,
    max_file_mib: float = Budget.max_file_mib,
    max_bad_fraction: float = Budget.max_bad_fraction,
    memory_gib: float = Budget.memory_gib,
) -> dict:
    """Reads several splits of a source, touching each file once.

    A source that has no such split of its own gives it up from "train": `validation_fraction` and
    `test_fraction` of the images, chosen by `holdout_seed` and what each image is known by.

    Args:
      source: see the table above.
      splits: of "train", "validation" and "test".
      image_shape: (height, width, channels) wanted; None takes the arrays' own (files need it).
      resize: "none", "stretch" or "crop"; see `decoding.decode`.
      data_dir: TFDS folder.
      label_key: the TFDS feature holding the label.
      attributes: of TFDS sets, read all attributes instead of the one label; see `prepared.read_prepared`.
      validation_fraction, test_fraction, holdout_seed: see above.
      fold: TFD's official fold, 0..4.
      max_pixels, max_file_mib, max_bad_fraction, memory_gib: see `files.Budget`.

    Returns:
      split -> `Images`; without the splits that the source has not and nothing is held out for.

    Raises:
      UserError: anything about the source or the settings that cannot be used.
    """
    kind, place = parse_source(source)
    image_shape = image_shape and tuple(image_shape)  # A config that was read from JSON has lists.
    for split in splits:
        if split not in SPLITS:
            raise UserError(f"split is '{split}'; expected one of {', '.join(SPLITS)}")
    if resize not in decoding.RESIZE_MODES:
        raise UserError(f"resize is '{resize}'; expected one of {', '.join(decoding.RESIZE_MODES)}")
    for name, fraction in (("validation_fraction", validation_fraction), ("test_fraction", test_fraction)):
        if not 0.0 <= fraction <= 0.5:
            raise UserError(f"{name} is {fraction:g}; expected 0 to 0.5")
    budget = Budget(max_pixels, max_file_mib, max_bad_fraction, memory_gib)
    if image_shape is None and kind in ("folder", "table", "tfds", "multipie"):
        raise UserError(f"{source}: set image_shape, for example (64, 64, 3)")
    if kind == "frames":
        fractions = {"validation": validation_fraction, "test": test_fraction}
        found = frame_stream.splits(place, fractions, holdout_seed, image_shape and tuple(image_shape), resize)
        return {split: _streamed(place, found[split]) for split in splits if split in found}
    holdout = (validation_fraction, test_fraction, holdout_seed)

    def reader(wanted: str) -> Images:
        if kind == "tfds":
            return read_prepared(place, wanted, data_dir, image_shape, resize, budget, label_key, attributes)
        if kind == "scenes":
            return read_scenes(place, wanted, memory_gib)
        if kind == "table":
            return read_table(place, wanted, image_shape, resize, budget)
        if kind == "folder":
            return read_folder(place, wanted, image_shape, resize, budget)
        if kind in ("cifar10", "cifar100"):
            return read_cifar(kind, place, wanted)
        if kind == "tfd":
            return read_tfd(place, wanted, fold)
        if kind == "multipie":
            return read_multipie(place, wanted, image_shape, resize, budget, *holdout)
        return {"mnist_sample": read_sample, "npz": read_npz, "idx": read_idx}[kind](place, wanted)

    own = _own_splits(kind, place, data_dir)
    sets = {split: reader(split) for split in splits if split in own and split != "train"}
    others = [split for split in splits if split not in sets]
    if others:
        train = reader("train")
        # Nothing is held out for a split that the source brings itself.
        validation = 0.0 if "validation" in own else validation_fraction
        test = 0.0 if "test" in own else test_fraction
        sets |= {split: carve(train, split, validation, test, holdout_seed) for split in others}
    sets = {split: images for split, images in sets.items() if len(images)}
    if image_shape is not None:
        sets = {split: _fitted(images, tuple(image_shape), resize) for split, images in sets.items()}
    return sets


def _streamed(name: str, shards: frame_stream.FrameShards) -> Images:
    labels = np.broadcast_to(np.int32(UNLABELLED), [len(shards)])
    return Images(name=name, shape=shards.shape, labels=labels, shards=shards, resize=shards.resize)


def _own_splits(kind: str, place: str, data_dir: str) -> tuple:
    """The splits that a source brings; Multi-PIE and TFD define all three themselves."""
    if kind == "npz":
        return npz_splits(place)
    if kind == "idx":
        return idx_splits(place)
    if kind == "folder":
        return folder_splits(place)
    if kind == "table":
        return table_splits(place)
    if kind == "tfds":
        return prepared_splits(place, data_dir)
    return ("train", "test") if kind in ("mnist_sample", "cifar10", "cifar100") else SPLITS


def parse_source(source: str) -> tuple:
    """ "folder:pictures" -> ("folder", "pictures"); bare paths are recognised by what they are.

    Raises:
      UserError: unknown kind, or nothing at that path.
    """
    kind, colon, place = source.partition(":")
    if kind in KINDS and (colon or kind in _NO_PLACE):
        return kind, place
    path = pathlib.Path(source)
    if source.endswith(".npz"):
        return "npz", source
    if path.is_dir():
        return ("idx" if any(path.glob("*idx3*ubyte*")) else "folder"), source
    raise UserError(f"data source '{source}' is neither a known kind ({', '.join(KINDS)}), a folder, nor a .npz file")


def _fitted(images: Images, shape: tuple, resize: str) -> Images:
    """Pixels already in memory, brought to the shape wanted."""
    if images.pixels is None or images.shape == shape:
        return images
    wanted, found = "x".join(map(str, shape)), "x".join(map(str, images.shape))
    if resize == "none" or images.pixels.dtype != np.uint8:
        raise UserError(
            f"{images.name}: images are {found}, but the model takes {wanted}; "
            "set --config.data.resize=crop (or stretch; uint8 only), or --config.data.image_shape"
        )
    pixels = images.pixels
    if images.shape[-1] != shape[-1]:
        convert = tf.image.rgb_to_grayscale if shape[-1] == 1 else tf.image.grayscale_to_rgb
        pixels = np.stack([convert(tf.constant(image)).numpy() for image in pixels])
    if pixels.shape[1:3] != shape[:2]:
        pixels = np.stack([decoding.fit(tf.constant(image), *shape[:2], resize).numpy() for image in pixels])
    return dataclasses.replace(images, pixels=pixels, shape=shape)


def batches(
    images: Images,
    batch_size: int,
    *,
    seed: int = 0,
    start_step: int = 0,
    shuffle: bool = True,
    input_context: tf.distribute.InputContext | None = None,
    replicas: int = 1,
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

    Returns:
      Batches of {"image": float32 [b, height, width, channels] in [0, 1],
      "label": int32 [b] or [b, heads], "index": int64 [b]} with b = batch_size / replicas.

    Raises:
      UserError: a batch that replicas do not divide, or larger than the set.
    """
    if batch_size < 1 or batch_size % replicas:
        raise UserError(f"batch_size is {batch_size}; expected a positive multiple of the {replicas} replica(s)")
    if batch_size > len(images):
        raise UserError(f"batch_size is {batch_size}, but {images.name} holds only {len(images)} images")
    if images.shards is not None:
        order_of = {"seed": seed, "start_step": start_step, "shuffle": shuffle}
        spread = {"input_context": input_context, "replicas": replicas}
        return frame_stream.batches(images.shards, batch_size, **order_of, **spread)
    chunks = order.index_batches(len(images), batch_size, seed, start_step, shuffle)
    chunks = order.replica_shares(chunks, batch_size, input_context, replicas)
    return _fetch(chunks, images, batch_size // replicas, drop_remainder=True)


def rows(
    columns: dict,
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
    """
    columns = {name: tf.convert_to_tensor(column) for name, column in columns.items()}
    size = len(next(iter(columns.values())))
    chunks = order.index_batches(size, batch_size, seed, start_step)
    chunks = order.replica_shares(chunks, batch_size, input_context, replicas)
    gathered = chunks.map(lambda index: {name: tf.gather(column, index) for name, column in columns.items()})
    return gathered.prefetch(tf.data.AUTOTUNE)


def in_order(images: Images, batch_size: int) -> tf.data.Dataset:
    """One pass in the set's own order, the last batch possibly smaller: for evaluation."""
    if images.shards is not None:
        return frame_stream.in_order(images.shards, batch_size)
    chunks = tf.data.Dataset.range(len(images)).batch(batch_size)
    return _fetch(chunks, images, batch_size, drop_remainder=False)


def _fetch(chunks: tf.data.Dataset, images: Images, size: int, drop_remainder: bool) -> tf.data.Dataset:
    """Turns batches of indices into batches of examples."""
    labels = tf.constant(images.labels)
    if images.drawn is not None:
        nuisances = tf.constant(images.nuisances)

        def draw(index):
            label = tf.gather(labels, index)
            return {
                "image": decoding.to_unit(images.drawn(label, tf.gather(nuisances, index))),
                "label": label,
                "index": index,
            }

        dataset = chunks.map(draw, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    elif images.pixels is not None:
        pixels = images.content

        def gather(index):
            found = tf.gather(pixels, index) if images.permutations is None else _permuted(images, index)
            return {"image": decoding.to_unit(found), "label": tf.gather(labels, index), "index": index}

        dataset = chunks.map(gather, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    else:
        contents = images.content

        def load(index):
            content = contents[index] if images.paths is None else tf.io.read_file(contents[index])
            image = decoding.decode(content, images.shape, images.resize)
            return {"image": decoding.to_unit(image), "label": labels[index], "index": index}

        dataset = chunks.unbatch().map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        dataset = dataset.batch(size, drop_remainder=drop_remainder)
    return dataset.prefetch(tf.data.AUTOTUNE)


def _permuted(images: Images, index):
    """Pictures with their pixels in the order of their row's table; see `Images.permutations`."""
    count = len(images) // len(images.permutations)
    height, width, channels = images.shape
    pixels = tf.reshape(tf.gather(images.content, index % count), [-1, height * width, channels])
    tables = tf.gather(tf.constant(images.permutations), index // count)
    return tf.reshape(tf.gather(pixels, tables, batch_dims=1), [-1, *images.shape])


def dataset(
    source: str = "mnist_sample", split: str = "train", *, batch_size: int = 128, seed: int | None = None, **settings
) -> tf.data.Dataset:
    """Any source as batches: endless and shuffled when `seed` is given, else one pass in order.

    Args:
      source, split, **settings: see `read`.
      batch_size: images a batch.
      seed: keys the endless shuffled stream.

    Returns:
      Batches of {"image", "label", "index"}; see `batches`.
    """
    images = read(source, split, **settings)
    return in_order(images, batch_size) if seed is None else batches(images, batch_size, seed=seed)
