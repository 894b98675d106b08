"""Test images of a concept: labels, people, and which images choose and which judge."""

import numpy as np
import PIL.Image
import pytest
from reverie import pipelines
from reverie.errors import UserError
from reverie.evaluation import moving
from reverie.evaluation.concept_images import Concept


def _pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 10, 10, 1)).astype(np.uint8)


def test_halves_by_turns_of_one_set_judge_every_image():
    source = pipelines.give(_pictures(20), np.arange(20) % 2)
    found = Concept("x", source).read(8, 1)
    assert found.images.shape == (20, 8, 8, 1) and found.images.dtype == np.float32 and not found.apart
    assert len(found.splits) == 10 and found.shown.all() and found.groups is None and found.guess == 0.5
    assert np.any([split.reporting for split in found.splits], axis=0).all()


def test_a_column_of_people_keeps_them_on_one_side():
    people = np.arange(40) // 4
    source = pipelines.give(_pictures(40), {"face": (np.arange(40) < 20) * 1, "person": people})
    found = Concept("face", source, groups="person").read(8, 1)
    np.testing.assert_array_equal(found.labels, np.arange(40) < 20)
    np.testing.assert_array_equal(found.groups == found.groups[0], people == 0)
    for split in found.splits:
        assert not set(people[split.selecting]) & set(people[split.reporting])


def test_people_are_read_off_file_names(tmp_path):
    for label in ("0_other", "1_face"):
        (tmp_path / label).mkdir()
        for number, picture in enumerate(_pictures(12)):
            PIL.Image.fromarray(picture[..., 0]).save(tmp_path / label / f"s{number // 3}_{number}.png")
    concept = Concept("face", f"folder:{tmp_path}", groups=r"([01]_\w+/s\d+)_")
    found = concept.read(8, 1)
    assert len(np.unique(found.groups)) == 8 and np.all(np.bincount(found.groups) == 3)
    np.testing.assert_array_equal(found.labels, np.repeat([0, 1], 12))
    with pytest.raises(UserError, match="nor found in the file name 0_other"):
        Concept("face", f"folder:{tmp_path}", groups="person_").read(8, 1)
    with pytest.raises(UserError, match="no regular expression"):
        Concept("face", f"folder:{tmp_path}", groups="(").read(8, 1)


def test_a_set_of_its_own_judges_what_was_chosen_on_another():
    choose = pipelines.give(_pictures(10), np.arange(10) % 2)
    report = pipelines.give(_pictures(9, seed=1), [1, 1, 1, 0, 0, 0, 0, 0, 0])
    found = Concept("x", choose, report).read(10, 1)
    assert found.apart and len(found.splits) == 1 and found.images.shape == (19, 10, 10, 1)
    assert found.splits[0].selecting.sum() == 10 and found.splits[0].selecting[:10].all()
    np.testing.assert_array_equal(found.shown, found.splits[0].reporting)
    assert found.guess == pytest.approx(6 / 9)
    np.testing.assert_allclose(found.images[10:], _pictures(9, seed=1) / 255.0, atol=1e-6)


def test_a_person_on_both_sides_is_refused():
    people = {"face": [0, 0, 1, 1], "person": ["a", "b", "c", "d"]}
    choose = pipelines.give(_pictures(4), people)
    again = pipelines.give(_pictures(4, seed=3), {**people, "person": ["e", "f", "c", "g"]})
    with pytest.raises(UserError, match="the group c is in given:.* and in given:.*"):
        Concept("face", choose, again, "person").read(8, 1)
    with pytest.raises(UserError, match="which is its concept too"):
        Concept("face", choose, choose)


def test_columns_that_do_not_say_which_is_the_concept_are_refused():
    source = pipelines.give(_pictures(8), {"left": np.arange(8) % 2, "right": np.arange(8) % 3})
    with pytest.raises(UserError, match="has the columns of labels left, right; expected one for the concept"):
        Concept("face", source).read(8, 1)
    with pytest.raises(UserError, match="no such column of labels, only left, right, and no names of files"):
        Concept("left", source, groups="person").read(8, 1)
    np.testing.assert_array_equal(Concept("left", source).read(8, 1).labels, np.arange(8) % 2)


