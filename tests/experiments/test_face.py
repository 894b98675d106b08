"""`import reverie` as a person in a notebook meets it: arrays in, a run, its endpoints, what goes wrong in one line."""

import subprocess
import sys

import ml_collections
import numpy as np
import pytest
import reverie
import tensorflow as tf
from reverie.errors import UserError

from ..conftest import ATTRIBUTES, colored_bars, tiny_arrays

SMALL = {
    "train.epochs": 0,
    "train.steps": 30,
    "train.batch_size": 20,
    "train.evaluate_every": 0,
    "train.picture_every": 0,
    "model.encoder": (16,),
    "model.decoder": (16,),
}


@pytest.fixture(scope="module")
def digits():
    return tiny_arrays(120)


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return reverie.train("xcov_mnist", tmp_path_factory.mktemp("face") / "run", data=digits, overrides=SMALL)


def test_the_import_loads_nothing_heavy_and_every_public_name_is_there():
    heavy = "'tensorflow', 'keras', 'numpy', 'ml_collections', 'absl'"
    code = f"import reverie, sys; sys.exit(any(name in sys.modules for name in ({heavy})))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    for name in reverie.__all__:
        assert getattr(reverie, name) is not None
    assert set(reverie.__all__) <= set(dir(reverie))
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_the_kind'"):
        reverie.nothing_of_the_kind  # noqa: B018


def test_arrays_bring_their_shape_and_their_classes(run):
    assert tuple(run.config.model.image_shape) == tuple(run.config.data.image_shape) == (8, 8, 1)
    assert run.config.model.heads.to_dict() == {"label": 3}
    assert run.outcome.step == run.step == 30 and run.outcome.exit_code == 0


