import numpy as np
import tensorflow as tf
from reverie.layers import Noise, without_rectangle


def test_exactly_one_rectangle_of_each_picture_is_gone():
    images = tf.ones([200, 12, 10, 2])
    left = without_rectangle(images, Noise(0, 5)).numpy()
    areas = []
    for picture in left:
        gone = (picture == 0).all(axis=-1)
        assert set(np.unique(picture)) <= {0.0, 1.0}
        rows, columns = np.flatnonzero(gone.any(axis=1)), np.flatnonzero(gone.any(axis=0))
        areas.append(gone.sum())
        if len(rows):
            assert gone[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            assert gone.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    # Two uniform numbers are a third of the side apart on average, either way.
    assert abs(np.mean(areas) / 120 - 1 / 9) < 0.03


def test_the_rectangle_follows_the_key():
    images = tf.ones([4, 8, 8, 1])
    np.testing.assert_array_equal(without_rectangle(images, Noise(0, 5)), without_rectangle(images, Noise(0, 5)))
    assert not np.array_equal(without_rectangle(images, Noise(0, 5)), without_rectangle(images, Noise(0, 6)))
