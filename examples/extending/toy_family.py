"""A family: a linear autoencoder with a scaled code, and its evaluation."""

import dataclasses
import math
import sys

import keras
import numpy as np
import tensorflow as tf
from reverie import Family, Headline, Picture, Signature, register_family
from reverie.models.limits import CODES, PIXELS
from toy_layer import ToyScale


@dataclasses.dataclass(frozen=True)
class ToyConfig:
    """Sizes.

    Attributes:
      image_shape: (height, width, channels).
      latents: units of the code.
    """

    image_shape: tuple = (8, 8, 1)
    latents: int = 3


class Toy(keras.Model):
    def __init__(self, config):
        super().__init__()
        self.config = config
        pixels = math.prod(config.image_shape)
        self.encoder = keras.layers.Dense(config.latents, name="encoder")
        self.scale = ToyScale(name="scale")
        self.decoder = keras.layers.Dense(pixels, name="decoder")
        self.encoder.build((None, pixels))
        self.scale.build((None, config.latents))
        self.decoder.build((None, config.latents))
        self.built = True

    def losses(self, batch, noise, training):
        images = batch["image"]
        error = tf.reduce_mean(tf.square(self.reconstruct(images)["images"] - images), axis=[1, 2, 3])
        return {"total": error, "reconstruction": error}

    def encode(self, images):
        flat = tf.reshape(images, [-1, math.prod(self.config.image_shape)])
        return {"features": self.scale(self.encoder(flat))}

    def decode(self, features):
        return {"images": tf.reshape(self.decoder(features), [-1, *self.config.image_shape])}

    def reconstruct(self, images):
        return self.decode(**self.encode(images))

    def generate(self, count, seed):
        return self.decode(tf.random.stateless_normal([count, self.config.latents], seed, alg="philox"))

    def signatures(self):
        images = {"images": tf.TensorSpec([None, *self.config.image_shape], tf.float32, name="images")}
        code = {"features": tf.TensorSpec([None, self.config.latents], tf.float32, name="features")}
        request = {
            "count": tf.TensorSpec([], tf.int32, name="count"),
            "seed": tf.TensorSpec([2], tf.int32, name="seed"),
        }
        return {
            "encode": Signature(self.encode, images, lambda x: {"images": x}, {"images": PIXELS}, lite=True),
            "decode": Signature(
                self.decode,
                code,
                lambda x: {"features": np.ones([len(x), 3], np.float32)},
                {"features": CODES},
                lite=True,
            ),
            "reconstruct": Signature(self.reconstruct, images, lambda x: {"images": x}, {"images": PIXELS}),
            "generate": Signature(
                self.generate, request, lambda x: {"count": np.int32(len(x)), "seed": np.array([1, 2], np.int32)}
            ),
        }


HEADLINES = {"reconstruction": Headline("mean squared reconstruction error", "near 0", better="lower")}
OPTIONS = {}


def quick(model, images):
    pixels = images.pixels.astype(np.float32) / 255.0
    return {"reconstruction": float(np.mean((model.reconstruct(pixels)["images"].numpy() - pixels) ** 2))}


def evaluate(model, data):
    return {"test_images": len(data.test), **quick(model, data.test)}


def draw(model, data, numbers):
    pixels = data.test.pixels[:4].astype(np.float32) / 255.0
    back = np.clip(model.reconstruct(pixels)["images"].numpy(), 0.0, 1.0)
    rows = [np.concatenate(list(part), axis=1) for part in (pixels, back)]
    return {"toy_pairs": Picture(np.uint8(255 * np.concatenate(rows)), "Above: test images. Below: reconstructions.")}


register_family(
    Family(
        name="toy",
        settings=ToyConfig,
        build=Toy,
        summary="a linear autoencoder with a scaled code",
        evaluation=sys.modules[__name__],
    )
)
