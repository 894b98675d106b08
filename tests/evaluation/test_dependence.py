import numpy as np
import pytest
from reverie.evaluation.dependence import linear_dependence


@pytest.fixture
def codes():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(500, 3))
    return y, np.stack([y[:, 0] + rng.normal(size=500), rng.normal(size=500)], axis=1)


def test_correlations_are_numpys(codes):
    y, z = codes
    block = np.abs(np.corrcoef(y.T, z.T)[:3, 3:])
    result = linear_dependence(y, z)
    assert result["correlation_max"] == pytest.approx(block.max())
    assert result["correlation_mean"] == pytest.approx(block.mean())
    covariance = np.cov(y.T, z.T, bias=True)[:3, 3:]
    assert result["penalty"] == pytest.approx(0.5 * np.sum(covariance**2))


def test_shrinking_the_latents_buys_penalty_but_not_correlation(codes):
    y, z = codes
    full, shrunk = linear_dependence(y, z), linear_dependence(y, z * 0.01)
    assert shrunk["penalty"] == pytest.approx(full["penalty"] * 1e-4)
    assert shrunk["correlation_max"] == pytest.approx(full["correlation_max"])


def test_units_that_never_change_are_left_out(codes):
    y, z = codes
    still = np.hstack([z, np.ones([500, 1])])
    assert linear_dependence(y, still)["correlation_mean"] == pytest.approx(linear_dependence(y, z)["correlation_mean"])
    assert linear_dependence(y, np.ones([500, 2]))["correlation_max"] == 0.0
