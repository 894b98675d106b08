"""What the paper of the sparse autoencoder shows of its networks, as numbers and pictures (Le et al. 2012)."""

import numpy as np
import tensorflow as tf

from .. import pipelines
from . import pictures
from .codes import first_images, over

_SAMPLE = 256


def quick(model, images: pipelines.Images) -> dict:
    """Reconstruction error of every stage as a share of its input's energy: 0 is perfect, 1 is blind."""
    return {name: float(np.mean(value)) for name, value in over(lambda x: _errors(model, x), _first(images)).items()}


def evaluate(model, train: pipelines.Images, test: pipelines.Images) -> dict:
    return {"test_images": len(test), "train_images": len(train), **quick(model, test)}


def draw(model, images: pipelines.Images) -> dict:
    """All pictures of the family: name -> (uint8 picture, caption)."""
    return {}


def _errors(model, images) -> dict:
    values, errors = model.whitening(images), {}
    for number, stage in enumerate(model.stages, start=1):
        simple, _, output = stage(values)
        missed = tf.reduce_sum(tf.square(stage.decoder(simple) - values), axis=[1, 2, 3])
        errors[f"missed_{number}"] = missed / tf.maximum(tf.reduce_sum(tf.square(values), axis=[1, 2, 3]), 1e-6)
        values = output
    return errors