def test_a_run_encodes_classifies_reconstructs_and_imagines_in_numpy(run, digits):
    images = digits[0][:7]
    codes = run.encode(images)
    assert codes["features"].shape == (7, 2) and codes["probabilities"].shape == (7, 3)
    np.testing.assert_allclose(codes["probabilities"].sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(run.decode(**codes), run.reconstruct(images), atol=1e-5)
    np.testing.assert_array_equal(run.classify(images)["label"], codes["probabilities"].argmax(axis=1))
    made = run.generate(5, label=2, seed=3)
    np.testing.assert_array_equal(made["label"], [2] * 5)
    np.testing.assert_array_equal(made["images"], run.generate(5, label=2, seed=3)["images"])
    # Gray images may come without their axis of channels.
    np.testing.assert_allclose(run.encode(images[..., 0])["features"], codes["features"], atol=1e-6)


def test_more_images_than_go_through_at_once_give_the_same_codes(run, digits):
    many = np.tile(digits[0], (3, 1, 1, 1))[:300]
    np.testing.assert_allclose(run.encode(many)["features"][280:], run.encode(many[280:])["features"], atol=1e-6)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda run: run.generate(3, label=9), "label is 9; expected values from -1 to 2"),
        (lambda run: run.generate(3, label="three"), "label 'three' is no class of this model"),
        (lambda run: run.generate(0), "count is 0; expected a whole number from 1 to 100000"),
        (lambda run: run.generate(2, seed=2**40), "expected a whole number from 0 to 2147483647"),
        (lambda run: run.generate(3, label=[0, 1]), "label has 2 rows; expected 1 or count=3"),
        (lambda run: run.encode(np.zeros([2, 9, 9, 1])), r"images have shape \(2, 9, 9, 1\); expected \[n, 8, 8, 1\]"),
        (lambda run: run.encode(np.full([2, 8, 8, 1], 256)), r"range over \[256, 256\]; expected 0 to 255"),
        (lambda run: run.encode(np.full([2, 8, 8, 1], np.nan, np.float32)), "images range over"),
        (lambda run: run.decode(z=np.zeros([2, 2])), "decode takes features, probabilities, not z"),
        (lambda run: run.imagine("white wall"), "its family has no symbols; expected scan, jmvae or telbo"),
        (
            lambda run: run.evaluate(concept={"x": "y"}),
            "--concept is not for runs of the family xcov; it is for sparse",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_line(run, request_, message):
    with pytest.raises(UserError, match=message) as error:
        request_(run)
    assert "\n" not in str(error.value)


def test_a_run_comes_back_and_wants_the_data_it_was_trained_on(run, digits):
    again = reverie.load(run.folder, data=digits)
    np.testing.assert_array_equal(again.encode(digits[0][:3])["features"], run.encode(digits[0][:3])["features"])
    with pytest.raises(UserError, match="give the same data"):
        reverie.load(run.folder, data=(digits[0][:50], digits[1][:50]))
    with pytest.raises(UserError, match=r"no run there .* no SavedModel there"):
        reverie.load(run.folder / "nothing")


@pytest.mark.thorough
def test_an_export_is_asked_as_the_run_is(run, digits):
    version = run.export(lite=("float32",), warmup=False)
    for loaded in (reverie.load(version), reverie.load(version.folder / "lite" / "encode_float32.tflite")):
        np.testing.assert_allclose(
            loaded.encode(digits[0][:5])["features"], run.encode(digits[0][:5])["features"], atol=1e-4
        )
    made = reverie.load(version).generate(4, label=1, seed=2)
    np.testing.assert_allclose(made["images"], run.generate(4, label=1, seed=2)["images"], atol=1e-5)


def test_a_tf_dataset_of_dicts_trains_too(digits, tmp_path):
    images, labels = digits
    dataset = tf.data.Dataset.from_tensor_slices({"image": images, "label": labels}).batch(16)
    run = reverie.train("xcov_mnist", tmp_path / "run", data=dataset, overrides={**SMALL, "train.steps": 2})
    assert run.config.model.heads.to_dict() == {"label": 3}


def test_a_stream_of_tasks_learns_from_arrays(tmp_path):
    data = tiny_arrays(240, 12, 6)
    stream = {"stream.tasks": 3, "train.steps": 10, "train.batch_size": 12, "model.hidden": (16, 16)}
    run = reverie.train("replay_split_mnist:bir", tmp_path / "run", data=data, overrides=stream)
    assert run.outcome.step == 30 and run.kind.name == "stream"
    assert run.generate(3, label=5)["images"].shape == (3, 12, 12, 1)


def test_words_come_from_named_columns(tmp_path):
    bars = colored_bars(200)
    words = {name: np.array(values)[column] for (name, values), column in zip(ATTRIBUTES.items(), bars.labels.T,
                                                                              strict=True)}  # fmt: skip
    small = {
        "words.pairs": 60, "words.held_out": 0.0, "model.vision.channels": (8, 8), "model.vision.hidden": 16,
        "model.denoising.channels": (4, 4), "model.vision.latents": 4, "stages.vision.steps": 10,
        "stages.symbols.steps": 10, "stages.operators.steps": 0, "stages.vision.unmix_at": (),
    }  # fmt: skip
    run = reverie.train("scan_scenes", tmp_path / "run", data=(bars.pixels, words), overrides=small)
    assert run.vocabulary.names == tuple(ATTRIBUTES)
    assert run.imagine("red, top", count=5).shape == (5, 8, 8, 3)
    with pytest.raises(UserError, match="the stage operators is not trained"):
        run.imagine("red AND top")


class TestConfig:
    def test_settings_are_locked_and_the_nearest_key_is_named(self):
        with pytest.raises(UserError, match="unknown config key 'train.epoch'; nearest: train.epochs"):
            reverie.config("xcov_mnist", {"train.epoch": 5})
        with pytest.raises(UserError, match=r"config: train.batch_size is 'many'"):
            reverie.config("xcov_mnist", {"train.batch_size": "many"})
        with pytest.raises(UserError, match="no config 'xcov_mnits'; expected one of"):
            reverie.config("xcov_mnits")

    def test_a_config_is_a_copy_that_may_be_changed_and_given_back(self):
        first = reverie.config("replay_split_mnist:ewc,task", {"continual.ewc_strength": 7})
        second = reverie.config(first, {"seed": 3})
        assert isinstance(second, ml_collections.ConfigDict)
        assert (first.seed, second.seed, second.continual.ewc_strength) == (0, 3, 7.0)

    def test_a_family_is_run_only_in_a_kind_of_its_own(self, tmp_path, digits):
        config = reverie.config("xcov_mnist")
        with config.unlocked():
            config.stream = {"tasks": 2}
        with pytest.raises(UserError, match="a run of the kind stream is not for the family xcov"):
            reverie.train(config, tmp_path / "run", data=digits)
