"""Runs a model's methods over a whole image set."""

import numpy as np
import tensorflow as tf

from .. import pipelines, progress


def over(function, images: pipelines.Images, batch_size: int = 500, title: str = "going over the images") -> dict:
    """Applies `function` to every image, in order.

    Args:
      function: float32 images [b, h, w, c] -> dict of tensors [b, ...].
      images: the set.
      batch_size: images a call.
      title: of the progress bar.

    Returns:
      name -> numpy array [n, ...].
    """
    parts: dict = {}
    batches = pipelines.in_order(images, batch_size)
    for batch in progress.shown(batches, title, -(-len(images) // batch_size), unit="batch"):
        for name, value in function(batch["image"]).items():
            parts.setdefault(name, []).append(value.numpy())
    return {name: np.concatenate(values) for name, values in parts.items()}


def some_images(images: pipelines.Images, count: int) -> tf.Tensor:
    """At most `count` images of all over the set, always the same, float32 [count, h, w, c]; see `pipelines.drawn`."""
    return pipelines.drawn(images, count)["image"]
