import colorsys

import numpy as np
import tensorflow as tf
from reverie.layers import from_chroma, to_chroma, to_hsv, to_rgb


def test_both_ways_agree_with_the_standard_library():
    rgb = np.random.default_rng(0).random((300, 3))
    rgb[:20] = rgb[:20].round()  # Pure colors, black and white.
    rgb[20:30] = rgb[20:30, :1]  # Grays.
    hsv = np.array([colorsys.rgb_to_hsv(*row) for row in rgb])
    np.testing.assert_allclose(to_hsv(tf.constant(rgb)), hsv, atol=1e-6)
    np.testing.assert_allclose(to_rgb(tf.constant(hsv)), rgb, atol=1e-6)


def test_chroma_and_back_is_the_same_color():
    rgb = np.random.default_rng(1).random((300, 3))
    rgb[:20] = rgb[:20].round()
    chroma = to_chroma(tf.constant(rgb)).numpy()
    assert chroma.min() >= 0.0 and chroma.max() <= 1.0
    np.testing.assert_allclose(from_chroma(tf.constant(chroma)), rgb, atol=1e-6)


def test_chroma_puts_hues_around_gray_at_a_distance_of_half_of_saturation_times_value():
    hues = np.arange(6) / 6.0  # The corners of the hexagon, where its angle is exactly the hue.
    rgb = np.array([colorsys.hsv_to_rgb(hue, 0.6, 0.9) for hue in hues])
    across, along, value = to_chroma(tf.constant(rgb)).numpy().T - np.array([[0.5], [0.5], [0.0]])
    np.testing.assert_allclose(np.arctan2(along, across) % (2 * np.pi), 2 * np.pi * hues, atol=1e-6)
    np.testing.assert_allclose(np.hypot(across, along), 0.5 * 0.6 * 0.9, atol=1e-6)
    np.testing.assert_allclose(value, 0.9, atol=1e-6)


def test_chroma_cuts_no_hue_in_two():
    around_red = np.array([colorsys.hsv_to_rgb(hue % 1.0, 0.8, 0.9) for hue in (-1e-4, 1e-4)])
    assert np.ptp(to_chroma(tf.constant(around_red)), axis=0).max() < 1e-3
    assert np.ptp(to_hsv(tf.constant(around_red))[:, 0]) > 0.9


def test_colors_that_cannot_be_are_cut_to_those_that_can():
    painted = from_chroma(tf.constant(np.random.default_rng(2).random((300, 3)))).numpy()
    assert painted.min() >= 0.0 and painted.max() <= 1.0
