"""XCov: discovering hidden factors of variation (Cheung, Livezey, Bansal and Olshausen 2014, arXiv 1412.6583).

An autoencoder whose code has two parts. The observed part y is a softmax trained on labels; the latent part z
is linear and free. The decoder sees both, and what it sees of y is the *prediction*, so reconstruction also
teaches the classifier. A cross-covariance penalty between y and z keeps class out of z, which leaves z to
carry style: stroke, slant, lighting, identity.

    L = alpha * ||x - x_hat||^2 + beta * cross-entropy(label, y) + gamma * C(y, z)

Normalization, so that the three weights mean the same at any size: the squared error is the mean over pixels,
cross-entropy is in nats and summed over heads, and both are means over *all* rows of the batch, where rows
without a label add nothing to the cross-entropy; C is taken once for the batch.

`centered` networks see images as deviations from the mean training picture, and draw them so. MNIST's black ground does
without; on bright pictures of many pixels the first steps of the paper's Adadelta turn off every unit, see `Centering`.
"""

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from ..layers import Centering, CrossCovariance, FittedGaussian, Noise
from .contract import Capability, Family
from .limits import CODES, PIXELS
from .network import Network, in_float32, takes_images
from .settings import at_least, not_negative
from .signature import Signature

_MOST_CLASSES = 100_000


@dataclasses.dataclass(frozen=True)
class XCovConfig:
    """Sizes and weights of the model.

    Attributes:
      image_shape: (height, width, channels).
      heads: observed head -> number of classes; one softmax each, in this order (a config's are sorted by name).
      latents: number of latent units z.
      convolutions: (filters, kernel, stride) of valid convolutions ahead of the dense encoder; the decoder
        ends in their transposes.
      encoder: widths of the dense hidden layers of the encoder.
      decoder: widths of those of the decoder.
      activation: of every hidden layer.
      reconstruction_weight, classification_weight, covariance_weight: alpha, beta and gamma.
      covariance_on: "probabilities" (the paper) or "logits" (the authors' later Caffe example).
      centered: whether the network sees and draws images as deviations from the mean training picture, brought to one
        length on average (`layers.Centering`).
    """

    image_shape: tuple = (28, 28, 1)
    heads: dict = dataclasses.field(default_factory=lambda: {"label": 10})
    latents: int = 2
    convolutions: tuple = ()
    encoder: tuple = (500, 500)
    decoder: tuple = (500, 500)
    activation: str = "relu"
    reconstruction_weight: float = 1.0
    classification_weight: float = 10.0
    covariance_weight: float = 10.0
    covariance_on: str = "probabilities"
    centered: bool = False

    def __post_init__(self):
        not_negative(self, "reconstruction_weight", "classification_weight", "covariance_weight")
        if self.covariance_on not in ("probabilities", "logits"):
            raise ValueError(f"covariance_on is '{self.covariance_on}'; expected 'probabilities' or 'logits'")
        at_least(1, self, "latents")
        if not self.heads or min(self.heads.values()) < 2 or max(self.heads.values()) > _MOST_CLASSES:
            raise ValueError(f"heads is {dict(self.heads)}; expected some, each of 2 to {_MOST_CLASSES} classes")
        _feature_shape(self)


