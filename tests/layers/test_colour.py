import colorsys

import numpy as np
import tensorflow as tf
from reverie.layers import to_hsv, to_rgb


def test_both_ways_agree_with_the_standard_library():
    rgb = np.random.default_rng(0).random((300, 3))
    rgb[:20] = rgb[:20].round()  # Pure colours, black and white.
    rgb[20:30] = rgb[20:30, :1]  # Greys.
    hsv = np.array([colorsys.rgb_to_hsv(*row) for row in rgb])
    np.testing.assert_allclose(to_hsv(tf.constant(rgb)), hsv, atol=1e-6)
    np.testing.assert_allclose(to_rgb(tf.constant(hsv)), rgb, atol=1e-6)
