"""The beta-VAE that finds visual primitives without supervision (Higgins et al. 2017; 2018, A.2).

    L = E_q(z|x)[-log p(x|z)] + beta KL(q(z|x) || N(0, I))

with the log-likelihood *summed* over pixels (or features) and the divergence summed over latents: beta means nothing
without that. Pressed hard enough, a latent pays for itself only if what it says cannot be said by another one, and
so latents come to stand for the separate causes of a picture.

What stands for -log p(x|z):
- "gaussian": N(decoded, 1 / precision) over pixels, so beta / precision is what presses;
- "bernoulli" over pixels;
- "features" (the paper's): precision ||J(x^) - J(x)||^2 without a factor of one half, where J is the frozen `Denoising`
  and x^ a draw from the Gaussian over pixels whose mean *and variance* are decoded. Summed so and with a precision of 1
  the paper has a beta of 53. Nothing rewards a variance, so it falls where J sees it. Pictures are the mean.

Objectives: "fixed" beta; "annealed", `beta_start` for `hold_steps`, then to `beta` over `ramp_steps` by the same
factor every step; "capacity", which asks for a divergence that rises from 0 to `capacity` nats over `ramp_steps` and
weighs the distance from it (Burgess et al. 2018). Annealed from above, latents come into use one after the other,
those first that save most, like under a capacity; but none is filled beyond what it is worth. A posterior with
independent components turns latents towards separate causes with a force in proportion to beta, hence the time at
`beta_start`.
"""

import dataclasses
import math
from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ..layers import (
    GaussianPosterior,
    Noise,
    StridedConvolutions,
    StridedDeconvolutions,
    diagonal_gaussian,
    from_chroma,
    standard_gaussian,
    to_chroma,
    to_hsv,
    to_rgb,
)
from .network import Network, in_float32, takes_images
from .settings import at_least, derived, not_negative, positive, renamed, sizes

tfd = tfp.distributions

LIKELIHOODS = ("gaussian", "bernoulli", "features")
# Least and greatest log-variance of a posterior; symbols' and compositions' posteriors have the same.
LOG_VARIANCES = (-12.0, 6.0)
# What the log-variance of a decoded pixel starts from: a deviation of a tenth of its range.
_PIXEL_LOG_VARIANCE = 2.0 * math.log(0.1)
OBJECTIVES = ("fixed", "annealed", "capacity")
# Of every color space: from red, green and blue to it, and back. All are in [0, 1].
COLOR_SPACES = {"rgb": (tf.identity, tf.identity), "hsv": (to_hsv, to_rgb), "chroma": (to_chroma, from_chroma)}
# How many times the way back enlarges an error: a sixth of the circle of hues is the whole of one color; green less
# blue is 4 / sqrt(3) times a way on the plane, and the value comes on top.
ENLARGED = {"rgb": 1.0, "hsv": 6.0, "chroma": 1.0 + 4.0 / math.sqrt(3.0)}


