"""How good a generator's images are: likelihood, and sets of images compared in a classifier's features."""

import math

import numpy as np
import scipy.linalg
import tensorflow as tf

from .. import progress
from ..layers import diagonal_gaussian, standard_gaussian


def frechet_distance(real, made) -> float:
    """Distance between Gaussians fitted to two sets of features (Heusel et al. 2017).

        |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2))

    Args:
      real, made: float [n, d] and [m, d]; n and m well above d, or the covariances are mostly noise.
    """
    real, made = np.asarray(real, np.float64), np.asarray(made, np.float64)
    first, second = np.cov(real, rowvar=False), np.cov(made, rowvar=False)
    # Tr (S1 S2)^(1/2) through the symmetric S1^(1/2) S2 S1^(1/2), whose eigenvalues are real.
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    mixed = scipy.linalg.eigvalsh(root @ second @ root)
    distance = np.sum((real.mean(axis=0) - made.mean(axis=0)) ** 2)
    return float(distance + np.trace(first) + np.trace(second) - 2.0 * np.sum(np.sqrt(np.maximum(mixed, 0.0))))


def precision_recall(real, made, neighbors: int = 3) -> tuple:
    """(precision, recall) of made images against real ones (Kynkaanniemi et al. 2019).

    The real manifold is the union of balls around real features that reach to the k-th nearest other one;
    precision is the share of made features inside it. Recall is the same with the roles exchanged.

    Args:
      real, made: float [n, d] and [m, d].
      neighbors: k.
    """
    return _inside(made, real, neighbors), _inside(real, made, neighbors)


def _inside(points, centers, neighbors: int) -> float:
    radii = np.partition(_squared_distances(centers, centers), neighbors, axis=1)[:, neighbors]
    return float(np.mean(np.any(_squared_distances(points, centers) <= radii[None], axis=1)))


def _squared_distances(a, b) -> np.ndarray:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.maximum(np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1)[None] - 2.0 * a @ b.T, 0.0)


def log_likelihood(model, inputs, label, task: int, samples: int = 100, seed: int = 0) -> np.ndarray:
    """Importance-weighted estimate of log p(x | y) (Burda, Grosse and Salakhutdinov 2016).

        log 1/K sum_k p(x | z_k) p(z_k | y) / q(z_k | x),   z_k from q

    with p(z | y) the class's prior, or N(0, I) without one. Squared-error decoders count as Gaussians of unit
    variance. A lower bound in expectation that tightens with K.

    Args:
      model: a Replay model with a generator.
      inputs: float32 [n, units], from `represent`.
      label: int32 [n], true classes.
      task: whose gates are open, where gates are keyed by task.
      samples: K.

    Returns:
      float64 [n], nats an image.
    """
    compute = tf.function(
        lambda x, y, key: _log_weights(model, x, y, task, key), reduce_retracing=True, autograph=False
    )
    parts = []
    for start in progress.shown(range(0, len(inputs), 250), "likelihood", unit="batch"):
        x, y = tf.constant(inputs[start : start + 250]), tf.constant(label[start : start + 250])
        weights = np.stack([compute(x, y, tf.constant([seed, k])).numpy() for k in range(samples)]).astype(np.float64)
        top = weights.max(axis=0)
        parts.append(top + np.log(np.mean(np.exp(weights - top), axis=0)))
    return np.concatenate(parts)


def _log_weights(model, x, label, task: int, key):
    config = model.config
    tasks = tf.fill(tf.shape(label), task)
    hidden, _ = model.activations(x, tasks)
    mean, log_variance = model.posterior_of(x, hidden)
    z = mean + tf.exp(0.5 * log_variance) * tf.random.stateless_normal(tf.shape(mean), key, alg="philox")
    units = tf.cast(tf.shape(x)[1], tf.float32)
    error = model.reconstruction_error(x, model.decode_logits(z, model.context(label, tasks))) * units
    if config.reconstruction == "squared":
        error += 0.5 * units * math.log(2.0 * math.pi)
    prior = model.prior.log_prob(z, label) if config.conditional else standard_gaussian(config.latents).log_prob(z)
    return prior - error - diagonal_gaussian(mean, log_variance).log_prob(z)
