"""Reader of prepared TensorFlow Datasets, and the command that prepares one. Nothing downloads unless asked."""

import numpy as np
import tensorflow as tf

from ..errors import UserError, first_line
from . import decoding
from .files import Budget
from .source import UNLABELLED, Images


def prepared_splits(name: str, data_dir: str) -> tuple:
    """The splits of a prepared data set."""
    return tuple(_prepared(name, data_dir).info.splits)


def read_prepared(
    name: str,
    split: str,
    data_dir: str,
    shape: tuple,
    resize: str,
    budget: Budget,
    label_key: str = "label",
    attributes: bool = False,
) -> Images:
    """Loads one split of a data set that is already on disk.

    Args:
      name: as TFDS writes it: "mnist", "cifar100", "name/config:version".
      split: "train", "validation" or "test".
      data_dir: the folder given to `reverie data build`; "" is TFDS's own default.
      shape: (height, width, channels) wanted.
      resize: see `decoding.decode`.
      budget: within `memory_gib` the set is kept as pixels, else as encoded bytes.
      label_key: the feature that holds the label.
      attributes: take every named attribute instead; see `_attribute_columns`.

    Raises:
      UserError: unknown name, not prepared, or without an image and that label.
    """
    builder = _prepared(name, data_dir)
    features = builder.info.features
    columns = _attribute_columns(features) if attributes else {}
    if attributes and not columns:
        raise UserError(f"data set '{name}' has no attributes (features {list(features)}); expected whole-number ones")
    if "image" not in features or (not attributes and label_key not in features):
        raise UserError(f"data set '{name}' has the features {list(features)}; expected 'image' and '{label_key}'")
    import tensorflow_datasets as tfds

    dataset = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})

    def label_of(row):
        return [int(value(row)) for value, _ in columns.values()] if attributes else row[label_key]

    rows = [(row["image"], label_of(row)) for row in dataset.as_numpy_iterator()]
    labels = np.asarray([label for _, label in rows])
    if not np.issubdtype(labels.dtype, np.integer):
        labels = np.full(len(rows), UNLABELLED)
    if attributes:
        names = {column: found for column, (_, found) in columns.items()}
        heads = {"head_names": tuple(columns), "class_names": names}
    else:
        names = getattr(features[label_key], "names", None)
        heads = {"class_names": {"label": tuple(names)} if names else {}}
    fields = {
        "name": f"tfds:{name}:{split}",
        "shape": shape,
        "labels": labels.astype(np.int32),
        "resize": resize,
        **heads,
    }
    contents = [image for image, _ in rows]
    encoded = isinstance(contents[0], bytes)
    if encoded and len(rows) * int(np.prod(shape)) > budget.memory_gib * 2**30:
        return Images(encoded=np.asarray(contents, object), **fields)
    try:
        if encoded:
            pixels = np.stack([decoding.decode(content, shape, resize).numpy() for content in contents])
        else:
            pixels = np.stack([decoding.fit(tf.constant(c), *shape[:2], resize).numpy() for c in contents])
    except (tf.errors.InvalidArgumentError, ValueError):
        wanted = "x".join(map(str, shape))
        raise UserError(
            f"data set '{name}': images are {features['image'].shape}, not {wanted}; "
            "set --config.data.resize=crop (or stretch), or --config.data.image_shape"
        ) from None
    return Images(pixels=pixels, **fields)


def _attribute_columns(features) -> dict:
    """Attribute -> (row -> its whole number, names of its values), of a prepared set's features.

    Three forms are known, those of shapes3d and dsprites (`label_NAME`, a class label each, beside the value of the
    same name) and of celeb_a (`attributes`, a dict of booleans); attributes of a single value say nothing and are left
    out.
    """
    columns = {}
    for key, feature in features.items():
        if key.startswith("label_") and getattr(feature, "num_classes", 0) > 1:
            names = tuple(feature.names) if getattr(feature, "names", None) else ()
            columns[key.removeprefix("label_")] = (lambda row, key=key: row[key], names)
    for key in dict(features).get("attributes", ()):
        columns[key] = (lambda row, key=key: row["attributes"][key], ("no", "yes"))
    return columns


def build(name: str, data_dir: str = "") -> str:
    """Downloads and prepares a data set (the only place that may download), and returns its folder.

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