@keras.saving.register_keras_serializable("reverie")
class XCov(Network):
    """The autoencoder with an observed and a latent code.

    Images are float32 [batch, height, width, channels] in [0, 1]; the decoder is linear, so its images may
    leave that range a little.

    Example:
      >>> model = XCov(XCovConfig(latents=3, encoder=(8,), decoder=(8,)))
      >>> model.encode(np.zeros([2, 28, 28, 1], np.float32))["features"].shape
      TensorShape([2, 3])
    """

    settings = XCovConfig

    def __init__(self, config: XCovConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        shape, code = _feature_shape(config)
        self.encoder = _encoder(config)
        for name, size in config.heads.items():
            # An attribute each: TensorFlow's checkpoints pass over layers that Keras 3 keeps in a dict.
            part = f"head_{_part(config, name)}"
            setattr(self, part, keras.layers.Dense(size, name=part))
        self.style = keras.layers.Dense(config.latents, name="style")
        self.decoder = _decoder(config, shape, code)
        self.penalty = CrossCovariance(name="cross_covariance", dtype="float32")
        self.style_prior = FittedGaussian(config.latents, name="style_prior", dtype="float32")
        if config.centered:
            self.centering = Centering(name="centering", dtype="float32")
            self.centering.build((None, *config.image_shape))
        width = self.encoder.output_shape[-1]
        for head in (*self.heads.values(), self.style):
            head.build((None, width))
        self.built = True

    @property
    def heads(self) -> dict:
        """Observed head -> its dense layer, in label order."""
        return {name: getattr(self, f"head_{_part(self.config, name)}") for name in self.config.heads}

    def losses(self, batch: dict, noise: Noise | None = None, training: bool = True) -> dict:
        """The terms of the objective, one value a row; a pure function of batch and weights.

        Args:
          batch: "image" float32 [b, h, w, c]; "label" int32 [b] or [b, heads], -1 where unlabeled.
          noise: unused, the model is deterministic.
          training: unused, likewise.

        Returns:
          float32 [b] each: "total", "reconstruction", "classification", "cross_covariance". The last is one
          value of the whole batch, repeated, so that its mean over the (global) batch counts it once.
        """
        del noise, training
        images = batch["image"]
        logits, style = self._codes(images)
        probabilities = {name: tf.nn.softmax(values) for name, values in logits.items()}
        decoded = self._decode(list(probabilities.values()), style)
        reconstruction = tf.reduce_mean(tf.square(decoded - images), axis=[1, 2, 3])
        classification = tf.zeros_like(reconstruction)
        for labels, values in zip(self._label_columns(batch["label"]), logits.values(), strict=True):
            entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(labels, 0), values)
            classification += tf.where(labels >= 0, entropy, 0.0)
        observed = probabilities if self.config.covariance_on == "probabilities" else logits
        covariance = self.penalty(list(observed.values()), style) * tf.ones_like(reconstruction)
        total = (
            self.config.reconstruction_weight * reconstruction
            + self.config.classification_weight * classification
            + self.config.covariance_weight * covariance
        )
        return {
            "total": total,
            "reconstruction": reconstruction,
            "classification": classification,
            "cross_covariance": covariance,
        }

    def encode(self, images) -> dict:
        """Both parts of the code.

        Args:
          images: float32 [n, h, w, c].

        Returns:
          {"features": z, float32 [n, latents]; "probabilities": y of all heads side by side, [n, classes]}.
        """
        logits, style = self._codes(images)
        return {"features": style, "probabilities": tf.concat([tf.nn.softmax(v) for v in logits.values()], axis=-1)}

    def decode(self, features, probabilities):
        """Images from a code; y may be any vector, also beyond one-hot (extrapolated expressions). The endpoint of an
        export, which answers whoever asks, takes probabilities only.

        Args:
          features: float32 [n, latents].
          probabilities: float32 [n, classes of all heads].

        Returns:
          float32 [n, h, w, c].
        """
        return self._decode([probabilities], features)

    def reconstruct(self, images) -> dict:
        """{"images": float32 [n, h, w, c]}, decoded from the images' own codes."""
        return {"images": self.decode(**self.encode(images))}

    def classify(self, images) -> dict:
        """The most probable class and all probabilities.

        Returns:
          {"label": int32 [n], "probabilities": [n, classes]}; with several heads the names are
          "<head>_label" and "<head>_probabilities", the head by its number where its name is no word.
        """
        logits, _ = self._codes(images)
        result = {}
        for name, values in logits.items():
            prefix = "" if len(logits) == 1 else f"{_part(self.config, name)}_"
            result[f"{prefix}label"] = tf.argmax(values, axis=-1, output_type=tf.int32)
            result[f"{prefix}probabilities"] = tf.nn.softmax(values)
        return result

    def generate(self, count, seed, label) -> dict:
        """Imagines images of given classes in styles drawn from the measured spread of z.

        Args:
          count: int32 scalar, number of images.
          seed: int32 [2]; the same seed gives the same images.
          label: int32 [count] or [1] ([..., heads] with several heads); -1 draws that class uniformly.

        Returns:
          {"images": float32 [count, h, w, c], "label": int32 like label, [count] or [count, heads]}.
        """
        style_key, class_key = tf.unstack(tf.random.split(seed, 2, alg="philox"))
        shape = [count, self.config.latents]
        # Written out rather than `self.style_prior.distribution().sample`, which has no fixed algorithm: the
        # same seed must give the same images on every machine.
        normal = tf.random.stateless_normal(shape, style_key, alg="philox")
        style = self.style_prior.distribution().bijector.forward(normal)
        columns, codes = [], []
        for number, (wanted, size) in enumerate(
            zip(self._label_columns(label), self.config.heads.values(), strict=True)
        ):
            key = tf.random.fold_in(class_key, number, alg="philox")
            drawn = tf.random.stateless_uniform([count], key, 0, size, tf.int32, alg="philox")
            chosen = tf.where(wanted >= 0, tf.broadcast_to(wanted, [count]), drawn)
            columns.append(chosen)
            codes.append(tf.one_hot(chosen, size))
        labels = columns[0] if len(columns) == 1 else tf.stack(columns, axis=-1)
        return {"images": self._decode(codes, style), "label": labels}

    def prepare(self, images) -> None:
        """Measures the mean picture, once, before the first step; float32 [n, h, w, c]."""
        if self.config.centered:
            self.centering.fit(images)

    def calibrate(self, images) -> None:
        """Measures the spread of z on training images (float32 [n, h, w, c]), for `generate`."""
        self.style_prior.fit(self._codes(images)[1])

    def signatures(self) -> dict:
        """Endpoints for export; see `Signature`."""
        shape, heads = self.config.image_shape, list(self.config.heads.values())
        images = {"images": tf.TensorSpec([None, *shape], tf.float32, name="images")}
        pixels = {"images": PIXELS}
        code = {
            "features": tf.TensorSpec([None, self.config.latents], tf.float32, name="features"),
            "probabilities": tf.TensorSpec([None, sum(heads)], tf.float32, name="probabilities"),
        }
        columns = [None] if len(heads) == 1 else [None, len(heads)]
        request = {
            "count": tf.TensorSpec([], tf.int32, name="count"),
            "seed": tf.TensorSpec([2], tf.int32, name="seed"),
            "label": tf.TensorSpec(columns, tf.int32, name="label"),
        }
        greatest = heads[0] - 1 if len(heads) == 1 else [size - 1 for size in heads]

        def as_images(x):
            return {"images": x}

        def as_code(x):
            return {name: value.numpy() for name, value in self.encode(tf.constant(x)).items()}

        def as_request(x):
            labels = np.zeros([len(x)] if len(heads) == 1 else [len(x), len(heads)], np.int32)
            return {"count": np.int32(len(x)), "seed": np.array([1, 2], np.int32), "label": labels}

        return {
            "encode": Signature(
                self.encode,
                images,
                as_images,
                pixels,
                lite=True,
                meaning="images to style (features) and class probabilities",
            ),
            "reconstruct": Signature(
                self.reconstruct, images, as_images, pixels, meaning="images to the images decoded from their codes"
            ),
            "classify": Signature(
                self.classify, images, as_images, pixels, meaning="images to the likeliest label and all probabilities"
            ),
            "decode": Signature(
                lambda **c: {"images": self.decode(**c)},
                code,
                as_code,
                {"features": CODES, "probabilities": (0.0, 1.0)},
                sums={"probabilities": tuple(heads)},
                lite=True,
                meaning="codes to images",
            ),
            "generate": Signature(
                self.generate,
                request,
                as_request,
                {"label": (-1, greatest)},
                meaning="imagines images of labels, -1 draws one; the same seed gives the same images",
            ),
        }

    def page_functions(self) -> dict:
        """What a page runs: images to codes and back."""
        return {name: signature for name, signature in self.signatures().items() if name in ("encode", "decode")}

    def call(self, images):
        return self.reconstruct(images)["images"]

    @takes_images
    def _codes(self, images):
        """({head: logits [n, classes]}, z [n, latents])."""
        hidden = self.encoder(self.centering(images) if self.config.centered else images)
        return {name: in_float32(head(hidden)) for name, head in self.heads.items()}, in_float32(self.style(hidden))

    def _decode(self, observed: list, style):
        decoded = in_float32(self.decoder(tf.concat([*observed, style], axis=-1)))
        return self.centering.restored(decoded) if self.config.centered else decoded

    def _label_columns(self, labels) -> list:
        return [labels] if len(self.config.heads) == 1 else tf.unstack(labels, num=len(self.config.heads), axis=-1)


