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
| `tfd:DIR` | Toronto Face Database, `TFD_48x48.mat` |
| `multipie:DIR` | CMU Multi-PIE, labels from file names |
"""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf

from ..errors import UserError
from . import decoding, order
from .arrays import idx_splits, npz_splits, read_idx, read_npz, read_sample
from .files import Budget
from .folder import folder_splits, read_folder
from .multipie import read_multipie
from .prepared import prepared_splits, read_prepared
from .source import Images
from .tfd import read_tfd

KINDS = ("mnist_sample", "npz", "idx", "tfds", "folder", "tfd", "multipie")
SPLITS = ("train", "validation", "test")


def read(
    source: str,
    split: str = "train",
    *,
    image_shape: tuple | None = None,
    resize: str = "none",
    data_dir: str = "",
    label_key: str = "label",
    validation_fraction: float = 0.0,
    test_fraction: float = 0.1,
    holdout_seed: int = 0,
    fold: int = 0,
    max_pixels: int = Budget.max_pixels,
    max_file_mib: float = Budget.max_file_mib,
    max_bad_fraction: float = Budget.max_bad_fraction,
    memory_gib: float = Budget.memory_gib,
) -> Images:
    """Reads one split of a source into an indexable set.

    A source that has no such split of its own gives it up from "train": `validation_fraction` (and, for
    folders and arrays without a test split, `test_fraction`) of the images, drawn once by `holdout_seed`.

    Args:
      source: see the table above.
      split: "train", "validation" or "test".
      image_shape: (height, width, channels) wanted; None takes the arrays' own (files need it).
      resize: "none", "stretch" or "crop"; see `decoding.decode`.
      data_dir: TFDS folder.
      label_key: the TFDS feature holding the label.
      validation_fraction, test_fraction, holdout_seed: see above.
      fold: TFD's official fold, 0..4.
      max_pixels, max_file_mib, max_bad_fraction, memory_gib: see `files.Budget`.

    Raises:
      UserError: anything about the source or the settings that cannot be used.
    """
    kind, place = parse_source(source)
    if split not in SPLITS:
        raise UserError(f"split is '{split}'; expected one of {', '.join(SPLITS)}")
    if resize not in decoding.RESIZE_MODES:
        raise UserError(f"resize is '{resize}'; expected one of {', '.join(decoding.RESIZE_MODES)}")
    for name, fraction in (("validation_fraction", validation_fraction), ("test_fraction", test_fraction)):
        if not 0.0 <= fraction < 1.0:
            raise UserError(f"{name} is {fraction:g}; expected at least 0 and below 1")
    budget = Budget(max_pixels, max_file_mib, max_bad_fraction, memory_gib)
    if image_shape is None and kind in ("folder", "tfds", "multipie"):
        raise UserError(f"{source}: set image_shape, for example (64, 64, 3)")

    def reader(wanted: str) -> Images:
        if kind == "tfds":
            return read_prepared(place, wanted, data_dir, image_shape, resize, budget, label_key)
        if kind == "folder":
            return read_folder(place, wanted, image_shape, resize, budget)
        if kind == "tfd":
            return read_tfd(place, wanted, fold)
        if kind == "multipie":
            return read_multipie(place, wanted, image_shape, resize, budget, validation_fraction, test_fraction)
        return {"mnist_sample": read_sample, "npz": read_npz, "idx": read_idx}[kind](place, wanted)

    own = _own_splits(kind, place, data_dir)
    if split in own and split != "train":
        images = reader(split)
    else:
        fractions = {"test": test_fraction, "validation": validation_fraction}
        # Splits are carved in one order out of one permutation, so they are disjoint whichever is asked for.
        missing = {name: fraction for name, fraction in fractions.items() if name not in own}
        images = _carve(reader("train"), split, missing, holdout_seed)
    if not len(images):
        raise UserError(f"{source}: has no {split} split, and none is held out ({split}_fraction is 0)")
    return images if image_shape is None else _fitted(images, tuple(image_shape), resize)


def _own_splits(kind: str, place: str, data_dir: str) -> tuple:
    """The splits that a source brings; Multi-PIE and TFD define all three themselves."""
    if kind == "npz":
        return npz_splits(place)
    if kind == "idx":
        return idx_splits(place)
    if kind == "folder":
        return folder_splits(place)
    if kind == "tfds":
        return prepared_splits(place, data_dir)
    return ("train", "test") if kind == "mnist_sample" else SPLITS


def _carve(train: Images, split: str, fractions: dict, seed: int) -> Images:
    """One of the disjoint parts of a training set: "train" is what the fractions leave."""
    permutation = np.random.default_rng(seed).permutation(len(train))
    parts, start = {}, 0
    for name, fraction in fractions.items():
        count = round(fraction * len(train))
        parts[name] = permutation[start : start + count]
        start += count
    parts["train"] = permutation[start:]
    return train if len(parts[split]) == len(train) else train.take(np.sort(parts[split]))


def parse_source(source: str) -> tuple:
    """ "folder:pictures" -> ("folder", "pictures"); bare paths are recognised by what they are.

    Raises:
      UserError: unknown kind, or nothing at that path.
    """
    kind, colon, place = source.partition(":")
    if kind in KINDS and (colon or kind == "mnist_sample"):
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
    hosts = input_context.num_input_pipelines if input_context else 1
    host = input_context.input_pipeline_id if input_context else 0
    local = replicas // hosts
    share = batch_size // replicas

    def local_shares(indices):
        """The rows of this host's replicas, one an element."""
        shares = tf.reshape(indices, [replicas, share])[host * local : (host + 1) * local]
        return tf.data.Dataset.from_tensor_slices(shares)

    chunks = order.index_batches(len(images), batch_size, seed, start_step, shuffle)
    if replicas > 1:
        chunks = chunks.flat_map(local_shares)
    return _fetch(chunks, images, share, drop_remainder=True)


def in_order(images: Images, batch_size: int) -> tf.data.Dataset:
    """One pass in the set's own order, the last batch possibly smaller: for evaluation."""
    chunks = tf.data.Dataset.range(len(images)).batch(batch_size)
    return _fetch(chunks, images, batch_size, drop_remainder=False)


def _fetch(chunks: tf.data.Dataset, images: Images, size: int, drop_remainder: bool) -> tf.data.Dataset:
    """Turns batches of indices into batches of examples."""
    labels = tf.constant(images.labels)
    if images.pixels is not None:
        pixels = images.content

        def gather(index):
            return {
                "image": decoding.to_unit(tf.gather(pixels, index)),
                "label": tf.gather(labels, index),
                "index": index,
            }

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
