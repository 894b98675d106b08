import numpy as np
import pytest
from reverie.layers import FourierFeatures


def test_products_of_rows_are_the_gaussian_kernel():
    random = np.random.default_rng(0)
    rows = (2.0 * random.normal(size=(40, 6))).astype(np.float32)
    layer = FourierFeatures(200_000, deviation=2.0)
    features = np.asarray(layer(rows), np.float64)
    distance = np.sum((rows[:, None] - rows[None]) ** 2, axis=-1)
    np.testing.assert_allclose(features @ features.T, np.exp(-distance / (6 * 2.0**2)), atol=0.012)


def test_only_distances_count():
    layer = FourierFeatures(100_000)
    rows = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    here, there = (np.asarray(layer(rows + shift), np.float64) for shift in (0.0, 4.0))
    np.testing.assert_allclose(here @ here.T, there @ there.T, atol=0.02)


def test_the_spread_is_a_weight_that_can_be_measured_later():
    layer = FourierFeatures(50, deviation=2.0)
    rows = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    before = np.asarray(layer(rows))
    layer.spread.assign(4.0)
    np.testing.assert_allclose(layer(2.0 * rows), before, atol=1e-5)
    assert layer.trainable_weights == []


@pytest.mark.parametrize("arguments", [{"units": 0}, {"units": 3, "deviation": 0.0}])
def test_sizes_that_make_no_layer(arguments):
    with pytest.raises(ValueError, match="expected at least one feature and a spread above 0"):
        FourierFeatures(**arguments)
