"""Guided replay: its discriminant against scikit-learn on all images at once, its labels and priors against NumPy."""

import numpy as np
import pytest
import reverie
import scipy.special
import scipy.stats
import tensorflow as tf
from reverie.errors import UserError
from reverie.layers import Noise
from reverie.pipelines import in_order
from reverie.training import continual, strategies
from reverie.training.continual import equal_mixture
from reverie.training.continual.equal_mixture import fit_equal_mixture
from reverie.training.continual.guided import in_every_domain
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from .. import experiment
from ..conftest import run_stream, tiny_stream_config

SHRINKAGE = 0.05


def _config(source, scenario="class", kind="split"):
    config = tiny_stream_config(source, "guided", scenario, kind)
    config.model.discriminant = 48
    config.model.modes = 2
    config.continual.shrinkage = SHRINKAGE
    return config


@pytest.fixture(scope="module")
def learned(stream_npz, tmp_path_factory):
    """(config, model, state) of a run over three tasks of two classes."""
    config = _config(stream_npz)
    model, _, _, state = run_stream(config, tmp_path_factory.mktemp("guided") / "run")
    return config, model, state


def _all(config) -> tuple:
    """(pixels float64 [n, units], labels in the order met) of all training images."""
    stream = experiment.read_streams(config, "train")["train"]
    batches = list(in_order(stream.upto(len(stream) - 1), 500))
    rows = np.concatenate([batch["image"].numpy().reshape(len(batch["image"]), -1) for batch in batches])
    return rows.astype(np.float64), np.concatenate([batch["label"].numpy() for batch in batches])


def _features(model, rows) -> np.ndarray:
    layer = model.discriminant_features
    inside = rows / layer.spread.numpy() @ layer.frequencies.numpy().astype(np.float64) + layer.phases.numpy()
    return np.sqrt(2.0 / layer.units) * np.cos(inside)


def test_after_all_tasks_the_discriminant_is_that_of_all_images_at_once(learned):
    config, model, _ = learned
    rows, label = _all(config)
    features = _features(model, rows)
    known = LinearDiscriminantAnalysis("lsqr", shrinkage=SHRINKAGE).fit(features, label)
    ours = model.discriminant(model.discriminant_features(rows.astype(np.float32))).numpy()
    # All classes count alike here.
    theirs = features @ known.coef_.T + known.intercept_ - np.log(known.priors_)
    np.testing.assert_allclose(
        ours - ours.mean(axis=1, keepdims=True), theirs - theirs.mean(axis=1, keepdims=True), rtol=2e-3, atol=5e-3
    )


def test_a_task_is_gathered_once_also_where_a_run_goes_on_inside_it(learned):
    config, _, state = learned
    method = next(method for method in state.methods if method.name == "guided")
    counted = np.bincount(_all(config)[1])
    np.testing.assert_array_equal(method.moments.counts, counted)
    method.before_task(2)  # As when a run that was stopped inside the task goes on.
    np.testing.assert_array_equal(method.moments.counts, counted)


def test_the_network_answers_with_the_sum_of_both_logits(learned):
    _, model, _ = learned
    rows = np.random.default_rng(0).random((9, 144)).astype(np.float32)
    hidden, _ = model.activations(rows)
    expected = model.logits(hidden) + model.config.discriminant_weight * model.discriminant(
        model.discriminant_features(rows)
    )
    probabilities = model.classify_inputs(rows)["probabilities"]
    np.testing.assert_allclose(probabilities, scipy.special.softmax(expected, axis=-1), rtol=1e-4, atol=1e-6)


