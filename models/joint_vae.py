"""One VAE of pictures and symbols together: what `jmvae` and `telbo` share, which is all but the objective.

Three encoders, q(z|x), q(z|y) and q(z|x,y), and two decoders, p(x|z) and p(y|z). Networks are those of `beta_vae` and
`symbol_vae`; the joint encoder sees the picture's features beside the symbol.
"""

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ..layers import GaussianPosterior, Noise, diagonal_gaussian
from . import attempts, scan
from .beta_vae import LOG_VARIANCES, BetaVAE, BetaVAEConfig
from .contract import Stage
from .guidance import at_least_once
from .network import Network, in_float32
from .symbol_vae import SymbolVAE, SymbolVAEConfig

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class JointVAEConfig:
    """Sizes.

    Attributes:
      image_shape, attributes, vision, symbols, guidance, attempts: as in `scan.ScanConfig`; of vision.beta the
        divergence's weight.
    """

    image_shape: tuple = (64, 64, 3)
    attributes: tuple = ()
    vision: BetaVAEConfig = dataclasses.field(default_factory=BetaVAEConfig)
    symbols: SymbolVAEConfig = dataclasses.field(default_factory=SymbolVAEConfig)
    guidance: float = 1.0
    attempts: int = 1

    def __post_init__(self):
        at_least_once(self.guidance)
        attempts.check(self.attempts)
        if not self.attributes:
            raise ValueError("attributes are empty; they come from the data when a run starts")
        if self.vision.likelihood == "features" or self.vision.objective != "fixed":
            family = type(self).__name__.removesuffix("Config").lower()
            raise ValueError(f"{family} takes a likelihood over pixels and a fixed beta")


class JointVAE(Network):
    """The joint autoencoder without an objective; images are float32 [n, h, w, c] in [0, 1], symbols k-hot."""

    # Of symbols: their encoder q(z|y) and decoder p(y|z).
    words: ClassVar[type[SymbolVAE]] = SymbolVAE

    def __init__(self, config: JointVAEConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.sizes = tuple(len(values) for _, values, _ in config.attributes)
        self.vision = BetaVAE(config.vision, name="vision")
        self.symbols = self.words(config.symbols, self.sizes, config.vision.latents, name="symbols")
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
        """The terms of the objective, one value a row, "total" among them: what a family adds."""
        raise NotImplementedError

    def posteriors(self, images, symbols) -> tuple[tfd.Distribution, tfd.Distribution]:
        """(q(z | x), q(z | x, y)) of pictures float32 [n, h, w, c] and symbols float32 [n, values]."""
        features = in_float32(self.vision.encoder(self.vision.seen(images)))
        seen = diagonal_gaussian(*self.vision.heads(features))
        both = diagonal_gaussian(*self.joint_heads(self.joint(tf.concat([features, symbols], axis=-1))))
        return seen, both

    # What it does with pictures and words, it does as SCAN does.
    encode = scan.Scan.encode
    decode = scan.Scan.decode
    reconstruct = scan.Scan.reconstruct
    generate = scan.Scan.generate
    symbols_to_images = scan.Scan.symbols_to_images
    images_to_symbols = scan.Scan.images_to_symbols
    concept = scan.Scan.concept
    imagine = scan.Scan.imagine
    said = scan.Scan.said
    _fitting = scan.Scan._fitting
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


def either(named, of_both: tfd.Distribution, of_seen: tfd.Distribution) -> tuple:
    """(mean, deviation), float32 [n, latents], of q(z | x, y) in rows with words (bool [n]), of q(z | x) in others."""
    pairs = (
        (of_both.distribution.loc, of_seen.distribution.loc),
        (of_both.distribution.scale, of_seen.distribution.scale),
    )
    mean, deviation = (tf.where(named[:, None], first, second) for first, second in pairs)
    return mean, deviation
