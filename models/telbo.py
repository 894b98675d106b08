"""TELBO: one VAE of pictures and symbols with three ELBOs (Vedantam et al. 2018, arXiv 1705.10762; google/joint_vae).

    L = E_q(z|x,y)[-alpha_x log p(x|z) - alpha_y log p(y|z)] + KL(q(z|x,y) || N(0, I))
        + E_q(z|x)[-alpha_x log p(x|z)] + KL(q(z|x) || N(0, I))
        + E_q(z|y)[-alpha_y log p(y|z)] + KL(q(z|y) || N(0, I))

The second and third line train the encoders of one side, never the decoders: what a decoder makes of latents is for the
joint encoder to teach, and the others learn to say what it understands.

Of a symbol that names some attributes only, q(z|y) is a product of experts, one Gaussian for each attribute that is
named, and the prior:

    q(z|y) proportional to N(z; 0, I) prod_k N(z; mean(y_k), variance(y_k))

so whatever is not named widens it, and a symbol that names nothing is the prior. p(y|z) is a categorical distribution
an attribute, of those that are named.
"""

import dataclasses

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ..layers import GaussianPosterior, Noise, diagonal_gaussian
from . import scan
from .beta_vae import LOG_VARIANCES
from .contract import Capability, Family, StageSettings
from .joint_vae import JointVAE, JointVAEConfig, either
from .settings import not_negative
from .symbol_vae import SymbolVAE, khot, some

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class TELBOConfig(JointVAEConfig):
    """Sizes and weights.

    Attributes:
      alpha_x: weight of -log p(x|z), in all terms.
      alpha_y: weight of -log p(y|z), in all terms.
      l1: weight of the sum of absolute weights, without biases, of the decoder of symbols.
      pictures_teach: whether a picture without words, which has the second line alone, trains the decoder of pictures.
    """

    alpha_x: float = 1.0
    alpha_y: float = 50.0
    l1: float = 5e-6
    pictures_teach: bool = True

    def __post_init__(self):
        super().__post_init__()
        not_negative(self, "alpha_x", "alpha_y", "l1")


@keras.saving.register_keras_serializable("reverie")
class Experts(SymbolVAE):
    """The encoder and decoder of symbols: a Gaussian expert an attribute, and a categorical distribution an attribute.

    Example:
      >>> from reverie.models import SymbolVAEConfig
      >>> experts = Experts(SymbolVAEConfig(hidden=8), sizes=(2, 3), latents=4)
      >>> mean, log_variance = experts.code(tf.zeros([1, 5]))  # Nothing is named: the prior.
      >>> float(tf.reduce_max(tf.abs(mean))), float(tf.reduce_max(tf.abs(log_variance)))
      (0.0, 0.0)
    """

    def make_encoder(self) -> None:
        for number, size in enumerate(self.sizes):
            inner = keras.layers.Dense(self.config.hidden, "relu", name=f"encoder_{number}")
            heads = GaussianPosterior(self.latents, *LOG_VARIANCES, name=f"latent_{number}", dtype="float32")
            inner.build((None, size))
            heads.build((None, self.config.hidden))
            # Attributes, which a checkpoint reaches.
            setattr(self, f"inner_{number}", inner)
            setattr(self, f"heads_{number}", heads)

    def experts(self) -> list[tuple[keras.layers.Dense, GaussianPosterior]]:
        """(hidden layer, heads) of each attribute's expert."""
        return [(getattr(self, f"inner_{n}"), getattr(self, f"heads_{n}")) for n in range(len(self.sizes))]

    def code(self, symbols) -> tuple:
        """(mean, log_variance) of the product of experts of those attributes that k-hot symbols [n, values] name."""
        means, precisions = [], []
        for part, (inner, heads) in zip(tf.split(symbols, self.sizes, axis=-1), self.experts(), strict=True):
            mean, log_variance = heads(inner(part))
            means.append(mean)
            # An expert that is not asked knows nothing: precision 0.
            precisions.append(tf.reduce_sum(part, axis=-1, keepdims=True) * tf.exp(-log_variance))
        precision = 1.0 + tf.add_n(precisions)
        mean = tf.add_n([a * b for a, b in zip(means, precisions, strict=True)]) / precision
        return mean, -tf.math.log(precision)

    def surprise(self, symbols, latents):
        """-log p(y | z) of what k-hot symbols float32 [n, values] name, float32 [n]."""
        logits = self.values(self.middle(latents))
        parts = zip(tf.split(symbols, self.sizes, axis=-1), tf.split(logits, self.sizes, axis=-1), strict=True)
        return tf.add_n([-tf.reduce_sum(named * tf.nn.log_softmax(of), axis=-1) for named, of in parts])

    def probabilities(self, latents):
        """How probable each value of its attribute is: float32 [n, values], each attribute's sum to one."""
        logits = self.values(self.middle(latents))
        return tf.concat([tf.nn.softmax(part) for part in tf.split(logits, self.sizes, axis=-1)], axis=-1)

    def decoder_variables(self) -> list:
        """Weights of p(y | z)."""
        return [*self.middle.trainable_variables, *self.values.trainable_variables]


