"""Data handed over in Python, in every form, and what is said of forms that cannot be used."""

import numpy as np
import pytest
import tensorflow as tf
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines import from_arrays, give
from reverie.pipelines.sources import given

X = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1)).astype(np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(autouse=True)
def nothing_given_before(monkeypatch):
    monkeypatch.setattr(given, "_TABLE", {})


def read(source, split="train", **settings):
    return pipelines.read(source, split, **{"test_fraction": 0.0, **settings})


def dataset(labels=Y):
    return tf.data.Dataset.from_tensor_slices({"image": X, "label": labels})


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        (X[..., 0], Y),
        (list(X), Y.tolist()),
        (tf.constant(X), tf.constant(Y)),
        (X, Y[:, None]),
        (X, Y.astype(np.float64)),
        (X, {"label": Y}),
        {"image": X, "label": Y},
        {"x": X, "y": Y},
        {"x_train": X, "y_train": Y},
        {"train": (X, Y)},
        {"train": {"image": X, "label": Y}},
        {"train": dataset()},
        from_arrays("mine", X, Y),
        {"train": from_arrays("mine", X, Y)},
        dataset(),
        dataset().batch(4),
        tf.data.Dataset.from_tensor_slices((X, Y)),
        tf.data.Dataset.from_tensor_slices((X[..., 0], Y)).batch(4),
    ],
)
def test_every_form_of_the_same_content_is_the_same_source(data):
    source = give(data)
    assert source == give(X, Y)
    images = read(source)
    np.testing.assert_array_equal(images.pixels, X)
    np.testing.assert_array_equal(images.labels, Y)
    assert images.head_names == ("label",) and images.name == f"{source}:train"


def test_the_string_is_made_of_the_content():
    source = give(X, Y)
    kind, digits = source.split(":")
    assert kind == "given" and len(digits) == 16 and int(digits, 16) >= 0
    others = [
        give(X),
        give(X, Y + 1),
        give(X[::-1], Y),
        give(X / np.float32(255.0), Y),
        give((X, {"digit": Y})),
        give(X, Y, class_names=("a", "b", "c")),
        give({"train": (X, Y), "test": (X, Y)}),
        give({"test": (X, Y)}),
    ]
    assert len({source, *others}) == 9


def test_images_alone_are_unlabeled():
    assert read(give(X)).labels.tolist() == [-1] * 6
    assert read(give(tf.data.Dataset.from_tensor_slices({"image": X}))).labels.tolist() == [-1] * 6
    assert read(give({"image": X})).labels.tolist() == [-1] * 6


def test_several_splits_are_used_as_given_and_the_rest_is_held_out():
    source = give({"x_train": X, "y_train": Y, "x_test": X[:2], "y_test": Y[:2]})
    assert source == give({"train": (X, Y), "test": (X[:2], Y[:2])})
    assert len(pipelines.read(source, "train", test_fraction=0.5)) == 6
    assert read(source, "test").labels.tolist() == [0, 1]
    with pytest.raises(UserError, match="has no validation split"):
        read(source, "validation")
    many = np.zeros([400, 4, 4], np.uint8)
    parts = pipelines.read_splits(give(many), validation_fraction=0.25, test_fraction=0.25)
    assert sum(map(len, parts.values())) == 400
    assert abs(len(parts["test"]) - 100) < 36 and abs(len(parts["validation"]) - 100) < 36


def test_columns_of_names_become_heads_with_classes():
    hair = ["brown", "black", None, "black", float("nan"), ""]
    images = read(give(X, {"hair": hair, "age": [3, None, 1, 0, 2, float("nan")], "glasses": [True, False] * 3}))
    assert images.head_names == ("hair", "age", "glasses")
    assert images.class_names == {"hair": ("black", "brown"), "glasses": ("no", "yes")}
    assert images.labels.T.tolist() == [[1, 0, -1, 0, -1, -1], [3, -1, 1, 0, 2, -1], [1, 0] * 3]
    one = read(give(X, np.array(["b", "a", "b", "b", "a", "b"])))
    assert one.labels.tolist() == [1, 0, 1, 1, 0, 1] and one.class_names == {"label": ("a", "b")}
    strings = read(give(dataset(np.array(["b", "a", "b", "b", "a", "b"]))))
    np.testing.assert_array_equal(strings.labels, one.labels)
    table = dataset({"row": Y, "word": np.array(["b", "a"] * 3)})
    assert read(give(table.batch(4))).labels.T.tolist() == [Y.tolist(), [1, 0] * 3]


def test_every_split_numbers_its_classes_alike():
    source = give({"train": (X[:3], {"hair": ["b", "c", "b"]}), "test": (X[3:], {"hair": ["c", "a", None]})})
    assert read(source).labels.tolist() == [1, 2, 1] and read(source, "test").labels.tolist() == [2, 0, -1]
    half = give({"train": (X[:3], {"a": Y[:3], "b": Y[:3]}), "test": X[3:]})
    assert read(half, "test").labels.tolist() == [[-1, -1]] * 3