def test_imagined_rows_carry_what_the_whole_copy_answers_among_earlier_classes(learned):
    _, _, state = learned
    method = next(method for method in state.methods if method.name == "guided")
    rehearsed = method.rows(tf.zeros([0, 144]), 7, tf.constant(2), Noise(3, 5))
    copy = method.copy
    answers = copy.answers(rehearsed.inputs, copy.activations(rehearsed.inputs)[0]).numpy()[:, :4] / 2.0
    np.testing.assert_allclose(rehearsed.targets[:, :4], scipy.special.softmax(answers, axis=-1), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(rehearsed.targets[:, 4:], np.zeros((7, 2)))


def test_the_prior_of_the_last_task_s_classes_has_the_moments_of_their_codes(learned):
    config, model, _ = learned
    rows, label = _all(config)
    hidden, _ = model.activations(rows.astype(np.float32))
    mean, log_variance = (value.numpy().astype(np.float64) for value in model.posterior_of(rows, hidden))
    for unit in (4, 5):
        modes, within = model.prior.means.numpy()[unit], np.exp(model.prior.log_variances.numpy()[unit])
        own = mean[label == unit]
        deviation = np.sqrt(own.var(axis=0) + np.exp(log_variance[label == unit]).mean(axis=0))
        # Codes are drawn: the mean of about forty of them is off by a sixth of their deviation.
        assert np.all(np.abs(modes.mean(axis=0) - own.mean(axis=0)) < deviation)
        spread = np.sqrt(within.mean(axis=0) + modes.var(axis=0)) / deviation
        assert np.all((spread > 0.5) & (spread < 1.6))


def test_a_fit_is_never_less_likely_for_another_round(monkeypatch):
    random = np.random.default_rng(4)
    points = np.concatenate([random.normal(c, s, size=(80, 3)) for c, s in ((0, 1), (3, 0.5), (-2, 2))])

    def likelihood(rounds):
        monkeypatch.setattr(equal_mixture, "_ROUNDS", rounds)
        means, log_variances = fit_equal_mixture(points, 3, seed=1)
        parts = [
            scipy.stats.norm.logpdf(points, mean, np.exp(0.5 * log_variance)).sum(axis=1)
            for mean, log_variance in zip(means, log_variances, strict=True)
        ]
        return scipy.special.logsumexp(parts, axis=0).sum() - len(points) * np.log(3)

    values = [likelihood(rounds) for rounds in (1, 2, 3, 5, 10, 25)]
    assert np.all(np.diff(values) > -1e-6) and values[-1] > values[0]


def test_modes_beyond_the_points_repeat():
    means, log_variances = fit_equal_mixture(np.array([[1.0, 2.0], [3.0, 4.0]]), 5, seed=0)
    assert means.shape == log_variances.shape == (5, 2)
    assert {tuple(np.round(row, 6)) for row in means} == {(1.0, 2.0), (3.0, 4.0)}
    one, _ = fit_equal_mixture(np.ones((4, 2)), 3, seed=0)
    np.testing.assert_array_equal(one, np.ones((3, 2)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"discriminant": 0}, "guided is on, but model.discriminant is 0; expected a number of features"),
     ({"conditional": False}, "guided is on, but model.conditional is False")],
)  # fmt: skip
def test_networks_that_it_cannot_guide(changes, said):
    model = {"discriminant": 10, "conditional": True, "generator": True, **changes}
    with pytest.raises(UserError, match=said):
        continual.checked({"methods": ("guided",)}, "class", model)


def test_a_discriminant_that_nothing_would_set_is_refused():
    with pytest.raises(UserError, match="guided is off, but model.discriminant is 10; expected 0"):
        continual.checked({"methods": ("generative",)}, "class", {"discriminant": 10, "generator": True})


def test_its_recipe_is_brain_inspired_replay_with_both_additions():
    config = reverie.config("replay_split_mnist:guided")
    assert tuple(config.continual.methods) == ("guided",) and config.continual.distillation
    assert config.model.feedback and config.model.conditional and config.model.gating == 0.1
    assert (config.model.discriminant, config.model.modes) == (5000, 10)
    assert (config.model.discriminant_weight, config.model.generative_weight) == (3.0, 20.0)
    assert reverie.config("replay_split_mnist:guided-gating").model.gating == 0.0


