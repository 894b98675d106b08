"""FactorVAE, a rival of the beta-VAE (Kim and Mnih 2018, arXiv 1802.05983).

    L = E_q(z|x)[-log p(x|z)] + beta KL(q(z|x) || N(0, I)) + gamma TC,   TC ~ E_q(z)[log D(z) - log (1 - D(z))]

The total correlation TC = KL(q(z) || prod_j q(z_j)) is read off a discriminator D that tells codes from codes whose
latents were shuffled, each by itself, among the rows of the step (their density-ratio trick, equation 3 and
algorithm 2): of codes that depend on nothing but chance the two are the same. D learns beside the autoencoder,

    L_D = -1/2 E_q(z)[log D(z)] - 1/2 E_shuffled[log (1 - D(z))]

in the same step: both losses are one sum, and what each may change is said by where gradients end. TC sees D's weights
as constants, L_D sees codes as constants. So every weight has the gradient of its own loss alone, and of a rule that
scales each gradient by its own size (Adam) the weights of the sum do not matter. In the paper D has an Adam of its own
(beta_1 0.5) and codes are shuffled among those of a second minibatch; here both share the rule and the rows.
"""

import dataclasses

import keras
import tensorflow as tf

from .beta_vae import BetaVAE, BetaVAEConfig
from .network import in_float32
from .settings import not_negative, sizes
from .vision import Vision, VisionConfig, family_of


@dataclasses.dataclass(frozen=True)
class FactorVAEConfig(BetaVAEConfig):
    """Those of the beta-VAE, and the discriminator's.

    Attributes:
      gamma: weight of the total correlation.
      discriminator: units of its hidden layers (the paper's: six of 1,000).
      slope: of its leaky ReLUs below 0.
    """

    gamma: float = 35.0
    discriminator: tuple = (256, 256, 256, 256)
    slope: float = 0.2

    def __post_init__(self):
        super().__post_init__()
        not_negative(self, "gamma")
        sizes(self, "discriminator")


@keras.saving.register_keras_serializable("reverie")
class FactorVAE(BetaVAE):
    """The autoencoder and its discriminator; images are float32 [n, h, w, c] in [0, 1].

    Example:
      >>> model = FactorVAE(FactorVAEConfig(image_shape=(16, 16, 1), channels=(4, 4), hidden=8, latents=3))
      >>> model.reconstruct(tf.zeros([2, 16, 16, 1])).shape
      TensorShape([2, 16, 16, 1])
    """

    settings = FactorVAEConfig
    whole_batch = "factor_vae shuffles latents among all rows of a step"

    def __init__(self, config: FactorVAEConfig, **kwargs):
        super().__init__(config, **kwargs)
        hidden = [
            layer
            for units in config.discriminator
            for layer in (keras.layers.Dense(units), keras.layers.LeakyReLU(config.slope))
        ]
        self.discriminator = keras.Sequential([*hidden, keras.layers.Dense(1)], name="discriminator")
        self.discriminator.build((None, config.latents))

    @property
    def readers(self) -> list:
        """The dense layers that read latents, whose weights turn with them: the discriminator's too."""
        return [*super().readers, self.discriminator.layers[0]]

    def real(self, latents, learns: bool):
        """log D(z) - log (1 - D(z)), float32 [b]: how much likelier these are codes than shuffled ones.

        Args:
          latents: float32 [b, latents].
          learns: whether gradients reach the discriminator's weights, or the latents.
        """
        if learns:
            return in_float32(self.discriminator(tf.stop_gradient(latents)))[:, 0]
        frozen = [tf.stop_gradient(variable.value) for variable in self.discriminator.trainable_variables]
        told, _ = self.discriminator.stateless_call(frozen, [], latents)
        return in_float32(told)[:, 0]

    def cost(self, posterior, latents, divergence, risen, noise) -> tuple:
        """As of `BetaVAE`; shows "total_correlation" and "discriminator", the latter's loss in nats."""
        cost, terms = super().cost(posterior, latents, divergence, risen, noise)
        correlation = self.real(latents, learns=False)
        mixed = shuffled(latents, noise.uniform("shuffle", tf.shape(latents)))
        learned = 0.5 * (
            tf.nn.softplus(-self.real(latents, learns=True)) + tf.nn.softplus(self.real(mixed, learns=True))
        )
        shown = {"total_correlation": correlation, "discriminator": learned}
        return cost + self.config.gamma * correlation + learned, {**terms, **shown}


def shuffled(latents, keys):
    """Each latent by itself in another order of the rows: draws from the product of its marginals.

    Args:
      latents: float32 [b, latents].
      keys: float32 [b, latents], random: the order of each column is that of its keys.

    Returns:
      float32 [b, latents].

    Example:
      >>> shuffled(tf.constant([[1.0, 5.0], [2.0, 6.0]]), tf.constant([[0.1, 0.9], [0.2, 0.3]])).numpy().tolist()
      [[1.0, 6.0], [2.0, 5.0]]
    """
    order = tf.argsort(keys, axis=0, stable=True)
    return tf.transpose(tf.gather(tf.transpose(latents), tf.transpose(order), batch_dims=1))


@dataclasses.dataclass(frozen=True)
class FactorVisionConfig(VisionConfig):
    """The network and its pictures.

    Attributes:
      image_shape: (height, width, channels).
      vision: of the network.
    """

    vision: FactorVAEConfig = dataclasses.field(default_factory=FactorVAEConfig)


@keras.saving.register_keras_serializable("reverie")
class FactorVision(Vision):
    """The FactorVAE alone; see `Vision`.

    Example:
      >>> small = FactorVAEConfig(image_shape=(16, 16, 3), channels=(4, 4), hidden=8, latents=3, discriminator=(8,))
      >>> model = FactorVision(FactorVisionConfig(image_shape=(16, 16, 3), vision=small))
      >>> model.encode(tf.zeros([2, 16, 16, 3]))["mean"].shape
      TensorShape([2, 3])
    """

    settings = FactorVisionConfig
    network = FactorVAE


FAMILY = family_of(
    "factor_vae",
    FactorVision,
    "a VAE whose latents a discriminator holds apart: it tells codes from codes with shuffled latents",
    "Kim and Mnih 2018, arXiv 1802.05983",
)
