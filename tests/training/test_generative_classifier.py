import numpy as np
import pytest
import reverie
from reverie.errors import UserError
from reverie.training import loop

from ..conftest import run_stream, tiny_stream_config
from ..killed import killed_at

RECIPE = "generative_classifier"


def _weights_by_class(model) -> list:
    return [weight.numpy() for weight in model.classifier.trainable_weights]


@pytest.mark.thorough
def test_later_tasks_do_not_touch_what_was_learned_of_earlier_classes(stream_npz, tmp_path):
    one = run_stream(tiny_stream_config(stream_npz, RECIPE, steps=30), tmp_path / "three")[0]
    config = tiny_stream_config(stream_npz, RECIPE, steps=30)
    config.stream.tasks = 2
    other, _, history, _ = run_stream(config, tmp_path / "two")
    for three, two in zip(_weights_by_class(one), _weights_by_class(other), strict=True):
        assert three.shape[0] == 6 and two.shape[0] == 4
        moved = np.abs(three[4:]).max()
        assert moved > 0.0
    # In one run: the classes of the first task have the same bits after the second and the third.
    states = []

    def call(self, iterator, count, original=loop.Runner.call):
        result = original(self, iterator, count)
        states.append((int(self.step.numpy()), _weights_by_class(self.context.model)))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Runner, "call", call)
        run_stream(tiny_stream_config(stream_npz, RECIPE, steps=30, steps_per_call=30), tmp_path / "again")
    after = dict(states)
    for early, late, start in zip(after[30], after[90], after[60], strict=True):
        np.testing.assert_array_equal(early[:2], late[:2])
        assert np.any(early[2:4] != start[2:4]) and np.any(start[4:] != late[4:])
    assert min(history["accuracy"][-1]) > 0.9


@pytest.mark.slow
def test_a_run_stopped_inside_any_task_ends_as_an_unbroken_one(stream_npz, tmp_path):
    config = tiny_stream_config(stream_npz, RECIPE, steps=12, steps_per_call=4, checkpoint_every=4)
    whole, _, history, state = run_stream(config, tmp_path / "whole")
    for stop in (8, 24, 32):
        with killed_at(stop):
            run_stream(config, tmp_path / "broken")
    broken, _, again, restored = run_stream(config, tmp_path / "broken")
    assert again == history
    for one, other in zip((*whole.weights, *state.variables), (*broken.weights, *restored.variables), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=2e-5, rtol=1e-3)


@pytest.mark.slow
def test_an_export_answers_as_the_run_does(stream_npz, tmp_path):
    config = tiny_stream_config(stream_npz, RECIPE, steps=60)
    config.model.importance_samples = 10
    run = reverie.train(config, tmp_path / "run")
    version = run.export()
    assert all(one.difference <= one.bound for one in version.agreements)
    assert {one.signature for one in version.agreements if one.artifact == "saved_model"} >= {"classify", "encode"}
    assert run.evaluate()["average_accuracy"] > 0.9


@pytest.mark.slow
def test_two_replicas_learn(stream_npz, tmp_path):
    history = run_stream(tiny_stream_config(stream_npz, RECIPE, steps=60), tmp_path / "run", "mirrored")[2]
    assert min(history["accuracy"][-1]) > 0.9


@pytest.mark.parametrize(
    ("recipe", "changes", "said"),
    [
        (RECIPE, {"model.classifier": "dense"}, "generative_classifier is on, but model.classifier is 'dense'"),
        ("none", {"model.classifier": "autoencoders"}, "is off, but model.classifier is 'autoencoders'"),
        (RECIPE, {"stream.scenario": "domain"}, "each class is shared by all tasks; set stream.scenario=task or class"),
        (RECIPE, {"model.generator": True}, "set generator=False, task_gating=0"),
        (RECIPE, {"continual.methods": (RECIPE, "si")}, "leaves nothing to protect and cannot be combined"),
        (RECIPE, {"model.classifier": "nearest"}, "model.classifier is 'nearest'"),
    ],
)
def test_what_does_not_go_together_is_one_clear_line(stream_npz, tmp_path, recipe, changes, said):
    config = tiny_stream_config(stream_npz, recipe)
    config.update_from_flattened_dict(changes)
    with pytest.raises(UserError, match=said):
        run_stream(config, tmp_path / "run")
