"""A config's data, read and checked against the model that it names."""

import contextlib
import dataclasses
import math
import re
import sys
from collections.abc import Iterator
from typing import Any

import ml_collections
import tensorflow as tf

from .. import models, pipelines
from ..errors import UserError
from ..pipelines import streams
from ..training import continual


@contextlib.contextmanager
def naming_damage(source: str) -> Iterator[None]:
    """Turns an error of reading in the middle of a run into a line that names the damaged file.

    Args:
      source: what is read inside the block, as in `data.source`.

    Raises:
      UserError: the source finds the damage; any other error is as it was.

    Example:
      with naming_damage("frames:films/frames"):
          loop.train(context, phases)
    """
    try:
        yield
    except tf.errors.OpError as error:
        lost = re.search(f"{pipelines.LOST}.*", str(error))
        said = f"{source}: {lost[0]}" if lost else pipelines.damage(source)
        if not said:
            raise
        raise UserError(said) from None


def read_images(config: ml_collections.ConfigDict, *splits: str) -> dict[str, pipelines.Images]:
    """The config's data, checked against the model's shape and heads.

    Args:
      config: of the run.
      *splits: of "train", "validation" and "test"; "validation" may turn out not to exist.

    Returns:
      split -> `pipelines.Images`.

    Raises:
      UserError: it cannot be read, has no such split, or does not fit the model.
    """
    sets = pipelines.read_splits(splits=splits, **config.data.to_dict())
    family = models.family(config.model.family)
    # Where the model's shape follows from the data's (streams), the data's is the one to hold.
    shape = family.image_shape(config.model) or tuple(config.data.image_shape)
    for split in splits:
        if split not in sets and split != "validation":
            raise UserError(f"{config.data.source}: has no {split} images; set data.{split}_fraction to hold some out")
    for images in sets.values():
        if images.shape != shape:
            raise UserError(
                f"{images.name}: images are {images.shape}, but model.image_shape is {shape}; "
                "set --config.data.image_shape and --config.model.image_shape to the same shape"
            )
    heads = family.heads(config.model)
    return {split: pipelines.for_heads(images, heads) for split, images in sets.items()} if heads else sets


def check_test_images(config: ml_collections.ConfigDict) -> None:
    """Refuses before training what the evaluation would refuse after it: test images that do not fit the model.

    Those that are held out of the training images are as these are; only a source's own are read.

    Raises:
      UserError: they cannot be read, are of another size, or have labels that the model does not know.
    """
    settings = config.data.to_dict()
    if "test" in pipelines.own_splits(**settings):
        read_images(config, "test")


def read_streams(config: ml_collections.ConfigDict, *splits: str) -> dict[str, pipelines.Stream]:
    """The config's data as streams of tasks; the training images are read in any case, they fix the classes.

    Args:
      config: of a run over a stream.
      *splits: as in `read_images`.

    Returns:
      split -> `pipelines.Stream`.

    Raises:
      UserError: as `read_images`; labels missing, more tasks than classes.
    """
    sets = read_images(config, *dict.fromkeys(("train", *splits)))
    return streams.build(continual.stream_settings(config), int(config.seed), sets)


def total_steps(config: ml_collections.ConfigDict, examples: int) -> int:
    """`train.steps`, or where that is 0 the steps of `train.epochs` passes over the data.

    Raises:
      UserError: neither is positive, or both are.
    """
    steps, epochs, batch = config.train.steps, config.train.epochs, config.train.batch_size
    if (steps > 0) == (epochs > 0):
        raise UserError(
            f"train.steps is {steps} and train.epochs is {epochs}; set one of them and leave the other at 0"
        )
    total = steps if steps > 0 else epochs * examples / batch
    if not total < 2**31:
        raise UserError(f"train.epochs is {epochs:g}, which is {total:g} steps of {batch} rows; expected below 2^31")
    return math.ceil(total)


def named_classes(images: pipelines.Images) -> dict[str, list]:
    """Names of the classes in label order, of each head that has names."""
    return {head: list(names) for head, names in images.class_names.items() if names}


def describe_images(images: pipelines.Images) -> dict[str, Any]:
    """What a run's data.json says of a set of images; what was skipped is also reported at once."""
    if images.skipped.count:
        print(images.skipped.summary(), file=sys.stderr)
    for remark, count in images.remarks.items():
        print(f"{images.name}: {remark}: {count}", file=sys.stderr)
    return {
        "name": images.name,
        "images": len(images),
        "shape": list(images.shape),
        "unlabeled": int((images.labels < 0).sum()),
        "classes": named_classes(images),
        "digest": images.digest,
        **({"windows": dataclasses.asdict(images.cut)} if images.cut else {}),
        "remarks": dict(images.remarks),
        "skipped": images.skipped.count,
        "skipped_reasons": images.skipped.reasons,
        "skipped_first": list(images.skipped.first),
    }