def test_a_data_frame_gives_a_column_each():
    class Frame:
        """What a pandas.DataFrame shows of itself here."""

        columns = ("hair", "age")

        def to_dict(self):
            raise AssertionError("columns are taken one by one")

        def __getitem__(self, name):
            return {"hair": np.array(["b", None, "a", "a", "b", "b"], object), "age": Y}[name]

    images = read(give(X, Frame()))
    assert images.head_names == ("hair", "age") and images.labels[:, 0].tolist() == [1, -1, 0, 0, 1, 1]


def test_a_pandas_data_frame_with_missing_values():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"hair": ["b", pandas.NA, "a", "a", None, "b"], "age": [0, 1, None, 2, 0, 1]})
    assert read(give(X, frame)).labels.T.tolist() == [[1, -1, 0, 0, -1, 1], [0, 1, -1, 2, 0, 1]]


def test_numbered_columns_take_names_from_outside():
    images = read(give(X, np.stack([Y, Y], 1), head_names=("kind", "place"), class_names={"kind": ("a", "b", "c")}))
    assert images.head_names == ("kind", "place") and images.class_names == {"kind": ("a", "b", "c")}
    assert read(give(X, np.stack([Y, Y], 1))).head_names == ("label_0", "label_1")
    assert read(give(X, Y, head_names="digit", class_names=("a", "b", "c"))).class_names == {"digit": ("a", "b", "c")}


def test_what_was_given_does_not_change_with_the_callers_array():
    mine = X.copy()
    source = give(mine, Y)
    mine[:] = 0
    np.testing.assert_array_equal(read(source).pixels, X)
    with pytest.raises(ValueError, match="read-only"):
        read(source).pixels[:] = 0


def test_a_set_of_files_can_be_given_too(tmp_path):
    for number in range(6):
        tf.io.write_file(f"{tmp_path}/{number}.png", tf.io.encode_png(X[number]))
    settings = {"image_shape": (8, 8, 1), "test_fraction": 0.0}
    streamed = pipelines.read(f"folder:{tmp_path}", memory_gib=0.0, **settings)
    source = give(streamed)
    batch = next(iter(pipelines.in_order(read(source, **settings), 6)))
    np.testing.assert_array_equal(batch["image"], X / np.float32(255.0))
    with pytest.raises(UserError, match="8x8x1, but the model takes 4x4x1"):
        read(source, image_shape=(4, 4, 1))


def test_a_process_that_was_not_given_the_data_says_how_to_give_it():
    source = give(X, Y)
    given._TABLE.clear()
    with pytest.raises(UserError, match=rf"{source} was handed over in Python.*reverie.load\(folder, data=\.\.\.\)"):
        read(source)


@pytest.mark.parametrize(
    ("data", "labels", "options", "message"),
    [
        (None, None, {}, "data is None; expected"),
        ("folder", None, {}, "data is 'folder'; expected"),
        ((X, Y, Y), None, {}, "a tuple of 3"),
        ({"pictures": X}, None, {}, r"has the keys \['pictures'\]"),
        ({}, None, {}, r"has the keys \[\]"),
        ({"train": {"pictures": X}}, None, {}, "expected 'image' and 'label'"),
        ((X, Y), Y, {}, "labels are given twice"),
        ({"train": (X, Y)}, Y, {}, "labels are given twice"),
        (X, Y[:4], {}, "6 images but 4 labels"),
        (X, {"a": Y, "b": Y[:4]}, {}, "have the lengths"),
        (X, Y + 0.5, {}, "type float; expected whole numbers"),
        (X, ["a", 1, "b", 2, "c", 3], {}, "of type int, str"),
        (X, np.zeros([6, 2, 2]), {}, r"labels have shape \(6, 2, 2\)"),
        (X, Y, {"head_names": ("a", "b")}, "head_names is"),
        (X, np.stack([Y, Y], 1), {"head_names": ("a", "b", "c")}, "have 2 columns"),
        (X, Y, {"class_names": ("a", "b")}, "label 2 of 'label' has no name"),
        (X, Y, {"class_names": {"mood": ("a", "b")}}, "class_names has 'mood'"),
        (X, {"a": Y, "b": Y}, {"class_names": ("a", "b")}, "expected a dict head -> names"),
        ({"train": (X, {"a": Y}), "test": (X, {"b": Y})}, None, {}, r"test has the label column\(s\) \['b'\]"),
        (X.astype(np.int64) + 300, Y, {}, "int64 range over .* expected 0 to 255"),
        (X[:0], Y[:0], {}, "holds no images"),
        (5, None, {}, r"shape \(1,\)"),
        ([np.zeros([2, 2]), np.zeros([3, 3])], None, {}, "no array of one size"),
        (dataset().repeat(), None, {}, "endless"),
        (dataset().take(0), None, {}, "holds no images"),
        (tf.data.Dataset.range(3), None, {}, "expected dicts with 'image'"),
    ],
)
def test_what_cannot_be_used_is_answered_in_one_line(data, labels, options, message):
    with pytest.raises(UserError, match=message) as refused:
        give(data, labels, **options)
    assert "\n" not in str(refused.value)


def test_a_stream_of_frames_is_passed_by_its_source_string():
    images = pipelines.Images("clips", (8, 8, 3), np.zeros(3, np.int32), shards=object())
    with pytest.raises(UserError, match="clips: is a stream.*pass its source string"):
        give(images)
