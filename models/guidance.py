"""Meaning a symbol more: its Gaussian counted several times against the prior, before pictures are drawn from it.

A symbol is trained to cover every picture that fits it (`symbol_vae`), so its Gaussian is as wide as what it names
varies *and* as a Gaussian has to be around codes that do not lie like one: colors on a circle, seen in any light. What
is drawn at its edge shows the neighboring value. Guidance takes

    p_w(z) proportional to N(z; 0, I) (q(z|y) / N(z; 0, I))^w

for the symbol: w = 1 is what was learned, a greater one means it more. It is the guidance of diffusion models (Ho and
Salimans 2022, arXiv 2207.12598, equation 5), here of Gaussians and therefore exact: with variance s^2 and mean m of a
latent, the precision is 1 + w (1/s^2 - 1) and the mean w m / s^2 over it. A latent of which the symbol says nothing is
the prior's and stays so; what the symbol leaves open goes on varying.
"""

import tensorflow as tf


def guided(code: tuple, guidance: float) -> tuple:
    """The Gaussians of concepts, meant more.

    Args:
      code: (mean, log_variance), float32 [n, latents] each.
      guidance: w, at least 1, which changes nothing.

    Returns:
      (mean, log_variance), float32 [n, latents]. Latents at least as wide as the prior are as they were.

    Example:
      >>> mean, log_variance = guided((tf.constant([[1.0, 0.3]]), tf.math.log([[0.25, 1.0]])), 3.0)
      >>> mean.numpy().round(2).tolist(), tf.exp(log_variance).numpy().round(2).tolist()
      ([[1.2000000476837158, 0.30000001192092896]], [[0.10000000149011612, 1.0]])
    """
    mean, log_variance = code
    if guidance == 1.0:
        return code
    narrow = log_variance < 0.0
    precision = tf.exp(-log_variance)
    meant = tf.where(narrow, 1.0 + guidance * (precision - 1.0), 1.0)
    guided_mean = tf.where(narrow, guidance * precision * mean / meant, mean)
    return guided_mean, tf.where(narrow, -tf.math.log(meant), log_variance)


def at_least_once(guidance: float) -> None:
    """Refuses a guidance below 1.

    Raises:
      ValueError: what it is, and what is expected.
    """
    if not guidance >= 1.0:
        raise ValueError(f"guidance is {guidance:g}; expected 1, a concept as it was learned, or more")
