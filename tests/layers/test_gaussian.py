import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from reverie.layers import FittedGaussian, GaussianPosterior, diagonal_gaussian, divergence_by_latent, standard_gaussian

tfd = tfp.distributions


def test_posterior_is_a_distribution_with_the_heads_as_parameters():
    head = GaussianPosterior(3)
    features = tf.random.stateless_normal([5, 4], [1, 2])
    posterior = head.posterior(features)
    assert posterior.batch_shape == [5] and posterior.event_shape == [3]
    mean, log_variance = head(features)
    np.testing.assert_allclose(posterior.mean(), mean)
    np.testing.assert_allclose(posterior.variance(), np.exp(log_variance), rtol=1e-5)


def test_kl_to_the_standard_prior_equals_the_closed_form_in_float64():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    kl = tfd.kl_divergence(diagonal_gaussian(mean, log_variance), standard_gaussian(4, tf.float64))
    # Kingma and Welling 2014, appendix B.
    expected = -0.5 * np.sum(1 + log_variance - mean**2 - np.exp(log_variance), axis=1)
    np.testing.assert_allclose(kl, expected, rtol=1e-12)


def test_what_each_latent_says_is_the_mean_closed_form_over_codes():
    rng = np.random.default_rng(2)
    mean, log_variance = rng.normal(size=(7, 3)), rng.normal(size=(7, 3)) - 1.0
    expected = 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1.0).mean(axis=0)
    np.testing.assert_allclose(divergence_by_latent(mean, log_variance), expected, rtol=1e-12)
    single = divergence_by_latent(mean.astype(np.float32), log_variance.astype(np.float32))
    np.testing.assert_allclose(single, expected, rtol=1e-5)


def test_log_prob_equals_the_density_written_out():
    mean, log_variance, x = np.array([[0.5, -1.0]]), np.array([[0.2, -0.7]]), np.array([[1.0, 2.0]])
    expected = np.sum(-0.5 * (np.log(2 * np.pi) + log_variance + (x - mean) ** 2 / np.exp(log_variance)), axis=1)
    np.testing.assert_allclose(diagonal_gaussian(mean, log_variance).log_prob(x), expected, rtol=1e-12)


def test_log_variance_is_bounded():
    head = GaussianPosterior(2, min_log_variance=-1.0, max_log_variance=1.0)
    _, log_variance = head(tf.constant([[1e6], [-1e6]]))
    assert float(tf.reduce_max(log_variance)) <= 1.0 and float(tf.reduce_min(log_variance)) >= -1.0


def test_config_round_trip():
    head = GaussianPosterior.from_config(GaussianPosterior(2, -3.0, 4.0).get_config())
    assert (head.units, head.min_log_variance, head.max_log_variance) == (2, -3.0, 4.0)
    assert FittedGaussian.from_config(FittedGaussian(5, jitter=0.1).get_config()).jitter == 0.1


def test_a_fitted_gaussian_has_the_moments_of_the_codes():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3)) + [1.0, -2.0, 3.0]
    prior = FittedGaussian(3)
    prior.fit(codes.astype(np.float32))
    np.testing.assert_allclose(prior.distribution().mean(), codes.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(prior.distribution().covariance(), np.cov(codes.T, bias=True), rtol=1e-4, atol=1e-5)


def test_a_gaussian_can_be_fitted_to_dead_units():
    prior = FittedGaussian(2)
    prior.fit(np.zeros([10, 2], np.float32))
    assert np.isfinite(prior.distribution().sample(4, seed=[1, 2])).all()


def test_before_fitting_it_is_standard_and_has_nothing_to_train():
    prior = FittedGaussian(2)
    np.testing.assert_allclose(prior.distribution().covariance(), np.eye(2))
    assert prior.trainable_variables == [] and len(prior.variables) == 2
