import numpy as np
import pytest
import tensorflow as tf
from reverie.pipelines.order import index_batches, permutation


def _epochs(count: int, size: int, seed: int) -> np.ndarray:
    epochs = tf.data.Dataset.range(count).map(lambda epoch: permutation(epoch, size, seed)).batch(count)
    return next(iter(epochs)).numpy()


@pytest.mark.parametrize("size", [1, 2, 3, 17, 100, 1000])
def test_every_epoch_holds_each_example_once(size):
    np.testing.assert_array_equal(np.sort(_epochs(4, size, seed=3), axis=1), np.tile(np.arange(size), (4, 1)))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [*_epochs(2, 50, 1), *_epochs(1, 50, 2), np.arange(50)]
    assert len({tuple(order) for order in orders}) == 4


def test_without_shuffle_the_order_is_that_of_the_set():
    batches = np.stack(list(index_batches(5, 3, seed=1, shuffle=False).take(5).as_numpy_iterator()))
    np.testing.assert_array_equal(batches.ravel(), np.tile(np.arange(5), 3))


@pytest.mark.parametrize(("size", "epochs"), [(8, 4000), (100, 3000)])
def test_every_example_is_equally_often_at_every_place(size, epochs):
    # Pearson's statistic over all (place, example) cells; its standardized value is near a standard normal.
    orders = _epochs(epochs, size, seed=0)
    counts = np.zeros([size, size])
    np.add.at(counts, (np.tile(np.arange(size), epochs), orders.ravel()), 1)
    expected, freedom = epochs / size, (size - 1) ** 2
    statistic = np.sum((counts - expected) ** 2 / expected)
    assert abs(statistic - freedom) / np.sqrt(2 * freedom) < 4.0


def test_batches_run_on_across_epochs_and_use_each_example_equally():
    batches = np.stack(list(index_batches(10, 4, seed=0).take(25).as_numpy_iterator()))
    np.testing.assert_array_equal(np.bincount(batches.ravel()), np.full(10, 10))
    np.testing.assert_array_equal(np.sort(batches.ravel()[:10]), np.arange(10))


def test_a_late_start_needs_no_replay():
    # A start a billion steps in comes at once; its first batch lies inside the right epoch.
    step = 10**9
    first = next(index_batches(1000, 7, seed=5, start_step=step).as_numpy_iterator())
    epoch, offset = divmod(step * 7, 1000)
    expected = permutation(tf.constant(epoch, tf.int64), 1000, 5).numpy()[offset : offset + 7]
    np.testing.assert_array_equal(first[: len(expected)], expected)
