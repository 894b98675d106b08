import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import LatentOperator


def codes(seed: int, latents: int = 5) -> tuple:
    rng = np.random.default_rng(seed)
    return tuple(tf.constant(rng.normal(size=(3, latents)), tf.float32) for _ in range(2))


def test_every_latent_goes_through_the_same_function_and_no_other():
    layer = LatentOperator(3, 16, compares=True)
    first, second, operator = codes(0), codes(1), tf.constant([0, 1, 2])
    mean, log_variance = layer(first, second, operator)
    order = [4, 0, 3, 1, 2]
    shuffled = [tuple(tf.gather(part, order, axis=1) for part in code) for code in (first, second)]
    np.testing.assert_allclose(layer(*shuffled, operator)[0], tf.gather(mean, order, axis=1), rtol=1e-5, atol=1e-6)
    changed = (tf.tensor_scatter_nd_update(first[0], [[0, 2]], [9.0]), first[1])
    moved = np.abs(layer(changed, second, operator)[1].numpy() - log_variance.numpy())
    assert moved[0, 2] > 0 and moved.sum() == moved[0, 2]


def test_the_operator_picks_its_own_pair_of_outputs():
    layer = LatentOperator(3, 16)
    first, second = codes(0), codes(1)
    mean, log_variance = layer(first, second, tf.constant([0, 1, 2]))
    kernel, bias, outer, outer_bias = (w.numpy().astype(np.float64) for w in layer.weights)
    for row in range(3):
        inputs = np.stack([part.numpy()[row] for part in (*first, *second)], axis=-1)
        answers = np.maximum(inputs @ kernel + bias, 0) @ outer + outer_bias
        np.testing.assert_allclose(mean[row], answers[:, row], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(log_variance[row], answers[:, 3 + row], rtol=1e-4, atol=1e-5)


def test_told_of_distances_it_sees_their_logarithms_beside_the_gaussians():
    layer = LatentOperator(3, 16, compares=True)
    first, second = codes(0), codes(1)
    mean, _ = layer(first, second, tf.constant([0, 1, 2]))
    kernel, bias, outer, outer_bias = (w.numpy().astype(np.float64) for w in layer.weights)
    (m, s), (n, t) = ([part.numpy().astype(np.float64) for part in code] for code in (first, second))
    square = (m - n) ** 2
    told = [np.log(square + 1e-4), np.log(square / (np.exp(s) + np.exp(t)) + 1e-3)]
    inputs = np.stack([m, s, n, t, *told], axis=-1)
    answers = np.maximum(inputs @ kernel + bias, 0) @ outer + outer_bias
    for row in range(3):
        np.testing.assert_allclose(mean[row], answers[row, :, row], rtol=1e-4, atol=1e-4)


def test_it_comes_back_from_its_config():
    layer = LatentOperator(2, 7, -5.0, 5.0, True, 3)
    assert LatentOperator.from_config(layer.get_config()).get_config() == layer.get_config()


def test_told_across_latents_it_sees_a_weighted_sum_of_how_surely_all_of_them_differ():
    layer = LatentOperator(3, 16, across=5)
    first, second = codes(0), codes(1)
    layer(first, second, tf.constant([0, 1, 2]))
    layer.fellows.assign(np.random.default_rng(3).normal(size=(5, 5)))
    mean, _ = layer(first, second, tf.constant([0, 1, 2]))
    fellows, (kernel, bias, outer, outer_bias) = (
        layer.fellows.numpy(),
        (w.numpy().astype(np.float64) for w in (*layer.inner.weights, *layer.outer.weights)),
    )
    (m, s), (n, t) = ([part.numpy().astype(np.float64) for part in code] for code in (first, second))
    told = np.zeros([3, 5])
    for row in range(3):
        for latent in range(5):
            for other in range(5):
                apart = (m[row, other] - n[row, other]) ** 2
                width = np.exp(s[row, other]) + np.exp(t[row, other])
                told[row, latent] += fellows[latent, other] * (1 - np.exp(-apart / (4 * width)))
    answers = np.maximum(np.stack([m, s, n, t, told], axis=-1) @ kernel + bias, 0) @ outer + outer_bias
    for row in range(3):
        np.testing.assert_allclose(mean[row], answers[row, :, row], rtol=1e-4, atol=1e-4)


def test_across_latents_two_points_of_a_circle_that_share_a_coordinate_can_be_told_apart():
    """By hand: a unit that is on only where neither latent differs."""
    layer = LatentOperator(1, 1, across=2)
    narrow = tf.fill([2, 2], -6.0)
    same, mirrored = tf.constant([[0.6, 0.8]]), tf.constant([[0.6, -0.8]])
    first, second = (tf.concat([same, same], 0), narrow), (tf.concat([same, mirrored], 0), narrow)
    layer(first, second, tf.constant([0, 0]))
    layer.fellows.assign([[1.0, 1.0], [1.0, 1.0]])
    layer.inner.set_weights([np.array([[0.0], [0.0], [0.0], [0.0], [-1.0]]), np.array([0.5])])
    layer.outer.set_weights([np.array([[2.0, 0.0]]), np.zeros(2)])
    mean, _ = layer(first, second, tf.constant([0, 0]))
    np.testing.assert_allclose(mean, [[1.0, 1.0], [0.0, 0.0]], atol=1e-5)


def test_another_number_of_latents_than_it_is_told_across_is_refused():
    for across in (-1, 1.5):
        with pytest.raises(ValueError, match=f"across is {across}; expected the number of latents, or 0"):
            LatentOperator(3, 16, across=across)
    layer = LatentOperator(3, 16, across=4)
    with pytest.raises(ValueError, match="across is 4, but there are 5 latents"):
        layer(codes(0), codes(1), tf.constant([0, 1, 2]))
