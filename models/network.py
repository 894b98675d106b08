"""`Network`: the base of every model here, a Keras model with an objective of its own.

Calling a model, `predict`, `save` and `keras.saving.load_model` are Keras'. `compile`, `fit` and their like are not:
an objective here is a function of batch, weights and noise, and what belongs to training beside it (calibration,
stages, weights brought back after an update, exact resumption) is done by `reverie.train`. They answer in a line.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

import keras
import numpy as np
import tensorflow as tf

from ..errors import UserError
from . import settings as settings_module

# Floats beyond it are no rounding and no noise: somebody has not divided by 255.
_GREATEST = 16.0


class Network(keras.Model):
    """A Keras model that `reverie.train` trains. A class of its own says which settings it is built from.

    Attributes:
      settings: class of its settings, the first argument of its constructor.
      config: its settings.

    Example:
      >>> from reverie.models import XCov, XCovConfig
      >>> model = XCov(XCovConfig(latents=3, encoder=(8,), decoder=(8,)))
      >>> model.predict(np.zeros([2, 28, 28, 1], np.uint8), verbose=0).shape
      (2, 28, 28, 1)
    """

    settings: ClassVar[type]
    config: Any

    def get_config(self) -> dict[str, Any]:
        names = [field.name for field in dataclasses.fields(self.settings)]
        whole = dataclasses.asdict(self.config)
        return {"name": self.name, "config": {name: whole[name] for name in names}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Network":
        del custom_objects
        arguments = dict(config)
        written = settings_module.complete(cls.settings, arguments.pop("config"), written=True)
        return cls(settings_module.read(cls.settings, written), **arguments)

    def compile(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse("compile")

    def fit(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse("fit")

    def evaluate(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse("evaluate")

    def train_on_batch(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse("train_on_batch")

    def test_on_batch(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse("test_on_batch")

    def _refuse(self, method: str) -> NoReturn:
        name = type(self).__name__
        raise UserError(
            f"{name}.{method}: {name} has an objective of its own and is not trained by Keras; call "
            "reverie.train(config, workdir, data=(images, labels)) and run.evaluate(), or minimize "
            "model.losses({'image': images, 'label': labels}, noise)['total'] in a loop of your own"
        )


def in_float32(values: Any) -> Any:
    """What a network computed in a narrower type, for sums and distributions; float32 tensors as they are.

    Example:
      >>> in_float32(tf.ones([2], tf.bfloat16)).dtype
      tf.float32
    """
    return tf.cast(values, tf.float32)


def takes_images(method: Callable) -> Callable:
    """Makes a method that sees images take them as people have them; see `in_unit_range`.

    Args:
      method: (self, images, ...) -> anything.

    Example:
      >>> class Mean:
      ...     @takes_images
      ...     def brightness(self, images):
      ...         return float(tf.reduce_mean(images))
      >>> Mean().brightness(np.full([1, 4, 4, 1], 255, np.uint8))
      1.0
    """

    @functools.wraps(method)
    def of_images(self, images, *args, **kwargs):
        return method(self, in_unit_range(images), *args, **kwargs)

    return of_images


def in_unit_range(images: Any) -> Any:
    """Images as models take them. What is decided by the type alone costs nothing in a graph.

    Args:
      images: floats in [0, 1], or uint8 0..255.

    Returns:
      Floating tensors as they are; uint8 divided by 255, float32; arrays as float32.

    Raises:
      UserError: another type, or an array of floats that somebody has not divided by 255.

    Example:
      >>> in_unit_range(np.array([0, 255], np.uint8)).numpy().tolist()
      [0.0, 1.0]
    """
    if not hasattr(images, "dtype"):
        images = np.asarray(images)
    kind = tf.as_dtype(images.dtype)
    if kind == tf.uint8:
        return tf.cast(images, tf.float32) / 255.0
    if not kind.is_floating:
        raise UserError(f"images are of type {kind.name}; expected floats in [0, 1], or uint8 (0..255)")
    if isinstance(images, np.ndarray):
        if images.size and np.max(images) > _GREATEST:
            raise UserError(
                f"images go up to {np.max(images):g}; expected floats in [0, 1] (divide by 255), or uint8 (0..255)"
            )
        return images.astype(np.float32, copy=False)
    return images
