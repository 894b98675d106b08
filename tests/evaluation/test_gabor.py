"""Gabor fits against functions that are known, and against filters that are none."""

import time

import numpy as np
import pytest
import scipy.optimize
from reverie.evaluation import gabor


def _made(degrees, frequency, side=8, phase=0.7, spread=2.0):
    """Stripes that run at so many degrees from the horizontal, counted clockwise as rows grow downward."""
    down, across = np.mgrid[:side, :side] - (side - 1) / 2
    turn = np.deg2rad(degrees)
    # What is constant along the stripes varies along their normal.
    distance = -across * np.sin(turn) + down * np.cos(turn)
    return np.exp(-(down**2 + across**2) / (2 * spread**2)) * np.cos(2 * np.pi * frequency * distance + phase)


@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
@pytest.mark.parametrize("frequency", [0.15, 0.25])
def test_a_gabor_with_noise_is_found_with_its_orientation_and_frequency(degrees, frequency):
    made = _made(degrees, frequency)
    noisy = made + 0.02 * np.random.default_rng(0).normal(size=made.shape)
    (found,) = gabor.fit(noisy[None])
    assert found.fit > 0.95
    assert min(abs(found.orientation - degrees), 180 - abs(found.orientation - degrees)) < 5
    assert found.frequency == pytest.approx(frequency, abs=0.03)
    np.testing.assert_allclose(found.picture, made, atol=0.12)
    assert gabor.effective_pixels(noisy[None])[0] > 8


def test_a_single_pixel_fits_a_gabor_and_fails_by_the_pixels_that_it_spreads_over():
    pixel = np.zeros([1, 8, 8])
    pixel[0, 3, 4] = 1.0
    pixel += 0.01 * np.random.default_rng(1).normal(size=pixel.shape)
    (found,) = gabor.fit(pixel)
    assert found.fit > 0.8, "the fit alone would let it pass"
    assert gabor.effective_pixels(pixel)[0] < 2


def test_white_noise_spreads_over_many_pixels_and_fails_by_its_fit():
    noise = np.random.default_rng(2).normal(size=(12, 8, 8))
    assert np.median([found.fit for found in gabor.fit(noise)]) < 0.55
    assert np.median(gabor.effective_pixels(noise)) > 15


def test_of_colors_what_is_not_fitted_counts_as_missed():
    made, color = _made(60, 0.2), np.array([0.5, -0.3, 0.8])
    (colored,) = gabor.fit((made[..., None] * color)[None])
    assert colored.fit > 0.99
    other = 0.7 * _made(150, 0.2)[..., None] * np.array([0.8, 0.0, -0.5])
    (mixed,) = gabor.fit((made[..., None] * color + other)[None])
    assert mixed.fit < 0.9
    pixels = gabor.effective_pixels((made[..., None] * color)[None])
    np.testing.assert_allclose(pixels, gabor.effective_pixels(made[None]))


def test_a_sheet_of_filters_is_fitted_in_seconds():
    filters = np.random.default_rng(3).normal(size=(16, 8, 8))
    start = time.process_time()
    assert len(gabor.fit(filters)) == 16
    assert time.process_time() - start < 10


def test_fits_are_as_good_as_those_of_a_general_solver():
    rng = np.random.default_rng(4)
    filters = np.stack([_made(d, f) + 0.25 * rng.normal(size=(8, 8)) for d, f in ((20, 0.2), (75, 0.12), (140, 0.3))])
    down, across = np.mgrid[:8, :8]

    def residual(given, target):
        top, left, turn, frequency, wide, long, p, q = given
        u = (across - left) * np.cos(turn) + (down - top) * np.sin(turn)
        v = (down - top) * np.cos(turn) - (across - left) * np.sin(turn)
        envelope = np.exp(-0.5 * (u / wide) ** 2 - 0.5 * (v / long) ** 2)
        wave = p * np.cos(2 * np.pi * frequency * u) + q * np.sin(2 * np.pi * frequency * u)
        return (envelope * wave - target).ravel()

    for found, target in zip(gabor.fit(filters), filters, strict=True):
        turn = np.deg2rad(found.orientation - 90)
        start = [*found.center, turn, found.frequency, *found.widths, 0.5, 0.5]
        solved = scipy.optimize.least_squares(residual, start, args=(target,))
        best = 1 - 2 * solved.cost / np.square(target - target.mean()).sum()
        assert found.fit == pytest.approx(best, abs=0.02)


def test_a_filter_without_stripes_has_no_fit():
    flat = 1 + 0.01 * np.random.default_rng(5).normal(size=(1, 8, 8))
    assert gabor.fit(flat)[0].fit < 0.3 and gabor.effective_pixels(flat)[0] > 60


def test_a_filter_of_zeros_has_no_fit_and_no_pixels():
    (found,) = gabor.fit(np.zeros([1, 8, 8]))
    assert found.fit == 0.0 and gabor.effective_pixels(np.zeros([1, 8, 8]))[0] == 0.0