@dataclasses.dataclass(frozen=True)
class BetaVAEConfig:
    """Sizes and objective.

    Attributes:
      image_shape: (height, width, channels).
      channels: of the convolutions, each halving the picture.
      hidden: units of the dense layer on either side.
      latents: number of Gaussian latents.
      activation: of the hidden layers.
      likelihood: of LIKELIHOODS.
      precision: inverse variance of "gaussian"; of "features" what the squared distance is multiplied by.
      objective: of OBJECTIVES.
      beta: weight of the divergence ("fixed", "annealed": at the end), or of the distance from the capacity.
      beta_start: weight at the beginning ("annealed").
      capacity: nats ("capacity").
      hold_steps: before which beta stays at its start and the capacity at 0 ("annealed", "capacity").
      ramp_steps: over which beta or the capacity moves after that.
      color_space: in which pictures are seen, painted and compared: "rgb"; "hsv", hue, saturation and value (the
        paper's choice); "chroma", hue and saturation as a point in a plane, and value.
    """

    image_shape: tuple = derived((64, 64, 3))
    channels: tuple = (32, 32, 64, 64)
    hidden: int = 256
    latents: int = 32
    activation: str = "relu"
    likelihood: str = "gaussian"
    precision: float = 1.0
    objective: str = "fixed"
    beta: float = 1.0
    beta_start: float = 1.0
    capacity: float = 25.0
    hold_steps: int = 0
    ramp_steps: int = 1000
    color_space: str = renamed("rgb", was="colours")

    def __post_init__(self):
        choices = {"likelihood": LIKELIHOODS, "objective": OBJECTIVES, "color_space": tuple(COLOR_SPACES)}
        for name, admitted in choices.items():
            if getattr(self, name) not in admitted:
                raise ValueError(f"{name} is '{getattr(self, name)}'; expected one of {', '.join(admitted)}")
        sizes(self, "channels")
        at_least(1, self, "latents", "hidden", "ramp_steps")
        not_negative(self, "capacity", "hold_steps")
        positive(self, "precision", "beta", "beta_start")
        if self.color_space != "rgb" and self.image_shape[-1] != 3:
            channels = self.image_shape[-1]
            raise ValueError(f"color_space is '{self.color_space}', but images have {channels} channel(s); expected 3")