@keras.saving.register_keras_serializable("reverie")
class TELBO(JointVAE):
    """The joint autoencoder; images are float32 [n, h, w, c] in [0, 1], symbols k-hot float32 [n, values].

    Example:
      >>> from reverie.models import BetaVAEConfig
      >>> small = BetaVAEConfig(image_shape=(16, 16, 3), channels=(4, 4), hidden=8, latents=3)
      >>> words = (("color", ("red", "blue"), ""), ("object", ("hat", "ball"), ""))
      >>> model = TELBO(TELBOConfig(image_shape=(16, 16, 3), attributes=words, vision=small))
      >>> mean, log_variance = model.concept(tf.constant([[1.0, 0.0, 0.0, 0.0]]))
      >>> mean.shape
      TensorShape([1, 3])
    """

    settings = TELBOConfig
    words = Experts

    def losses(self, batch: dict, noise: Noise, training: bool = True) -> dict:
        """The terms of the objective, one value a row.

        Args:
          batch: "image" float32 [b, h, w, c], "label" int32 [b, attributes]; rows of -1 have no words.
          noise: keys which attributes q(z|y) is asked for, and the draws from the posteriors.
          training: unused.

        Returns:
          float32 [b] each: "total"; "reconstruction", "kl" and "words" of the joint ELBO (of q(z|x), and 0, without
          words), "image_elbo" and "symbol_elbo", the negative ELBOs of one side, 0 without words; in nats, unweighted.
        """
        del training
        images, labels, config = batch["image"], batch["label"], self.config
        known, asked = khot(labels, self.sizes), khot(labels, self.sizes, some(labels, noise))
        seen, both = self.posteriors(images, known)
        told = self.symbols.posterior(asked)
        named = tf.reduce_any(labels >= 0, axis=-1)
        of_image, of_symbol = (self._drawn(of, noise, stream) for of, stream in ((seen, "image"), (told, "symbol")))
        mean, deviation = either(named, both, seen)
        latents = mean + deviation * noise.normal("latent", tf.shape(mean))
        surprise = self.vision.surprise(images, latents)
        words = tf.where(named, self.symbols.surprise(known, latents), 0.0)
        divergence = tfd.kl_divergence(diagonal_gaussian(mean, 2.0 * tf.math.log(deviation)), self.vision.prior)
        with self._decoders_fixed():
            image_surprise = self.vision.surprise(images, of_image)
            symbol_surprise = self.symbols.surprise(asked, of_symbol)
            alone = surprise if config.pictures_teach else self.vision.surprise(images, latents)
        image_kl, symbol_kl = (tfd.kl_divergence(of, self.vision.prior) for of in (seen, told))

        beta = config.vision.beta
        joint = config.alpha_x * surprise + config.alpha_y * words + beta * divergence
        sides = config.alpha_x * image_surprise + beta * image_kl + config.alpha_y * symbol_surprise + beta * symbol_kl
        total = tf.where(named, joint + sides, config.alpha_x * alone + beta * divergence)
        kernels = (self.symbols.middle.kernel, self.symbols.values.kernel)
        total += config.l1 * tf.add_n([tf.reduce_sum(tf.abs(kernel)) for kernel in kernels])
        return {
            "total": total,
            "reconstruction": surprise,
            "kl": divergence,
            "words": words,
            "image_elbo": tf.where(named, image_surprise + image_kl, 0.0),
            "symbol_elbo": tf.where(named, symbol_surprise + symbol_kl, 0.0),
        }

    def _drawn(self, posterior: tfd.Distribution, noise: Noise, stream: str):
        mean, deviation = posterior.distribution.loc, posterior.distribution.scale
        return mean + deviation * noise.normal(stream, tf.shape(mean))

    def _decoders_fixed(self):
        """Inside, gradients pass through the decoders to latents, but reach no weight of theirs."""
        weights = [*self.vision.decoder.trainable_variables, *self.symbols.decoder_variables()]
        return keras.StatelessScope([(weight, tf.stop_gradient(weight.value)) for weight in weights])


FAMILY = Family(
    name="telbo",
    settings=TELBOConfig,
    build=TELBO,
    summary="one VAE of pictures and symbols with three ELBOs, and a product of experts for what words leave open",
    paper="Vedantam et al. 2018, arXiv 1705.10762",
    evaluation="reverie.evaluation.scan",
    kinds=("staged",),
    capabilities=frozenset({Capability.STAGES, Capability.WORDS, Capability.EXPLORE}),
    stages={"joint": StageSettings},
    settable=frozenset({"guidance", "attempts"}),
    legend=scan.legend,
)
