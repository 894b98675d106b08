"""What a method keeps does not grow with the number of tasks."""

import numpy as np
import pytest
from reverie.training import continual, strategies

from .. import experiment
from ..conftest import tiny_stream_config

# Those whose network has something of its own for each task, or whose classes each have a network.
_GROWING = {"xdg", "generative_classifier", "joint", "joint_iid"}


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
    return sum(int(np.prod(variable.shape)) for variable in [*made.model.weights, *made.state.variables])


@pytest.mark.parametrize("name", sorted(set(continual.methods()) - _GROWING))
def test_a_hundred_tasks_take_the_memory_of_two(stream_npz, name):
    method = continual.methods()[name]
    recipe = method.recipe or method.name
    assert _kept(stream_npz, recipe, 100) == _kept(stream_npz, recipe, 2)