@keras.saving.register_keras_serializable("reverie")
class BetaVAE(Network):
    """The autoencoder; images are float32 [n, h, w, c] in [0, 1].

    Example:
      >>> model = BetaVAE(BetaVAEConfig(image_shape=(16, 16, 1), channels=(4, 4), hidden=8, latents=3))
      >>> model.reconstruct(tf.zeros([2, 16, 16, 1])).shape
      TensorShape([2, 16, 16, 1])
    """

    settings = BetaVAEConfig
    # Why the losses of a row are not its own, as of `contract.Stage`.
    whole_batch = ""

    def __init__(self, config: BetaVAEConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.encoder = StridedConvolutions(config.channels, config.hidden, config.activation)
        self.heads = GaussianPosterior(config.latents, *LOG_VARIANCES, name="latent", dtype="float32")
        *sides, colors = config.image_shape
        # "features" draw a picture from means and variances.
        painted = (*sides, 2 * colors if config.likelihood == "features" else colors)
        self.decoder = StridedDeconvolutions(painted, config.channels, config.hidden, config.activation)
        self.encoder.build((None, *config.image_shape))
        self.heads.build((None, config.hidden))
        self.decoder.build((None, config.latents))
        self.prior = standard_gaussian(config.latents)
        self.built = True

    @takes_images
    def code(self, images) -> tuple:
        """(mean, log_variance) of q(z | x), float32 [n, latents]."""
        return self.heads(self.encoder(self.seen(images)))

    def posterior(self, images) -> tfd.Distribution:
        """q(z | x): batch shape [n], event shape [latents]."""
        return diagonal_gaussian(*self.code(images))

    def seen(self, images):
        """Pictures in the model's color space, float32 like images."""
        return COLOR_SPACES[self.config.color_space][0](images)

    def shown(self, painted):
        """The way back from `seen`: pictures in red, green and blue."""
        return COLOR_SPACES[self.config.color_space][1](painted)

    def paint(self, latents):
        """What a latent stands for in the model's color space: float32 [n, h, w, c]."""
        return tf.sigmoid(in_float32(self.decoder(latents))[..., : self.config.image_shape[-1]])

    def brush(self, latents, noise: Noise):
        """A draw of what a latent stands for, of "features": float32 [n, h, w, c] around `paint`."""
        mean, log_variance = tf.split(in_float32(self.decoder(latents)), 2, axis=-1)
        log_variance = tf.clip_by_value(log_variance + _PIXEL_LOG_VARIANCE, *LOG_VARIANCES)
        return tf.sigmoid(mean) + tf.exp(0.5 * log_variance) * noise.normal("picture", tf.shape(mean))

    def decode(self, latents):
        """The picture that a latent stands for: float32 [n, h, w, c] in [0, 1]."""
        return self.shown(self.paint(latents))

    def reconstruct(self, images):
        """The picture of the posterior's mean, float32 like images."""
        return self.decode(self.code(images)[0])

    def call(self, images):
        return self.reconstruct(images)

    @property
    def settles(self) -> int:
        """After how many steps the objective changes no more."""
        return 0 if self.config.objective == "fixed" else self.config.hold_steps + self.config.ramp_steps

    def losses(self, batch: dict, noise: Noise, features: Callable | None = None, first_step: int = 0) -> dict:
        """The terms of the objective, one value a row.

        Args:
          batch: "image" float32 [b, h, w, c].
          noise: keys the draw from the posterior and, of "features", that of a picture; its step says how far beta or
            the capacity has risen.
          features: J of "features", of pictures in the model's color space: float32 [b, h, w, c] -> float32 [b, ...].
          first_step: the step at which this objective begins.

        Returns:
          float32 [b] each: "total"; "reconstruction", nats without the constant of the Gaussian's density; "kl",
          nats, summed over latents.
        """
        images = batch["image"]
        posterior = self.posterior(images)
        divergence = tfd.kl_divergence(posterior, self.prior)
        mean, deviation = posterior.distribution.loc, posterior.distribution.scale
        latents = mean + deviation * noise.normal("latent", tf.shape(mean))
        surprise = self.surprise(images, latents, noise, features)
        moving = tf.cast(noise.step - first_step + 1 - self.config.hold_steps, tf.float32)
        risen = tf.clip_by_value(moving / self.config.ramp_steps, 0.0, 1.0)
        cost, terms = self.cost(posterior, latents, divergence, risen, noise)
        return {"total": surprise + cost, "reconstruction": surprise, "kl": divergence, **terms}

    def cost(self, posterior, latents, divergence, risen, noise: Noise) -> tuple:
        """What is paid for a code, by which rivals of the beta-VAE differ from it.

        Args:
          posterior: q(z | x), batch shape [b].
          latents: float32 [b, latents], a draw from it.
          divergence: float32 [b], of the posterior from the prior.
          risen: float32 scalar in [0, 1], how far beta or the capacity has moved.
          noise: of the step.

        Returns:
          (float32 [b], what joins the total; a dict of float32 [b], terms to be shown beside).
        """
        del posterior, latents, noise
        if self.config.objective == "capacity":
            return self.config.beta * tf.abs(divergence - self.config.capacity * risen), {}
        return self.beta(risen) * divergence, {}

    def beta(self, risen):
        """Beta when it has moved by the share `risen`, of "fixed" and "annealed"."""
        start = self.config.beta_start if self.config.objective == "annealed" else self.config.beta
        return start * tf.pow(self.config.beta / start, risen)

    @property
    def readers(self) -> list:
        """The dense layers that read latents, whose weights turn with them."""
        return [self.decoder.reader]

    def surprise(self, images, latents, noise: Noise | None = None, features: Callable | None = None):
        """What stands for -log p(x | z), float32 [b], without the constant of a Gaussian's density.

        Args:
          images: float32 [b, h, w, c].
          latents: float32 [b, latents].
          noise, features: of "features", as in `losses`.
        """
        seen = self.seen(images)
        if self.config.likelihood == "bernoulli":
            return -tfd.Independent(tfd.Bernoulli(logits=in_float32(self.decoder(latents))), 3).log_prob(seen)
        if self.config.likelihood == "features":
            assert noise is not None and features is not None
            gap = features(self.brush(latents, noise)) - tf.stop_gradient(features(seen))
            return self.config.precision * tf.reduce_sum(tf.square(gap), axis=list(range(1, len(gap.shape))))
        scale = 1.0 / math.sqrt(self.config.precision)
        center = self.paint(latents)
        constant = math.log(scale * math.sqrt(2.0 * math.pi)) * math.prod(center.shape[1:])
        return -tfd.Independent(tfd.Normal(center, scale), 3).log_prob(seen) - constant
