"""Turns the latents of a beta-VAE towards the separate causes of pictures: independent component analysis.

The objective of a beta-VAE hardly sees a rotation of its latents: the prior looks the same from all sides, and the
outermost weights of encoder and decoder take any rotation back. Only the posterior's independent components tell one
set of axes from another, and weakly (Rolinek et al. 2019). So causes that come into use at the same time come out
mixed, half of each in either latent, and stay so however long training continues. But causes vary independently of each
other, and mixtures of independent things are closer to a Gaussian than the things themselves (Comon 1994): the rotation
after which latents are least Gaussian is the one back. FastICA (Hyvarinen 1999) finds it from the codes of pictures
alone, without looking at any label. After that the objective holds the axes where they are, so training continues.
"""

import warnings

import numpy as np

from ..layers import divergence_by_latent
from .beta_vae import BetaVAE

# Latents whose divergence from the prior, in nats, is below this say next to nothing; they are left where they are.
LEAST_DIVERGENCE = 0.3
_ITERATIONS = 500


def unmix(vision: BetaVAE, mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """Turns a beta-VAE's latents in place, so that they are as independent of each other as a rotation makes them.

    Pictures are encoded and decoded as before, in turned axes: means exactly; variances, of which a diagonal Gaussian
    in turned axes can only keep what lies along them, so that each latent's is right on average.

    Args:
      vision: the model.
      mean, log_variance: its codes of many pictures (thousands), float [n, latents] each.

    Returns:
      The rotation, float64 [latents, latents]: mean after = rotation @ mean before.
    """
    rotation = independent_axes(mean, log_variance)
    share = np.square(rotation)
    before = np.asarray(log_variance, np.float64)
    wanted = np.log((np.exp(before) @ share.T).mean(axis=0))
    found = np.log(np.exp(before @ share.T).mean(axis=0))
    heads = vision.heads
    _turn(heads.mean.kernel, lambda kernel: kernel @ rotation.T)
    _turn(heads.mean.bias, lambda bias: rotation @ bias)
    _turn(heads.log_variance.kernel, lambda kernel: kernel @ share.T)
    _turn(heads.log_variance.bias, lambda bias: share @ bias + wanted - found)
    for reader in vision.readers:
        _turn(reader.kernel, lambda kernel: rotation @ kernel)
    return rotation


def independent_axes(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """The rotation of codes after which the latents in use are least Gaussian, by their kurtosis.

    Args:
      mean, log_variance: as in `unmix`.

    Returns:
      float64 [latents, latents], orthogonal; latents that are not in use stay as they are. Latents that were
      independent already keep their places: of all orders and signs, the search finds the one nearest to them.
    """
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    mean, log_variance = np.asarray(mean, np.float64), np.asarray(log_variance, np.float64)
    used = np.flatnonzero(divergence_by_latent(mean, log_variance) > LEAST_DIVERGENCE)
    rotation = np.eye(mean.shape[1])
    if len(used) < 2:
        return rotation
    centered = mean[:, used] - mean[:, used].mean(axis=0)
    values, vectors = np.linalg.eigh(centered.T @ centered / len(centered))
    # Whitened along their own axes, not along principal ones, so that the search can begin where latents are.
    white = centered @ (vectors / np.sqrt(values)) @ vectors.T
    search = FastICA(
        whiten=False, fun="cube", algorithm="parallel", w_init=np.eye(len(used)), max_iter=_ITERATIONS, tol=1e-6
    )
    with warnings.catch_warnings():
        # Among latents that are Gaussian themselves no rotation is better than another, and the search has no end.
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(white)
    rotation[np.ix_(used, used)] = search.components_
    return rotation


def _turn(variable, turned) -> None:
    variable.assign(turned(variable.numpy().astype(np.float64)).astype(np.float32))
