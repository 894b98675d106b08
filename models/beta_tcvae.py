"""beta-TCVAE, a rival of the beta-VAE (Chen, Li, Grosse and Duvenaud 2018, arXiv 1802.04942).

    L = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || N(0, I)) + (beta - 1) TC,   TC = KL(q(z) || prod_j q(z_j))

The divergence of a beta-VAE is what the latents say of the picture, plus how much they depend on each other (TC, the
total correlation), plus how far each is from the prior. This one weighs with beta the second alone, so that what is
said costs no more (its alpha = gamma = 1). q(z), the posteriors of all pictures together, is estimated from the rows of
the step, minibatch-weighted sampling (their equation S4):

    log q(z_i) ~ log sum_k q(z_i | x_k) - log N M    for a row i among M, of N pictures in all

and likewise for each latent. N adds the constant (latents - 1) log N to TC and nothing to any gradient: here it is
left out (N = 1), so that TC is that of the M posteriors of the step, which is what its number means.
"""

import dataclasses

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from .beta_vae import BetaVAE, BetaVAEConfig
from .vision import Vision, VisionConfig, family_of

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class BetaTCVAEConfig(BetaVAEConfig):
    """Those of the beta-VAE; `beta` is the weight of the total correlation.

    Attributes:
      objective: "fixed" or "annealed".
      beta: weight of the total correlation ("annealed": at the end); with 1 this is a plain VAE.
    """

    def __post_init__(self):
        super().__post_init__()
        if self.objective == "capacity":
            raise ValueError("objective is 'capacity', which asks for a divergence; expected fixed or annealed")


def total_correlation(latents, mean, log_variance):
    """The total correlation of the posteriors of some pictures together, estimated at a draw from each.

    Args:
      latents: float32 [n, latents], draws.
      mean, log_variance: float32 [m, latents], of the posteriors among which those of the draws are.

    Returns:
      float32 [n], nats; the estimate is their mean.

    Source: Chen et al. 2018, equation S4 without N; see above.

    Example:
      >>> total_correlation(tf.zeros([1, 2]), tf.zeros([1, 2]), tf.zeros([1, 2])).numpy().tolist()
      [0.0]
    """
    each = tfd.Normal(mean, tf.exp(0.5 * log_variance)).log_prob(latents[:, None])  # [n, m, latents]
    together = tf.reduce_logsumexp(tf.reduce_sum(each, axis=-1), axis=1)
    apart = tf.reduce_sum(tf.reduce_logsumexp(each, axis=1), axis=-1)
    count = tf.cast(tf.shape(mean)[0], tf.float32)
    return together - apart + (latents.shape[-1] - 1) * tf.math.log(count)


@keras.saving.register_keras_serializable("reverie")
class BetaTCVAE(BetaVAE):
    """The autoencoder; images are float32 [n, h, w, c] in [0, 1].

    Example:
      >>> model = BetaTCVAE(BetaTCVAEConfig(image_shape=(16, 16, 1), channels=(4, 4), hidden=8, latents=3, beta=4.0))
      >>> model.reconstruct(tf.zeros([2, 16, 16, 1])).shape
      TensorShape([2, 16, 16, 1])
    """

    settings = BetaTCVAEConfig
    whole_batch = "beta_tcvae compares each code with those of all rows of a step"

    def cost(self, posterior, latents, divergence, risen, noise) -> tuple:
        """As of `BetaVAE`; shows "total_correlation"."""
        del noise
        mean, deviation = posterior.distribution.loc, posterior.distribution.scale
        log_variance = 2.0 * tf.math.log(deviation)
        correlation = total_correlation(latents, _of_all_replicas(mean), _of_all_replicas(log_variance))
        return divergence + (self.beta(risen) - 1.0) * correlation, {"total_correlation": correlation}


def _of_all_replicas(rows):
    """The rows of all replicas of a `tf.distribute` strategy, with their gradients; the same on one device."""
    if tf.distribute.in_cross_replica_context():
        return rows
    context = tf.distribute.get_replica_context()
    return rows if context.num_replicas_in_sync == 1 else context.all_gather(rows, axis=0)


@dataclasses.dataclass(frozen=True)
class BetaTCVisionConfig(VisionConfig):
    """The network and its pictures.

    Attributes:
      image_shape: (height, width, channels).
      vision: of the network.
    """

    vision: BetaTCVAEConfig = dataclasses.field(default_factory=BetaTCVAEConfig)


@keras.saving.register_keras_serializable("reverie")
class BetaTCVision(Vision):
    """The beta-TCVAE alone; see `Vision`.

    Example:
      >>> small = BetaTCVAEConfig(image_shape=(16, 16, 3), channels=(4, 4), hidden=8, latents=3)
      >>> BetaTCVision(BetaTCVisionConfig(image_shape=(16, 16, 3), vision=small)).encode(tf.zeros([2, 16, 16, 3]))[
      ...     "mean"
      ... ].shape
      TensorShape([2, 3])
    """

    settings = BetaTCVisionConfig
    network = BetaTCVAE


FAMILY = family_of(
    "beta_tcvae",
    BetaTCVision,
    "a beta-VAE that presses the total correlation of its latents alone, estimated among the rows of a step",
    "Chen, Li, Grosse and Duvenaud 2018, arXiv 1802.04942",
)
