"""JMVAE, SCAN's baseline: one VAE of pictures and symbols (Suzuki, Nakayama and Matsuo 2016, arXiv 1611.01891).

    L = E_q(z|x,y)[-log p(x|z) - log p(y|z)] + KL(q(z|x,y) || N(0, I))
        + alpha [KL(q(z|x,y) || q(z|x)) + KL(q(z|x,y) || q(z|y))]

"JMVAE-kl" of the paper: the last line trains encoders of one side alone. Pictures without words teach what they can,
the plain VAE's objective through q(z|x), so that the baseline sees as many pictures and as many words as SCAN does.
Networks are those of `beta_vae` and `symbol_vae`; the joint encoder sees the picture's features beside the symbol.
"""

import dataclasses

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ..layers import GaussianPosterior, Noise, diagonal_gaussian
from . import scan
from .beta_vae import LOG_VARIANCES, BetaVAE, BetaVAEConfig
from .contract import Capability, Family, Stage, StageSettings
from .network import Network, in_float32
from .symbol_vae import SymbolVAE, SymbolVAEConfig, khot, some

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class JMVAEConfig:
    """Sizes and weights.

    Attributes:
      image_shape, attributes, vision, symbols: as in `scan.ScanConfig`; of vision.beta the divergence's weight.
      alpha: weight of the encoders of one side.
      words_weight: of -log p(y|z), which is otherwise small beside that of all pixels.
    """

    image_shape: tuple = (64, 64, 3)
    attributes: tuple = ()
    vision: BetaVAEConfig = dataclasses.field(default_factory=BetaVAEConfig)
    symbols: SymbolVAEConfig = dataclasses.field(default_factory=SymbolVAEConfig)
    alpha: float = 1.0
    words_weight: float = 1.0

    def __post_init__(self):
        if not self.attributes:
            raise ValueError("attributes are empty; they come from the data when a run starts")
        if self.vision.likelihood == "features" or self.vision.objective != "fixed":
            raise ValueError("jmvae takes a likelihood over pixels and a fixed beta")


@keras.saving.register_keras_serializable("reverie")
class JMVAE(Network):
    """The joint autoencoder; images are float32 [n, h, w, c] in [0, 1], symbols k-hot float32 [n, values].

    Example:
      >>> small = BetaVAEConfig(image_shape=(16, 16, 3), channels=(4, 4), hidden=8, latents=3)
      >>> words = (("color", ("red", "blue"), ""), ("object", ("hat", "ball"), ""))
      >>> model = JMVAE(JMVAEConfig(image_shape=(16, 16, 3), attributes=words, vision=small))
      >>> model.images_to_symbols(tf.zeros([2, 16, 16, 3]))["label"].shape
      TensorShape([2, 2])
    """

    settings = JMVAEConfig

    def __init__(self, config: JMVAEConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.sizes = tuple(len(values) for _, values, _ in config.attributes)
        self.vision = BetaVAE(config.vision, name="vision")
        self.symbols = SymbolVAE(config.symbols, self.sizes, config.vision.latents, name="symbols")
        self.joint = keras.layers.Dense(config.vision.hidden, "relu", name="joint")
        self.joint_heads = GaussianPosterior(
            config.vision.latents, *LOG_VARIANCES, name="joint_latent", dtype="float32"
        )
        self.joint.build((None, config.vision.hidden + sum(self.sizes)))
        self.joint_heads.build((None, config.vision.hidden))
        self.built = True

    def stages(self) -> list[Stage]:
        """One stage that learns everything, on pictures with and without words."""
        return [
            Stage(
                name="joint",
                variables=self.trainable_variables,
                losses=lambda first_step, held_out: self.losses,
                sees="mixed",
                gives=("vision", "symbols"),
            )
        ]

    def losses(self, batch: dict, noise: Noise, training: bool = True) -> dict:
        """The terms of the objective, one value a row.

        Args:
          batch: "image" float32 [b, h, w, c], "label" int32 [b, attributes]; rows of -1 have no words.
          noise: keys which attributes are named, and the draw from the posterior.
          training: unused.

        Returns:
          float32 [b] each: "total"; "reconstruction", "kl" and, 0 without words, "words", "alignment", in nats.
        """
        del training
        labels = batch["label"]
        features = in_float32(self.vision.encoder(batch["image"]))
        seen = diagonal_gaussian(*self.vision.heads(features))
        symbols = khot(labels, self.sizes, some(labels, noise))
        both = diagonal_gaussian(*self.joint_heads(self.joint(tf.concat([features, symbols], axis=-1))))
        told = self.symbols.posterior(symbols)
        named = tf.reduce_any(labels >= 0, axis=-1)

        def either(of_both, of_seen):
            return tf.where(named[:, None], of_both, of_seen)

        mean = either(both.distribution.loc, seen.distribution.loc)
        deviation = either(both.distribution.scale, seen.distribution.scale)
        latents = mean + deviation * noise.normal("latent", tf.shape(mean))
        surprise = self.vision.surprise(batch["image"], latents)
        divergence = tfd.kl_divergence(diagonal_gaussian(mean, 2.0 * tf.math.log(deviation)), self.vision.prior)
        words = tf.where(named, -self.symbols.likelihood(latents).log_prob(symbols), 0.0)
        sides = tf.where(named, tfd.kl_divergence(both, seen) + tfd.kl_divergence(both, told), 0.0)
        total = surprise + self.config.vision.beta * divergence
        total += self.config.words_weight * words + self.config.alpha * sides
        return {"total": total, "reconstruction": surprise, "kl": divergence, "words": words, "alignment": sides}

    # What it does with pictures and words, it does as SCAN does.
    encode = scan.Scan.encode
    decode = scan.Scan.decode
    reconstruct = scan.Scan.reconstruct
    generate = scan.Scan.generate
    symbols_to_images = scan.Scan.symbols_to_images
    images_to_symbols = scan.Scan.images_to_symbols
    concept = scan.Scan.concept
    imagine = scan.Scan.imagine
    in_words = scan.Scan.in_words

    def picture(self, latents):
        """Pictures of latents, float32 [n, h, w, c]."""
        return self.vision.decode(latents)

    def signatures(self) -> dict:
        """Endpoints for export; see `Signature`."""
        return scan.signatures(self)

    def page_functions(self) -> dict:
        """As of SCAN, without operators."""
        return scan.page_functions(self)

    def call(self, images):
        return self.reconstruct(images)["images"]


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
    legend=scan.legend,
)
