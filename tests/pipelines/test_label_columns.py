import numpy as np
import pytest
from reverie.errors import UserError
from reverie.pipelines.label_columns import numbered


@pytest.mark.parametrize(
    ("values", "labels", "names"),
    [
        (np.array([3, -1, 0], np.int8), [3, -1, 0], ()),
        ([2.0, float("nan"), 1], [2, -1, 1], ()),
        (["b", None, "a", "b"], [1, -1, 0, 1], ("a", "b")),
        ([b"b", b"", b"a"], [1, -1, 0], ("a", "b")),
        (["10", "9", float("nan")], [1, 0, -1], ("9", "10")),
        ([True, None, False], [1, -1, 0], ("no", "yes")),
        (np.array([True, False]), [1, 0], ("no", "yes")),
        ([None, None], [-1, -1], ()),
    ],
)
def test_values_become_labels_and_what_is_missing_minus_one(values, labels, names):
    column = numbered("hair", values)
    assert column.labels.tolist() == labels and column.labels.dtype == np.int32 and column.names == names


@pytest.mark.parametrize("values", [["a", 1], [0.5], [True, 1], [[1, 2], [3, 4]], [object()], [float("inf")]])
def test_values_that_make_no_label_are_refused_in_one_line(values):
    with pytest.raises(UserError, match="labels 'hair': are of type .*; expected whole numbers, strings"):
        numbered("hair", values)


@pytest.mark.parametrize("values", [[2**40], np.array([2**40]), np.array([2**63], np.uint64)])
def test_labels_too_large_to_be_classes_are_refused(values):
    with pytest.raises(UserError, match="labels 'hair': one of them is"):
        numbered("hair", values)
