import keras
import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import ContextGate


def test_known_contexts_multiply_by_their_mask_and_mixtures_by_the_mean_of_masks():
    gate = ContextGate(3, 50, 0.6)
    masks, x = gate.masks.numpy(), np.random.default_rng(0).normal(size=(4, 50)).astype(np.float32)
    context = np.array([2, 0, 1, 2], np.int32)
    np.testing.assert_array_equal(gate(tf.constant(x), tf.constant(context)), x * masks[context])
    weights = np.random.default_rng(1).dirichlet(np.ones(3), 4).astype(np.float32)
    np.testing.assert_allclose(gate(tf.constant(x), tf.constant(weights)), x * (weights @ masks), rtol=1e-6)


def test_masks_are_zeros_and_ones_with_the_share_asked_for_and_differ_between_contexts():
    masks = ContextGate(10, 2000, 0.8).masks.numpy()
    assert set(np.unique(masks)) == {0.0, 1.0}
    np.testing.assert_allclose(1.0 - masks.mean(axis=1), 0.8, atol=0.05)
    # Independent draws: two contexts share about 0.2 * 0.2 of the units.
    assert 0.02 < np.mean(masks[0] * masks[1]) < 0.06
    counts = masks.sum(axis=1)
    assert len(set(counts.tolist())) > 1


def test_exact_masks_close_the_same_number_of_units_everywhere():
    masks = ContextGate(5, 33, 0.9, exact=True).masks.numpy()
    assert set((33 - masks.sum(axis=1)).tolist()) == {int(0.9 * 33)}


def test_masks_are_weights_that_are_saved_and_not_trained():
    gate = ContextGate(3, 5, 0.5)
    assert gate.trainable_variables == [] and len(gate.non_trainable_variables) == 1
    keras.utils.set_random_seed(1)
    first = ContextGate(3, 50, 0.5).masks.numpy()
    keras.utils.set_random_seed(1)
    assert np.array_equal(first, ContextGate(3, 50, 0.5).masks.numpy())


def test_a_share_of_one_is_refused():
    with pytest.raises(ValueError, match="below 1"):
        ContextGate(3, 5, 1.0)
