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
    name: str, split: str, data_dir: str, shape: tuple, resize: str, budget: Budget, label_key: str = "label"
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

    Raises:
      UserError: unknown name, not prepared, or without an image and that label.
    """
    builder = _prepared(name, data_dir)
    features = builder.info.features
    if "image" not in features or label_key not in features:
        raise UserError(f"data set '{name}' has the features {list(features)}; expected 'image' and '{label_key}'")
    import tensorflow_datasets as tfds

    dataset = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    rows = [(row["image"], row[label_key]) for row in dataset.as_numpy_iterator()]
    labels = np.asarray([label for _, label in rows])
    if not np.issubdtype(labels.dtype, np.integer):
        labels = np.full(len(rows), UNLABELLED)
    names = getattr(features[label_key], "names", None)
    fields = {
        "name": f"tfds:{name}:{split}",
        "shape": shape,
        "labels": labels.astype(np.int32),
        "resize": resize,
        "class_names": {"label": tuple(names)} if names else {},
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
