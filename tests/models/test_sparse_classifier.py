"""Logistic units on the sparse network: their objective, and the two phases through the command line."""

import json

import numpy as np
import pytest
import tensorflow as tf
from reverie import cli, models
from reverie.errors import UserError

from .. import experiment

SIZES = {"image_shape": (16, 16, 1), "field": 5, "maps": 2, "pool": 3, "contrast": 3, "stages": 1, "whitening": "none"}


def test_every_class_is_a_question_of_its_own_and_unlabeled_rows_ask_none():
    model = models.build({"family": "sparse_classifier", **SIZES, "heads": {"label": 3}})
    rng = np.random.default_rng(0)
    model.logistic.kernel.assign(0.1 * rng.standard_normal(model.logistic.kernel.shape))
    images = rng.random((4, 16, 16, 1)).astype(np.float32)
    labels = np.array([0, 2, -1, 1], np.int32)
    losses = model.losses({"image": tf.constant(images), "label": tf.constant(labels)})
    probabilities = model.classify(images)["probabilities"].numpy().astype(np.float64)
    for row, label in enumerate(labels):
        yes = probabilities[row, label] if label >= 0 else None
        no = [probabilities[row, k] for k in range(3) if k != label]
        expected = -np.log(yes) - sum(np.log1p(-p) for p in no) if label >= 0 else 0.0
        assert float(losses["total"][row]) == pytest.approx(expected, rel=1e-4)
    assert float(tf.reduce_sum(probabilities[0])) != pytest.approx(1.0, abs=1e-3)


def test_before_training_every_class_is_as_likely_as_one_of_so_many():
    model = models.build({"family": "sparse_classifier", **SIZES, "heads": {"label": 5}})
    assert model.classify(np.zeros((1, 16, 16, 1), np.float32))["probabilities"].numpy() == pytest.approx(0.2)


def test_labels_do_not_teach_the_decoders():
    model = models.build({"family": "sparse_classifier", **SIZES, "heads": {"label": 2}})
    trained = {id(variable) for variable in model.all_variables()}
    decoders = [v for stage in model.network.stages for v in stage.decoder.trainable_variables]
    assert decoders and not trained & {id(variable) for variable in decoders}
    assert trained >= {id(variable) for variable in model.head_variables()}


def test_several_heads_and_stages_one_by_one_are_refused():
    with pytest.raises(UserError, match="expected one, as"):
        models.build({"family": "sparse_classifier", **SIZES, "heads": {"a": 2, "b": 2}})
    with pytest.raises(UserError, match="labels teach all of them together"):
        models.build({"family": "sparse_classifier", **SIZES, "heads": {"label": 2}, "memory_saving": True})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A sparse network trained without labels on squares and crosses, and a classifier on it, both phases."""
    folder = tmp_path_factory.mktemp("fine_tune")
    rng = np.random.default_rng(0)
    square, cross = np.zeros((2, 16, 16))
    square[4:12, 4:12] = cross[7:9, :] = cross[:, 7:9] = 1.0
    labels = rng.integers(0, 2, 240)
    images = np.stack([np.roll(square if label else cross, rng.integers(-2, 3, 2), (0, 1)) for label in labels])
    images = (255 * np.clip(0.2 + 0.6 * images + 0.1 * rng.standard_normal(images.shape), 0, 1)).astype(np.uint8)
    np.savez(folder / "shapes.npz", x=images, y=labels)
    assert cli.main(_train("sparse_small", folder, "network", "--config.train.steps=30")) == 0
    more = ["--config.model.heads.label=2", f"--config.transfer.pretrained={folder}/network",
            "--config.train.steps=60", "--config.transfer.head_steps=40"]  # fmt: skip
    assert cli.main(_train("sparse_fine_tune", folder, "tuned", *more)) == 0
    return folder


def _train(config, folder, run, *more):
    sizes = [f"--config.model.{name}={str(value).replace(' ', '')}" for name, value in SIZES.items()]
    data = [f"--config.data.source={folder}/shapes.npz", "--config.data.image_shape=(16,16,1)",
            "--config.data.resize=none", "--config.data.test_fraction=0.5"]  # fmt: skip
    return ["reverie", "train", f"--config={config}", *data, *sizes, "--config.train.batch_size=20",
            "--config.train.log_every=10", "--config.train.checkpoint_every=40", f"--workdir={folder}/{run}",
            *more]  # fmt: skip


def _filters(run, step=None):
    path = tf.train.latest_checkpoint(str(run / "checkpoints")) if step is None else f"{run}/checkpoints/ckpt-{step}"
    names = [name for name, _ in tf.train.list_variables(path) if "stage_1/filters" in name and "optimizer" not in name]
    return np.concatenate([tf.train.load_variable(path, name).ravel() for name in sorted(names) if "model" in name])


def test_the_head_learns_on_features_as_they_were_and_then_everything_does(runs):
    pretrained, head, tuned = _filters(runs / "network"), _filters(runs / "tuned", 40), _filters(runs / "tuned")
    np.testing.assert_array_equal(head, pretrained)
    assert np.abs(tuned - pretrained).max() > 1e-6
    phases = [json.loads(line)["phase"] for line in (runs / "tuned" / "metrics.jsonl").read_text().splitlines()]
    assert {"head", "all"} <= set(phases)


def test_it_names_images_it_has_not_seen_and_serves_that(runs):
    assert cli.main(["reverie", "evaluate", f"--workdir={runs}/tuned"]) == 0
    numbers = json.loads((runs / "tuned" / "evaluation.json").read_text())
    assert numbers["accuracy"] > numbers["chance"] + 0.15  # Over three standard errors of 120 images.
    assert (runs / "tuned" / "pictures" / "confusion.png").is_file()
    assert cli.main(["reverie", "export", f"--workdir={runs}/tuned", "--lite=none"]) == 0


def test_a_pretrained_network_of_other_sizes_is_refused(runs, capsys):
    more = ["--config.model.heads.label=2", f"--config.transfer.pretrained={runs}/network", "--config.model.maps=3"]
    assert cli.main(_train("sparse_fine_tune", runs, "other", *more)) == 2
    assert "its weights are not those of a sparse network on (16, 16, 1)" in capsys.readouterr().err
    more = ["--config.model.heads.label=2", f"--config.transfer.pretrained={runs}/nothing"]
    assert cli.main(_train("sparse_fine_tune", runs, "another", *more)) == 2
    assert "holds no checkpoint; train it first" in capsys.readouterr().err


def test_a_stopped_run_goes_on_with_its_own_weights_not_the_pretrained_ones(runs):
    before = _filters(runs / "tuned")
    more = ["--config.model.heads.label=2", f"--config.transfer.pretrained={runs}/network",
            "--config.train.steps=60", "--config.transfer.head_steps=40"]  # fmt: skip
    assert cli.main(_train("sparse_fine_tune", runs, "tuned", *more)) == 0
    _, _, step = experiment.load(runs / "tuned")
    assert step == 60
    np.testing.assert_array_equal(_filters(runs / "tuned"), before)
