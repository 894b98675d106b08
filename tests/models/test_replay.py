import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from reverie import models
from reverie.layers import Noise

tfd = tfp.distributions
SMALL = {"family": "replay", "image_shape": (5, 4, 1), "classes": 6, "tasks": 3, "hidden": (9, 7), "latents": 3}


def _model(**settings):
    model = models.build({**SMALL, "gating": 0.5, **settings}, 1)
    model.seen.assign(np.ones(model.config.classes, np.float32))
    model.tasks_seen.assign(3.0)
    return model


def _images(count: int = 8, shape=(5, 4, 1)):
    return tf.constant(np.random.default_rng(0).random((count, *shape)).astype(np.float32))


def test_the_paper_s_networks_have_the_paper_s_number_of_weights():
    def count(**settings):
        model = models.build({"family": "replay", **settings}, 0)
        return sum(int(np.prod(v.shape)) for v in model.trainable_variables)

    # The first is printed by the authors' code, the others follow from the layer sizes.
    assert count() == 1_075_694
    assert count(image_shape=(32, 32, 1), tasks=100, hidden=(2000, 2000), gate_by="task") == 12_727_134
    standardized = {"mean": (0.5,) * 3, "deviation": (0.25,) * 3, "reconstruction": "squared"}
    cifar = {"image_shape": (32, 32, 3), "classes": 100, "tasks": 10, "convolutions": (16, 32, 64, 128, 256)}
    assert count(**cifar, **standardized, hidden=(2000, 2000), internal=True) == 12_925_224


