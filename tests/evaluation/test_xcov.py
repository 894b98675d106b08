import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf
from reverie import pipelines
from reverie.evaluation import EvaluationData, report, xcov
from reverie.evaluation.codes import over, some_images
from reverie.evaluation.reference_classifier import ReferenceClassifier
from reverie.models.xcov import XCov, XCovConfig
from reverie.pipelines import from_arrays

from ..conftest import tiny_arrays


@pytest.fixture(scope="module")
def train_images():
    return from_arrays("train", *tiny_arrays(300))


@pytest.fixture(scope="module")
def test_images():
    return from_arrays("test", *tiny_arrays(100, seed=9))


@pytest.fixture(scope="module")
def reference(train_images):
    return ReferenceClassifier(train_images, {"label": 3}, steps=150)


def test_a_function_is_run_over_every_image_in_order(test_images):
    means = over(lambda x: {"mean": tf.reduce_mean(x, axis=[1, 2, 3])}, test_images, batch_size=33)["mean"]
    np.testing.assert_allclose(means, test_images.pixels.mean(axis=(1, 2, 3)) / 255.0, rtol=1e-5)
    assert some_images(test_images, 7).shape == (7, 8, 8, 1)


def test_the_reference_classifier_learns_real_images_and_says_how_well(reference, test_images):
    assert reference.accuracy(test_images, "label") > 0.97
    seen = reference.classes(next(iter(pipelines.in_order(test_images, 20)))["image"], "label")
    np.testing.assert_array_equal(seen, test_images.labels[:20])


def test_all_numbers_are_there_and_in_range(trained_model, train_images, test_images):
    numbers = xcov.evaluate(trained_model, EvaluationData(train_images, test_images), reference_steps=150)
    assert numbers["test_images"] == 100 and numbers["train_images"] == 300
    assert numbers["accuracy"] > 0.9
    for name in ("probe", "probe_quadratic", "judge_accuracy", "clamped_recognized", "generated_recognized", "chance",
                 "balanced_accuracy", "probe_balanced", "judge_balanced_accuracy"):  # fmt: skip
        assert 0.0 <= numbers[name] <= 1.0, name


