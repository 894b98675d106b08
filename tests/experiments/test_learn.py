"""A finished run learns more classes, from arrays or from a source that has come to hold more."""

import numpy as np
import pytest
import reverie
from reverie.errors import UserError
from reverie.pipelines.sources import given

from ..conftest import tiny_arrays, tiny_stream_config


def _given(classes, count=40, seed=0):
    """Images of some of six classes, by split."""
    data = {}
    for split, number in (("train", 6 * count), ("test", 60)):
        images, labels = tiny_arrays(number, 12, 6, seed)
        chosen = np.isin(labels, classes)
        data |= {f"x_{split}": images[chosen], f"y_{split}": labels[chosen]}
    return data


@pytest.fixture(scope="module")
def two_tasks(tmp_path_factory):
    config = tiny_stream_config("given", "bir", steps=12)
    config.stream.tasks = 2
    return reverie.train(config, tmp_path_factory.mktemp("learn") / "two", data=_given((0, 1, 2, 3)))


def _named(folder) -> tuple:
    """(a run of two tasks whose classes have names, all names, images of two more)."""
    names = np.array(["ant", "bee", "cat", "dog", "eel", "fox"], object)
    first, more = (
        {key: names[value] if key[0] == "y" else value for key, value in _given(classes).items()}
        for classes in ((0, 1, 2, 3), (4, 5))
    )
    config = tiny_stream_config("given", "rff")
    config.stream.tasks = 2
    return reverie.train(config, folder / "two", data=first), names, more


def test_new_classes_are_a_task_of_a_run_that_knows_the_old_ones(two_tasks, tmp_path):
    more = two_tasks.learn(tmp_path / "three", _given((4, 5)))
    assert more.config.stream.tasks == 3 and tuple(more.config.stream.order)[4:] == (4, 5)
    assert more.config.continual.learned == str(two_tasks.folder) and more.step == 12
    numbers = more.evaluate()
    assert numbers["tasks"] == 3 and 0.0 <= numbers["average_accuracy"] <= 1.0
    assert more.classify(_given((0,))["x_test"][:2])["probabilities"].shape == (2, 6)
    # What the second task's network knew is what the third began with.
    assert len(numbers) and two_tasks.model.config.classes == 4 and more.model.config.classes == 6


def test_names_go_on_where_classes_have_names(tmp_path):
    run, names, more_named = _named(tmp_path)
    more = run.learn(tmp_path / "three", more_named)
    assert sorted(more.class_names["label"]) == sorted(names)
    with pytest.raises(UserError, match="class bee was learned before; expected new classes only"):
        run.learn(tmp_path / "again", {**more_named, "y_train": np.where(more_named["y_train"] == "eel", "bee",
                  "fox"), "y_test": np.where(more_named["y_test"] == "eel", "bee", "fox")})  # fmt: skip


def test_a_source_in_which_a_new_class_comes_before_those_met_is_refused(tmp_path):
    """Its labels are numbered anew: what was a bee would be learned as an ant."""
    place = tmp_path / "set.npz"

    def write(names):
        held = _given(range(len(names)))
        np.savez(place, **{key: np.array(names)[value] if key[0] == "y" else value for key, value in held.items()})

    write(["bee", "cat", "dog", "eel"])
    config = tiny_stream_config(str(place), "rff")
    config.stream.tasks = 2
    run = reverie.train(config, tmp_path / "two")
    write(["bee", "cat", "dog", "eel", "fox", "gnu"])
    assert run.learn(tmp_path / "three").config.stream.tasks == 3
    write(["bee", "cat", "dog", "eel", "ant", "fox"])
    with pytest.raises(UserError, match="label 0 was bee and is ant; bring the old data back, or train anew"):
        run.learn(tmp_path / "four")


def test_what_brings_no_task_is_refused(two_tasks, tmp_path):
    with pytest.raises(UserError, match="class 3 was learned before"):
        two_tasks.learn(tmp_path / "a", _given((3, 4)))
    with pytest.raises(UserError, match="has 1 classes that the run has not met; expected 2 for every new task"):
        two_tasks.learn(tmp_path / "b", _given((4,)))
    with pytest.raises(UserError, match="has 0 classes that the run has not met"):
        two_tasks.learn(tmp_path / "c")


def test_new_images_are_read_as_the_overrides_say(two_tasks, tmp_path):
    padded = {
        key: np.pad(value, ((0, 0), (1, 1), (1, 1), (0, 0))[: value.ndim]) if key[0] == "x" else value
        for key, value in _given((4, 5)).items()
    }
    with pytest.raises(UserError, match="images are 14x14x1, but the model takes 12x12x1"):
        two_tasks.learn(tmp_path / "a", padded)
    more = two_tasks.learn(tmp_path / "b", padded, overrides={"data.resize": "crop", "train.steps": 3})
    assert more.step == 3 and more.config.data.resize == "crop"


def test_new_images_may_be_named_by_a_source(two_tasks, tmp_path):
    np.savez(tmp_path / "more.npz", **_given((4, 5)))
    more = two_tasks.learn(tmp_path / "three", str(tmp_path / "more.npz"), overrides={"train.steps": 3})
    assert tuple(more.config.stream.order) == (0, 1, 2, 3, 4, 5)


@pytest.mark.thorough
def test_another_process_loads_the_run_with_the_images_that_it_learned(two_tasks, tmp_path, monkeypatch):
    more = two_tasks.learn(tmp_path / "three", _given((4, 5)), overrides={"train.steps": 3})
    monkeypatch.setattr(given, "_TABLE", {})  # What another process starts with.
    with pytest.raises(UserError, match=f"three went on from {two_tasks.folder}: data source given:"):
        reverie.load(more.folder, data=_given((4, 5)))
    reverie.load(two_tasks.folder, data=_given((0, 1, 2, 3)))
    assert reverie.load(more.folder, data=_given((4, 5))).evaluate()["tasks"] == 3
    with pytest.raises(UserError, match="but the data given is given:.*; give the same data"):
        reverie.load(more.folder, data=_given((4, 5), seed=1))


def test_images_without_a_class_are_refused_and_get_no_earlier_one(tmp_path):
    run, _, more = _named(tmp_path)
    more["y_train"][::5] = None
    with pytest.raises(UserError, match="images have no label"):
        run.learn(tmp_path / "three", more)


def test_two_labels_a_picture_and_a_wider_network_are_refused(two_tasks, tmp_path):
    more = _given((4, 5))
    two = {key: np.stack([value, value], axis=1) if key[0] == "y" else value for key, value in more.items()}
    with pytest.raises(UserError, match="has 2 labels a picture .*; expected one, its class"):
        two_tasks.learn(tmp_path / "a", two)
    with pytest.raises(UserError, match="not those of the network as configured here, whose section model should be"):
        two_tasks.learn(tmp_path / "b", more, overrides={"model.hidden": (40, 24)})


@pytest.mark.parametrize("folder", ["", None])
def test_a_folder_that_is_none_is_refused(two_tasks, folder):
    with pytest.raises(UserError, match="workdir is .*; expected a folder"):
        two_tasks.learn(folder, _given((4, 5)))


def test_a_run_over_no_stream_does_not_learn_on(trained_run, tmp_path):
    with pytest.raises(UserError, match="is no run over a stream of tasks"):
        reverie.load(trained_run).learn(tmp_path / "a")
