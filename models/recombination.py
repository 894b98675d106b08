"""The learned operators AND, IN COMMON and IGNORE on what symbols mean (Higgins et al. 2018, section 4.2).

    L = KL(q(z_x|x) || q(z_r|y_1, o, y_2)) + KL(q(z_y|y_r) || q(z_r|y_1, o, y_2))

for pictures x that fit the composed symbol y_r = y_1 o y_2, and for that symbol itself; forward as in SCAN, everything
else frozen. The operator works on each latent by itself and knows only the two posteriors there, so what it learns
holds for values that it never saw together. What lies in several latents, as a hue does, it cannot compare that way;
`across_latents` tells it.
"""

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ..layers import LatentOperator, Noise, diagonal_gaussian
from .beta_vae import LOG_VARIANCES
from .network import Network
from .settings import at_least
from .symbol_vae import SymbolVAE, khot

tfd = tfp.distributions

# Their names and their order are those of `pipelines.symbols.OPERATORS`.
OPERATORS = 3
AND, IN_COMMON, IGNORE = range(OPERATORS)


@dataclasses.dataclass(frozen=True)
class RecombinationConfig:
    """Sizes and what is composed in training.

    Attributes:
      hidden: units of the function that is applied to every latent.
      compares: whether it is told how far the two means are from each other, see `LatentOperator`; not in the paper.
      across_latents: whether it is told how surely they differ in all latents, weighted as it learns, so that IN COMMON
        tells colors apart that share one coordinate; see `LatentOperator`. Not in the paper.
      conflicts: of two values of one attribute that are about to be given to the two sides of IN COMMON, the share
        that both are given. Colors that share a coordinate look alike on the latent of that coordinate, and forward
        divergences make the operator hedge: the more often that happens, the less it trusts values that *are* in
        common, and the less often, the more of two conflicting values shows.
    """

    hidden: int = 1024
    conflicts: float = 0.25
    compares: bool = False
    across_latents: bool = False

    def __post_init__(self):
        at_least(1, self, "hidden")
        if not 0.0 <= self.conflicts <= 1.0:
            raise ValueError(f"conflicts is {self.conflicts:g}; expected a share from 0 to 1")


@keras.saving.register_keras_serializable("reverie")
class Recombination(Network):
    """The operator network.

    Args:
      config: its sizes and what it is told.
      latents: how many there are; only `across_latents` needs to know.
    """

    settings = RecombinationConfig

    def __init__(self, config: RecombinationConfig, latents: int = 0, **kwargs):
        super().__init__(**kwargs)
        if config.across_latents and not latents:
            raise ValueError("across_latents needs to know how many latents there are; got 0")
        self.config, self.latents = config, latents
        across = latents if config.across_latents else 0
        self.operator = LatentOperator(
            OPERATORS, config.hidden, *LOG_VARIANCES, config.compares, across, name="operator", dtype="float32"
        )
        self.operator.build()
        self.built = True

    def get_config(self) -> dict:
        return {**super().get_config(), "latents": self.latents}

    def compose(self, first: Sequence, operator, second: Sequence) -> tuple:
        """(mean, log_variance) float32 [n, latents] of the composed concept.

        Args:
          first, second: the same of the two concepts, symbols or compositions.
          operator: int32 [n], of AND, IN_COMMON, IGNORE.
        """
        return self.operator(first, second, operator)

    def losses(self, batch: dict, noise: Noise, symbols: SymbolVAE, held_out) -> dict:
        """The terms of the objective, one value a row.

        Args:
          batch: as in `SymbolVAE.losses`.
          noise: keys which symbols are composed, and how.
          symbols: the trained SCAN that says what a symbol means; it is not trained here.
          held_out: float32 [values, values], 1 for pairs that training must not show together.

        Returns:
          float32 [b] each: "total"; "pictures", "symbols", in nats.
        """
        conflicts = self.config.conflicts
        first, operator, second, composed = sample_compositions(
            batch["label"], symbols.sizes, noise, held_out, conflicts
        )
        result = self.compose(symbols.code(first), operator, symbols.code(second))
        posterior = diagonal_gaussian(*result)
        pictures = tfd.kl_divergence(diagonal_gaussian(batch["mean"], batch["log_variance"]), posterior)
        words = tfd.kl_divergence(symbols.posterior(composed), posterior)
        return {"total": pictures + words, "pictures": pictures, "symbols": words}


def sample_compositions(labels, sizes: tuple, noise: Noise, held_out, conflicts: float) -> tuple:
    """Two symbols and an operator whose composition fits each picture.

    AND splits part of what is known of the picture in two; IGNORE and IN COMMON add values of *other* pictures of
    the batch to it, which the second symbol takes away again, or which the symbols do not share. An addition that
    would show a held-out pair is left out.

    Args:
      labels: int32 [b, attributes] of pictures; -1 where nothing is known.
      sizes: number of values of each attribute.
      noise: keys the draw.
      held_out: as in `Recombination.losses`.
      conflicts: see `RecombinationConfig`.

    Returns:
      (first, operator, second, composed): float32 [b, values], int32 [b], and twice float32 [b, values].
    """
    shape = tf.shape(labels)
    count = shape[1]
    operator = tf.cast(noise.uniform("operator", shape[:1]) * OPERATORS, tf.int32)
    # One attribute is kept and one is not, whatever else happens.
    order = tf.argsort(noise.uniform("order", shape) + 2.0 * tf.cast(labels < 0, tf.float32), axis=-1)
    kept = tf.cast(tf.one_hot(order[:, 0], count), tf.bool)
    apart = tf.cast(tf.one_hot(order[:, 1 if len(sizes) > 1 else 0], count), tf.bool)
    bits = [noise.uniform(f"bits {k}", shape) < 0.5 for k in range(4)]
    others = [tf.roll(labels, 1, axis=0), tf.roll(labels, 2, axis=0)]

    def masked(values, mask):
        return khot(values, sizes, mask)

    def fitting(base, addition):
        """The addition, where it shows no held-out pair with the base or within itself."""
        both = base + addition
        clash = tf.einsum("bi,ij,bj->b", both, held_out, both) > 0.0
        return tf.where(clash[:, None], tf.zeros_like(addition), addition)

    named = bits[0] | kept | apart
    conjunction = (masked(labels, (named & bits[1]) | kept), masked(labels, (named & ~bits[1]) | apart))
    base = masked(labels, (bits[0] | kept) & ~apart)
    rest = ~(bits[0] | kept) | apart
    first_more = fitting(base, masked(others[0], rest & bits[2]))
    both = noise.uniform("conflicts", shape) < conflicts
    second_more = fitting(base, masked(others[1], rest & bits[3] & (~bits[2] | both)))
    second_more *= 1.0 - first_more  # What both name alike would be in common.
    common = (base + first_more, base + second_more)
    extra = fitting(base, masked(others[0], rest & (bits[2] | apart)))
    # Without a fitting value of another picture, its own is taken away.
    extra = tf.where(tf.reduce_any(extra > 0.0, axis=-1, keepdims=True), extra, masked(labels, apart))
    ignored = (base + extra, extra)
    composed = tf.where((operator == AND)[:, None], masked(labels, named), base)

    def chosen(place):
        which = operator[:, None]
        return tf.where(which == AND, conjunction[place], tf.where(which == IGNORE, ignored[place], common[place]))

    return chosen(0), operator, chosen(1), composed
