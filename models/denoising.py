"""The denoising autoencoder whose features teach the beta-VAE what matters in a scene (Higgins et al. 2018, A.1).

A rectangle of the picture is gone, and the autoencoder fills it in. To do that it has to know what a room and an
object look like, and its bottleneck J(x) says so in 100 numbers. Afterwards it is frozen: the beta-VAE is judged by
the distance of J of its picture from J of the true one, in which an object weighs more than its few pixels do.

    L = ||D(J(x without a rectangle)) - x||^2, summed over pixels
"""

import dataclasses

import keras
import tensorflow as tf

from ..layers import Noise, StridedConvolutions, StridedDeconvolutions, without_rectangle
from .network import Network, in_float32, takes_images
from .settings import derived


@dataclasses.dataclass(frozen=True)
class DenoisingConfig:
    """Sizes.

    Attributes:
      image_shape: (height, width, channels).
      channels: of the convolutions, each halving the picture.
      bottleneck: units of J.
      activation: of the hidden layers; J itself is a tanh.
    """

    image_shape: tuple = derived((64, 64, 3))
    channels: tuple = (32, 32, 64, 64)
    bottleneck: int = 100
    activation: str = "elu"


@keras.saving.register_keras_serializable("reverie")
class Denoising(Network):
    """The autoencoder; images are float32 [n, h, w, c] in [0, 1]."""

    settings = DenoisingConfig

    def __init__(self, config: DenoisingConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.encoder = StridedConvolutions(config.channels, config.bottleneck, config.activation, "tanh")
        hidden = config.bottleneck
        self.decoder = StridedDeconvolutions(config.image_shape, config.channels, hidden, config.activation)
        self.encoder.build((None, *config.image_shape))
        self.decoder.build((None, config.bottleneck))
        self.built = True

    @takes_images
    def features(self, images):
        """J(x): float32 [n, bottleneck] in (-1, 1)."""
        return in_float32(self.encoder(images))

    def reconstruct(self, images):
        """The whole picture, float32 like images."""
        return tf.sigmoid(in_float32(self.decoder(self.features(images))))

    def call(self, images):
        return self.reconstruct(images)

    def losses(self, batch: dict, noise: Noise, training: bool = True) -> dict:
        """{"total"}, float32 [b]: the squared error, summed over pixels, of the picture filled in.

        Args:
          batch: "image" float32 [b, h, w, c].
          noise: keys the rectangles.
          training: unused.
        """
        del training
        images = batch["image"]
        filled = self.reconstruct(without_rectangle(images, noise))
        return {"total": tf.reduce_sum(tf.square(filled - images), axis=[1, 2, 3])}
