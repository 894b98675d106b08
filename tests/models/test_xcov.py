import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from reverie import models
from reverie.configs import xcov_mnist, xcov_multipie, xcov_tfd
from reverie.errors import UserError
from reverie.models.xcov import XCov, XCovConfig
from reverie.training.optimizers import make_optimizer

SMALL = XCovConfig(image_shape=(6, 6, 1), heads={"label": 3}, latents=2, encoder=(8,), decoder=(8,))


@pytest.fixture
def model():
    tf.keras.utils.set_random_seed(0)
    return XCov(SMALL)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return {
        "image": tf.constant(rng.random((5, 6, 6, 1)), tf.float32),
        "label": tf.constant([0, 2, -1, 1, -1], tf.int32),
    }


def numpy_losses(model, batch) -> dict:
    """The objective written out in numpy float64 from the model's own weights."""
    weights = {v.path: v.numpy().astype(np.float64) for v in model.variables}

    def dense(x, prefix):
        kernel = next(w for path, w in weights.items() if path.startswith(prefix) and path.endswith("kernel"))
        bias = next(w for path, w in weights.items() if path.startswith(prefix) and path.endswith("bias"))
        return x @ kernel + bias

    decoder = [path.rsplit("/", 1)[0] for path in weights if path.startswith("decoder") and path.endswith("kernel")]
    x = batch["image"].numpy().astype(np.float64)
    hidden = np.maximum(dense(x.reshape(5, -1), "encoder"), 0)
    logits, z = dense(hidden, "head_label"), dense(hidden, "style")
    y = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    decoded = dense(np.maximum(dense(np.hstack([y, z]), decoder[0]), 0), decoder[1]).reshape(x.shape)
    labels = batch["label"].numpy()
    entropy = np.array([-np.log(y[n, label]) if label >= 0 else 0.0 for n, label in enumerate(labels)])
    covariance = (y - y.mean(0)).T @ (z - z.mean(0)) / 5
    error = np.mean((decoded - x) ** 2, axis=(1, 2, 3))
    penalty = 0.5 * np.sum(covariance**2)
    config = model.config
    total = (
        config.reconstruction_weight * error
        + config.classification_weight * entropy
        + config.covariance_weight * penalty
    )
    return {"total": total, "reconstruction": error, "classification": entropy, "cross_covariance": np.full(5, penalty)}


def test_losses_equal_the_objective_written_out_in_numpy(model, batch):
    losses = model.losses(batch)
    for name, expected in numpy_losses(model, batch).items():
        np.testing.assert_allclose(losses[name], expected, rtol=2e-5, atol=1e-9, err_msg=name)


def test_unlabeled_rows_teach_reconstruction_and_covariance_only(model, batch):
    unlabeled = {**batch, "label": tf.fill([5], -1)}
    losses = model.losses(unlabeled)
    assert np.all(losses["classification"].numpy() == 0.0)
    assert np.all(losses["reconstruction"].numpy() > 0.0)
    assert np.all(losses["cross_covariance"].numpy() > 0.0)


def test_the_decoder_sees_the_prediction_so_reconstruction_teaches_the_classifier(batch):
    model = XCov(dataclasses.replace(SMALL, classification_weight=0.0, covariance_weight=0.0))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model.losses(batch)["total"])
    kernel = model.heads["label"].kernel.value
    assert float(tf.reduce_max(tf.abs(tape.gradient(total, kernel)))) > 0.0


def test_the_covariance_may_be_taken_on_logits(model, batch):
    on_logits = XCov(dataclasses.replace(SMALL, covariance_on="logits"))
    on_logits.set_weights(model.get_weights())
    assert not np.allclose(on_logits.losses(batch)["cross_covariance"], model.losses(batch)["cross_covariance"])


