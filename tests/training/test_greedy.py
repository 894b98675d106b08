"""Learning layer after layer: who changes when, and that it does not matter what is kept in memory."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import reverie
from reverie import pipelines
from reverie.errors import UserError
from reverie.training import greedy
from reverie.training.phases import Phase

from ..contracts.family_cases import CASES


def _train(folder, name, **overrides):
    return reverie.train(CASES["sparse-greedy"].config(folder), folder / name, overrides=overrides, deterministic=True)


def _other(folder):
    """The folder of a run of another family."""
    small = {"model.convolutions": (), "model.encoder": (4,), "model.decoder": (4,), "train.steps": 1}
    return reverie.train("xcov_demo", folder / "other", overrides=small).folder


def _kernels(run):
    return [stage.filters.compact_kernel() for stage in run.model.stages]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("greedy")


@pytest.fixture(scope="module")
def both(folder):
    """A run of both layers, eight steps and seven."""
    return _train(folder, "both", **{"train.steps": 0})


@pytest.mark.thorough
def test_a_layer_stays_as_it_was_learned_while_the_next_one_learns(folder, both):
    first = _train(folder, "first", **{"train.steps": 0, "greedy.steps": (8, 0)})
    np.testing.assert_array_equal(_kernels(first)[0], _kernels(both)[0])
    assert np.abs(_kernels(first)[1] - _kernels(both)[1]).max() > 1e-3
    together = _train(folder, "together")
    assert np.abs(_kernels(together)[0] - _kernels(both)[0]).max() > 1e-6


def test_what_the_layers_below_give_is_the_same_kept_in_memory_or_made_again(folder, both, monkeypatch):
    monkeypatch.setattr(greedy, "_MOST_KEPT", 0)
    again = _train(folder, "again", **{"train.steps": 0})
    # Whitenings are fitted to other samples of the same images; filters of the first layer see the same windows.
    for one, other in zip(_kernels(again), _kernels(both), strict=True):
        assert one.shape == other.shape
    lines = [(run.folder / "metrics.jsonl").read_text().splitlines() for run in (again, both)]
    losses = [[entry["total"] for entry in map(json.loads, of_run) if "total" in entry][-1] for of_run in lines]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


def test_a_run_starts_from_the_filters_of_another_and_trains_them_untied(folder, both):
    start = {"greedy.start_from": str(both.folder), "greedy.steps": (0,), "model.tile": 0}
    untied = _train(folder, "untied", **start, **{"train.steps": 1, "schedule.rate": 1e-9})
    for own, shared in zip(_kernels(untied), _kernels(both), strict=True):
        np.testing.assert_allclose(own, np.broadcast_to(shared, own.shape), atol=1e-5)
    trained = _train(folder, "trained", **start, **{"train.steps": 5})
    for own, shared in zip(_kernels(trained), _kernels(both), strict=True):
        assert np.abs(own - shared).max() > 1e-3
        assert np.abs(own[0] - own[-1]).max() > 1e-4  # Positions differ by now.


def test_a_layer_without_steps_is_fitted_though_it_does_not_learn(folder):
    for steps, name in (((0, 5), "later"), ((5, 0), "earlier")):
        run = _train(folder, name, **{"train.steps": 0, "greedy.steps": steps})
        assert [float(stage.whitening.fitted.numpy()) for stage in run.model.stages] == [1.0, 1.0], name


def test_a_run_that_has_begun_needs_the_one_that_it_started_from_no_more(folder, both, tmp_path):
    start = tmp_path / "start"
    shutil.copytree(both.folder, start)
    settings = {"greedy.start_from": str(start), "greedy.steps": (0,), "model.tile": 0}
    first = _train(tmp_path, "untied", **settings, **{"train.steps": 4})
    shutil.rmtree(start)
    again = _train(tmp_path, "untied", **settings, **{"train.steps": 4})
    assert again.step == first.step
    for one, other in zip(_kernels(first), _kernels(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_that_was_stopped_is_no_start(folder, both, tmp_path):
    start = tmp_path / "start"
    shutil.copytree(both.folder, start)
    description = json.loads((start / "run.json").read_text())
    (start / "run.json").write_text(json.dumps({**description, "signal": 15}))
    with pytest.raises(UserError, match=r"it was stopped at step 15; let it come to its end first"):
        _train(tmp_path, "untied", **{"greedy.start_from": str(start), "greedy.steps": (0,), "model.tile": 0})


def test_numbers_of_steps_that_make_no_run_are_refused(folder):
    for steps, said in (
        ((-1,), r"greedy.steps is \(-1,\); expected a number of steps"),
        ((0, 0), "greedy.steps and train.steps are all 0"),
    ):
        with pytest.raises(UserError, match=said):
            _train(folder, "wrong", **{"train.steps": 0, "greedy.steps": steps})
    with pytest.raises(UserError, match="it is a run of xcov; expected a run folder of the same family"):
        _train(folder, "wrong", **{"greedy.start_from": str(_other(folder))})
    with pytest.raises(UserError, match="greedy.start_from is .*nowhere"):
        _train(folder, "wrong", **{"greedy.start_from": str(folder / "nowhere")})


def test_each_layers_graphs_are_built_once_whatever_the_number_of_images(folder, both, monkeypatch):
    monkeypatch.setattr(greedy, "_ENCODED_AT_ONCE", 7)  # Does not divide the number of images.
    built = []

    def counted(layer):
        def below(images):
            built.append((layer.name, images.shape[0]))
            return layer.below(images)

        return dataclasses.replace(layer, below=below)

    class Model:
        def greedy_layers(self):
            return [counted(layer) for layer in both.model.greedy_layers()]

    images = pipelines.read(both.config.data.source, "train", image_shape=both.config.data.image_shape)
    whole = Phase("all", 0, 5, None, [], lambda *_: None, {"name": "sgd"}, {})
    for phase in greedy.phases(greedy.GreedySettings((1,)), Model(), images, whole, seed=0, replicas=1):
        phase.hooks.begin()
    assert built == [("stage_1", None), ("stage_2", None)]


def test_untied_filters_have_a_config_for_each_recipe_that_they_start_from():
    for start, recipe in (("", "sparse_small"), (":gray", "sparse_gray")):
        untied, shared = reverie.config(f"sparse_untied{start}").model, reverie.config(recipe).model
        assert untied.tile == 0 and {**untied.to_dict(), "tile": 1} == shared.to_dict()
    with pytest.raises(UserError, match="start is 'blue'; expected one of color, gray, or none"):
        reverie.config("sparse_untied:blue")
