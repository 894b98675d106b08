"""A run that goes on with further tasks knows what the earlier one knew, and learns by the same code."""

import shutil

import ml_collections
import numpy as np
import pytest
from reverie.errors import UserError
from reverie.training import continual, strategies

from .. import experiment
from ..conftest import run_stream, tiny_stream_config


def _config(source, recipe="bir", tasks=3, learned="", scenario="class", **train):
    config = tiny_stream_config(source, recipe, scenario, **{"steps": 12, **train})
    config.stream.tasks = tasks
    config.stream.order = (3, 1, 0, 5, 4, 2)[: 2 * tasks]
    config.continual.learned = str(learned)
    for name in ("fourier", "discriminant"):
        config.model[name] = 16 if config.model[name] else 0
    return config


def _everything(made) -> dict:
    """Numbers of the network, copies and methods, by name."""
    held = {f"model/{weight.path}": np.array(weight) for weight in made.model.weights}
    for method in made.state.methods:
        held |= {
            f"{method.name}/{variable.name}/{k}": np.array(variable) for k, variable in enumerate(method.variables)
        }
        if hasattr(method, "copy"):
            held |= {f"{method.name}/copy/{weight.path}": np.array(weight) for weight in method.copy.weights}
    return held


def _made(config):
    stream = experiment.read_streams(config, "train")["train"]
    return continual.make_experiment(config, stream, strategies.make_strategy("one"))


@pytest.mark.parametrize(
    ("recipe", "scenario"),
    [("bir+si", "class"), ("guided", "class"), ("er", "task"), ("rff", "class"), ("lwf+ewc", "domain")],
)
@pytest.mark.thorough
def test_before_the_next_task_it_knows_what_the_earlier_run_knew(stream_npz, tmp_path, recipe, scenario):
    model, _, history, state = run_stream(_config(stream_npz, recipe, 2, scenario=scenario), tmp_path / "two")
    before = _everything(ml_collections.ConfigDict({"model": model, "state": state}, convert_dict=False))
    made = _made(_config(stream_npz, recipe, 3, tmp_path / "two", scenario))
    assert made.first == 2 and [phase.name for phase in made.phases] == ["task 3 of 3"]
    now = _everything(made)
    assert now.keys() == before.keys() and len(history["accuracy"]) == 2
    for name, value in before.items():
        np.testing.assert_array_equal(now[name][tuple(slice(size) for size in value.shape)], value, name)


def test_it_learns_the_next_task_and_goes_on_after_a_stop(stream_npz, tmp_path):
    run_stream(_config(stream_npz, tasks=2), tmp_path / "two")
    config = _config(stream_npz, tasks=3, learned=tmp_path / "two", steps_per_call=4, checkpoint_every=4)
    model, outcome, history, _ = run_stream(config, tmp_path / "three")
    assert outcome.step == 12  # Of the third task alone.
    assert [sum(value is not None for value in row) for row in history["accuracy"]] == [1, 2, 3]
    np.testing.assert_array_equal(model.seen, np.ones(6))
    again, outcome, same, _ = run_stream(config, tmp_path / "three")
    assert outcome.step == 12 and same == history
    for weight, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_what_cannot_go_on_is_refused(stream_npz, tmp_path):
    two = tmp_path / "two"
    with pytest.raises(UserError, match="continual.learned is .*two; expected a run folder"):
        _made(_config(stream_npz, tasks=3, learned=two))
    run_stream(_config(stream_npz, tasks=2), two)
    with pytest.raises(UserError, match=r"continual.methods is \('si',\), but \('generative',\) in"):
        _made(_config(stream_npz, "si", 3, two))
    with pytest.raises(UserError, match="stream.tasks is 2, but .* has learned 2 tasks; expected more"):
        _made(_config(stream_npz, tasks=2, learned=two))
    other = _config(stream_npz, tasks=3, learned=two)
    other.stream.order = (1, 3, 0, 5, 4, 2)
    with pytest.raises(
        UserError, match=r"begins with \[1, 3, 0, 5\], but .* has learned \[3, 1, 0, 5\]; set stream.order"
    ):
        _made(other)
    wider = _config(stream_npz, tasks=3, learned=two)
    wider.model.hidden = (30, 24)
    with pytest.raises(UserError, match=r"network as configured here.* is \(24, 30\) here and \(24, 32\) there"):
        _made(wider)
    unmade = tmp_path / "unmade"
    unmade.mkdir()
    shutil.copy(two / "config.json", unmade)
    with pytest.raises(UserError, match="unmade, which has learned nothing yet; expected a finished run"):
        _made(_config(stream_npz, tasks=3, learned=unmade))
    (two / "tasks.json").write_text('{"accuracy": [[1.0, null]], "captions": {}, "initial": null}')
    with pytest.raises(UserError, match="has learned 1 of its 2 tasks; let it finish"):
        _made(_config(stream_npz, tasks=3, learned=two))