def _part(config: XCovConfig, head: str) -> str:
    """What a head's layer and outputs are called: its name, or its number where no layer can be called so."""
    return head if head.isascii() and head.replace("-", "_").isidentifier() else str(list(config.heads).index(head))


def _feature_shape(config: XCovConfig) -> tuple:
    """((height, width, channels) after the convolutions, size of the concatenated code)."""
    height, width, channels = config.image_shape
    for filters, kernel, stride in config.convolutions:
        height, width, channels = (height - kernel) // stride + 1, (width - kernel) // stride + 1, filters
        if height < 1 or width < 1:
            raise ValueError(f"convolutions {config.convolutions} leave no positions of {config.image_shape} images")
    return (height, width, channels), sum(config.heads.values()) + config.latents


def _encoder(config: XCovConfig) -> keras.Model:
    layers = [keras.layers.Input(config.image_shape)]
    for filters, kernel, stride in config.convolutions:
        layers.append(keras.layers.Conv2D(filters, kernel, stride, activation=config.activation))
    layers.append(keras.layers.Flatten())
    layers += [keras.layers.Dense(width, activation=config.activation) for width in config.encoder]
    return keras.Sequential(layers, name="encoder")


def _decoder(config: XCovConfig, shape: tuple, code: int) -> keras.Model:
    layers = [keras.layers.Input((code,))]
    layers += [keras.layers.Dense(width, activation=config.activation) for width in config.decoder]
    # The last layer is linear: pixels are regressed, as in the paper.
    last = None if not config.convolutions else config.activation
    layers.append(keras.layers.Dense(math.prod(shape), activation=last))
    layers.append(keras.layers.Reshape(shape))
    channels = [config.image_shape[-1], *(filters for filters, _, _ in config.convolutions)]
    for number in reversed(range(len(config.convolutions))):
        _, kernel, stride = config.convolutions[number]
        activation = config.activation if number else None
        layers.append(keras.layers.Conv2DTranspose(channels[number], kernel, stride, activation=activation))
    return keras.Sequential(layers, name="decoder")


def build(settings: XCovConfig) -> XCov:
    """The model of its settings, with fresh weights.

    Raises:
      ValueError: convolutions that do not tile the image.
    """
    model = XCov(settings)
    if model.decoder.output_shape[1:] != settings.image_shape:
        raise ValueError(
            f"convolutions {settings.convolutions} do not tile {settings.image_shape}: "
            f"the decoder gives {model.decoder.output_shape[1:]}"
        )
    return model


FAMILY = Family(
    name="xcov",
    settings=XCovConfig,
    build=build,
    summary="an autoencoder whose code is (class, style); a cross-covariance penalty keeps style free of class",
    paper="Cheung et al. 2014, arXiv 1412.6583",
    evaluation="reverie.evaluation.xcov",
    capabilities=frozenset({Capability.CALIBRATE, Capability.PREPARE, Capability.EXPLORE}),
    whole_batch=lambda settings: "xcov penalizes a covariance over all rows of a step",
)
