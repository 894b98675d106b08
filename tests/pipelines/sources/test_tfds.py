import pytest
import tensorflow_datasets as tfds
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines import Request, symbols
from reverie.pipelines.sources import tfds as prepared


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A real, prepared data set in TFDS's own format: its test builder of twenty random digits a split."""
    folder = tmp_path_factory.mktemp("tfds")
    tfds.testing.DummyMnist(data_dir=str(folder)).download_and_prepare()
    return str(folder)


def test_a_prepared_set_is_read_with_its_labels(data_dir):
    images = pipelines.read("tfds:dummy_mnist", data_dir=data_dir, image_shape=(28, 28, 1))
    builder = tfds.builder("dummy_mnist", data_dir=data_dir)
    expected = list(builder.as_dataset(split="train").as_numpy_iterator())
    assert len(images) == len(expected) == 20
    assert images.labels.tolist() == [row["label"] for row in expected]
    assert all((p == row["image"]).all() for p, row in zip(images.pixels, expected, strict=True))
    assert images.class_names["label"] == tuple("0123456789")


def test_sets_over_the_memory_limit_stay_encoded_and_decode_to_the_same(data_dir):
    options = {"data_dir": data_dir, "image_shape": (28, 28, 1)}
    encoded = pipelines.read("tfds:dummy_mnist", memory_gib=0.0, **options)
    assert encoded.pixels is None and isinstance(encoded.encoded[0], bytes)
    batch = next(iter(pipelines.in_order(encoded, 20)))
    assert (batch["image"].numpy() * 255 == pipelines.read("tfds:dummy_mnist", **options).pixels).all()


def test_a_set_that_is_not_prepared_names_the_command_that_prepares_it(tmp_path):
    with pytest.raises(UserError, match=rf"reverie data build mnist --data_dir={tmp_path}"):
        pipelines.read("tfds:mnist", data_dir=str(tmp_path), image_shape=(28, 28, 1))
    assert not any(tmp_path.iterdir())


def test_unknown_names_and_features_are_refused(data_dir):
    with pytest.raises(UserError, match="no_such_set"):
        pipelines.read("tfds:no_such_set", data_dir=data_dir, image_shape=(28, 28, 1))
    with pytest.raises(UserError, match="expected 'image' and 'mood'"):
        pipelines.read("tfds:dummy_mnist", data_dir=data_dir, image_shape=(28, 28, 1), label_key="mood")
    with pytest.raises(UserError, match=r"not 9x9x1.*resize=crop"):
        pipelines.read("tfds:dummy_mnist", data_dir=data_dir, image_shape=(9, 9, 1))


def test_any_split_of_a_set_may_be_the_one_to_learn_from(data_dir):
    options = {"data_dir": data_dir, "image_shape": (28, 28, 1), "test_fraction": 0.0}
    half = pipelines.read("tfds:dummy_mnist", train_split="test[:50%]", **options)
    assert len(half) == 10
    sets = pipelines.read_splits("tfds:dummy_mnist", train_split="test", test_split="none", **options)
    assert set(sets) == {"train"} and len(sets["train"]) == 20
    with pytest.raises(UserError, match=r"has no train split, only test; .*data.train_split"):
        pipelines.read("tfds:dummy_mnist", train_split="learn", **options)
    with pytest.raises(UserError, match=r"has the split\(s\) .*train.*; say which to learn from"):
        pipelines.read("tfds:dummy_mnist", train_split="learn", test_split="judge", **options)


def test_building_a_prepared_set_is_done_at_once(data_dir):
    assert prepared.prepare("dummy_mnist", data_dir).startswith(data_dir)


@pytest.mark.parametrize(
    ("name", "shape", "columns", "values"),
    [
        ("shapes3d", (64, 64, 3), 6, {"wall_hue": 10, "shape": 4}),
        ("dsprites", (64, 64, 1), 5, {"x_position": 32, "shape": 3}),
        ("celeb_a", (64, 64, 3), 40, {"Smiling": 2, "Eyeglasses": 2}),
    ],
)
def test_sets_with_attributes_give_a_column_each(monkeypatch, name, shape, columns, values):
    monkeypatch.setattr(prepared, "_prepared", prepared._builder)  # The mock below stands in for files on disk.
    with tfds.testing.mock_data(num_examples=6):
        options = {"data_dir": "", "label_key": "label", "attributes": True}
        images = prepared.read_prepared(name, "train", Request(shape, "stretch", options=options))
    assert images.labels.shape == (6, columns) and len(images.head_names) == columns
    vocabulary = pipelines.Vocabulary(symbols.attributes_of(images))
    sizes = dict(zip(vocabulary.names, vocabulary.sizes, strict=True))
    assert {key: sizes[key] for key in values} == values
    symbol = {key: vocabulary.attributes[vocabulary.names.index(key)].values[1] for key in values}
    assert vocabulary.parse(vocabulary.phrase(symbol)) == symbol


def test_a_set_without_attributes_is_refused(data_dir):
    with pytest.raises(UserError, match="has no attributes"):
        pipelines.read("tfds:dummy_mnist", data_dir=data_dir, image_shape=(28, 28, 1), attributes=True)
