import numpy as np
import pytest
from reverie.errors import UserError
from reverie.pipelines import for_heads, from_arrays


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
        self._refused(self.good.astype(np.int64) - 1, [0, 1, 2], "int64 range over .* expected 0 to 255")
        self._refused(self.good.astype(str), [0, 1, 2], "expected uint8")
        same = from_arrays("set", self.good.astype(np.int64), [0, 1, 2]).pixels
        assert same.dtype == np.uint8 and np.array_equal(same.reshape(self.good.shape), self.good)

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
        with pytest.raises(UserError, match="one of them is -2"):
            from_arrays("set", self.good, [0, 1, -2])

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