def test_reconstruction_is_the_decoding_of_the_code(model, batch):
    code = model.encode(batch["image"])
    assert code["features"].shape == (5, 2) and code["probabilities"].shape == (5, 3)
    np.testing.assert_allclose(tf.reduce_sum(code["probabilities"], axis=1), np.ones(5), rtol=1e-6)
    np.testing.assert_array_equal(model.reconstruct(batch["image"])["images"], model.decode(**code))
    classified = model.classify(batch["image"])
    np.testing.assert_array_equal(classified["label"], np.argmax(code["probabilities"], axis=1))


def _generate(model, count=4, seed=(1, 2), label=(1,)):
    return model.generate(tf.constant(count), tf.constant(seed), tf.constant(label, tf.int32))


def test_generation_repeats_with_the_seed_and_differs_without(model):
    np.testing.assert_array_equal(_generate(model)["images"], _generate(model)["images"])
    assert not np.allclose(_generate(model)["images"], _generate(model, seed=(1, 3))["images"])


def test_generation_uses_the_labels_given_and_draws_the_rest(model):
    assert _generate(model)["label"].numpy().tolist() == [1, 1, 1, 1]
    assert _generate(model, label=(0, 1, 2, 0))["label"].numpy().tolist() == [0, 1, 2, 0]
    drawn = _generate(model, count=3000, label=(-1,))["label"].numpy()
    assert np.abs(np.bincount(drawn, minlength=3) - 1000).max() < 120


def test_generated_styles_have_the_measured_spread(model, batch):
    model.calibrate(batch["image"])
    styles = model.encode(batch["image"])["features"].numpy()
    draws = model.style_prior.distribution().sample(20_000, seed=[1, 2]).numpy()
    np.testing.assert_allclose(draws.mean(0), styles.mean(0), atol=4 * styles.std() / 100)
    np.testing.assert_allclose(draws.std(0), styles.std(0), rtol=0.05)


def test_several_heads_have_a_softmax_each_and_name_their_outputs():
    model = XCov(dataclasses.replace(SMALL, heads={"pose": 3, "light": 2}))
    images = tf.random.stateless_uniform([4, 6, 6, 1], [1, 2])
    labels = tf.constant([[0, 1], [2, -1], [-1, -1], [1, 0]])
    losses = model.losses({"image": images, "label": labels})
    assert losses["classification"].numpy()[2] == 0.0 and losses["classification"].numpy()[1] > 0.0
    assert sorted(model.classify(images)) == ["light_label", "light_probabilities", "pose_label", "pose_probabilities"]
    made = model.generate(tf.constant(2), tf.constant([1, 2]), tf.constant([[2, -1]]))
    assert made["images"].shape == (2, 6, 6, 1) and made["label"].numpy()[:, 0].tolist() == [2, 2]


CENTERED = dataclasses.replace(SMALL, centered=True)


def test_a_centered_model_has_the_objective_of_one_that_is_not_on_pictures_centered_by_hand(batch):
    centered, plain = XCov(CENTERED), XCov(SMALL)
    images = 0.2 * batch["image"] + 0.7
    centered.prepare(images)
    mean = images.numpy().mean(axis=0)
    length = np.sqrt(np.square(images.numpy() - mean).sum(axis=(1, 2, 3)).mean())
    for mine, theirs in zip(plain.trainable_weights, centered.trainable_weights, strict=True):
        mine.assign(theirs)
    np.testing.assert_allclose(
        centered.encode(images)["features"], plain.encode((images - mean) * 7.0 / length)["features"], atol=1e-5
    )
    code = plain.encode((images - mean) * 7.0 / length)
    np.testing.assert_allclose(centered.decode(**code), plain.decode(**code) + mean, atol=1e-5)


def test_the_mean_picture_is_measured_once_and_not_again_on_resuming(batch):
    model = XCov(CENTERED)
    model.prepare(batch["image"])
    before = model.get_weights()
    model.prepare(1.0 - batch["image"])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_run_written_before_centering_keeps_its_weights_and_its_pictures_as_they_were():
    section = xcov_mnist.get_config().model.to_dict()
    assert section.pop("centered")
    completed = models.complete(section)
    assert completed["centered"] is False
    old = models.build(completed)
    assert not any("centering" in weight.path for weight in old.weights)
    old.prepare(tf.ones([4, 28, 28, 1]))  # Changes nothing.
    images = tf.random.stateless_uniform([3, 28, 28, 1], [1, 2])
    hidden = old.encoder(images)
    np.testing.assert_array_equal(old.encode(images)["features"], old.style(hidden))


