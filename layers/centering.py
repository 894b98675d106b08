"""Images as deviations from the mean picture, in units that do not depend on their size."""

import keras
from keras import ops

from .registry import CallInput, register_layer


@register_layer(arguments={"length": 7.0}, inputs=[CallInput((7, 6, 2))], backends=True)
class Centering(keras.layers.Layer):
    """Takes the mean training picture off images and brings what is left to one length, on average.

    The first layer of a network sums over all pixels. Where these are far from 0, as on white ground, a change of its
    weights moves that sum the same way for every image, the further the more pixels there are: a few steps of a rule
    that moves every weight alike (Adadelta, Adam) and its rectified units are off for all images, for good (LeCun et
    al. 1998, Efficient BackProp, section 4.3). Deviations have no such common direction, and one scale for all pixels
    leaves edges that never change at 0 and keeps sums at the size that they have at another size of image.

    Before the first `fit` it changes nothing. What it measured are weights (not trained), so they travel with every
    checkpoint and export.

    Args:
      length: root mean square of the Euclidean length of what comes out, over images; that of MNIST is about 7.

    Call arguments:
      images: float [batch, height, width, channels].

    Returns:
      float of the same shape; `restored` puts the mean picture back.

    Example:
      >>> images = keras.ops.reshape([0.2, 0.6], (2, 1, 1, 1))
      >>> layer = Centering(length=1.0)
      >>> layer.build(images.shape)
      >>> layer.fit(images)
      >>> layer(images).numpy().round(3).ravel().tolist()
      [-1.0, 1.0]
    """

    def __init__(self, length: float = 7.0, **kwargs):
        super().__init__(**{"trainable": False, **kwargs})
        if not length > 0.0:
            raise ValueError(f"length is {length}; expected a positive number")
        self.length = length

    def build(self, input_shape):
        state = {"trainable": False, "aggregation": "only_first_replica"}
        self.fitted = self.add_weight(name="fitted", shape=(), initializer="zeros", **state)
        self.mean = self.add_weight(name="mean", shape=tuple(input_shape[1:]), initializer="zeros", **state)
        self.scale = self.add_weight(name="scale", shape=(), initializer="ones", **state)

    def fit(self, images) -> None:
        """Measures mean and scale; done once, a second call changes nothing.

        Args:
          images: float [n, height, width, channels].
        """
        if float(ops.convert_to_numpy(self.fitted)):
            return
        images = ops.convert_to_tensor(images)
        mean = ops.mean(images, axis=0)
        power = ops.mean(ops.sum(ops.square(images - mean), axis=(1, 2, 3)))
        self.mean.assign(mean)
        # Images that are all alike have no length to go by.
        self.scale.assign(ops.where(power > 1e-6, self.length / ops.sqrt(ops.maximum(power, 1e-6)), 1.0))
        self.fitted.assign(1.0)

    def call(self, images):
        return (images - ops.cast(self.mean, images.dtype)) * ops.cast(self.scale, images.dtype)

    def restored(self, deviations):
        """Images of deviations from the mean picture as they are, not brought to any length."""
        return deviations + ops.cast(self.mean, deviations.dtype)

    def compute_output_shape(self, input_shape) -> tuple:
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "length": self.length}
