"""Every model as a Keras user meets it: called, asked to predict, saved and loaded; `fit` answers in a line."""

import inspect
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from reverie import models
from reverie.errors import UserError
from reverie.models import beta_vae, denoising, joint_vae, network, recombination, symbol_vae

WORDS = (("color", ("red", "blue"), ""), ("object", ("hat", "ball"), ""))
SMALL = {"image_shape": (16, 16, 3), "channels": (4, 4)}
SPARSE = models.SparseConfig(image_shape=(16, 16, 3), stages=1, field=5, maps=2, pool=3, contrast=3)
VISION = models.BetaVAEConfig(**SMALL, hidden=8, latents=3)
DENOISING = denoising.DenoisingConfig(**SMALL, bottleneck=5)

MAKERS = {
    "XCov": lambda: models.XCov(models.XCovConfig((16, 16, 3), {"a": 3, "b": 2}, 3, (), (8,), (8,))),
    "Replay": lambda: models.Replay(models.ReplayConfig(image_shape=(16, 16, 3), hidden=(8, 8), latents=3)),
    "Sparse": lambda: models.Sparse(SPARSE),
    "SparseClassifier": lambda: models.SparseClassifier(SPARSE, classes=4),
    "Scan": lambda: models.Scan(
        models.ScanConfig(image_shape=(16, 16, 3), attributes=WORDS, vision=VISION, denoising=DENOISING)
    ),
    "JMVAE": lambda: models.JMVAE(models.JMVAEConfig(image_shape=(16, 16, 3), attributes=WORDS, vision=VISION)),
    "TELBO": lambda: models.TELBO(models.TELBOConfig(image_shape=(16, 16, 3), attributes=WORDS, vision=VISION)),
    "Experts": lambda: models.telbo.Experts(models.SymbolVAEConfig(hidden=8), (2, 3), 4),
    "BetaVAE": lambda: models.BetaVAE(VISION),
    "Denoising": lambda: denoising.Denoising(DENOISING),
    "SymbolVAE": lambda: models.SymbolVAE(models.SymbolVAEConfig(hidden=8), (2, 3), 4),
    "Recombination": lambda: recombination.Recombination(recombination.RecombinationConfig(hidden=4)),
}
SEES_IMAGES = [name for name in MAKERS if name not in ("SymbolVAE", "Experts", "Recombination")]
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype(np.uint8)
UNIT = IMAGES / np.float32(255)


def test_every_model_class_of_the_package_is_tried_here():
    modules = (models.xcov, models.replay, models.sparse, models.sparse_classifier, models.scan, models.jmvae)
    modules += (models.telbo, joint_vae)
    found = {
        name
        for module in (*modules, beta_vae, denoising, symbol_vae, recombination)
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, keras.Model)
        and value not in (network.Network, joint_vae.JointVAE)
    }
    assert found == set(MAKERS)


@pytest.mark.parametrize("name", MAKERS)
def test_compile_and_fit_say_in_a_line_what_to_call(name):
    model = MAKERS[name]()
    calls = {
        "compile": ("adam",), "fit": (UNIT, np.zeros(4)), "evaluate": (UNIT,), "train_on_batch": (UNIT,),
        "test_on_batch": (UNIT,),
    }  # fmt: skip
    for method, arguments in calls.items():
        with pytest.raises(UserError) as caught:
            getattr(model, method)(*arguments)
        said = str(caught.value)
        assert said.startswith(f"{name}.{method}: ") and "\n" not in said
        assert "reverie.train(" in said and "model.losses(" in said


@pytest.mark.parametrize("name", SEES_IMAGES)
def test_predict_and_a_call_work_and_uint8_means_the_same_as_floats(name):
    model = MAKERS[name]()
    expected = np.asarray(model(UNIT))
    assert np.isfinite(expected).all() and len(expected) == 4
    # Images of 8 bits are divided in TensorFlow here and in NumPy there, so the last bit may differ.
    predicted = (model.predict(images, verbose=0) for images in (UNIT, IMAGES))
    for answer in (model(IMAGES), model(tf.constant(IMAGES)), *predicted):
        np.testing.assert_allclose(np.asarray(answer), expected, atol=1e-4)


@pytest.mark.parametrize("name", MAKERS)
def test_a_keras_file_holds_settings_and_weights(name, tmp_path):
    model = MAKERS[name]()
    rng = np.random.default_rng(1)
    for variable in model.variables:
        if variable.dtype == "float32" and variable.trainable:
            noise = tf.cast(rng.normal(size=variable.shape), tf.float32)
            # Blocks of untied filters are stored with zeros between them, which are no weights.
            variable.assign(variable * (1.0 + 0.1 * noise) if variable.name == "kernel" else variable + 0.1 * noise)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is type(model) and again.get_config() == model.get_config()
    assert len(again.weights) == len(model.weights) > 0
    for one, other in zip(again.weights, model.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)
    if name in SEES_IMAGES:
        np.testing.assert_allclose(np.asarray(again(UNIT)), np.asarray(model(UNIT)), atol=1e-4)


