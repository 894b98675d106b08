"""The endpoints of a version: the model's own signatures, and those that every version has beside them."""

from collections.abc import Callable, Collection

import numpy as np
import tensorflow as tf

from ..models.signature import Signature
from .by_rows import by_rows

DEFAULT_SIGNATURE = "encode"
# What every version has beside what its model gives: other ways in to `encode`.
BESIDE = ("serving_default", "encode_bytes")


def endpoints(
    model, from_bytes: Callable | None = None, trained: Collection[str] | None = None
) -> dict[str, Signature]:
    """Every endpoint of a version, by its name on the server.

    Args:
      model: answers the model protocol; `encode` is among its signatures.
      from_bytes: string [n] -> float32 images [n, height, width, channels]; None leaves `encode_bytes` out.
      trained: what its stages have learned, of `Signature.needs`; None is all.

    Returns:
      The signatures of the model that need no more than what is trained; NAME_each of those that draw (see `by_rows`);
      `serving_default`, which is `encode` under the name that a server takes where a request names none; and
      `encode_bytes`, which decodes image files before it encodes.
    """
    own = {
        name: signature
        for name, signature in model.signatures().items()
        if trained is None or not signature.needs or signature.needs in trained
    }
    default = own[DEFAULT_SIGNATURE]
    result = {**own, **by_rows(own), "serving_default": default}
    if from_bytes is not None:
        result["encode_bytes"] = Signature(
            lambda image_bytes: default.function(from_bytes(image_bytes)),
            # REST carries binary strings as base64 only for inputs whose name ends in _bytes.
            {"image_bytes": tf.TensorSpec([None], tf.string, name="image_bytes")},
            lambda images: {"image_bytes": np.array([png(image) for image in images], object)},
            amplification=default.amplification,
            meaning=f"PNG or JPEG files to what `{DEFAULT_SIGNATURE}` gives",
        )
    return result


def png(image: np.ndarray) -> bytes:
    """The PNG file of an image, float [height, width, 1 to 4 channels] in [0, 1]."""
    return tf.io.encode_png(np.round(255.0 * np.clip(image, 0.0, 1.0)).astype(np.uint8)).numpy()