def test_where_tasks_share_classes_the_discriminant_is_a_mixture_of_a_gaussian_a_task(stream_npz, tmp_path):
    config = _config(stream_npz, "domain", "permuted")
    model = run_stream(config, tmp_path / "run")[0]
    stream = experiment.read_streams(config, "train")["train"]
    rows, task, label = [], [], []
    for number, images in enumerate(stream.tasks):
        for batch in in_order(images, 500):
            rows.append(batch["image"].numpy().reshape(len(batch["image"]), -1))
            task.append(np.full(len(batch["label"]), number))
            label.append(batch["label"].numpy())
    rows, task, label = map(np.concatenate, (rows, task, label))
    features = _features(model, rows.astype(np.float64))
    kinds = {(t, c): features[(task == t) & (label == c)] for t in range(3) for c in range(6)}
    within = sum((own - own.mean(axis=0)).T @ (own - own.mean(axis=0)) for own in kinds.values()) / len(rows)
    units = features.shape[1]
    shrunk = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / units * np.eye(units)
    density = {kind: scipy.stats.multivariate_normal(own.mean(axis=0), shrunk) for kind, own in kinds.items()}
    expected = scipy.special.logsumexp(
        [[density[t, c].logpdf(features) for c in range(6)] for t in range(3)], axis=0
    ).T  # fmt: skip
    inputs = rows.astype(np.float32)
    hidden, _ = model.activations(inputs)
    ours = (model.answers(inputs, hidden) - model.logits(hidden)).numpy() / model.config.discriminant_weight
    np.testing.assert_allclose(
        ours - ours.mean(axis=1, keepdims=True), expected - expected.mean(axis=1, keepdims=True), rtol=2e-3, atol=1e-2
    )


def test_a_class_that_a_domain_has_not_met_looks_as_where_it_was_met_last():
    random = np.random.default_rng(0)
    kernel, bias, rows = random.normal(size=(3, 3)), random.normal(size=3), random.normal(size=(5, 3))
    # Three domains of two classes; class 1 was met in the first only, class 0 in the first two.
    met = np.array([True, True, True, False, False, False])
    everywhere, kernels, biases = in_every_domain(met, kernel, bias, 3)
    assert everywhere.all()
    found = scipy.special.logsumexp((rows @ kernels + biases).reshape(5, 3, 2), axis=1)
    known = rows @ kernel + bias
    np.testing.assert_allclose(found[:, 0], scipy.special.logsumexp(known[:, [0, 2]], axis=1))
    np.testing.assert_allclose(found[:, 1], known[:, 1])


def test_a_class_met_nowhere_is_left_out():
    everywhere, kernel, bias = in_every_domain(np.array([True, False, True, False]), np.eye(2), np.zeros(2), 2)
    assert everywhere.tolist() == [True, False, True, False]
    np.testing.assert_array_equal(kernel, np.eye(2))
    np.testing.assert_array_equal(bias, np.zeros(2))


def test_gates_of_tasks_stay_as_they_are():
    config = reverie.config("replay_permuted_mnist_quick:guided")
    assert (config.model.gate_by, config.model.gating, config.model.generative_weight) == ("task", 0.8, 1.0)
    assert (config.model.discriminant_weight, config.model.modes) == (0.03, 1)


def test_the_copy_of_a_run_that_goes_on_answers_as_the_run_did(stream_npz, tmp_path):
    first = _config(stream_npz, "domain", "permuted")
    first.stream.tasks = 2
    model = run_stream(first, tmp_path / "two")[0]
    more = first.copy_and_resolve_references()
    more.stream.tasks, more.continual.learned = 3, str(tmp_path / "two")
    stream = experiment.read_streams(more, "train")["train"]
    made = continual.make_experiment(more, stream, strategies.make_strategy("one"))
    method = next(method for method in made.state.methods if method.name == "guided")
    method.before_task(2)
    rows = np.random.default_rng(0).random((9, 144)).astype(np.float32)
    expected = model.answers(rows, model.activations(rows)[0])
    np.testing.assert_allclose(
        method.copy.answers(rows, method.copy.activations(rows)[0]), expected, rtol=1e-3, atol=1e-2
    )


@pytest.mark.parametrize("gate_by", ["class", "task"])
def test_where_gates_are_of_tasks_the_copys_network_labels_and_the_prior_is_left_alone(stream_npz, tmp_path, gate_by):
    kind = ("domain", "permuted") if gate_by == "task" else ("class", "split")
    model, _, _, state = run_stream(_config(stream_npz, *kind), tmp_path / "run")
    method = next(method for method in state.methods if method.name == "guided")
    assert model.config.gate_by == gate_by
    rows = np.random.default_rng(0).random((9, 144)).astype(np.float32)
    hidden = method.copy.activations(rows)[0]
    labeled, network = method.judged(rows, hidden).numpy(), method.copy.logits(hidden).numpy()
    assert np.array_equal(labeled, network) == (gate_by == "task")
    before = model.prior.means.numpy()
    method.after_task(2)
    assert np.array_equal(model.prior.means.numpy(), before) == (gate_by == "task")
