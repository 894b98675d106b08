import io
import os
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from reverie.errors import UserError
from reverie.export import GraphModel, graph_loader
from reverie.models import limits

from ..serving import Servable


@pytest.fixture(scope="module")
def graph(published):
    return GraphModel(published)


@pytest.fixture(scope="module")
def servable(published):
    """Feeds as the C++ session does, without Python's check of shapes."""
    return Servable(published.parent, "xcov")


def code(features, probabilities) -> dict:
    return {"features": np.float32(features), "probabilities": np.float32(probabilities)}


def png(value: int, size=(8, 8)) -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(np.full(size, value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("rows", [1, 5, 32])
def test_every_signature_answers_as_keras_at_any_batch(graph, trained_model, real_images, rows):
    images = real_images[:rows]
    for name in ("encode", "reconstruct", "classify"):
        expected = getattr(trained_model, name)(images)
        for output, value in graph.call(name, images=images).items():
            np.testing.assert_allclose(value, expected[output], atol=1e-5)
    request = {"count": rows, "seed": [3, 4], "label": [1]}
    expected = trained_model.generate(*map(tf.constant, (rows, [3, 4], [1])))
    np.testing.assert_allclose(graph.call("generate", **request)["images"], expected["images"], atol=1e-5)
    default = graph.call("serving_default", images=images)
    np.testing.assert_array_equal(default["features"], graph.call("encode", images=images)["features"])


@pytest.mark.parametrize("features", [1.0, 1e6, -1e6])
@pytest.mark.parametrize("probabilities", [[1.0, 0.0, 0.0], [0.3, 0.3, 0.4], [0.31, 0.31, 0.42], [1.0, -0.001, 0.0]])
def test_the_decoder_takes_any_code_within_the_limits(graph, trained_model, features, probabilities):
    code = {"features": np.full([1, 2], features, np.float32), "probabilities": np.float32([probabilities])}
    made, expected = graph.call("decode", **code)["images"], trained_model.decode(**code)
    assert np.isfinite(made).all()
    np.testing.assert_allclose(made, expected, atol=1e-5 * max(1.0, np.max(np.abs(expected))))


def test_seeds_are_any_whole_numbers(graph):
    for seed in ([-(2**31), 2**31 - 1], [0, 0], [-1, -1]):
        assert np.isfinite(graph.call("generate", count=1, seed=seed, label=[0])["images"]).all()


def test_pixels_may_leave_their_range_by_rounding_only(graph):
    for pixel in (-0.0019, 1.0019):
        graph.call("encode", images=np.full([1, 8, 8, 1], pixel, np.float32))
    for pixel in (-0.0021, 1.0021):
        with pytest.raises(tf.errors.InvalidArgumentError, match="images: expected values from 0 to 1"):
            graph.call("encode", images=np.full([1, 8, 8, 1], pixel, np.float32))


def test_the_same_seed_gives_the_same_images_and_another_seed_others(graph):
    def images(seed):
        return graph.call("generate", count=4, seed=seed, label=[-1])["images"]

    np.testing.assert_array_equal(images([1, 2]), images([1, 2]))
    assert not np.allclose(images([1, 2]), images([1, 3]))


def test_encoded_files_give_the_codes_of_their_pixels(graph):
    codes = graph.call("encode_bytes", image_bytes=[png(51), png(102, (16, 16))])
    pixels = np.stack([np.full([8, 8, 1], 0.2), np.full([8, 8, 1], 0.4)]).astype(np.float32)
    np.testing.assert_allclose(codes["features"], graph.call("encode", images=pixels)["features"], atol=1e-5)


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("encode", {"images": np.zeros([0, 8, 8, 1], np.float32)}, "images: expected 1 to 32 rows a request"),
        ("encode", {"images": np.zeros([33, 8, 8, 1], np.float32)}, "images: expected 1 to 32 rows a request"),
        ("encode", {"images": np.zeros([8, 8, 1], np.float32)}, r"images: expected shape \[n, 8, 8, 1\]"),
        ("encode", {"images": np.zeros([], np.float32)}, r"images: expected shape \[n, 8, 8, 1\]"),
        ("encode", {"images": np.zeros([1, 1, 8, 8, 1], np.float32)}, r"images: expected shape \[n, 8, 8, 1\]"),
        ("encode", {"images": np.zeros([1, 9, 8, 1], np.float32)}, r"axis 1 must be 8, expected shape \[n, 8, 8, 1\]"),
        ("encode", {"images": np.zeros([2, 8, 4, 2], np.float32)}, "axis 2 must be 8"),
        ("encode", {"images": np.full([1, 8, 8, 1], np.nan, np.float32)}, "images: every value must be a finite"),
        ("classify", {"images": np.full([1, 8, 8, 1], np.inf, np.float32)}, "images: every value must be a finite"),
        ("encode", {"images": np.full([1, 8, 8, 1], 300.0, np.float32)}, "images: expected values from 0 to 1"),
        ("encode", {"images": np.full([1, 8, 8, 1], -5.0, np.float32)}, "images: expected values from 0 to 1"),
        ("reconstruct", {"images": np.full([1, 8, 8, 1], 3e38, np.float32)}, "images: expected values from 0 to 1"),
        ("decode", code(np.zeros([1, 3]), np.eye(3)[:1]), "features: axis 1 must be 2"),
        ("decode", code(np.full([1, 2], 3e38), np.eye(3)[:1]), r"features: expected values from -1e\+06 to 1e\+06"),
        ("decode", code(np.zeros([1, 2]), np.zeros([1, 3])), "probabilities: expected rows that sum to 1"),
        ("decode", code(np.zeros([1, 2]), np.float32([[1, 1, 0]])), "probabilities: expected rows that sum to 1"),
        ("decode", code(np.zeros([1, 2]), np.float32([[2, -1, 0]])), "probabilities: expected values from 0 to 1"),
        (
            "generate",
            {"count": np.int32([2]), "seed": np.int32([1, 2]), "label": np.int32([0])},
            "count: expected a single number",
        ),
        (
            "generate",
            {"count": np.int32(2), "seed": np.int32(1), "label": np.int32([0])},
            r"seed: expected shape \[2\]",
        ),
        (
            "generate",
            {"count": np.int32(2), "seed": np.int32([1, 2]), "label": np.int32([-2])},
            "label: expected values from -1 to 2",
        ),
        (
            "generate",
            {"count": np.int32(0), "seed": np.int32([1, 2]), "label": np.int32([0])},
            "count: expected 1 to 32",
        ),
        ("generate", {"count": np.int32(-1), "seed": np.int32([1, 2]), "label": np.int32([0])}, "count: expected"),
        ("generate", {"count": np.int32(10**9), "seed": np.int32([1, 2]), "label": np.int32([0])}, "count: expected"),
        ("generate", {"count": np.int32(2), "seed": np.int32([1, 2]), "label": np.int32([3])}, "values from -1 to 2"),
        ("generate", {"count": np.int32(3), "seed": np.int32([1, 2]), "label": np.int32([0, 1])}, "expected 1 or"),
        ("encode_bytes", {"image_bytes": np.array([b"junk"], object)}, "not a PNG or JPEG"),
        ("encode_bytes", {"image_bytes": np.array([b""], object)}, "not a PNG or JPEG"),
        ("encode_bytes", {"image_bytes": np.array([png(1)[:-30]], object)}, "."),
        ("encode_bytes", {"image_bytes": np.array([png(1, (101, 100))], object)}, "image larger than 10000 pixels"),
        ("encode_bytes", {"image_bytes": np.array([], object)}, "1 to 32 rows"),
        ("encode_bytes", {"image_bytes": np.array(png(1), object)}, r"image_bytes: expected shape \[n\]"),
    ],
)
def test_requests_beyond_the_limits_are_refused_inside_the_graph(servable, signature, inputs, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        servable.run(signature, inputs)


def test_the_first_fault_is_told_whatever_else_is_wrong(servable):
    for _ in range(20):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"assertion failed: \[images: every value must be a"):
            servable.run("encode", {"images": np.full([1, 8, 8, 1], -np.inf, np.float32)})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"assertion failed: \[images: axis 2 must be 8"):
            servable.run("encode", {"images": np.full([1, 8, 7, 1], np.nan, np.float32)})


