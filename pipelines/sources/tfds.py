"""TensorFlow Datasets that are already on disk, and `prepare`, which puts one there. Nothing downloads unless asked."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...errors import UserError, first_line
from ..image_set import UNLABELED, Images
from ..picture import Unreadable, in_channels, read_picture
from .contract import SPLITS, Option, Request, Source


class Tfds(Source):
    """`tfds:NAME`, as TFDS writes it: "mnist", "cifar100", "name/config:version"."""

    kind = "tfds"
    summary = "a TensorFlow Datasets set that is already prepared (`reverie data build NAME`)"
    forms = ("tfds:NAME",)
    needs_shape = True
    without_train = "say which of its splits to learn from with --config.data.train_split"
    options = {
        "train_split": Option("train", "Of TFDS sets: which of its splits to learn from, as train[:90%]."),
        "validation_split": Option("validation", "Of TFDS sets: likewise for validation."),
        "test_split": Option("test", "Of TFDS sets: likewise for testing."),
        "data_dir": Option("", "Where TFDS sets were prepared; empty is TFDS's own folder."),
        "label_key": Option("label", "The TFDS feature with the label."),
        "attributes": Option(
            False, "Of TFDS sets: all named attributes (as of shapes3d, celeb_a) instead of one label."
        ),
    }

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        there = _prepared(place, request.options["data_dir"]).info.splits
        found = tuple(split for split in SPLITS if _split_name(request, split).partition("[")[0] in there)
        if not found:
            raise UserError(
                f"tfds:{place}: has the split(s) {', '.join(there) or 'none'}; say which to learn from with "
                "--config.data.train_split"
            )
        return found

    def read(self, place: str, split: str, request: Request) -> Images:
        return read_prepared(place, split, request)


SOURCES = (Tfds(),)


def _split_name(request: Request, split: str) -> str:
    """What TFDS calls one of our splits: a name, perhaps with a slice."""
    return str(request.options.get(f"{split}_split", split))


def read_prepared(name: str, split: str, request: Request) -> Images:
    """Loads one split of a data set that is already on disk.

    Args:
      name: see `Tfds`.
      split: "train", "validation" or "test".
      request: within its `memory_gib` the set is kept as pixels, else as encoded bytes; with the option `attributes`
        there is a label column for each named attribute.

    Raises:
      UserError: unknown name, not prepared, or without an image and that label.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    from .. import decoding

    label_key, attributes = request.options["label_key"], request.options["attributes"]
    shape, resize, look = request.image_shape, request.resize, request.look
    assert shape is not None  # `Tfds.needs_shape`.
    builder = _prepared(name, request.options["data_dir"])
    features = builder.info.features
    columns = _attribute_columns(features) if attributes else {}
    if attributes and not columns:
        raise UserError(f"data set '{name}' has no attributes (features {list(features)}); expected whole-number ones")
    if "image" not in features or (not attributes and label_key not in features):
        raise UserError(f"data set '{name}' has the features {list(features)}; expected 'image' and '{label_key}'")
    try:
        dataset = builder.as_dataset(
            split=_split_name(request, split), decoders={"image": tfds.decode.SkipDecoding()}, shuffle_files=False
        )
    except (ValueError, KeyError, AssertionError) as error:
        raise UserError(f"tfds:{name}: {_split_name(request, split)}: {first_line(error)}") from None

    def label_of(row):
        return [int(column.value(row)) for column in columns.values()] if attributes else row[label_key]

    rows = [(row["image"], label_of(row)) for row in dataset.as_numpy_iterator()]
    labels = np.asarray([label for _, label in rows])
    if not np.issubdtype(labels.dtype, np.integer):
        labels = np.full(len(rows), UNLABELED)
    if attributes:
        names = {column: found.names for column, found in columns.items()}
        heads = {"head_names": tuple(columns), "class_names": names}
    else:
        names = getattr(features[label_key], "names", None)
        heads = {"class_names": {"label": tuple(names)} if names else {}}
    fields = {
        "name": f"tfds:{name}:{split}",
        "shape": shape,
        "labels": labels.astype(np.int32),
        "resize": resize,
        "look": look,
        **heads,
    }
    contents = [image for image, _ in rows]
    if not contents:
        raise UserError(f"tfds:{name}: {_split_name(request, split)} holds no images")
    encoded = isinstance(contents[0], bytes)
    if encoded and request.own_size:
        return Images(encoded=np.asarray(contents, object), **fields)
    if encoded and len(rows) * int(np.prod(shape)) > request.budget.memory_gib * 2**30:
        return Images(encoded=np.asarray(contents, object), **fields)
    try:
        if encoded:
            contents = [
                read_picture(content, shape[-1], look, request.budget.max_pixels).pixels for content in contents
            ]
        fitted = decoding.fitter(*shape[:2], resize)
        pixels = np.stack([fitted(in_channels(content, shape[-1])) for content in contents])
    except Unreadable as reason:
        raise UserError(f"data set '{name}': an image is {reason}") from None
    except (tf.errors.InvalidArgumentError, ValueError):
        wanted = "x".join(map(str, shape))
        raise UserError(
            f"data set '{name}': images are {features['image'].shape}, not {wanted}; "
            "set --config.data.resize=crop (or stretch), or --config.data.image_shape"
        ) from None
    return Images(pixels=pixels, **fields)


class _Attribute(NamedTuple):
    value: Callable[[dict], Any]  # Row -> its whole number.
    names: tuple[str, ...]  # Of its values.


def _attribute_columns(features) -> dict[str, _Attribute]:
    """The attributes of a prepared set's features.

    Three forms are known, those of shapes3d and dsprites (`label_NAME`, a class label each, beside the value of the
    same name) and of celeb_a (`attributes`, a dict of booleans); attributes of a single value say nothing and are left
    out.
    """
    columns = {}
    for key, feature in features.items():
        if key.startswith("label_") and getattr(feature, "num_classes", 0) > 1:
            names = tuple(feature.names) if getattr(feature, "names", None) else ()
            columns[key.removeprefix("label_")] = _Attribute(lambda row, key=key: row[key], names)
    for key in dict(features).get("attributes", ()):
        columns[key] = _Attribute(lambda row, key=key: row["attributes"][key], ("no", "yes"))
    return columns


def prepare(name: str, data_dir: str = "") -> str:
    """Downloads and prepares a data set; the only place that may download.

    Args:
      name: see `Tfds`.
      data_dir: where to; "" is TFDS's own folder.

    Returns:
      The folder of the prepared set.

    Raises:
      UserError: unknown name, or the source cannot be reached.
    """
    builder = _builder(name, data_dir)
    if builder.is_prepared():
        return str(builder.data_dir)
    try:
        builder.download_and_prepare()
    except Exception as error:  # Builders raise whatever their source raised: sockets, checksums, manual files.
        raise UserError(
            f"data set '{name}' could not be prepared: {type(error).__name__}: {first_line(error)}"
        ) from error
    return str(builder.data_dir)


def _prepared(name: str, data_dir: str):
    builder = _builder(name, data_dir)
    if not builder.is_prepared():
        where = f" --data_dir={data_dir}" if data_dir else ""
        raise UserError(
            f"data set '{name}' is not prepared under {builder.data_dir}; "
            f"prepare it with: reverie data build {name}{where}"
        )
    return builder


def _builder(name: str, data_dir: str):
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=data_dir or None, try_gcs=False)
    except (tfds.core.registered.DatasetNotFoundError, ValueError, AssertionError) as error:
        raise UserError(f"data set '{name}': {first_line(error)}") from None
