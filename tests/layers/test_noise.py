import numpy as np
import tensorflow as tf
from reverie.layers import Noise
from reverie.training import strategies


def test_a_draw_depends_on_nothing_but_its_key():
    draws = {
        name: Noise(*key).normal(stream, [1000]).numpy()
        for name, (key, stream) in {
            "base": ((1, 2, 0), "latent"),
            "seed": ((2, 2, 0), "latent"),
            "step": ((1, 3, 0), "latent"),
            "replica": ((1, 2, 1), "latent"),
            "stream": ((1, 2, 0), "dropout"),
        }.items()
    }
    np.testing.assert_array_equal(
        Noise(1, tf.constant(2, tf.int64), tf.constant(0)).normal("latent", [1000]), draws["base"]
    )
    correlations = np.corrcoef(np.stack(list(draws.values()))) - np.eye(5)
    assert np.abs(correlations).max() < 0.12  # 3.8 standard deviations of 1/sqrt(1000)


def test_replicas_of_a_strategy_draw_different_numbers():
    strategy = strategies.make_strategy("mirrored")

    @tf.function
    def draw():
        def replica():
            return Noise(0, 5, tf.distribute.get_replica_context().replica_id_in_sync_group).normal("latent", [4])

        return strategy.experimental_local_results(strategy.run(replica))

    one, other = draw()
    assert not np.allclose(one, other)


def test_uniform_numbers_are_uniform():
    values = Noise(3).uniform("mask", [10_000]).numpy()
    assert values.min() >= 0.0 and values.max() < 1.0
    assert abs(values.mean() - 0.5) < 0.012
