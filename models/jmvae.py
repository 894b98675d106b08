"""JMVAE, SCAN's baseline: one VAE of pictures and symbols (Suzuki, Nakayama and Matsuo 2016, arXiv 1611.01891).

    L = E_q(z|x,y)[-log p(x|z) - log p(y|z)] + KL(q(z|x,y) || N(0, I))
        + alpha [KL(q(z|x,y) || q(z|x)) + KL(q(z|x,y) || q(z|y))]

"JMVAE-kl" of the paper: the last line trains encoders of one side alone. Pictures without words teach what they can,
the plain VAE's objective through q(z|x), so that the baseline sees as many pictures and as many words as SCAN does.
"""

import dataclasses

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ..layers import Noise, diagonal_gaussian
from . import scan
from .contract import Capability, Family, StageSettings
from .joint_vae import JointVAE, JointVAEConfig, either
from .settings import not_negative
from .symbol_vae import khot, some

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class JMVAEConfig(JointVAEConfig):
    """Sizes and weights.

    Attributes:
      alpha: weight of the encoders of one side.
      words_weight: of -log p(y|z), which is otherwise small beside that of all pixels.
    """

    alpha: float = 1.0
    words_weight: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        not_negative(self, "alpha", "words_weight")


@keras.saving.register_keras_serializable("reverie")
class JMVAE(JointVAE):
    """The joint autoencoder; images are float32 [n, h, w, c] in [0, 1], symbols k-hot float32 [n, values].

    Example:
      >>> from reverie.models import BetaVAEConfig
      >>> small = BetaVAEConfig(image_shape=(16, 16, 3), channels=(4, 4), hidden=8, latents=3)
      >>> words = (("color", ("red", "blue"), ""), ("object", ("hat", "ball"), ""))
      >>> model = JMVAE(JMVAEConfig(image_shape=(16, 16, 3), attributes=words, vision=small))
      >>> model.images_to_symbols(tf.zeros([2, 16, 16, 3]))["label"].shape
      TensorShape([2, 2])
    """

    settings = JMVAEConfig

    def losses(self, batch: dict, noise: Noise, training: bool = True) -> dict:
        """The terms of the objective, one value a row.

        Args:
          batch: "image" float32 [b, h, w, c], "label" int32 [b, attributes]; rows of -1 have no words.
          noise: keys which attributes q(z|y) is asked for, and the draw from the posterior.
          training: unused.

        Returns:
          float32 [b] each: "total"; "reconstruction", "kl" and, 0 without words, "words", "alignment", in nats.
        """
        del training
        labels = batch["label"]
        # Both sides together know all that is known of a picture. Were some of it left out there too, latents would
        # have to say which, and words would be read from that copy instead of from what the picture shows.
        known = khot(labels, self.sizes)
        seen, both = self.posteriors(batch["image"], known)
        told = self.symbols.posterior(khot(labels, self.sizes, some(labels, noise)))
        named = tf.reduce_any(labels >= 0, axis=-1)
        mean, deviation = either(named, both, seen)
        latents = mean + deviation * noise.normal("latent", tf.shape(mean))
        surprise = self.vision.surprise(batch["image"], latents)
        divergence = tfd.kl_divergence(diagonal_gaussian(mean, 2.0 * tf.math.log(deviation)), self.vision.prior)
        words = tf.where(named, self.symbols.surprise(known, latents), 0.0)
        sides = tf.where(named, tfd.kl_divergence(both, seen) + tfd.kl_divergence(both, told), 0.0)
        total = surprise + self.config.vision.beta * divergence
        total += self.config.words_weight * words + self.config.alpha * sides
        return {"total": total, "reconstruction": surprise, "kl": divergence, "words": words, "alignment": sides}


FAMILY = Family(
    name="jmvae",
    settings=JMVAEConfig,
    build=JMVAE,
    summary="one VAE of pictures and symbols together: SCAN's baseline",
    paper="Suzuki, Nakayama and Matsuo 2016, arXiv 1611.01891",
    evaluation="reverie.evaluation.scan",
    kinds=("staged",),
    capabilities=frozenset({Capability.STAGES, Capability.WORDS, Capability.EXPLORE}),
    stages={"joint": StageSettings},
    settable=frozenset({"guidance", "attempts"}),
    legend=scan.legend,
)
