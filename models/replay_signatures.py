"""Export endpoints of the replayed network."""

import numpy as np
import tensorflow as tf

from .signature import Signature


def of(model) -> dict[str, Signature]:
    """Endpoint -> `Signature` of a Replay model; without a generator, encode and classify only."""
    config = model.config
    images = {"images": tf.TensorSpec([None, *config.image_shape], tf.float32, name="images")}
    # Where each task has units (or gates) of its own, the caller says which task the images belong to.
    with_task = config.blocks > 1 or config.task_gating > 0.0
    asked, ranges = dict(images), {}
    if with_task:
        asked["task"], ranges["task"] = tf.TensorSpec([], tf.int32, name="task"), (0, config.tasks - 1)

    def as_images(x):
        return {"images": x}

    def as_asked(x):
        return {"images": x, "task": np.int32(0)} if with_task else {"images": x}

    result = {
        "encode": Signature(
            model.encode, images, as_images, lite=True, meaning="images to the features that the classifier sees"
        ),
        "classify": Signature(
            model.classify,
            asked,
            as_asked,
            ranges,
            lite=not with_task,
            meaning="images to the likeliest of the classes met so far and all probabilities",
        ),
    }
    if not config.generator:
        return result
    request = {
        "count": tf.TensorSpec([], tf.int32, name="count"),
        "seed": tf.TensorSpec([2], tf.int32, name="seed"),
        "class_ids": tf.TensorSpec([None], tf.int32, name="class_ids"),
    }
    greatest = config.classes - 1 if config.conditional else -1

    def as_request(x):
        return {
            "count": np.int32(len(x)),
            "seed": np.array([1, 2], np.int32),
            "class_ids": np.full([len(x)], -1, np.int32),
        }

    result["generate"] = Signature(
        model.generate,
        request,
        as_request,
        {"class_ids": (-1, greatest)},
        meaning="imagines images of classes, -1 draws one; the same seed gives the same images",
    )
    result["reconstruct"] = Signature(
        model.reconstruct, images, as_images, meaning="images to the images decoded from their latents"
    )
    return result
