import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import GaussianExperts

VALUES, LATENTS = 5, 3


def layer(seed: int = 0) -> GaussianExperts:
    """With weights of any size."""
    made = GaussianExperts(LATENTS)
    made.build((None, VALUES))
    rng = np.random.default_rng(seed)
    made.set_weights([rng.normal(size=weight.shape) for weight in made.weights])
    return made


def test_it_is_the_product_of_the_densities_of_the_base_and_of_what_is_named():
    made = layer()
    log_precision, mean, base_log_precision, base_mean = (weight.numpy() for weight in made.weights)
    symbols = np.array([[0, 0, 0, 0, 0], [1, 0, 0, 1, 0], [1, 1, 1, 1, 1]], np.float32)
    found_mean, found_log_variance = (part.numpy() for part in made(tf.constant(symbols)))
    at = np.linspace(-60, 60, 240001)
    for row, symbol in enumerate(symbols):
        for k in range(LATENTS):
            experts = [(base_log_precision[k], base_mean[k])]
            experts += [(log_precision[v, k], mean[v, k]) for v in np.flatnonzero(symbol)]
            log_density = -0.5 * sum(np.exp(p) * (at - m) ** 2 for p, m in experts)
            density = np.exp(log_density - log_density.max())
            density /= density.sum()
            expected = (density * at).sum()
            assert found_mean[row, k] == pytest.approx(expected, abs=1e-3)
            variance = (density * (at - expected) ** 2).sum()
            assert found_log_variance[row, k] == pytest.approx(np.log(variance), abs=1e-3)


def test_what_a_value_says_of_a_latent_stays_where_others_say_nothing_of_it():
    made = layer()
    log_precision = made.log_precision.numpy()
    log_precision[1:, 0] = -30.0  # Only the first value speaks of the first latent.
    made.log_precision.assign(log_precision)
    alone, beside = np.eye(VALUES, dtype=np.float32)[:1], np.ones([1, VALUES], np.float32)
    for one, other in zip(made(tf.constant(alone)), made(tf.constant(beside)), strict=True):
        assert float(one[0, 0]) == pytest.approx(float(other[0, 0]), abs=1e-2)
        assert abs(float(one[0, 1]) - float(other[0, 1])) > 0.05


def test_untrained_it_says_hardly_more_than_the_prior():
    mean, log_variance = GaussianExperts(4)(tf.eye(6))
    np.testing.assert_allclose(mean, 0.0, atol=0.03)
    np.testing.assert_allclose(log_variance, 0.0, atol=0.1)


def test_log_variances_stay_within_their_bounds_and_it_comes_back_from_its_config():
    made = GaussianExperts(2, -1.0, 1.0)
    made.build((None, VALUES))
    made.log_precision.assign(tf.fill([VALUES, 2], 9.0))
    assert made(tf.ones([1, VALUES])).log_variance.numpy().tolist() == [[-1.0, -1.0]]
    assert GaussianExperts.from_config(made.get_config()).get_config() == made.get_config()


def test_what_is_said_counts_the_latents_of_loud_experts():
    made = layer()
    made.log_precision.assign(np.where(np.arange(VALUES * LATENTS).reshape(VALUES, LATENTS) < 4, 6.0, -9.0))
    np.testing.assert_allclose(made.said(), [3, 1, 0, 0, 0], atol=0.01)
