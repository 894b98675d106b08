import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import StridedConvolutions, StridedDeconvolutions


def test_the_stack_halves_and_its_mirror_doubles():
    down = StridedConvolutions((4, 6, 8), 10)
    up = StridedDeconvolutions((16, 24, 3), (4, 6, 8), 10)
    images = tf.random.stateless_normal([2, 16, 24, 3], [1, 2])
    code = down(images)
    assert code.shape == (2, 10) and up(code).shape == (2, 16, 24, 3)
    kernels = [tuple(w.shape) for w in down.weights if len(w.shape) == 4]
    assert kernels == [(4, 4, 3, 4), (4, 4, 4, 6), (4, 4, 6, 8)]
    assert [tuple(w.shape)[-2:] for w in up.weights if len(w.shape) == 4] == [(6, 8), (4, 6), (3, 4)]


def test_the_first_convolution_is_the_sum_over_its_window():
    layer = StridedConvolutions((2,), 3, activation="linear")
    images = np.random.default_rng(0).normal(size=(1, 6, 6, 1))
    layer.build((None, 6, 6, 1))
    kernel, bias, dense, dense_bias = (w.numpy().astype(np.float64) for w in layer.weights)
    padded = np.pad(images[0], ((1, 1), (1, 1), (0, 0)))
    maps = np.zeros([3, 3, 2])
    for row in range(3):
        for column in range(3):
            window = padded[2 * row : 2 * row + 4, 2 * column : 2 * column + 4]
            maps[row, column] = np.tensordot(window, kernel, 3) + bias
    np.testing.assert_allclose(
        layer(images.astype(np.float32))[0], maps.ravel() @ dense + dense_bias, rtol=1e-4, atol=1e-5
    )


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="images are 20x16; 3 halvings need multiples of 8"):
        StridedDeconvolutions((20, 16, 1), (4, 4, 4), 8)


@pytest.mark.parametrize(
    "layer", [StridedConvolutions((4, 4), 5, "elu", "tanh"), StridedDeconvolutions((8, 8, 1), (4, 4), 5)]
)
def test_a_layer_comes_back_from_its_config(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
