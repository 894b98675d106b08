"""The loss of a step with rehearsal, against NumPy in float64 from the same weights and the same draws."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from reverie.layers import Noise
from reverie.training import continual, strategies

from .. import experiment
from ..conftest import tiny_stream_config


def _experiment(source, recipe, scenario="class", **changes):
    config = tiny_stream_config(source, recipe, scenario)
    for name, value in changes.items():
        config.continual[name] = value
    streams = experiment.read_streams(config, "train")
    made = continual.make_experiment(config, streams["train"], strategies.make_strategy("one"))
    rng = np.random.default_rng(5)
    for method in made.state.methods:
        if hasattr(method, "copy"):
            method.after_task(0)  # Gates and all; then a network of other weights learns on.
    for variable in made.model.trainable_variables:
        variable.assign(variable.numpy() + 0.3 * rng.normal(size=variable.shape).astype(np.float32))
    batch = {"image": tf.constant(rng.random((12, 12, 12, 1)).astype(np.float32))}
    return made, batch, rng


class _Numpy:
    """The network's forward pass in float64."""

    def __init__(self, model):
        self.model = model

    def dense(self, layer, x):
        bias = 0.0 if layer.bias is None else layer.bias.numpy().astype(np.float64)
        return x @ layer.kernel.numpy().astype(np.float64) + bias

    def hidden(self, x, layers):
        for layer in layers:
            x = np.maximum(self.dense(layer, x), 0.0)
        return x

    def logits(self, x):
        return self.dense(self.model.classifier, self.hidden(x, self.model.trunk))

    def generative(self, x, context, prior_weights, normal):
        """(reconstruction, latent) of rows; `prior_weights` is a distribution over classes or None."""
        model = self.model
        hidden = self.hidden(x, model.encoder or model.trunk)
        mean, log_variance = self.dense(model.posterior.mean, hidden), self.dense(model.posterior.log_variance, hidden)
        z = mean + np.exp(0.5 * log_variance) * normal
        values = z
        for number, layer in enumerate(model.decoder):
            values = self.dense(layer, values)
            values = np.maximum(values * (context @ model.gates[number].masks.numpy()) if model.gates else values, 0.0)
        # -x log p - (1 - x) log(1 - p) of p = sigmoid(decoded), for any size of it.
        decoded = self.dense(model.output_layer, values)
        reconstruction = np.mean(np.logaddexp(0.0, decoded) - x * decoded, axis=1)
        if not model.config.conditional:
            latent = -0.5 * np.sum(1 + log_variance - mean**2 - np.exp(log_variance), axis=1)
        else:
            m, spread = (w.numpy()[:, 0].astype(np.float64) for w in (model.prior.means, model.prior.log_variances))
            density = -0.5 * ((z[:, None] - m) ** 2 / np.exp(spread) + spread).sum(axis=2)
            log_q = -0.5 * ((z - mean) ** 2 / np.exp(log_variance) + log_variance).sum(axis=1)
            latent = log_q - scipy.special.logsumexp(density, axis=1, b=prior_weights)
        return reconstruction, latent / 144


def _log_softmax(logits, active):
    kept = np.where(active, logits, -np.inf)
    return kept - np.log(np.sum(np.exp(kept), axis=1, keepdims=True))


@pytest.mark.parametrize("recipe", ["bir", "gr", "gr+distillation", "bir-conditional", "bir-feedback", "lwf"])
def test_class_incremental_loss_is_one_t_th_current_and_the_rest_rehearsed(stream_npz, recipe):
    made, batch, rng = _experiment(stream_npz, recipe)
    model, objective, rehearsal = made.model, made.state.objective, made.state.methods[0]
    label = rng.integers(4, 6, 12)
    batch["label"] = tf.constant(label, tf.int32)
    objective.task.assign(2)
    noise = Noise(1, 7, 0)
    actual = objective.later(batch, noise, True)
    numpy, copy = _Numpy(model), _Numpy(rehearsal.copy)
    current = batch["image"].numpy().reshape(12, 144).astype(np.float64)
    given = rehearsal.rows(tf.constant(current, tf.float32), 12, tf.constant(2), noise)
    rehearsed = current if given.inputs is None else given.inputs.numpy().astype(np.float64)
    # The copy answers with the four classes of earlier tasks, softly at temperature 2 or with its best guess.
    soft = "distillation" in recipe or "bir" in recipe or recipe == "lwf"
    answers = copy.logits(rehearsed) / (2.0 if soft else 1.0)
    targets = np.exp(_log_softmax(answers, np.arange(6) < 4))
    if not soft:
        targets = np.eye(6)[np.argmax(targets, axis=1)]
    np.testing.assert_allclose(given.targets, targets, atol=1e-5)
    everything = np.ones(6, bool)
    now = -_log_softmax(numpy.logits(current), everything)[np.arange(12), label]
    logits = numpy.logits(rehearsed) / (2.0 if soft else 1.0)
    before = (4.0 if soft else 1.0) * -np.sum(targets * _log_softmax(logits, everything), axis=1)
    np.testing.assert_allclose(np.mean(actual["classification"]), now.mean(), rtol=1e-4)
    np.testing.assert_allclose(np.mean(actual["rehearsed_classification"]), before.mean(), rtol=1e-4)
    expected = now.mean() / 3 + 2 * before.mean() / 3
    if model.config.generator:
        normal = noise.normal("latent", [24, 5]).numpy()
        onehot = np.eye(6)[label]
        parts = [numpy.generative(current, onehot, onehot, normal[:12]), numpy.generative(rehearsed, targets, targets, normal[12:])]  # fmt: skip  # noqa: E501
        expected += sum(part.mean() for part in parts[0]) / 3 + 2 * sum(part.mean() for part in parts[1]) / 3
    np.testing.assert_allclose(np.mean(actual["total"]), expected, rtol=1e-4)


