"""Methods that learn without a gradient, against NumPy and scikit-learn in float64 on all images at once."""

import numpy as np
import pytest
import reverie
import tensorflow as tf
from reverie.errors import UserError
from reverie.pipelines import in_order
from reverie.training.continual.class_moments import ClassMoments
from reverie.training.continual.slda import discriminant, discriminant_of, oracle_shrinkage
from reverie.training.continual.tasks import TaskImages
from sklearn.covariance import OAS
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestCentroid

from .. import experiment
from ..conftest import run_stream, tiny_stream_config
from ..killed import killed_at

RECIPES = ("slda", "rff", "nearest_mean")


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    label = random.permutation(np.arange(120) % 4).astype(np.int32)
    mixed = random.normal(size=(120, 7)) @ random.normal(size=(7, 7))
    return (100.0 + 3.0 * random.normal(size=(4, 7))[label] + mixed).astype(np.float32), label


def _moments(rows, label, sizes, classes: int = 5) -> ClassMoments:
    moments, start = ClassMoments(classes, rows.shape[1]), 0
    for size in sizes:
        moments.add(tf.constant(rows[start : start + size]), tf.constant(label[start : start + size]))
        start += size
    assert start == len(rows)
    return moments


def test_a_pass_over_each_task_traces_the_network_no_more_often_than_the_first(stream_npz):
    class Counting:
        traced = 0

        def represent(self, images):
            self.traced += 1
            return tf.reshape(images, [-1, 144])

    model = Counting()
    stream = experiment.read_streams(tiny_stream_config(stream_npz), "train")["train"]
    tasks, counts = TaskImages(model, stream, 0), []
    for number in (0, 1, 2, 0):
        assert sum(len(rows) for rows, _ in tasks.represented(number)) == len(stream.tasks[number])
        counts.append(model.traced)
    # The second task may be of another size.
    assert counts[1:] == [counts[1]] * 3 and counts[1] <= 2


@pytest.mark.parametrize("sizes", [(120,), (1,) * 120, (50, 1, 69)])
def test_moments_are_those_of_all_rows_at_once_however_they_were_batched(rows, sizes):
    rows, label = rows
    moments = _moments(rows, label, sizes)
    exact = rows.astype(np.float64)
    means = np.stack([exact[label == k].mean(axis=0) for k in range(4)])
    centered = exact - means[label]
    np.testing.assert_array_equal(moments.counts, [30, 30, 30, 30, 0])
    np.testing.assert_allclose(moments.means[:4], means, rtol=1e-13)
    np.testing.assert_allclose(moments.covariance(), centered.T @ centered / 120, rtol=1e-10, atol=1e-10)


def test_products_in_float32_change_the_scatter_by_less_than_a_millionth_of_its_diagonal(rows):
    rows, label = rows
    shifted = rows + 100.0  # As far from zero as rows of pixels in [0, 255]: they are centered before they are rounded.
    exact, single = (ClassMoments(5, rows.shape[1], single=single) for single in (False, True))
    for part in np.array_split(np.arange(120), 3):
        for moments in (exact, single):
            moments.add(tf.constant(shifted[part]), tf.constant(label[part]))
    most = 1e-6 * np.diag(exact.scatter.numpy()).max()
    np.testing.assert_allclose(single.scatter, exact.scatter, rtol=0, atol=most)
    np.testing.assert_array_equal(single.means, exact.means)
    assert np.any(single.scatter.numpy() != exact.scatter.numpy())