def test_the_same_images_do_not_choose_and_judge(tmp_path):
    for number in range(8):
        path = tmp_path / "set" / f"{number % 2}_kind" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.full([9, 9], 20 * number, np.uint8)).save(path)
    source = f"folder:{tmp_path}/set"
    with pytest.raises(UserError, match=r"concept a: 8 images of .*/set/ are also in .*; expected others to judge on"):
        Concept("a", source, f"{source}/").read(9, 1)


def test_images_of_floats_are_refused_whatever_their_size():
    images, labels = np.random.default_rng(0).random((8, 9, 9, 1), np.float32), np.arange(8) % 2
    with pytest.raises(UserError, match="concept a: .* has images of float32; expected uint8"):
        Concept("a", pipelines.give(images, labels)).read(9, 1)


def test_halves_that_cannot_be_made_name_the_concept_and_the_rule():
    images, labels = np.random.default_rng(0).integers(0, 255, (8, 9, 9, 1), np.uint8), np.arange(8) % 2
    who = np.stack([labels, np.ones(8, np.int64)], axis=1)
    source = pipelines.give(images, who)
    with pytest.raises(UserError, match=r"concept label_0: in .* one group alone .*\(groups are 'label_1'\)"):
        Concept("label_0", source, groups="label_1").read(9, 1)


def test_moved_images_are_moved_as_stated_and_always_alike():
    images = np.zeros([200, 41, 41, 1], np.float32)
    images[:, 18:23, 18:23] = 1.0
    images[:, 20, 30] = 1.0
    moved = moving.moved(images, seed=3)
    np.testing.assert_array_equal(moved, moving.moved(images, seed=3))
    assert not np.array_equal(moved, moving.moved(images, seed=4))
    down, across = np.mgrid[:41, :41]
    square = moved[..., 0] * (moved[..., 0] > 0.5)
    mass = square.sum(axis=(1, 2))
    rows, columns = ((square * axis).sum(axis=(1, 2)) / mass for axis in (down, across))
    shifts = np.stack([rows, columns]) - np.array([[20.0], [20.4]])
    assert np.abs(shifts).max() < moving.SHIFT * 41 + 0.8 and np.abs(shifts).max() > 0.8 * moving.SHIFT * 41
    assert mass.max() / mass.min() > 1.8


def test_transformations_move_turn_and_scale_about_the_center():
    image = np.zeros([9, 9, 1], np.float32)
    image[4, 6] = 1.0
    assert np.argmax(moving.transformed(image, 0, 2, 1, 0, "nearest")[4, :, 0]) == 8
    assert np.argmax(moving.transformed(image, 3, 0, 1, 0, "nearest")[:, 6, 0]) == 7
    turned = moving.transformed(image, 0, 0, 1, 90, "nearest")[..., 0]
    assert np.unravel_index(np.argmax(turned), turned.shape) in ((2, 4), (6, 4))
    np.testing.assert_allclose(moving.transformed(image, 0, 0, 1, 0, "mirror"), image, atol=1e-6)
    assert np.argmax(moving.transformed(image, 0, 0, 2, 0, "nearest")[4, :, 0]) == 8


def test_a_concept_called_as_what_has_label_0_is_refused_and_not_searched_for_upside_down(tmp_path):
    for label in ("disc", "square"):
        (tmp_path / label).mkdir()
        for number, picture in enumerate(_pictures(3)):
            PIL.Image.fromarray(picture[..., 0]).save(tmp_path / label / f"{number}.png")
    with pytest.raises(UserError, match="label 0 for 'disc' and 1 for 'square'.*folders 0_square and 1_disc"):
        Concept("Disc", f"folder:{tmp_path}").read(8, 1)
    assert Concept("square", f"folder:{tmp_path}").read(8, 1).labels.tolist() == [0, 0, 0, 1, 1, 1]
