"""The share of pictures with a face, and training pictures without: with OpenCV's detector on a drawn face."""

import builtins

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from reverie import experiments, pipelines
from reverie.errors import UserError
from reverie.pipelines import faces
from reverie.pipelines.frames import faces as frame_faces
from reverie.pipelines.frames import shards
from reverie.pipelines.frames.worker import Frame

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")


def face(side: int) -> np.ndarray:
    """uint8 [side, side]: an oval with brows, eyes, nose and mouth, as soft as a photograph."""
    image = np.full([200, 200], 150, np.uint8)

    def oval(x, y, width, height, shade):
        cv2.ellipse(image, (x, y), (width, height), 0, 0, 360, shade, -1)

    oval(100, 100, 62, 82, 210)
    for x in (75, 125):
        oval(x, 82, 15, 8, 70)
        oval(x, 66, 18, 4, 90)
    oval(100, 110, 8, 16, 225)
    oval(100, 126, 12, 4, 150)
    oval(100, 148, 26, 7, 110)
    return cv2.resize(cv2.GaussianBlur(image, (0, 0), 4), (side, side), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def photographs():
    """uint8 [20, 96, 96]: every fifth is a face, the others are noise of a few sizes."""
    generator = np.random.default_rng(0)
    found = []
    for number in range(20):
        noise = generator.integers(100, 160, (4 + number % 3, 4), dtype=np.uint8)
        found.append(face(96) if number % 5 == 0 else cv2.resize(noise, (96, 96)))
    return np.stack(found)


@pytest.fixture(scope="module")
def folder(photographs, tmp_path_factory):
    place = tmp_path_factory.mktemp("photographs")
    for number, picture in enumerate(photographs):
        PIL.Image.fromarray(picture).save(place / f"{number:02}.png")
    return f"folder:{place}"


@pytest.mark.parametrize("side", [30, 40, 60, 96, 600])
def test_a_face_is_found_in_pictures_of_every_size_gray_or_color(side):
    found = faces.finder()
    assert found(face(side)[..., None]) and found(np.repeat(face(side)[..., None], 3, axis=-1))
    assert not found(np.full([side, side, 1], 128, np.uint8))


def test_the_share_is_that_of_the_pictures_with_a_face(folder, photographs):
    found = faces.share(pipelines.read(pipelines.give(photographs), test_fraction=0.0), 1000)
    assert (found["patches"], found["with_face"], found["share"]) == (20, 4, 0.2)
    np.testing.assert_allclose(found["standard_error"], np.sqrt(0.2 * 0.8 / 20))
    assert faces.share(pipelines.read(folder, image_shape=(40, 40, 1), resize="crop"), 7)["patches"] == 7


def test_data_check_says_the_share_of_faces_and_what_was_cut(folder):
    lines = list(experiments.check_source(folder, shape=(40, 40, 1), windows=60, window_least=0.9, faces=50))
    assert "train: 60 windows of 20 pictures, squares of 86..96 pixels, as 40x40x1" in lines
    (said,) = [line for line in lines if "a face detected in" in line]
    hits, looked = (int(word) for word in said.split("detected in ")[1].split(":")[0].split(" of "))
    assert looked == 50 and 5 <= hits <= 15
    with pytest.raises(UserError, match="say of what shape the images are to be"):
        list(experiments.check_source(folder, faces=50))


def test_training_pictures_with_a_face_are_left_out_and_counted_and_held_out_ones_are_not(folder):
    settings = {"image_shape": (48, 48, 1), "resize": "crop", "validation_fraction": 0.4, "holdout_seed": 1}
    plain = pipelines.read_splits(folder, **settings)
    without = pipelines.read_splits(folder, without_faces=True, **settings)
    with_face = {f"{number:02}.png" for number in range(0, 20, 5)}
    assert set(without["train"].keys) == set(plain["train"].keys) - with_face
    left_out = len(set(plain["train"].keys) & with_face)
    assert left_out and without["train"].remarks[faces.LEFT_OUT] == left_out
    assert without["validation"].digest == plain["validation"].digest
    assert without["train"].digest != plain["train"].digest


@pytest.mark.parametrize("memory_gib", [4.0, 1e-3])
def test_windows_without_faces_are_as_many_and_of_no_picture_with_a_face(folder, memory_gib):
    images = pipelines.read(
        folder, image_shape=(24, 24, 1), windows=64, without_faces=True, test_fraction=0.0, memory_gib=memory_gib
    )
    assert len(images) == 64 and images.cut.pictures == 16
    assert not {int(key[:2]) for key in images.keys.tolist()} & {0, 5, 10, 15}
    assert images.remarks[faces.LEFT_OUT] == 4


def test_a_set_of_faces_alone_leaves_nothing():
    crowd = pipelines.give(np.stack([face(64)] * 3))
    for windows in (0, 5):
        with pytest.raises(UserError, match="the detector fires in all 3 pictures"):
            pipelines.read(crowd, without_faces=True, windows=windows, test_fraction=0.0)


def test_frames_with_a_face_are_counted_and_left_out_and_windows_of_frames_know_them_too(photographs, tmp_path):
    place, out = str(tmp_path / "frames"), str(tmp_path / "without")
    tf.io.gfile.makedirs(place)
    records = []
    for number, picture in enumerate(photographs):
        content = tf.io.encode_png(np.repeat(picture[..., None], 3, axis=-1)).numpy()
        records.append(shards.record(f"{number}.mp4", number, Frame(0.0, content, 0.0, number), 96))
    note = shards.write(place, shards.shard_name(0, 1), records, shards.Tally(frames=len(records)), [])
    entries = [{key: note[key] for key in ("file", "frames", "bytes", "sha256")}]
    manifest = {"frames": len(records), "settings": {"size": 96}, "shards": entries}
    shards.write_json(place, "manifest.json", manifest)
    found = frame_faces.share(place, patches=20, side=96)
    assert (found["patches"], found["with_face"]) == (20, 4)
    left = frame_faces.without_faces(place, out)
    assert (left["frames"], left["with_face_removed"]) == (16, 4)
    settings = {"image_shape": (32, 32, 1), "test_fraction": 0.0, "windows": 40}
    images = pipelines.read(f"frames:{place}", without_faces=True, **settings)
    np.testing.assert_array_equal(images.pixels, pipelines.read(f"frames:{out}", **settings).pixels)
    with pytest.raises(UserError, match=r"write those without a face with `reverie data faces"):
        pipelines.read(f"frames:{place}", without_faces=True, image_shape=(96, 96, 1), test_fraction=0.0)


def test_without_opencv_a_line_says_what_to_install(photographs, monkeypatch):
    real = builtins.__import__

    def missing(name, *more, **named):
        if name.split(".")[0] == "cv2":
            raise ImportError(name)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    source = pipelines.give(photographs)
    for windows in (0, 5):
        with pytest.raises(UserError, match=r"finding faces needs OpenCV 4: pip install 'reverie\[faces\]'"):
            pipelines.read(source, without_faces=True, windows=windows)
    assert len(pipelines.read(source, windows=5)) == 5
