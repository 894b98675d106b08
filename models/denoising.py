"""The denoising autoencoder that says what matters in a scene (Higgins et al. 2018, A.1; 2017, arXiv 1707.08475, A.3).

A rectangle of the picture is gone, and the autoencoder fills it in. To do that it has to know what a room and an
object look like, and has 100 numbers to say it in. Afterwards it is frozen, and the beta-VAE is judged through it: by
the distance of J of its picture from J of the true one, where J(x) is the picture that the autoencoder makes of x.

    L = ||J(x without a rectangle) - x||^2, summed over pixels

J is the last layer before its non-linearity, in the space of pixels; the picture shown is J cut to [0, 1].
"""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from ..layers import Noise, StridedConvolutions, StridedDeconvolutions, without_rectangle
from .network import Network, in_float32, takes_images
from .settings import added, at_least, derived, sizes


@dataclasses.dataclass(frozen=True)
class DenoisingConfig:
    """Sizes.

    Attributes:
      image_shape: (height, width, channels).
      channels: of the convolutions, each halving the picture.
      bottleneck: units between encoder and decoder.
      activation: of all layers but the last, which is linear.
      compared: what of two pictures is compared, "pictures" made of them. Runs written earlier compared "codes", the
        bottleneck behind a tanh; where they use this network, they are refused.
    """

    image_shape: tuple = derived((64, 64, 3))
    channels: tuple = (32, 32, 64, 64)
    bottleneck: int = 100
    activation: str = "relu"
    compared: str = added("pictures", before="codes")

    def __post_init__(self):
        sizes(self, "channels")
        at_least(1, self, "bottleneck")
        if self.compared not in ("pictures", "codes"):
            raise ValueError(f"compared is '{self.compared}'; expected 'pictures'")


@keras.saving.register_keras_serializable("reverie")
class Denoising(Network):
    """The autoencoder; images are float32 [n, h, w, c] in the color space of whoever is judged by it."""

    settings = DenoisingConfig

    def __init__(self, config: DenoisingConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.encoder = StridedConvolutions(config.channels, config.bottleneck, config.activation)
        hidden = config.bottleneck
        self.decoder = StridedDeconvolutions(config.image_shape, config.channels, hidden, config.activation)
        self.encoder.build((None, *config.image_shape))
        self.decoder.build((None, config.bottleneck))
        self.built = True

    @takes_images
    def features(self, images):
        """J(x): the picture filled in, float32 like images, not yet cut to [0, 1]."""
        return in_float32(self.decoder(in_float32(self.encoder(images))))

    def reconstruct(self, images):
        """The whole picture, float32 like images."""
        return tf.clip_by_value(self.features(images), 0.0, 1.0)

    def call(self, images):
        return self.reconstruct(images)

    def losses(self, batch: dict, noise: Noise, training: bool = True, seen: Callable = tf.identity) -> dict:
        """{"total"}, float32 [b]: the squared error, summed over pixels, of the picture filled in.

        Args:
          batch: "image" float32 [b, h, w, c].
          noise: keys the rectangles.
          training: unused.
          seen: from pictures to the color space in which they are filled in and compared.
        """
        del training
        images = batch["image"]
        filled = self.features(seen(without_rectangle(images, noise)))
        return {"total": tf.reduce_sum(tf.square(filled - seen(images)), axis=[1, 2, 3])}
