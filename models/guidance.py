"""Meaning a symbol more: its Gaussian counted several times against the prior, before pictures are drawn from it.

A symbol is trained to cover every picture that fits it (`symbol_vae`), so its Gaussian is as wide as what it names
varies *and* as a Gaussian has to be around codes that do not lie like one: colors on a circle, seen in any light. What
is drawn at its edge shows the neighboring value. Guidance takes

    p_w(z) proportional to N(z; 0, I) (q(z|y) / N(z; 0, I))^w

for the symbol: w = 1 is what was learned, a greater one means it more. It is the guidance of diffusion models (Ho and
Salimans 2022, arXiv 2207.12598, equation 5), here of Gaussians and therefore exact: with variance s^2 and mean m of a
latent, the precision is 1 + w (1/s^2 - 1) and the mean w m / s^2 over it.

Each latent has a w of its own, because a symbol knows more of some than of others:

    w = 1 + (guidance - 1) (1 - s^2)

where 1 - s^2 is the share of the prior's variance that the symbol takes away. What it knows is meant `guidance` times,
and what it leaves open once: a Gaussian as wide as the prior whose mean is a little off would otherwise be pushed away
from the prior w times as far, by a hint that is not meant at all, and what is left open would vary less.
"""

import tensorflow as tf

# Beyond it nothing changes that a picture could show, and 32 bits run out.
_MOST = 1000.0


def guided(code: tuple, guidance: float) -> tuple:
    """The Gaussians of concepts, meant more.

    Args:
      code: (mean, log_variance), float32 [n, latents] each.
      guidance: from 1, which changes nothing, to 1000.

    Returns:
      (mean, log_variance), float32 [n, latents]. Latents at least as wide as the prior are as they were.

    Example:
      >>> mean, log_variance = guided((tf.constant([[1.0, 0.3]]), tf.math.log([[0.25, 1.0]])), 3.0)
      >>> mean.numpy().round(2).tolist(), tf.exp(log_variance).numpy().round(2).tolist()
      ([[1.1799999475479126, 0.30000001192092896]], [[0.11999999731779099, 1.0]])
    """
    mean, log_variance = code
    if guidance == 1.0:
        return code
    known = tf.minimum(log_variance, 0.0)  # Of a latent that is wider than the prior, as of the prior: w = 1.
    times = 1.0 - (guidance - 1.0) * tf.math.expm1(known)
    precision = 1.0 + times * tf.math.expm1(-known)
    narrow = log_variance < 0.0
    guided_mean = tf.where(narrow, times * tf.exp(-known) * mean / precision, mean)
    return guided_mean, tf.where(narrow, -tf.math.log(precision), log_variance)


def at_least_once(guidance: float) -> None:
    """Refuses a guidance that is none.

    Raises:
      ValueError: what it is, and what is expected.
    """
    if not 1.0 <= guidance <= _MOST:
        raise ValueError(f"guidance is {guidance:g}; expected 1, a concept as it was learned, to {_MOST:g}")