@pytest.mark.parametrize("family", ["xcov", "replay", "sparse", "sparse_classifier"])
def test_every_endpoint_of_images_takes_uint8_and_refuses_what_would_be_garbage(family):
    model = {"xcov": MAKERS["XCov"], "replay": MAKERS["Replay"], "sparse": MAKERS["Sparse"],
             "sparse_classifier": MAKERS["SparseClassifier"]}[family]()  # fmt: skip
    for name in {"encode", "reconstruct", "classify"} & set(model.signatures()):
        method = getattr(model, name)
        for key, value in method(IMAGES).items():
            np.testing.assert_allclose(value, method(UNIT)[key], atol=1e-4, err_msg=f"{name} {key}")
        with pytest.raises(UserError, match="images go up to 255; expected floats in"):
            method(255.0 * UNIT / UNIT.max())
        with pytest.raises(UserError, match="images are of type int64; expected floats in"):
            method(IMAGES.astype(np.int64))


def test_what_images_are_costs_nothing_in_a_graph():
    model = MAKERS["XCov"]()
    spec = tf.TensorSpec([None, 16, 16, 3], tf.float32)

    def bare(images):
        return type(model)._codes.__wrapped__(model, images)

    graphs = [tf.function(f, autograph=False).get_concrete_function(spec).graph for f in (model._codes, bare)]
    one, other = ([(op.type, op.name) for op in graph.get_operations()] for graph in graphs)
    assert one == other


def test_a_family_is_built_from_its_defaults_and_unknown_settings_are_one_line():
    assert models.build({"family": "replay"}).config == models.ReplayConfig()
    assert models.build({"family": "xcov"}).config == models.XCovConfig()
    with pytest.raises(UserError, match="model settings of family 'xcov': no setting 'latent'; expected latents"):
        models.build({"family": "xcov", "latent": 3})
    with pytest.raises(UserError, match="model settings of family 'xcov'"):
        models.build({"family": "xcov", "heads": 10})
    with pytest.raises(UserError, match="model.family is 'None'; expected one of"):
        models.build({})
    with pytest.raises(UserError, match="model settings are 'xcov'; expected a dict"):
        models.build("xcov")
    with pytest.raises(UserError, match=r"seed is 99999999999; expected 0 to 2147483647"):
        models.build({"family": "xcov"}, seed=99999999999)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"family": "xcov", "encoder": (-5,)}, r"model\.encoder is \(-5,\); expected a value like \(500, 500\)"),
        ({"family": "xcov", "activation": "foo"}, r"model\.activation is 'foo'; expected a value like "),
        ({"family": "xcov", "convolutions": (3,)}, r"model\.convolutions is \(3,\); expected a value like \(\)"),
        ({"family": "sparse", "pool": 0}, r"model\.pool is 0; expected whole numbers, 1 or more"),
        ({"family": "sparse", "field": 0}, r"model\.field is 0; expected whole numbers, 1 or more"),
        ({"family": "xcov", "latents": 0}, r"latents is 0; expected 1 or more"),
        ({"family": "replay", "hidden": (8, -1)}, r"model\.hidden is \(8, -1\); expected a value like "),
        (
            {"family": "sparse", "image_shape": (16, 16, 3), "field": 5, "stages": 1, "contrast": 4},
            r"model\.contrast is 4; expected an odd number",
        ),
    ],
)
def test_a_setting_that_no_layer_takes_is_named_with_its_value(settings, said):
    with pytest.raises(UserError, match=f"model settings of family '{settings['family']}': .*{said}"):
        models.build(settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"attempts": 1.5}, "attempts is 1.5; expected a whole number"),
        ({"attempts": True}, "attempts is True; expected a whole number"),
        ({"temperature": "hot"}, "temperature is 'hot'; expected a number"),
        ({"feedback": 1}, "feedback is 1; expected True or False"),
        ({"gate_by": 3}, "gate_by is 3; expected a text"),
    ],
)
def test_a_setting_of_another_kind_is_refused_in_a_line(settings, said):
    with pytest.raises(UserError, match=re.escape(f"model settings of family 'replay': model.{said}")):
        models.build({"family": "replay", **settings})


def test_numbers_of_numpy_and_whole_ones_for_others_are_taken():
    settings = {"attempts": np.int64(2), "temperature": 1, "feedback": np.bool_(False)}
    config = models.build({"family": "replay", **settings}).config
    assert (config.attempts, config.temperature, config.feedback) == (2, 1, False)
