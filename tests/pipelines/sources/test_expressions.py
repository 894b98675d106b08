import collections

import numpy as np
import PIL.Image
import pytest
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines.sources.expressions import person_of

SETTINGS = {"image_shape": (8, 8, 1), "test_fraction": 0.0, "fewest_images": 2}


def write(root, rows, header="user.id,image,emotion"):
    """A copy of the repository in small: each person a shade of gray."""
    (root / "data").mkdir()
    (root / "images").mkdir()
    (root / "data" / "legend.csv").write_text("\n".join([header, *(f"7,{name},{emotion}" for name, emotion in rows)]))
    shades = {person: number for number, person in enumerate(dict.fromkeys(person_of(name) for name, _ in rows))}
    for name, _ in rows:
        picture = PIL.Image.fromarray(np.full((8, 8), shades[person_of(name)], np.uint8))
        picture.save(root / "images" / name, "PNG")
    return f"expressions:{root}"


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("Ana_Smith_0001.jpg", "Ana_Smith"),
        ("Dileep_107.jpg", "Dileep"),
        ("Lin_Yi-fu_0001.jpg", "Lin_Yi-fu"),
        ("facial-expressions_2868588k.jpg", "facial-expressions"),
        ("1.jpg", "1"),
    ],
)
def test_the_person_is_the_name_without_the_number_at_its_end(name, person):
    assert person_of(name) == person


def test_expressions_are_one_whatever_their_case_and_are_named_in_order(tmp_path):
    rows = [("A_1.jpg", "HAPPINESS"), ("B_1.jpg", "happiness"), ("C_1.jpg", "Anger "), ("D_1.jpg", "anger")]
    images = pipelines.read(write(tmp_path, rows), **SETTINGS)
    assert images.class_names == {"expression": ("anger", "happiness")} and images.head_names == ("expression",)
    assert images.labels.tolist() == [1, 1, 0, 0]


def test_rare_missing_and_contradicting_expressions_are_unlabeled_and_counted(tmp_path):
    rows = [(f"A_{n}.jpg", "joy") for n in range(3)] + [(f"B_{n}.jpg", "fear") for n in range(3)]
    rows += [("C_1.jpg", "contempt"), ("D_1.jpg", ""), ("E_1.jpg", "joy"), ("E_1.jpg", "fear"), ("A_0.jpg", "JOY")]
    images = pipelines.read(write(tmp_path, rows), **SETTINGS)
    assert images.class_names == {"expression": ("fear", "joy")}
    labels = dict(zip(images.keys.tolist(), images.labels.tolist(), strict=True))
    assert (labels["C_1.jpg"], labels["D_1.jpg"], labels["E_1.jpg"]) == (-1, -1, -1)
    assert labels["A_0.jpg"] == 1 and len(images) == 9
    assert images.remarks == {"unlabeled: contempt has few pictures": 1, "unlabeled: no expression, or two": 2}


def test_pictures_that_no_row_names_are_passed_over(tmp_path):
    source = write(tmp_path, [("A_1.jpg", "joy"), ("A_2.jpg", "joy"), ("B_1.jpg", "fear"), ("B_2.jpg", "fear")])
    PIL.Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "images" / "C_1.jpg")
    assert pipelines.read(source, **SETTINGS).keys.tolist() == ["A_1.jpg", "A_2.jpg", "B_1.jpg", "B_2.jpg"]


def test_no_person_is_in_two_splits_and_classes_are_those_of_the_whole_table(tmp_path):
    rows = [(f"Person{p}_{n}.jpg", "joy" if p % 5 else "fear") for p in range(40) for n in range(3)]
    settings = {**SETTINGS, "validation_fraction": 0.3, "test_fraction": 0.3, "fewest_images": 20}
    sets = pipelines.read_splits(write(tmp_path, rows), **settings)
    people = {split: set(images.pixels[:, 0, 0, 0].tolist()) for split, images in sets.items()}
    assert set(people) == {"train", "validation", "test"}
    assert collections.Counter(p for group in people.values() for p in group) == collections.Counter(range(40))
    assert {images.class_names["expression"] for images in sets.values()} == {("fear", "joy")}
    for images in sets.values():
        np.testing.assert_array_equal(images.labels, images.pixels[:, 0, 0, 0] % 5 > 0)


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([("A_1.jpg", "joy")], "user.id,image,mood", "columns user.id, image, mood; expected user.id,image,emotion"),
        ([], "user.id,image,emotion", "has a header and no rows"),
        ([("A_1.jpg", "joy")] * 3, "user.id,image,emotion", "0 expressions have 2 pictures or more"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, rows, header, message):
    with pytest.raises(UserError, match=message):
        pipelines.read(write(tmp_path, rows, header), **SETTINGS)


def test_a_row_may_not_name_a_file_elsewhere(tmp_path):
    source = write(tmp_path, [("A_1.jpg", "joy"), ("B_1.jpg", "fear")])
    with (tmp_path / "data" / "legend.csv").open("a") as table:
        table.write("\n7,../data/legend.csv,joy\n")
    with pytest.raises(UserError, match="line 4 names the picture '../data/legend.csv'; expected a file's name alone"):
        pipelines.read(source, **SETTINGS)


def test_a_folder_without_the_table_says_what_is_expected(tmp_path):
    with pytest.raises(UserError, match="legend.csv: cannot be read .No such file.*muxspace/facial_expressions"):
        pipelines.read(f"expressions:{tmp_path}", **SETTINGS)
