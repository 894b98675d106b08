import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from reverie.layers import ClassConditionalPrior

tfd = tfp.distributions


def _oracle(prior):
    """TFP's own mixture in float64, from the same numbers."""
    means, log_variances = (tf.constant(w.numpy(), tf.float64) for w in (prior.means, prior.log_variances))
    modes = tfd.MultivariateNormalDiag(means, tf.exp(0.5 * log_variances))
    weights = tf.fill([prior.classes, prior.modes], tf.constant(1.0 / prior.modes, tf.float64))
    return tfd.MixtureSameFamily(tfd.Categorical(probs=weights), modes)


@pytest.mark.parametrize("modes", [1, 3])
def test_log_prob_of_a_known_class_is_that_of_tfp_in_float64(modes):
    prior = ClassConditionalPrior(4, 7, modes)
    z = np.random.default_rng(0).normal(size=(20, 7)) * 2
    label = np.arange(20) % 4
    expected = _oracle(prior).log_prob(z[:, None]).numpy()[np.arange(20), label]
    actual = prior.log_prob(tf.constant(z, tf.float32), tf.constant(label, tf.int32))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("modes", [1, 3])
def test_log_prob_of_a_soft_label_is_the_log_of_the_weighted_sum(modes):
    prior = ClassConditionalPrior(4, 7, modes)
    rng = np.random.default_rng(1)
    z, weights = rng.normal(size=(20, 7)), rng.dirichlet(np.ones(4), 20)
    weights[:5, 2] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    expected = np.log(np.sum(weights * np.exp(_oracle(prior).log_prob(z[:, None]).numpy()), axis=1))
    actual = prior.log_prob(tf.constant(z, tf.float32), tf.constant(weights, tf.float32))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_a_soft_label_that_is_sure_is_the_known_class():
    prior = ClassConditionalPrior(4, 7)
    z, label = tf.random.stateless_normal([20, 7], [1, 2]), tf.range(20) % 4
    np.testing.assert_allclose(prior.log_prob(z, tf.one_hot(label, 4)), prior.log_prob(z, label), rtol=1e-6)


def test_a_far_class_of_weight_zero_changes_neither_value_nor_gradient():
    # In linear space the far mode's density is 0 and the near one's is below float32 beside it.
    prior = ClassConditionalPrior(2, 100)
    prior.means.assign(np.stack([np.zeros([1, 100]), np.full([1, 100], 5.0)]).astype(np.float32))
    prior.log_variances.assign(np.zeros([2, 1, 100], np.float32))
    z = tf.Variable(tf.fill([1, 100], 5.0))
    with tf.GradientTape() as tape:
        value = prior.log_prob(z, tf.constant([[1.0, 0.0]]))
    assert float(value[0]) == pytest.approx(-0.5 * 100 * (25.0 + np.log(2 * np.pi)), rel=1e-5)
    np.testing.assert_allclose(tape.gradient(value, z), -z.numpy(), rtol=1e-5)


def test_samples_have_the_moments_of_their_class_and_repeat_with_the_seed():
    prior = ClassConditionalPrior(3, 2)
    label = tf.repeat(tf.range(3), 4000)
    z = prior.sample(label, tf.constant([3, 4]))
    assert np.array_equal(z, prior.sample(label, tf.constant([3, 4])))
    assert not np.array_equal(z, prior.sample(label, tf.constant([3, 5])))
    for c in range(3):
        drawn, deviation = z.numpy()[label == c], np.exp(0.5 * prior.log_variances.numpy()[c, 0])
        assert np.all(np.abs(drawn.mean(axis=0) - prior.means.numpy()[c, 0]) < 5 * deviation / np.sqrt(4000))
        np.testing.assert_allclose(drawn.std(axis=0), deviation, rtol=0.06)


def test_all_modes_of_a_class_are_drawn_alike():
    prior = ClassConditionalPrior(2, 1, 3)
    prior.means.assign([[[-10.0], [0.0], [10.0]], [[100.0], [110.0], [120.0]]])
    prior.log_variances.assign(np.full([2, 3, 1], -4.0, np.float32))
    drawn = np.round(prior.sample(tf.ones([3000], tf.int32), tf.constant([0, 1])).numpy()[:, 0] / 10) * 10
    counts = [np.sum(drawn == value) for value in (100, 110, 120)]
    assert sum(counts) == 3000 and min(counts) > 850


def test_the_monte_carlo_divergence_agrees_with_tfp_on_average():
    prior = ClassConditionalPrior(2, 4)
    posterior = tfd.MultivariateNormalDiag(tf.constant([0.3, -0.2, 0.5, 0.0]), tf.constant([0.5, 0.8, 1.0, 0.3]))
    exact = tfd.kl_divergence(
        posterior, tfd.MultivariateNormalDiag(prior.means[1, 0], tf.exp(0.5 * prior.log_variances[1, 0]))
    )
    z = posterior.sample(40_000, seed=1)
    estimates = posterior.log_prob(z) - prior.log_prob(z, tf.ones([40_000], tf.int32))
    error = np.std(estimates) / 200
    assert abs(np.mean(estimates) - float(exact)) < 5 * error


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match="modes=0"):
        ClassConditionalPrior(3, 2, 0)
