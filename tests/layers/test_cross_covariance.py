import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import CrossCovariance, cross_covariance
from reverie.training import strategies


def naive(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The paper's double sum over units and examples, in float64."""
    n, p, q = len(y), y.shape[1], z.shape[1]
    result = np.zeros([p, q])
    for i in range(p):
        for j in range(q):
            for row in range(n):
                result[i, j] += (y[row, i] - y[:, i].sum() / n) * (z[row, j] - z[:, j].sum() / n)
    return result / n


@pytest.fixture
def codes():
    rng = np.random.default_rng(1)
    return rng.random((13, 4)), rng.normal(size=(13, 3)) + 5.0


def test_covariance_and_penalty_equal_the_naive_sums(codes):
    expected = naive(*codes)
    np.testing.assert_allclose(cross_covariance(*map(tf.constant, codes)), expected, rtol=1e-12)
    y, z = (tf.constant(code, tf.float32) for code in codes)
    np.testing.assert_allclose(CrossCovariance()(y, z), 0.5 * np.sum(expected**2), rtol=1e-5)


def test_it_is_divided_by_n_as_numpys_biased_covariance(codes):
    y, z = codes
    block = np.cov(y.T, z.T, bias=True)[:4, 4:]
    np.testing.assert_allclose(cross_covariance(tf.constant(y), tf.constant(z)), block, rtol=1e-12)


def test_a_worked_example():
    # y = (0, 1), z = (1, 3): means 1/2 and 2, covariance (1/2)(1/2 + 1/2) = 1/2, penalty (1/2)(1/2)^2 = 1/8.
    assert float(CrossCovariance()(tf.constant([[0.0], [1.0]]), tf.constant([[1.0], [3.0]]))) == pytest.approx(0.125)


def test_gradient_is_the_papers(codes):
    # dC/dz[n, j] = 1/N sum_i K[i, j] (y[n, i] - mean y_i), and the same with y and z exchanged.
    y, z = (tf.constant(code) for code in codes)
    with tf.GradientTape() as tape:
        tape.watch([y, z])
        penalty = 0.5 * tf.reduce_sum(cross_covariance(y, z) ** 2)
    to_y, to_z = tape.gradient(penalty, [y, z])
    covariance = naive(*codes)
    centered_y, centered_z = codes[0] - codes[0].mean(0), codes[1] - codes[1].mean(0)
    np.testing.assert_allclose(to_z, centered_y @ covariance / 13, rtol=1e-9)
    np.testing.assert_allclose(to_y, centered_z @ covariance.T / 13, rtol=1e-9)


def test_several_heads_count_as_one_concatenated_code(codes):
    y, z = (tf.constant(code, tf.float32) for code in codes)
    np.testing.assert_allclose(CrossCovariance()([y[:, :1], y[:, 1:]], z), CrossCovariance()(y, z), rtol=1e-6)


def test_nothing_to_penalize_gives_zero():
    one_row = tf.ones([1, 4]), tf.ones([1, 2])
    assert float(CrossCovariance()(*one_row)) == 0.0
    constant = tf.ones([9, 4]), tf.random.stateless_normal([9, 2], [1, 2])
    assert float(CrossCovariance()(*constant)) == pytest.approx(0.0, abs=1e-12)


def test_large_means_do_not_spoil_it_in_float32():
    rng = np.random.default_rng(0)
    y, z = rng.normal(size=(100, 3)) + 1000.0, rng.normal(size=(100, 2)) - 1000.0
    actual = cross_covariance(tf.constant(y, tf.float32), tf.constant(z, tf.float32))
    np.testing.assert_allclose(actual, naive(y, z), atol=2e-3)


def test_replicas_compute_the_penalty_and_gradient_of_the_global_batch(codes):
    y, z = (tf.constant(code[:12], tf.float32) for code in codes)
    strategy = strategies.make_strategy("mirrored")
    layer = CrossCovariance()

    def replica(y, z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            # Every replica holds the same global value; a sum over replicas must count it once.
            share = layer(y, z) / 2.0
        return share, tape.gradient(share, z)

    def shard(value):
        parts = tf.split(value, 2)
        return strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )

    shares, gradients = tf.function(lambda a, b: strategy.run(replica, (a, b)))(shard(y), shard(z))
    with tf.GradientTape() as tape:
        tape.watch(z)
        expected = layer(y, z)
    total = sum(float(value) for value in strategy.experimental_local_results(shares))
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    joined = tf.concat(strategy.experimental_local_results(gradients), axis=0)
    np.testing.assert_allclose(joined, tape.gradient(expected, z), rtol=1e-4, atol=1e-8)