def test_a_graph_and_the_check_in_python_refuse_the_same_codes_in_the_same_words(servable, trained_model):
    signature, draws, refused = trained_model.signatures()["decode"], np.random.default_rng(0), 0
    for _ in range(200):
        probabilities = draws.dirichlet(np.ones(3), 2) * draws.choice([1.0, 0.96, 0.94, 1.04, 1.06])
        probabilities[0] += draws.choice([0.0, 0.0, 1.0, -1.0]) * np.array([0.2, -0.2, 0.0])
        features = draws.normal(size=(2, 2)) * 10.0 ** draws.integers(0, 9)
        request = code(features, probabilities)
        try:
            limits.check("decode", request, signature.ranges, signature.sums)
            said = ""
        except UserError as error:
            said = str(error)
        try:
            servable.run("decode", request)
            served = ""
        except tf.errors.InvalidArgumentError as error:
            served = graph_loader.reason(error).split("expected")[1]
        assert bool(said) == bool(served) and served in said
        refused += bool(said)
    assert 50 < refused < 190


def test_names_that_do_not_exist_are_told(graph, tmp_path):
    with pytest.raises(UserError, match="no signature 'dream'; the model has classify, decode, encode"):
        graph.call("dream", images=np.zeros([1, 8, 8, 1]))
    with pytest.raises(UserError, match=r"encode takes \['images'\], not \['x'\]"):
        graph.call("encode", x=1)
    with pytest.raises(UserError, match=r"encode: images has shape \(8, 8, 1\); expected shape \[n, 8, 8, 1\]"):
        graph.call("encode", images=np.zeros([8, 8, 1]))
    with pytest.raises(UserError, match=r"generate: count has shape \(1,\); expected a single number"):
        graph.call("generate", count=[1], seed=[1, 2], label=[0])
    with pytest.raises(UserError, match="no SavedModel there"):
        GraphModel(tmp_path)


_ELSEWHERE = """
import sys
import numpy as np
import tensorflow as tf
graph = tf.Graph()
session = tf.compat.v1.Session(graph=graph)
with graph.as_default():
    loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], sys.argv[1])
definition = loaded.signature_def["encode"]
images = np.load(sys.argv[2])
np.save(sys.argv[3], session.run(definition.outputs["features"].name, {definition.inputs["images"].name: images}))
assert not any(name.split(".")[0] in ("reverie", "tensorflow_probability") for name in sys.modules)
"""


def test_it_runs_in_a_process_that_has_never_seen_the_package(published, trained_model, real_images, tmp_path):
    images = real_images[:30]
    np.save(tmp_path / "x.npy", images)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    paths = [str(published), str(tmp_path / "x.npy"), str(tmp_path / "z.npy")]
    subprocess.run([sys.executable, "-c", _ELSEWHERE, *paths], check=True, env=environment, cwd=tmp_path)
    expected = trained_model.encode(images)["features"]
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), expected, atol=1e-5)