def _share_of_units_off(centered: bool, steps: int = 12) -> float:
    """Of the first layer, for all of some bright pictures, after steps of the paper's rule."""
    rng = np.random.default_rng(0)
    images = np.ones([200, 24, 24, 3], np.float32)
    labels = np.arange(200) % 4
    for row, label in enumerate(labels):
        images[row, 6 * label : 6 * label + 6, 4:20] = rng.uniform(0.0, 1.0, 3)
    tf.keras.utils.set_random_seed(0)
    shape = {"image_shape": (24, 24, 3), "heads": {"label": 4}, "encoder": (100, 100), "decoder": (100,)}
    model = XCov(XCovConfig(**shape, reconstruction_weight=30.0, centered=centered))
    model.prepare(images)
    variables = [variable.value for variable in model.trainable_variables]
    adadelta = make_optimizer({"name": "adadelta"}, model.trainable_variables)
    for step in range(steps):
        with tf.GradientTape() as tape:
            batch = {"image": tf.constant(images), "label": tf.constant(labels, tf.int32)}
            total = tf.reduce_mean(model.losses(batch)["total"])
        adadelta.apply(tape.gradient(total, variables), variables, tf.constant(1.0), tf.constant(step, tf.int64))
    seen = model.centering(images) if centered else images
    first = tf.nn.relu(tf.reshape(seen, [200, -1]) @ model.encoder.layers[1].kernel + model.encoder.layers[1].bias)
    return float(np.mean(np.max(first, axis=0) <= 0.0))


def test_bright_pictures_do_not_turn_a_centered_network_off_and_do_turn_off_one_that_is_not():
    assert _share_of_units_off(centered=False) > 0.5
    assert _share_of_units_off(centered=True) < 0.1


def test_initial_weights_follow_the_seed():
    settings = xcov_mnist.get_config().model
    first, again, other = (models.build(settings, seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        # Sums of (inputs + 1) * outputs over the layers of each paper column.
        (xcov_mnist, 785 * 500 + 501 * 500 + 501 * 12 + 13 * 500 + 501 * 500 + 501 * 784),
        (xcov_tfd, 2305 * 2000 + 2001 * 2000 + 2001 * 800 + 801 * 2000 + 2001 * 2000 + 2001 * 2304),
        (
            xcov_multipie,
            (100 + 1) * 32 + 12801 * 2000 + 2001 * 2000 + 2001 * 545
            + 546 * 2000 + 2001 * 2000 + 2001 * 12800 + (100 * 32 + 1),
        ),
    ],
)  # fmt: skip
def test_paper_sizes_have_the_papers_weights(config, parameters):
    settings = config.get_config().model
    model = models.build(settings)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == parameters
    shape = tuple(settings.image_shape)
    assert model.reconstruct(tf.zeros([2, *shape]))["images"].shape == (2, *shape)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"family": "vae"},
            "model.family is 'vae'; expected one of beta_tcvae, beta_vae, factor_vae, jmvae, replay, scan, sparse, "
            "sparse_classifier, telbo, xcov",
        ),
        ({"covariance_on": "pixels"}, "covariance_on is 'pixels'"),
        ({"latents": 0}, "latents is 0; expected 1 or more"),
        ({"heads": {}}, "heads is {}; expected some"),
        ({"depth": 3}, "depth"),
        ({"image_shape": (49, 49, 1), "convolutions": ((4, 10, 2),)}, "do not tile"),
        ({"convolutions": ((4, 40, 2),)}, "leave no positions"),
    ],
)
def test_settings_that_make_no_model_are_named(change, message):
    with pytest.raises(UserError, match=message):
        models.build({**xcov_mnist.get_config().model.to_dict(), **change})