def test_moments_do_not_depend_on_the_order_of_classes(rows):
    rows, label = rows
    order = np.argsort(label, kind="stable")[::-1]
    one, other = _moments(rows, label, (40, 80)), _moments(rows[order], label[order], (10,) * 12)
    np.testing.assert_allclose(one.means, other.means, rtol=1e-13)
    np.testing.assert_allclose(one.scatter, other.scatter, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("shrinkage", [1e-4, 0.1, 1.0])
def test_the_discriminant_is_the_one_of_scikit_learn(rows, shrinkage):
    rows, label = rows
    moments = _moments(rows, label, (60, 60))
    kernel, bias = discriminant(moments.means.numpy()[:4], moments.covariance().numpy(), shrinkage)
    theirs = LinearDiscriminantAnalysis("lsqr", shrinkage=shrinkage, priors=[0.25] * 4).fit(rows.astype(float), label)
    ours, known = rows @ kernel + bias, theirs.decision_function(rows.astype(float))
    # Up to a number for each row that all classes share.
    np.testing.assert_allclose(ours - ours[:, :1], known - known[:, :1], rtol=1e-6, atol=1e-6)


def test_a_share_worked_out_from_the_rows_is_that_of_scikit_learn(rows):
    rows, label = rows
    moments = _moments(rows, label, (60, 60))
    centered = rows.astype(np.float64) - moments.means.numpy()[label]
    theirs = OAS(assume_centered=True).fit(centered).shrinkage_
    assert 0.0 < theirs < 1.0 and oracle_shrinkage(moments.covariance().numpy(), 120) == pytest.approx(theirs, rel=1e-9)
    for one, other in zip(discriminant_of(moments, 0.0), discriminant_of(moments, theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8)


def test_with_as_many_rows_as_units_a_share_worked_out_beats_a_small_one_on_other_rows():
    random = np.random.default_rng(0)
    label = (np.arange(1200) % 4).astype(np.int32)
    scales = 1.0 / np.arange(1, 201)
    rows = (scales * (0.3 * random.normal(size=(4, 200))[label] + random.normal(size=(1200, 200)))).astype(np.float32)
    moments = _moments(rows[:200], label[:200], (200,))
    right = []
    for shrinkage in (1e-5, 0.0):
        kernel, bias = discriminant_of(moments, shrinkage)
        right.append(np.mean(np.argmax(rows[200:] @ kernel + bias, axis=1) == label[200:]))
    assert right[1] > right[0] + 0.1, right


def test_classes_that_are_all_alike_have_a_discriminant_too():
    assert oracle_shrinkage(np.zeros((3, 3)), 4) == 1.0
    kernel, bias = discriminant(np.zeros((2, 3)), np.zeros((3, 3)), 0.1)
    assert np.all(np.isfinite(kernel)) and np.all(np.isfinite(bias))


def _all_rows(config, model) -> tuple:
    """(what the classifier reads of every training image, labels), float64."""
    stream = experiment.read_streams(config, "train")["train"]
    read = [(model.activations(model.represent(batch["image"]))[0].numpy(), batch["label"].numpy())
            for task in stream.tasks for batch in in_order(task, 100)]  # fmt: skip
    rows, labels = zip(*read, strict=True)
    return np.concatenate(rows).astype(np.float64), np.concatenate(labels)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_over_tasks_is_the_classifier_of_all_images_at_once(stream_npz, tmp_path, recipe):
    config = tiny_stream_config(stream_npz, recipe, batch_size=7)
    model, outcome, history, _ = run_stream(config, tmp_path / "run")
    rows, labels = _all_rows(config, model)
    counts = np.bincount(labels).reshape(3, 2).sum(axis=1)
    assert outcome.step == sum(-(-count // 7) for count in counts)  # Each image once.
    if recipe == "nearest_mean":
        expected = NearestCentroid().fit(rows, labels).predict(rows)
    else:
        means = np.stack([rows[labels == k].mean(axis=0) for k in range(6)])
        centered = rows - means[labels]
        kernel, bias = discriminant(means, centered.T @ centered / len(rows), config.continual.shrinkage)
        expected = np.argmax(rows @ kernel + bias, axis=1)
        np.testing.assert_allclose(model.classifier.kernel, kernel, rtol=1e-3, atol=1e-4 * np.abs(kernel).max())
    ours = np.argmax(model.logits(tf.constant(rows, tf.float32)), axis=1)
    np.testing.assert_array_equal(ours, expected)
    assert min(history["accuracy"][-1]) > 0.9


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_learned_does_not_depend_on_the_order_of_tasks(stream_npz, tmp_path, recipe):
    kernels = []
    for order in ((0, 1, 2, 3, 4, 5), (4, 1, 5, 0, 3, 2)):
        config = tiny_stream_config(stream_npz, recipe)
        config.stream.order = order
        model = run_stream(config, tmp_path / str(order[0]))[0]
        kernels.append(model.classifier.kernel.numpy()[:, np.argsort(order)])
    np.testing.assert_allclose(*kernels, rtol=1e-3, atol=1e-5 * np.abs(kernels[0]).max())


@pytest.mark.parametrize("recipe", ["rff", *(pytest.param(name, marks=pytest.mark.slow) for name in RECIPES[::2])])
def test_a_run_stopped_inside_any_task_ends_with_the_moments_of_an_unbroken_one(stream_npz, tmp_path, recipe):
    config = tiny_stream_config(stream_npz, recipe, batch_size=8, steps_per_call=2, checkpoint_every=3)
    whole, _, history, state = run_stream(config, tmp_path / "whole")
    for stop in (4, 13, 23):
        with killed_at(stop):
            run_stream(config, tmp_path / "broken")
    broken, _, again, restored = run_stream(config, tmp_path / "broken")
    assert again == history
    for one, other in zip((*state.variables, *whole.weights), (*restored.variables, *broken.weights), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6, atol=1e-7)


def test_a_checkpoint_inside_a_task_classifies_by_what_was_seen(stream_npz, tmp_path):
    config = tiny_stream_config(stream_npz, "slda", batch_size=8, steps_per_call=2, checkpoint_every=3)
    with killed_at(15):
        run_stream(config, tmp_path / "run")
    model = reverie.load(tmp_path / "run").model
    images = experiment.read_streams(config, "train")["train"].tasks[1]
    batch = next(iter(in_order(images, 1000)))
    assert np.mean(model.classify(batch["image"])["label"] == batch["label"]) > 0.9


def test_frozen_features_are_read_and_their_spread_is_measured(stream_npz, tmp_path):
    pretraining = tiny_stream_config(stream_npz, "none", steps=5)
    pretraining.stream.tasks, pretraining.stream.classes_per_task = 1, 6
    network = {"convolutions": (4, 6, 8), "reconstruction": "squared", "mean": (0.2,), "deviation": (0.3,)}
    pretraining.model.update(network)
    run_stream(pretraining, tmp_path / "features")
    from reverie.configs import recipes

    config = tiny_stream_config(stream_npz, "none")
    config.model.update(network)
    config = recipes.apply(config, "rff", {"rff": 200})
    config.continual.pretrained = str(tmp_path / "features")
    model, _, history, _ = run_stream(config, tmp_path / "run")
    stream = experiment.read_streams(config, "train")["train"]
    first = model.represent(next(iter(in_order(stream.tasks[0], 1000)))["image"]).numpy().astype(np.float64)
    assert float(model.fourier.spread) == pytest.approx(first.std(), rel=1e-4)
    assert np.mean(history["accuracy"][-1]) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["slda", "rff"])
def test_an_export_answers_as_the_run_does(stream_npz, tmp_path, recipe):
    run = reverie.train(tiny_stream_config(stream_npz, recipe), tmp_path / "run")
    version = run.export()
    assert all(one.difference <= one.bound for one in version.agreements)
    assert {one.signature for one in version.agreements if one.artifact.endswith(".tflite")} == {"encode", "classify"}
    assert run.evaluate()["average_accuracy"] > 0.9


class TestBadInputIsOneClearLine:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"model.hidden": (8,)}, r"model.hidden is \(8,\); expected \(\)"),
            ({"model.generator": True}, "model.generator is True; expected False"),
            ({"model.convolutions": (2,), "model.reconstruction": "squared"}, "model.internal is False; expected True"),
            ({"model.fourier": 0}, "rff is on, but model.fourier is 0"),
            ({"train.ema_decay": 0.9}, "train.ema_decay is 0.9, but rff learns without a gradient"),
            ({"train.accumulate": 2}, "train.accumulate is 2, but rff learns"),
            ({"train.precision": "mixed_bfloat16"}, "train.precision is mixed_bfloat16, but rff learns"),
            ({"continual.augment": 2}, "continual.augment is 2, but rff learns"),
            ({"continual.shrinkage": -0.1}, "continual.shrinkage is -0.1; expected at least 0"),
            ({"continual.shrinkage": 1.5}, "continual.shrinkage is 1.5; expected at most 1"),
            ({"continual.methods": ("rff", "si")}, "trains no network and cannot be combined with other methods"),
        ],
    )
    def test_what_only_a_gradient_could_use(self, stream_npz, tmp_path, changes, said):
        config = tiny_stream_config(stream_npz, "rff")
        config.update_from_flattened_dict(changes)
        with pytest.raises(UserError, match=said):
            run_stream(config, tmp_path / "run")

    def test_several_replicas(self, stream_npz, tmp_path):
        with pytest.raises(UserError, match="slda gathers moments row by row.*expected --strategy=one"):
            run_stream(tiny_stream_config(stream_npz, "slda"), tmp_path / "run", "mirrored")

    def test_a_method_that_takes_rows_in_and_does_not_say_so(self):
        from reverie.training import continual

        class Silent(continual.Method):
            name, summary = "silent", "says nothing"

            def take_in(self, batch):
                return {}, lambda: None

        with pytest.raises(UserError, match="Silent.gradient is True; it must be False where the class has take_in"):
            continual.register_method(Silent)
