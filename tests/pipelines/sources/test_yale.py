import collections

import numpy as np
import PIL.Image
import pytest
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines.sources.yale import CONDITIONS, EXPRESSIONS, LIGHTS, parse_name

SETTINGS = {"image_shape": (8, 8, 1), "test_fraction": 0.0}


def save(root, subject, condition, shade, suffix=""):
    """One person under one condition: a shade of gray in a GIF file without an extension."""
    picture = np.full((8, 8), shade, np.uint8)
    picture[0, 0] = subject
    root.mkdir(exist_ok=True)
    PIL.Image.fromarray(picture).save(root / f"subject{subject:02d}.{condition}{suffix}", "GIF")


@pytest.fixture
def folder(tmp_path):
    for subject in range(1, 16):
        for number, condition in enumerate(CONDITIONS):
            save(tmp_path / "yalefaces", subject, condition, 100 + number)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("subject04.happy", ("04", "happy")),
        ("subject15.leftlight.gif", ("15", "leftlight")),
        ("Subject01.WINK", ("01", "wink")),
        ("subject01.txt", None),
        ("subject1.happy", None),
        ("subject01.gif", None),
        ("happy", None),
    ],
)
def test_names_are_parsed_with_and_without_extension(name, expected):
    parsed = parse_name(name)
    assert (tuple(parsed) if parsed else None) == expected


def test_every_condition_has_its_expression_and_its_light(folder):
    images = pipelines.read(f"yale:{folder}", **SETTINGS)
    assert images.head_names == ("expression", "light")
    assert images.class_names == {"expression": EXPRESSIONS, "light": LIGHTS}
    names = [key.split(".")[1] for key in images.keys]
    seen = {name: tuple(row) for name, row in zip(names, images.labels.tolist(), strict=True)}
    normal, center = EXPRESSIONS.index("normal"), LIGHTS.index("center")
    assert len(images) == 15 * 11 and len(seen) == 11
    assert seen["happy"] == (EXPRESSIONS.index("happy"), center)
    assert seen["leftlight"] == (normal, LIGHTS.index("left"))
    assert seen["noglasses"] == seen["normal"] == seen["centerlight"] == (normal, center)
    assert seen["glasses"] == (-1, center)


def test_no_person_is_in_two_splits(folder):
    sets = pipelines.read_splits(f"yale:{folder}", image_shape=(8, 8, 1), validation_fraction=0.3, test_fraction=0.3)
    people = {split: set(key.split(".")[0] for key in images.keys) for split, images in sets.items()}
    counted = collections.Counter(person for group in people.values() for person in group)
    assert len(people) == 3 and set(counted.values()) == {1} and len(counted) == 15
    assert all(len(images) == 11 * len(people[split]) for split, images in sets.items())


def test_one_file_under_two_names_is_read_once_and_unlabeled_where_they_disagree(tmp_path):
    for condition, shade in (("normal", 10), ("noglasses", 10), ("glasses", 20), ("wink", 30)):
        save(tmp_path, 1, condition, shade)
    for condition, shade in (("normal", 10), ("sad", 10), ("glasses", 20), ("noglasses", 20), ("happy", 30)):
        save(tmp_path, 2, condition, shade)
    images = pipelines.read(f"yale:{tmp_path}", **SETTINGS)
    # Person and shade -> labels.
    rows = {tuple(picture): tuple(row) for picture, row in zip(
        images.pixels.reshape(len(images), -1)[:, [0, -1]].tolist(), images.labels.tolist(), strict=True
    )}  # fmt: skip
    wink, happy, center = EXPRESSIONS.index("wink"), EXPRESSIONS.index("happy"), LIGHTS.index("center")
    assert rows == {
        (1, 10): (0, center),
        (1, 20): (-1, center),
        (1, 30): (wink, center),
        (2, 10): (-1, center),
        (2, 20): (0, center),
        (2, 30): (happy, center),
    }
    assert images.remarks["the same file under two names"] == 3


def test_a_folder_of_other_files_says_what_names_it_expects(tmp_path):
    PIL.Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="no file named like subject04.happy"):
        pipelines.read(f"yale:{tmp_path}", **SETTINGS)