@pytest.mark.parametrize("recipe", ["bir", "gr+distillation", "lwf"])
def test_task_incremental_rehearsal_counts_every_earlier_task_alike(stream_npz, recipe):
    made, batch, rng = _experiment(stream_npz, recipe, "task")
    objective, rehearsal = made.state.objective, made.state.methods[0]
    label = rng.integers(4, 6, 12)
    batch["label"] = tf.constant(label, tf.int32)
    objective.task.assign(2)
    noise = Noise(1, 7, 0)
    actual = objective.later(batch, noise, True)
    numpy, copy = _Numpy(made.model), _Numpy(rehearsal.copy)
    current = batch["image"].numpy().reshape(12, 144).astype(np.float64)
    given = rehearsal.rows(tf.constant(current, tf.float32), 12, tf.constant(2), noise)
    rehearsed = current if given.inputs is None else given.inputs.numpy().astype(np.float64)
    block = lambda k: np.arange(6) // 2 == k  # noqa: E731
    # Current rows: cross-entropy within the third task's block.
    now = -_log_softmax(numpy.logits(current), block(2))[np.arange(12), label]
    np.testing.assert_allclose(np.mean(actual["classification"]), now.mean(), rtol=1e-4)
    losses = []
    for k in range(2):
        targets = np.exp(_log_softmax(copy.logits(rehearsed) / 2, block(k)))
        student = np.where(block(k), _log_softmax(numpy.logits(rehearsed) / 2, block(k)), 0.0)
        losses.append(-4 * np.sum(targets * student, axis=1))
    if recipe == "bir":
        # Each row was imagined for one task and is answered by that task's block alone.
        own = given.targets.numpy().reshape(12, 3, 2).sum(axis=2)
        assert np.allclose(own.max(axis=1), 1.0) and np.all(own[:, 2] == 0.0)
        expected = np.mean([losses[k][own[:, k] > 0.5].mean() for k in range(2)])
    else:
        expected = np.mean(losses)
    np.testing.assert_allclose(np.mean(actual["rehearsed_classification"]), expected, rtol=1e-4)


def test_rows_of_unequal_turns_are_weighed_so_that_tasks_count_alike(stream_npz):
    made, *_ = _experiment(stream_npz, "bir", "task")
    rehearsal = made.state.methods[0]
    given = rehearsal.rows(tf.zeros([1, 144]), 7, tf.constant(2), Noise(0))
    task = np.argmax(given.targets.numpy().reshape(7, 3, 2).sum(axis=2), axis=1)
    weights = given.weights.numpy()
    assert sorted(np.bincount(task, minlength=2).tolist()) == [3, 4]
    assert weights[task == 0].sum() == pytest.approx(weights[task == 1].sum()) and weights.sum() == pytest.approx(7)


@pytest.mark.parametrize(("scenario", "classes"), [("class", {0, 1, 2, 3}), ("domain", {0, 1}), ("task", {0, 1, 2, 3})])
def test_only_classes_of_earlier_tasks_are_imagined(stream_npz, scenario, classes):
    made, *_ = _experiment(stream_npz, "bir", scenario)
    rehearsal = made.state.methods[0]
    asked = []
    original = rehearsal.copy.prior.sample
    rehearsal.copy.prior.sample = lambda label, seed: asked.append(label.numpy()) or original(label, seed)
    for step in range(5):
        rehearsal.rows(tf.zeros([1, 144]), 60, tf.constant(2), Noise(0, step))
    counts = np.bincount(np.concatenate(asked))
    assert set(np.flatnonzero(counts)) == classes and counts[counts > 0].min() > 300 / len(classes) / 2
    assert len({tuple(labels) for labels in asked}) == 5  # Fresh draws every step.


def test_the_first_task_has_no_rehearsal_and_the_penalty_counts_once(stream_npz):
    made, batch, _ = _experiment(stream_npz, "ewc")
    batch["label"] = tf.zeros([12], tf.int32)
    method = made.state.methods[0]
    method.precision[0].assign(tf.ones_like(method.precision[0]))
    losses = made.state.objective.first(batch, Noise(0), True)
    assert set(losses) == {"total", "classification", "penalty"}
    moved = made.model.classifying_variables[0].numpy() - method.center[0].numpy()
    assert np.mean(losses["penalty"]) == pytest.approx(50.0 * np.sum(moved**2), rel=1e-4)
    np.testing.assert_allclose(losses["total"], losses["classification"] + losses["penalty"], rtol=1e-5)
