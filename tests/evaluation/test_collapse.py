"""A network that has collapsed is told from one that has not, in training, in `evaluate` and on the report page."""

import dataclasses

import numpy as np
import pytest
import reverie
import tensorflow as tf
from reverie.evaluation import collapse, report
from reverie.models import Signature
from reverie.pipelines import from_arrays

from ..conftest import tiny_arrays, tiny_config, write_tiny_npz


@pytest.fixture
def images():
    return from_arrays("test", *tiny_arrays(200, seed=9))


class _Answers:
    """A model whose answers are given."""

    def __init__(self, encode, reconstruct, classify):
        self.encode = encode
        inputs = {"images": tf.TensorSpec([None, 8, 8, 1], tf.float32)}
        self._signatures = {
            name: Signature(function, inputs, lambda x: {"images": x}, meaning="given")
            for name, function in (("encode", encode), ("reconstruct", reconstruct), ("classify", classify))
        }

    def signatures(self):
        return self._signatures


def _brightest(x):
    return tf.argmax(tf.reduce_mean(x, axis=[2, 3])[:, :5:2], axis=-1, output_type=tf.int32)


HEALTHY = {
    "encode": lambda x: {"features": tf.reshape(x, [-1, 64]), "log_variance": tf.zeros([len(x), 2])},
    "reconstruct": lambda x: {"images": 0.3 * x},
    "classify": lambda x: {"label": _brightest(x)},
}


def test_nothing_is_told_of_answers_that_depend_on_the_image(images):
    numbers = collapse.measure(_Answers(**HEALTHY), images)
    assert collapse.told(numbers, 5000) == []
    assert numbers["varies_reconstruction"] == pytest.approx(0.3, rel=1e-4)
    # 200 images of three classes, all right: 2/3 above chance, of standard error sqrt(1/3 * 2/3 / 200).
    assert numbers["above_chance"] == pytest.approx((2 / 3) / np.sqrt(2 / 9 / 200), rel=0.03)
    assert "varies_log_variance" not in numbers


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"encode": lambda x: {"z": tf.fill([len(x), 2], 0.3)}}, "collapsed: z of encode are the same for every image"),
        ({"reconstruct": lambda x: {"images": x * 0 + 0.4}}, "collapsed: all reconstructions are the same picture"),
        ({"classify": lambda x: {"label": _brightest(x) * 0 + 1}}, "not learning: the class is told no better than"),
        ({"classify": lambda x: {"mood_label": _brightest(x) * 0}}, "not learning: mood is told no better than by"),
    ],
)
def test_each_answer_that_does_not_depend_on_the_image_is_told_by_itself(images, broken, sentence):
    (found,) = collapse.told(collapse.measure(_Answers(**{**HEALTHY, **broken}), images), 5000)
    assert found.startswith(sentence)


def test_one_picture_for_all_is_told_of_a_network_that_is_no_longer_young(images):
    gray = {**HEALTHY, "reconstruct": lambda x: {"images": x * 0 + 0.4}}
    bright = {**HEALTHY, "reconstruct": lambda x: {"images": 1e6 + 0.3 * x}}  # Differs by what rounding leaves.
    for answers in (gray, bright):
        numbers = collapse.measure(_Answers(**answers), images)
        assert collapse.told(numbers, 100) == [] and len(collapse.told(numbers, 1000)) == 1


def test_chance_is_told_only_after_some_steps_and_of_enough_labeled_images(images):
    numbers = collapse.measure(_Answers(**{**HEALTHY, "classify": lambda x: {"label": _brightest(x) * 0}}), images)
    assert collapse.told(numbers, 100) == [] and len(collapse.told(numbers, 1000)) == 1
    unlabeled = dataclasses.replace(images, labels=np.full(len(images), -1, np.int32))
    assert "above_chance" not in collapse.measure(_Answers(**HEALTHY), unlabeled)
    assert "above_chance" not in collapse.measure(_Answers(**HEALTHY), images.take(range(30)))


def test_always_the_commonest_class_is_chance_however_common_it_is(images):
    labels = images.labels * 0
    labels[:10] = 1
    always = _Answers(**{**HEALTHY, "classify": lambda x: {"label": _brightest(x) * 0}})
    assert collapse.measure(always, dataclasses.replace(images, labels=labels))["above_chance"] == pytest.approx(0.0)


def test_the_remedy_names_the_rates_that_are_in_use():
    plain = collapse.remedy({"schedule": {"rate": 1.0}})
    assert plain == "likely remedy: a lower learning rate, --config.schedule.rate=0.1 (now 1)"
    stages = {"start_from": "", "vision": {"steps": 10, "rate": 0.01}, "symbols": {"steps": 0, "rate": 0.5}}
    staged = collapse.remedy({"schedule": {"rate": 1.0}, "stages": stages})
    assert "--config.stages.vision.rate=0.001" in staged and "symbols" not in staged and "schedule" not in staged


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    """A run at a rate that no network survives, and what was said while it trained."""
    folder = tmp_path_factory.mktemp("dead")
    config = tiny_config(write_tiny_npz(folder / "tiny.npz"), steps=60, checkpoint_every=20)
    config.schedule.rate = 30.0
    return config, folder / "run"


def test_a_dead_network_is_told_once_while_training_in_evaluate_and_on_the_page(dead, caplog):
    config, folder = dead
    run = reverie.train(config, folder)
    said = [record.getMessage() for record in caplog.records if "of encode are the same" in record.getMessage()]
    assert len(said) == 1 and said[0].startswith("after 20 steps: collapsed")
    assert "--config.schedule.rate=3 (now 30)" in said[0]
    page = report.write(folder).read_text()
    assert "This network has not learned" in page and "--config.schedule.rate=3" in page
    caplog.clear()
    numbers = run.evaluate()
    assert numbers["varies_features"] < 1e-4 and "after 60 steps: collapsed" in caplog.text
    assert "This network has not learned" in (folder / "report.html").read_text()


def test_a_network_that_is_well_is_not_said_to_be_dead(tmp_path, caplog):
    run = reverie.train(tiny_config(write_tiny_npz(tmp_path / "tiny.npz"), steps=60), tmp_path / "run")
    assert run.evaluate()["varies_features"] > 0.01
    assert "collapsed" not in caplog.text and "not learning" not in caplog.text
    assert "This network has not learned" not in run.report().read_text()