def test_accuracy_and_reconstruction_are_those_of_the_definitions(trained_model, test_images):
    numbers = xcov.quick(trained_model, test_images)
    x = test_images.pixels / np.float32(255)
    assert numbers["accuracy"] == np.mean(trained_model.classify(x)["label"] == test_images.labels)
    recalls = [np.mean(trained_model.classify(x[test_images.labels == c])["label"] == c) for c in range(3)]
    assert numbers["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    error = np.mean((trained_model.reconstruct(x)["images"] - x) ** 2)
    assert numbers["reconstruction"] == pytest.approx(error, rel=1e-5)


def test_clamped_decodings_are_recognized_only_when_the_decoder_listens(reference, test_images):
    class Deaf:
        """Draws class 1 whatever it is told."""

        config = XCovConfig(image_shape=(8, 8, 1), heads={"label": 3})

        def encode(self, images):
            return {"features": tf.zeros([len(images), 2]), "probabilities": tf.zeros([len(images), 3])}

        def decode(self, features, probabilities):
            return np.repeat(test_images.pixels[test_images.labels == 1][:1], len(features), axis=0) / 255.0

    class Listening(Deaf):
        def decode(self, features, probabilities):
            wanted = np.argmax(probabilities, axis=1)
            firsts = np.stack([test_images.pixels[test_images.labels == c][0] for c in range(3)])
            return firsts[wanted] / 255.0

    assert xcov._recognized(Deaf(), reference, test_images, "label") == pytest.approx(1 / 3)
    assert xcov._recognized(Listening(), reference, test_images, "label") == pytest.approx(1.0)


@pytest.mark.thorough
def test_several_heads_get_numbers_and_pictures_each(train_images, test_images):
    def two(images):
        return dataclasses.replace(
            images, labels=np.stack([images.labels, images.labels % 2], axis=1), head_names=("row", "parity")
        )

    tf.keras.utils.set_random_seed(0)
    model = XCov(XCovConfig(image_shape=(8, 8, 1), heads={"row": 3, "parity": 2}, encoder=(8,), decoder=(8,)))
    numbers = xcov.evaluate(model, EvaluationData(two(train_images), two(test_images)), reference_steps=20)
    assert {"accuracy_row", "accuracy_parity", "probe_row", "clamped_recognized_parity"} <= set(numbers)
    drawn = xcov.draw(model, EvaluationData(two(train_images), two(test_images)), numbers)
    assert {"swaps_row", "swaps_parity", "latents_row", "reconstructions", "class_directions_row"} <= set(drawn)
    # Three rows and two columns beside the image itself.
    crossed = drawn["heads_crossed"].pixels
    assert crossed.shape == (3 * 42 + 2, 3 * 42 + 2, 1)


def test_heads_are_crossed_with_one_style_and_each_pair_of_classes():
    class Listening:
        """Draws the class of `row` in the left half and that of `column` in the right."""

        config = XCovConfig(image_shape=(8, 8, 1), heads={"row": 3, "column": 2})

        def decode(self, features, probabilities):
            images = np.zeros([len(features), 8, 8, 1], np.float32)
            images[:, :, :4] = np.argmax(probabilities[:, :3], axis=1)[:, None, None, None] / 4.0
            images[:, :, 4:] = np.argmax(probabilities[:, 3:], axis=1)[:, None, None, None] / 4.0
            return tf.constant(images)

    codes = {"features": np.zeros([2, 2], np.float32), "probabilities": np.full([2, 5], 0.4, np.float32)}
    picture = xcov._heads_crossed(Listening(), tf.ones([2, 8, 8, 1]), codes)
    for row in range(3):
        for column in range(2):
            cell = picture.pixels[42 * row + 2 : 42 * row + 42, 42 * column + 44 : 42 * column + 84, 0]
            np.testing.assert_array_equal(cell[:, :20], round(255 * row / 4))
            np.testing.assert_array_equal(cell[:, 20:], round(255 * column / 4))
    assert "each row (rows) and each column (columns)" in picture.caption


def test_directions_start_from_the_most_usual_class(trained_model, test_images):
    few = np.concatenate([np.flatnonzero(test_images.labels == 1)[:12], np.flatnonzero(test_images.labels != 1)[:4]])
    drawn = xcov.draw(trained_model, EvaluationData(test_images, test_images.take(few)), {})
    assert "an image of each other label out of 1, in its own style" in drawn["class_directions"].caption


def test_images_without_labels_are_evaluated_as_far_as_they_go(trained_model, test_images):
    unlabeled = dataclasses.replace(test_images, labels=np.full(len(test_images), -1, np.int32))
    numbers = xcov.evaluate(trained_model, EvaluationData(unlabeled, unlabeled))
    assert numbers["reconstruction"] > 0 and "accuracy" not in numbers and "probe" not in numbers
    assert "swaps" in xcov.draw(trained_model, EvaluationData(unlabeled, unlabeled), {})


def test_every_picture_has_pixels_and_a_caption(trained_model, test_images):
    drawn = xcov.draw(trained_model, EvaluationData(test_images, test_images), {})
    assert set(drawn) == {
        "reconstructions", "class_by_style_z1", "class_by_style_z2", "swaps", "style_plane", "latents",
        "class_directions",
    }  # fmt: skip
    for name, (picture, caption) in drawn.items():
        assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.std() > 1, name
        assert len(caption) > 20


def test_the_report_is_one_page_that_needs_nothing_else(trained_run, tmp_path):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(trained_run, folder)
    page = report.write(folder).read_text()
    # Its own scripts alone, by their digests: nothing is fetched.
    assert "default-src 'none'" in page and "script-src 'sha256-" in page
    assert not re.search(r"(src|href)=[\"']?(https?:|//|/)", page)
    assert "data:image/png;base64," in page and "train.batch_size" in page
    (folder / "metrics.jsonl").unlink()
    assert "Curves" not in report.write(folder).read_text()
