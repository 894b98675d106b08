"""SCAN: a VAE on symbols whose latents are those of a beta-VAE (Higgins et al. 2018, section 4.1).

    L = E_q(z_y|y)[-log p(y|z_y)] + beta_y KL(q(z_y|y) || N(0, I)) + lambda KL(q(z_x|x) || q(z_y|y))

The symbol y is k-hot over the values of all attributes and names any subset of them; x is a picture that fits it, and
q(z_x|x) comes from the frozen beta-VAE. The last term runs *forward*, the picture's posterior first: the symbol's
posterior must cover every picture that fits, so a latent that the symbol says nothing of is drawn as wide as the
data spread, to the prior. Run in reverse it would settle on one of the pictures, and imagination would not vary.
"""

import dataclasses

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ..layers import GaussianPosterior, Noise, diagonal_gaussian, standard_gaussian
from .beta_vae import LOG_VARIANCES
from .network import Network
from .settings import at_least, not_negative

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class SymbolVAEConfig:
    """Sizes and weights.

    Attributes:
      hidden: units of the hidden layer on either side.
      beta: beta_y.
      alignment: lambda.
      divergence: "forward" (the paper) or "reverse" (its baseline).
    """

    hidden: int = 100
    beta: float = 1.0
    alignment: float = 10.0
    divergence: str = "forward"

    def __post_init__(self):
        at_least(1, self, "hidden")
        not_negative(self, "beta", "alignment")
        if self.divergence not in ("forward", "reverse"):
            raise ValueError(f"divergence is '{self.divergence}'; expected 'forward' or 'reverse'")


@keras.saving.register_keras_serializable("reverie")
class SymbolVAE(Network):
    """The autoencoder of symbols.

    Args:
      config: sizes and weights.
      sizes: number of values of each attribute.
      latents: as many as the beta-VAE has.

    Example:
      >>> model = SymbolVAE(SymbolVAEConfig(hidden=8), sizes=(2, 3), latents=4)
      >>> mean, log_variance = model.code(tf.constant([[1.0, 0.0, 0.0, 0.0, 0.0]]))
      >>> mean.shape
      TensorShape([1, 4])
    """

    settings = SymbolVAEConfig

    def __init__(self, config: SymbolVAEConfig, sizes: tuple, latents: int, **kwargs):
        super().__init__(**kwargs)
        self.config, self.sizes = config, tuple(sizes)
        self.latents = latents
        self.make_encoder()
        self.middle = keras.layers.Dense(config.hidden, "relu", name="decoder")
        self.values = keras.layers.Dense(sum(sizes), name="values", dtype="float32")
        self.middle.build((None, latents))
        self.values.build((None, config.hidden))
        self.prior = standard_gaussian(latents)
        self.built = True

    def make_encoder(self) -> None:
        """The layers of q(z_y | y)."""
        self.inner = keras.layers.Dense(self.config.hidden, "relu", name="encoder")
        self.heads = GaussianPosterior(self.latents, *LOG_VARIANCES, name="latent", dtype="float32")
        self.inner.build((None, sum(self.sizes)))
        self.heads.build((None, self.config.hidden))

    def get_config(self) -> dict:
        return {**super().get_config(), "sizes": self.sizes, "latents": self.latents}

    def code(self, symbols) -> tuple:
        """(mean, log_variance) of q(z_y | y), float32 [n, latents], of k-hot symbols float32 [n, values]."""
        return self.heads(self.inner(symbols))

    def posterior(self, symbols) -> tfd.Distribution:
        """q(z_y | y): batch shape [n], event shape [latents]."""
        return diagonal_gaussian(*self.code(symbols))

    def likelihood(self, latents) -> tfd.Distribution:
        """p(y | z): a Bernoulli a value, batch shape [n], event shape [values]."""
        return tfd.Independent(tfd.Bernoulli(logits=self.values(self.middle(latents))), 1)

    def probabilities(self, latents):
        """How probable it is that each value would be named: float32 [n, values]."""
        return tf.sigmoid(self.values(self.middle(latents)))

    def surprise(self, symbols, latents):
        """-log p(y | z) of k-hot symbols float32 [n, values], float32 [n]."""
        return -self.likelihood(latents).log_prob(symbols)

    def losses(self, batch: dict, noise: Noise) -> dict:
        """The terms of the objective, one value a row.

        Args:
          batch: "mean" and "log_variance" float32 [b, latents] of q(z_x | x); "label" int32 [b, attributes], all
            that is known of the picture, -1 where nothing is.
          noise: keys which part of it is named, and the draw from the posterior.

        Returns:
          float32 [b] each: "total"; "reconstruction", "kl", "alignment", in nats.
        """
        symbols = khot(batch["label"], self.sizes, some(batch["label"], noise))
        posterior = self.posterior(symbols)
        seen = diagonal_gaussian(batch["mean"], batch["log_variance"])
        mean, deviation = posterior.distribution.loc, posterior.distribution.scale
        latents = mean + deviation * noise.normal("symbol", tf.shape(mean))
        surprise = self.surprise(symbols, latents)
        divergence = tfd.kl_divergence(posterior, self.prior)
        pair = (seen, posterior) if self.config.divergence == "forward" else (posterior, seen)
        distance = tfd.kl_divergence(*pair)
        total = surprise + self.config.beta * divergence + self.config.alignment * distance
        return {"total": total, "reconstruction": surprise, "kl": divergence, "alignment": distance}


def khot(labels, sizes: tuple, named=None):
    """Symbols as vectors.

    Args:
      labels: int [n, attributes], -1 where nothing is known.
      sizes: number of values of each attribute.
      named: bool [n, attributes], which are named; None is all that are known.

    Returns:
      float32 [n, values].
    """
    labels = labels if named is None else tf.where(named, labels, -1)
    return tf.concat([tf.one_hot(labels[:, k], size) for k, size in enumerate(sizes)], axis=-1)


def some(labels, noise: Noise, stream: str = "named"):
    """Which attributes are named: every one with even odds, and one in any case; bool [n, attributes]."""
    shape = tf.shape(labels)
    named = noise.uniform(stream, shape) < 0.5
    # Of those whose value is known, one is named for certain.
    keys = noise.uniform(f"{stream}/one", shape) - tf.cast(labels < 0, tf.float32)
    return named | tf.cast(tf.one_hot(tf.argmax(keys, axis=-1), shape[1]), tf.bool)
