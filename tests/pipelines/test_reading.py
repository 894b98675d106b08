import numpy as np
import pytest
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines import batches, parse_source


def test_embedded_sample_is_class_balanced_and_its_splits_share_no_image():
    train, test = pipelines.read("mnist_sample"), pipelines.read("mnist_sample", "test")
    assert train.shape == (28, 28, 1)
    assert np.bincount(train.labels).tolist() == [500] * 10
    assert np.bincount(test.labels).tolist() == [100] * 10
    seen = {image.tobytes() for image in train.pixels}
    assert not any(image.tobytes() in seen for image in test.pixels)


def test_held_out_parts_are_disjoint_complete_and_about_as_large_as_asked(tmp_path):
    images = np.arange(1000, dtype=np.int64).reshape(1000, 1, 1)
    np.savez(tmp_path / "x.npz", x=(images / 1000.0).astype(np.float32))
    options = {"validation_fraction": 0.2, "test_fraction": 0.1, "holdout_seed": 4}
    parts = pipelines.read_splits(str(tmp_path / "x.npz"), **options)
    values = {split: np.round(part.pixels.ravel() * 1000).astype(int).tolist() for split, part in parts.items()}
    assert sorted(sum(values.values(), [])) == list(range(1000))
    # Binomial shares: four standard deviations.
    assert abs(len(values["validation"]) - 200) < 51 and abs(len(values["test"]) - 100) < 38
    assert len(pipelines.read(str(tmp_path / "x.npz"), "test", **options)) == len(values["test"])
    other = pipelines.read(str(tmp_path / "x.npz"), "test", **{**options, "holdout_seed": 5})
    assert np.round(other.pixels.ravel() * 1000).astype(int).tolist() != values["test"]


def test_a_split_of_its_own_is_used_and_nothing_is_held_out_for_it(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=np.zeros([10, 2, 2], np.uint8), x_test=np.ones([4, 2, 2], np.uint8))
    assert len(pipelines.read(str(tmp_path / "x.npz"), "train", test_fraction=0.5)) == 10
    assert len(pipelines.read(str(tmp_path / "x.npz"), "test", test_fraction=0.5)) == 4
    with pytest.raises(UserError, match="has no validation split"):
        pipelines.read(str(tmp_path / "x.npz"), "validation")


def test_pictures_that_are_drawn_while_streaming_name_the_shape_that_they_have():
    with pytest.raises(
        UserError, match=r"drawn as 64x64x1, but the model takes 32x32x1; set .*image_shape to \(64, 64, 1\)"
    ):
        pipelines.read("mnist_attributes", "test", image_shape=(32, 32, 1))


def test_arrays_are_brought_to_the_wanted_shape_only_when_asked():
    with pytest.raises(UserError, match=r"28x28x1, but the model takes 32x32x3.*resize=crop"):
        pipelines.read("mnist_sample", image_shape=(32, 32, 3))
    images = pipelines.read("mnist_sample", "test", image_shape=(14, 14, 3), resize="stretch")
    assert images.pixels.shape == (1000, 14, 14, 3)
    # Area resizing to half the side is the mean of 2x2 blocks.
    original = pipelines.read("mnist_sample", "test").pixels[0, :, :, 0].astype(float)
    blocks = original.reshape(14, 2, 14, 2).mean(axis=(1, 3))
    assert np.abs(images.pixels[0, :, :, 0] - blocks).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pipelines.read("nowhere"), "neither a known kind"),
        (lambda: pipelines.read("mnist_sample", "dev"), "split is 'dev'"),
        (lambda: pipelines.read("mnist_sample", resize="zoom"), "resize is 'zoom'"),
        (
            lambda: pipelines.read("mnist_sample", validation_fraction=1.5),
            "validation_fraction is 1.5; expected 0 to 0.5",
        ),
        (lambda: pipelines.read("folder:/tmp"), "set data.image_shape"),
        (lambda: batches(pipelines.read("mnist_sample"), 0), "batch_size is 0"),
        (lambda: batches(pipelines.read("mnist_sample"), 9999), "holds only 5000"),
        (lambda: batches(pipelines.read("mnist_sample"), 9, replicas=2), "multiple of the 2 replica"),
    ],
)
def test_settings_that_cannot_be_used_name_the_value_and_the_remedy(call, message):
    with pytest.raises(UserError, match=message):
        call()


def test_paths_are_recognized_by_what_they_are(tmp_path):
    assert parse_source(str(tmp_path)) == ("folder", str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte").touch()
    assert parse_source(str(tmp_path)) == ("idx", str(tmp_path))
    assert parse_source("tfds:cifar100") == ("tfds", "cifar100")
    assert parse_source("a/b.npz") == ("npz", "a/b.npz")
