import numpy as np
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
    layer = LatentOperator(2, 7, -5.0, 5.0, True)
    assert LatentOperator.from_config(layer.get_config()).get_config() == layer.get_config()
