import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines import batches, for_heads, from_arrays, parse_source


def _indices(dataset, count: int) -> list:
    return [batch["index"].numpy() for batch in dataset.take(count)]


def test_embedded_sample_is_class_balanced_and_its_splits_share_no_image():
    train, test = pipelines.read("mnist_sample"), pipelines.read("mnist_sample", "test")
    assert train.shape == (28, 28, 1)
    assert np.bincount(train.labels).tolist() == [500] * 10
    assert np.bincount(test.labels).tolist() == [100] * 10
    seen = {image.tobytes() for image in train.pixels}
    assert not any(image.tobytes() in seen for image in test.pixels)


def test_a_batch_is_a_dict_of_unit_floats_labels_and_indices(tiny_images):
    batch = next(iter(batches(tiny_images, 4, seed=0)))
    assert batch["image"].dtype == tf.float32 and batch["image"].shape == (4, 8, 8, 1)
    rows = batch["index"].numpy()
    np.testing.assert_allclose(batch["image"], tiny_images.pixels[rows] / 255.0, rtol=1e-6)
    np.testing.assert_array_equal(batch["label"], tiny_images.labels[rows])


def test_a_stream_started_at_step_k_continues_the_unbroken_stream(tiny_images):
    unbroken = _indices(batches(tiny_images, 7, seed=5), 30)
    for k in (1, 8, 17):
        resumed = _indices(batches(tiny_images, 7, seed=5, start_step=k), 10)
        np.testing.assert_array_equal(resumed, unbroken[k : k + 10])


@settings(max_examples=15, deadline=None)
@given(hosts=st.integers(1, 3), replicas_per_host=st.integers(1, 3), share=st.integers(1, 4), start=st.integers(0, 9))
def test_hosts_and_replicas_together_see_the_batch_that_one_device_sees(hosts, replicas_per_host, share, start):
    images = from_arrays("n", np.zeros([50, 2, 2], np.uint8), np.zeros(50, int))
    replicas = hosts * replicas_per_host
    size = share * replicas
    whole = _indices(batches(images, size, seed=2, start_step=start), 3)
    parts = []
    for host in range(hosts):
        context = tf.distribute.InputContext(hosts, host, replicas)
        stream = batches(images, size, seed=2, start_step=start, input_context=context, replicas=replicas)
        parts.append(np.reshape(_indices(stream, 3 * replicas_per_host), [3, -1]))
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_evaluation_visits_every_image_once_in_order(tiny_images):
    rows = np.concatenate([batch["index"].numpy() for batch in pipelines.in_order(tiny_images, 16)])
    np.testing.assert_array_equal(rows, np.arange(60))


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


def test_one_call_gives_a_dataset_from_a_source():
    batch = next(iter(pipelines.dataset("mnist_sample", batch_size=32, seed=1)))
    assert batch["image"].shape == (32, 28, 28, 1)
    assert sum(len(b["label"]) for b in pipelines.dataset("mnist_sample", "test", batch_size=300)) == 1000


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
        (lambda: pipelines.read("folder:/tmp"), "set image_shape"),
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


class TestArraysThatCannotBeTrained:
    good = np.zeros([3, 4, 4], np.float32)

    def _refused(self, images, labels, message):
        with pytest.raises(UserError, match=message):
            from_arrays("set", images, labels)

    def test_not_a_number(self):
        bad = self.good.copy()
        bad[1, 2, 3] = np.nan
        self._refused(bad, [0, 1, 2], r"1 pixels are not finite numbers \(first in image 1")

    def test_out_of_unit_range(self):
        self._refused(self.good + 255.0, [0, 1, 2], r"range over \[255, 255\]; expected \[0, 1\]")

    def test_integers_other_than_bytes(self):
        self._refused(self.good.astype(np.int64), [0, 1, 2], "int64; expected uint8")

    def test_wrong_rank_or_channels(self):
        self._refused(np.zeros([3, 4], np.uint8), [0, 1, 2], r"shape \(3, 4\)")
        self._refused(np.zeros([3, 4, 4, 5], np.uint8), [0, 1, 2], "1 or 3")

    def test_empty(self):
        self._refused(np.zeros([0, 4, 4], np.uint8), [], "no images")

    def test_labels_of_another_length_or_type(self):
        self._refused(self.good, [0, 1], "3 images but 2 labels")
        self._refused(self.good, [0.5, 1, 2], "expected integers")

    def test_label_out_of_range(self):
        images = from_arrays("set", self.good, [0, 7, -1])
        with pytest.raises(UserError, match=r"label 7 of image 1 is out of range for head 'label': expected 0\.\.2"):
            for_heads(images, {"label": 3})
        for_heads(images, {"label": 8})
        with pytest.raises(UserError, match="label -2"):
            for_heads(from_arrays("set", self.good, [0, 1, -2]), {"label": 3})

    def test_heads_without_a_label_column(self):
        with pytest.raises(UserError, match=r"has the label column\(s\) label, but the model's head\(s\) pose, light"):
            for_heads(from_arrays("set", self.good, [0, 1, 2]), {"pose": 3, "light": 3})


def test_label_columns_follow_the_models_heads_by_name():
    labels = np.array([[0, 7], [1, 8], [-1, 9]])
    names = {"pose": ("left", "right"), "light": tuple("abcdefghij")}
    images = from_arrays("set", np.zeros([3, 4, 4], np.uint8), labels, head_names=("pose", "light"), class_names=names)
    both = for_heads(images, {"light": 10, "pose": 2})
    assert both.labels.tolist() == [[7, 0], [8, 1], [9, -1]] and both.head_names == ("light", "pose")
    one = for_heads(images, {"pose": 2})
    assert one.labels.tolist() == [0, 1, -1]


def test_a_single_label_column_serves_a_single_head_of_any_name():
    images = from_arrays("set", np.zeros([2, 4, 4], np.uint8), [0, 1], class_names={"label": ("cat", "dog")})
    assert for_heads(images, {"animal": 2}).class_names == {"animal": ("cat", "dog")}
