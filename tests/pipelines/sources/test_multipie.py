import numpy as np
import PIL.Image
import pytest
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines.sources.multipie import CAMERA_YAW, CAMERAS, parse_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("001_01_01_051_06.png", ("001", "01", "01", "051", "06")),
        ("346_04_02_240_19_crop_128.png", ("346", "04", "02", "240", "19")),
        ("001_05_01_051_06.png", None),
        ("1_01_01_051_06.png", None),
        ("notes.png", None),
    ],
)
def test_names_are_parsed_with_and_without_suffix(name, expected):
    parsed = parse_name(name)
    assert (tuple(parsed) if parsed else None) == expected


def test_cameras_are_in_the_order_of_their_yaw():
    yaws = [CAMERA_YAW[camera] for camera in CAMERAS]
    assert yaws == sorted(yaws) and len(yaws) == 13


@pytest.fixture
def folder(tmp_path):
    for subject in range(1, 21):
        for camera, light in (("051", "06"), ("080", "00"), ("081", "06")):
            place = tmp_path / "session01" / "multiview" / f"{subject:03d}" / "01" / f"{camera[:2]}_{camera[2]}"
            place.mkdir(parents=True, exist_ok=True)
            picture = PIL.Image.fromarray(np.full((48, 48), subject, np.uint8))
            picture.save(place / f"{subject:03d}_01_01_{camera}_{light}.png")
    return tmp_path


def test_heads_are_pose_and_light_and_raised_cameras_are_left_out(folder):
    images = pipelines.read(f"multipie:{folder}", image_shape=(48, 48, 1))
    assert images.head_names == ("pose", "light")
    assert {tuple(row) for row in images.labels.tolist()} == {(CAMERAS.index("051"), 6), (CAMERAS.index("080"), 0)}


def test_no_subject_is_in_two_splits(folder):
    options = {"image_shape": (48, 48, 1), "validation_fraction": 0.3, "test_fraction": 0.3}
    subjects = {
        split: set(pipelines.read(f"multipie:{folder}", split, **options).pixels[:, 0, 0, 0].tolist())
        for split in ("train", "validation", "test")
    }
    assert not subjects["train"] & subjects["test"]
    assert not subjects["train"] & subjects["validation"]
    assert not subjects["validation"] & subjects["test"]
    assert set.union(*subjects.values()) == set(range(1, 21))


def test_a_folder_of_other_files_says_what_names_it_expects(tmp_path):
    PIL.Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="no file named like 001_01_01_051_06.png"):
        pipelines.read(f"multipie:{tmp_path}", image_shape=(48, 48, 1))
