import numpy as np
import pytest
import sklearn.decomposition
from reverie.evaluation.class_directions import directions, sheet


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_directions_are_the_components_of_the_differences(rng):
    resting = rng.normal(size=(40, 3, 4, 1))
    changed = resting + 1.5 + rng.normal(size=resting.shape) * np.linspace(0.1, 2.0, 12).reshape(3, 4, 1)
    found = directions(changed, resting, 3)
    difference = (changed - resting).reshape(40, 12)
    pca = sklearn.decomposition.PCA(3).fit(difference)
    np.testing.assert_allclose(found.mean.reshape(-1), pca.mean_)
    alike = np.abs(np.sum(found.components.reshape(3, 12) * pca.components_, axis=1))
    np.testing.assert_allclose(alike, 1.0, atol=1e-6)
    # Shares are of all squared change, of which the common one is a part.
    varied = pca.explained_variance_ * 39 / np.sum(difference**2)
    np.testing.assert_allclose(found.shares, varied)
    assert found.common == pytest.approx(40 * np.sum(difference.mean(axis=0) ** 2) / np.sum(difference**2))


def test_a_mouth_that_opens_by_more_or_less_is_one_direction(rng):
    mouth = np.zeros([6, 6, 1])
    mouth[4, 1:5] = 1.0
    resting = rng.random((30, 6, 6, 1))
    found = directions(resting + rng.normal(size=(30, 1, 1, 1)) * mouth, resting, 2)
    np.testing.assert_allclose(found.components[0], mouth / 2.0, atol=1e-9)
    assert found.common + found.shares[0] == pytest.approx(1.0)


def test_all_shares_make_up_the_whole_change(rng):
    resting, changed = rng.normal(size=(2, 9, 2, 2, 1))
    found = directions(changed, resting, 4)
    assert found.common + found.shares.sum() == pytest.approx(1.0)


def test_images_that_do_not_change_have_directions_without_a_share():
    still = np.full([5, 4, 4, 1], 0.5)
    found = directions(still, still, 2)
    assert found.common == 0.0 and not found.shares.any() and np.isfinite(found.components).all()


def test_the_sheet_has_a_row_a_class_and_draws_no_change_as_gray(rng):
    resting = rng.random((8, 16, 16, 1))
    picture = sheet(resting, {"same": resting, "lit": resting + 0.2}, 3)
    # A row is a line of words, 20 pixels high, and images of 64 between gaps of 2: average, common change, three more.
    assert picture.shape == (2 * (20 + 64 + 4), 5 * 66 + 2, 3)
    assert (picture[22:86, 68:132] == 128).all()
    assert (picture[110:174, 68:132] == 255).all()
