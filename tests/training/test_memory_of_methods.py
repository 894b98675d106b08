"""What a method keeps does not grow with the number of tasks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from reverie.training import continual, strategies

from .. import experiment
from ..conftest import tiny_stream_config

# Those that have something of their own for each task, or whose classes each have a network.
_GROWING = {"xdg", "generative_classifier", "joint", "joint_iid", "guided"}


def _kept(source, recipe: str, tasks: int) -> int:
    """Numbers that a checkpoint of a permuted stream holds: of the network, its copies and the method."""
    config = tiny_stream_config(source, recipe, "domain", "permuted")
    config.stream.tasks = tasks
    config.model.gate_by = "class"
    for name, value in (("fourier", 16), ("discriminant", 16)):
        if config.model[name]:
            config.model[name] = value
    streams = experiment.read_streams(config, "train")
    made = continual.make_experiment(config, streams["train"], strategies.make_strategy("one"))
    kept = tf.train.Checkpoint(model=made.model, state=made.state)
    parts = {id(part): part for part in tf.train.TrackableView(kept).descendants()}.values()
    return sum(int(np.prod(part.shape)) for part in parts if isinstance(part, keras.Variable | tf.Variable))


@pytest.mark.parametrize("name", sorted(set(continual.methods()) - _GROWING))
def test_a_hundred_tasks_take_the_memory_of_two(stream_npz, name):
    method = continual.methods()[name]
    recipe = method.recipe or method.name
    assert _kept(stream_npz, recipe, 100) == _kept(stream_npz, recipe, 2)


def test_guided_replay_grows_by_a_mean_and_a_count_for_every_class_of_a_task_that_shares_classes(stream_npz):
    classes, features = 6, 16
    # In the network and in its copy a class has weights and a bias; the method keeps its mean and its count.
    expected = classes * (2 * (features + 1) + features + 1)
    assert _kept(stream_npz, "guided", 100) - _kept(stream_npz, "guided", 2) == 98 * expected