def test_the_initial_weights_are_uniform_within_one_over_the_root_of_the_inputs():
    model = models.build({"family": "replay"}, 0)
    for layer, inputs in ((model.trunk[0], 784), (model.decoder[0], 100), (model.classifier, 400)):
        for values in (layer.kernel.numpy(), layer.bias.numpy()):
            limit = 1 / math.sqrt(inputs)
            assert np.abs(values).max() <= limit and np.abs(values).max() > 0.8 * limit
    assert np.std(model.prior.means.numpy()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("conditional", [True, False])
def test_losses_are_the_paper_s_terms_worked_out_in_float64(conditional):
    model = _model(conditional=conditional)
    images, label = _images(), np.array([0, 1, 2, 3, 4, 5, 0, 1], np.int32)
    noise = Noise(3, 5, 0)
    actual = model.losses({"image": images, "label": tf.constant(label)}, noise)
    w = {v.path: v.numpy().astype(np.float64) for v in model.weights}
    x = images.numpy().reshape(8, 20).astype(np.float64)

    def dense(name, values, bias=True):
        return values @ w[f"{name}/kernel"] + (w[f"{name}/bias"] if bias else 0.0)

    hidden = np.maximum(dense("trunk_2", np.maximum(dense("trunk_1", x), 0)), 0)
    logits = dense("classifier", hidden)
    mean = dense("posterior/mean" if "posterior/mean/kernel" in w else "mean", hidden)
    name = "posterior/log_variance" if "posterior/log_variance/kernel" in w else "log_variance"
    log_variance = dense(name, hidden, bias=False)
    z = mean + np.exp(0.5 * log_variance) * noise.normal("latent", [8, 3]).numpy()
    masks = [gate.masks.numpy()[label] for gate in model.gates]
    hidden = np.maximum(masks[0] * dense("decoder_1", z), 0)
    hidden = np.maximum(masks[1] * dense("decoder_2", hidden), 0)
    p = 1 / (1 + np.exp(-dense("output", hidden)))
    reconstruction = -np.mean(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)
    q = tfd.MultivariateNormalDiag(mean, np.exp(0.5 * log_variance))
    if conditional:
        m, spread = model.prior.means.numpy()[label, 0], np.exp(0.5 * model.prior.log_variances.numpy()[label, 0])
        prior = tfd.MultivariateNormalDiag(m.astype(np.float64), spread.astype(np.float64))
        latent = (q.log_prob(z) - prior.log_prob(z)) / 20
    else:
        latent = tfd.kl_divergence(q, tfd.MultivariateNormalDiag(np.zeros((8, 3)), np.ones((8, 3)))) / 20
    classification = -(logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True)))[np.arange(8), label]
    for name, expected in (("reconstruction", reconstruction), ("latent", latent), ("classification", classification)):
        np.testing.assert_allclose(actual[name], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(actual["total"], reconstruction + latent + classification, rtol=1e-4)


def test_without_feedback_classifier_and_generator_share_nothing():
    model = _model(feedback=False)
    batch = {"image": _images(), "label": tf.range(8) % 6}
    with tf.GradientTape(persistent=True) as tape:
        losses = model.losses(batch, Noise(0))
        generating = tf.reduce_sum(losses["reconstruction"] + losses["latent"])
        classifying = tf.reduce_sum(losses["classification"])
    trunk = [v.value for v in model.classifying_variables]
    rest = [v.value for v in model.trainable_variables if all(v is not c for c in model.classifying_variables)]
    assert all(g is None for g in tape.gradient(generating, trunk))
    assert all(g is None for g in tape.gradient(classifying, rest))
    shared = _model()
    with tf.GradientTape() as tape:
        losses = shared.losses(batch, Noise(0))
        generating = tf.reduce_sum(losses["reconstruction"])
    assert all(g is not None for g in tape.gradient(generating, [layer.kernel.value for layer in shared.trunk]))


def test_classification_is_the_same_whatever_the_noise_and_knows_only_classes_met():
    model = _model()
    model.seen.assign([1, 1, 0, 1, 0, 0])
    result = model.classify(_images())
    assert set(result["label"].numpy()) <= {0, 1, 3}
    probabilities = result["probabilities"].numpy()
    assert np.all(probabilities[:, [2, 4, 5]] == 0.0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    hidden = model.encode(_images())["features"]
    kept = model.logits(hidden).numpy()[:, [0, 1, 3]]
    np.testing.assert_allclose(probabilities[:, [0, 1, 3]], tf.nn.softmax(kept), rtol=1e-5)


def test_with_a_block_a_task_only_the_task_s_block_answers():
    model = _model(blocks=3)
    for task in range(3):
        result = model.classify(_images(), tf.constant(task))
        assert set(result["label"].numpy() // 2) == {task}
        np.testing.assert_allclose(
            result["probabilities"].numpy()[:, 2 * task : 2 * task + 2].sum(axis=1), 1.0, rtol=1e-5
        )


def test_xdg_closes_the_product_and_leaves_the_bias():
    model = _model(generator=False, gating=0.0, task_gating=0.5)
    inputs = tf.reshape(_images(), [8, 20])
    first = model.trunk[0]
    hidden, records = model.activations(inputs, tf.fill([8], 1))
    mask = model.task_gates[0].masks.numpy()[1]
    before = inputs.numpy() @ first.kernel.numpy() * mask + first.bias.numpy()
    np.testing.assert_allclose(records[0][2], before, rtol=1e-5)
    assert np.sum(mask == 0) == 4 and hidden.shape == (8, 7)


def test_generate_repeats_with_its_seed_and_imagines_what_is_asked():
    model = _model()
    make = lambda seed, ids, count=5: model.generate(tf.constant(count), tf.constant(seed), tf.constant(ids))  # noqa: E731
    first = make([1, 2], [3])
    assert first["images"].shape == (5, 5, 4, 1) and first["label"].numpy().tolist() == [3] * 5
    assert np.array_equal(first["images"], make([1, 2], [3])["images"])
    assert not np.array_equal(first["images"], make([1, 3], [3])["images"])
    assert make([1, 2], [0, 1, 2, 3, 5])["label"].numpy().tolist() == [0, 1, 2, 3, 5]
    model.seen.assign([0, 1, 0, 0, 1, 0])
    assert set(make([1, 2], [-1], 200)["label"].numpy()) == {1, 4}
    # The latents behind them are the class's own.
    model.prior.means.assign(np.full([6, 1, 3], 50.0, np.float32) * np.arange(6)[:, None, None])
    z = model.prior.sample(tf.fill([100], 4), tf.constant([0, 0]))
    assert abs(float(np.mean(z)) - 200.0) < 2.0


def test_of_several_attempts_the_first_seen_as_what_was_asked_is_kept_and_else_the_likeliest():
    once, often = _model(), _model(attempts=4)
    for model in (once, often):  # Codes far apart, and no class that is seen in all of them: attempts differ.
        model.prior.log_variances.assign(np.full(model.prior.log_variances.shape, 4.0))
        some = tf.range(600) % 6
        rows = model.imagine(model.prior.sample(some, tf.constant([5, 5])), model.context(some, some))
        model.classifier.bias.assign_sub(tf.reduce_mean(model.logits(model.activations(rows)[0]), axis=0))
    seed, asked = tf.constant([1, 2]), np.arange(60, dtype=np.int32) % 6
    made = often.generate(tf.constant(60), seed, tf.constant(asked))
    latent_key = tf.random.split(seed, 3, alg="philox")[1]
    label = np.repeat(asked, 4)
    rows = once.imagine(once.prior.sample(tf.constant(label), latent_key), once.context(tf.constant(label), label))
    seen = once.classify_inputs(rows)
    wanted, rights = [], []
    for row, of in enumerate(asked):
        places = range(4 * row, 4 * row + 4)
        right = [place for place in places if int(seen["label"][place]) == of]
        likely = max(places, key=lambda place: float(seen["probabilities"][place, of]))
        wanted.append(rows[right[0] if right else likely])
        rights.append(len(right))
    assert 0 in rights and any(0 < count < 4 for count in rights)
    np.testing.assert_allclose(made["images"], once.to_images(tf.stack(wanted)), atol=1e-6)
    np.testing.assert_array_equal(made["label"], asked)


def test_temperature_widens_the_prior_where_images_are_asked_for():
    once, warm = _model(), _model(temperature=3.0)
    label, key = tf.zeros([5], tf.int32), tf.constant([3, 4])
    mean = once.prior.distribution().mean()[0]
    np.testing.assert_allclose(
        warm.prior.sample(label, key, 3.0) - mean, 3.0 * (once.prior.sample(label, key) - mean), rtol=1e-4, atol=1e-5
    )
    seed = tf.constant([1, 2])
    latent_key = tf.random.split(seed, 3, alg="philox")[1]
    wanted = once.imagine(once.prior.sample(label, latent_key, 3.0), once.context(label, label))
    made = warm.generate(tf.constant(5), seed, tf.constant([0]))["images"]
    np.testing.assert_allclose(made, once.to_images(wanted), atol=1e-6)
    cold = _model(conditional=False, gating=0.0, temperature=1e-6)
    plain = cold.generate(tf.constant(5), seed, tf.constant([-1]))["images"]
    np.testing.assert_allclose(plain - plain[:1], 0.0, atol=1e-4)


def test_internal_replay_imagines_features_of_a_frozen_stack():
    settings = {"image_shape": (8, 8, 3), "convolutions": (4, 6, 8), "internal": True, "reconstruction": "squared"}
    model = _model(**settings, mean=(0.5,) * 3, deviation=(0.2,) * 3)
    images = _images(shape=(8, 8, 3))
    represented = model.represent(images)
    assert represented.shape == (8, 2 * 2 * 8) and model.features.trainable_variables == []
    expected = model.features((images - 0.5) / 0.2)
    np.testing.assert_allclose(represented, tf.reshape(expected, [8, -1]), rtol=1e-5)
    assert model.generate(tf.constant(3), tf.constant([0, 0]), tf.constant([-1]))["images"].shape == (3, 2, 2, 8)
    assert all("features" not in v.path for v in model.trainable_variables)


def test_pixel_replay_beside_convolutions_imagines_images_and_trains_the_stack():
    settings = {"image_shape": (8, 8, 3), "convolutions": (4, 6, 8), "reconstruction": "squared"}
    model = _model(**settings, feedback=False, mean=(0.5,) * 3, deviation=(0.2,) * 3)
    made = model.generate(tf.constant(3), tf.constant([0, 0]), tf.constant([-1]))["images"]
    assert made.shape == (3, 8, 8, 3)
    losses = model.losses({"image": _images(shape=(8, 8, 3)), "label": tf.range(8) % 6}, Noise(0))
    assert np.all(np.isfinite(losses["total"]))
    assert any("features" in v.path for v in model.classifying_variables)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"gate_by": "colour"}, "'class' or 'task'"),
        ({"reconstruction": "l1"}, "'bernoulli' or 'squared'"),
        ({"internal": True, "reconstruction": "squared"}, "needs a convolutional stack"),
        ({"mean": (0.5,), "deviation": (0.2,)}, "set reconstruction='squared'"),
        ({"hidden": ()}, "at least one"),
        ({"blocks": 2}, "expected 1, or tasks=3"),
        ({"gating": 1.0}, "below 1"),
        ({"attempts": 0}, "attempts is 0; expected 1 to 16"),
        ({"attempts": 3_000_000_000}, "attempts is 3000000000; expected 1 to 16"),
        ({"temperature": 0.0}, "temperature is 0; expected more than 0, and at most 100"),
        ({"temperature": 1e38}, r"temperature is 1e\+38; expected more than 0, and at most 100"),
    ],
)
def test_settings_that_make_no_network_are_refused(settings, said):
    with pytest.raises(Exception, match=said):
        models.build({**SMALL, **settings}, 0)
