"""L2 pooling against a double loop in numpy."""

import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import L2Pooling2D


def _loop(h, size, stride, same, epsilon):
    h = h.astype(np.float64)
    rows, columns = h.shape[1:3]
    if same:
        out = [-(-rows // stride), -(-columns // stride)]
        missing = [max((n - 1) * stride + size - side, 0) for n, side in zip(out, (rows, columns), strict=True)]
        h = np.pad(h, [[0, 0], *([m // 2, m - m // 2] for m in missing), [0, 0]])
    else:
        out = [(rows - size) // stride + 1, (columns - size) // stride + 1]
    result = np.zeros((len(h), *out, h.shape[3]))
    for i in range(out[0]):
        for j in range(out[1]):
            window = h[:, i * stride : i * stride + size, j * stride : j * stride + size]
            result[:, i, j] = np.sqrt(epsilon + (window**2).sum(axis=(1, 2)))
    return result


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(5, 1, "valid"), (5, 1, "same"), (3, 2, "valid"), (4, 3, "same")]
)
def test_is_the_root_of_the_summed_squares(size, stride, padding):
    h = np.random.default_rng(0).normal(size=(2, 11, 9, 3)).astype(np.float32)
    layer = L2Pooling2D(size, stride, padding, epsilon=1e-3)
    expected = _loop(h, size, stride, padding == "same", 1e-3)
    np.testing.assert_allclose(layer(h), expected, rtol=1e-5)
    assert layer.compute_output_shape(h.shape) == expected.shape


def test_the_gradient_is_finite_where_all_is_silent():
    h = tf.zeros([1, 6, 6, 1])
    with tf.GradientTape() as tape:
        tape.watch(h)
        total = tf.reduce_sum(L2Pooling2D(5)(h))
    assert np.all(tape.gradient(total, h).numpy() == 0.0)
    with pytest.raises(ValueError, match="epsilon"):
        L2Pooling2D(5, epsilon=0.0)
