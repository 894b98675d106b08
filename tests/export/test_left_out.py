"""Quantized files are judged by what rounding must cost; one that misses is left out, the rest is published."""

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from reverie.errors import ParityError
from reverie.evaluation import report
from reverie.export import LeftOut, Provenance, lite, parity
from reverie.export import export as export_function
from reverie.models.signature import Signature

QUANTIZED = ("float16", "dynamic", "int8")


@pytest.fixture(scope="module")
def model(real_images):
    """An encoder large enough that its weights of 8 bits are rounded in every variant."""
    from reverie.models.xcov import XCov, XCovConfig

    keras.utils.set_random_seed(3)
    model = XCov(XCovConfig(image_shape=(8, 8, 1), heads={"label": 3}, latents=4, encoder=(48, 40), decoder=(40,)))
    model.calibrate(tf.constant(real_images))
    return model


def _requests(model, images) -> dict[str, dict]:
    return {name: signature.examples(images) for name, signature in model.signatures().items()}


def _judged(model, written, images, folder, variants=("int8",)):
    """`check_lite` of `model` on files that another model was written to."""
    calibration, probes = _requests(written, images[:30]), _requests(model, images[30:])
    files, failed = lite.write(written, folder, calibration, variants)
    assert not failed
    return parity.check_lite(model.signatures(), files, probes, calibration)


def _export(model, images, folder, **options):
    config = {"model": {"family": "xcov"}, "data": {"source": "tiny"}, "seed": 0}
    return export_function(model, folder, images, Provenance(config, 1, "test"), with_warmup=False, **options)


def test_the_models_own_files_pass_and_say_what_rounding_must_cost(model, real_images, tmp_path):
    agreements, left_out = _judged(model, model, real_images, tmp_path, QUANTIZED)
    assert not left_out
    assert {entry.measure for entry in agreements} == {"greatest", "typical"}
    assert all(0.0 < entry.cost < entry.bound for entry in agreements)
    costs = {entry.artifact: entry.cost for entry in agreements if entry.output == "features"}
    assert costs["encode_float16.tflite"] < costs["encode_dynamic.tflite"] <= costs["encode_int8.tflite"]


LAYERS = {
    "encoder, first": ("encode", lambda model: model.encoder.layers[1]),
    "encoder, last": ("encode", lambda model: model.encoder.layers[2]),
    "style": ("encode", lambda model: model.style),
    "classes": ("encode", lambda model: model.head_label),
    "decoder, first": ("decode", lambda model: model.decoder.layers[0]),
    "decoder, last": ("decode", lambda model: model.decoder.layers[1]),
}


def _copy(model):
    copy = type(model)(model.config)
    copy.set_weights(model.get_weights())
    return copy


ENOUGH = ("encoder, first", "decoder, last")


@pytest.mark.parametrize(
    "lost", [pytest.param(name, marks=[pytest.mark.thorough] * (name not in ENOUGH)) for name in LAYERS]
)
def test_a_file_that_lost_one_weight_tensor_is_left_out(model, real_images, tmp_path, lost):
    endpoint, layer_of = LAYERS[lost]
    damaged = _copy(model)
    kernel, bias = layer_of(damaged).get_weights()
    layer_of(damaged).set_weights([np.zeros_like(kernel), bias])
    agreements, left_out = _judged(model, damaged, real_images, tmp_path)
    assert [entry.artifact for entry in left_out] == [f"{endpoint}_int8.tflite"]
    assert {entry.signature for entry in agreements} == {"encode", "decode"} - {endpoint}


@pytest.mark.thorough
def test_files_of_another_checkpoint_are_left_out(model, real_images, tmp_path):
    other, rng = _copy(model), np.random.default_rng(0)
    other.set_weights([w + 0.1 * w.std() * rng.normal(size=w.shape) for w in model.get_weights()])
    _, left_out = _judged(model, other, real_images, tmp_path, QUANTIZED)
    assert {entry.artifact for entry in left_out} == {
        f"{endpoint}_{variant}.tflite" for endpoint in ("encode", "decode") for variant in QUANTIZED
    }


@pytest.fixture
def spoiled(monkeypatch):
    """name of a LiteRT file -> what its answers become."""
    changes: dict = {}
    original = lite.LiteModel

    class Spoiled(original):
        def __init__(self, path, threads=1):
            super().__init__(path, threads)
            self._change = changes.get(path.name, lambda value: value)

        def call(self, **inputs):
            return {name: self._change(value) for name, value in super().call(**inputs).items()}

    monkeypatch.setattr(parity, "LiteModel", Spoiled)
    return changes


@pytest.mark.thorough
def test_a_quantized_file_that_is_wrong_is_left_out_loudly_and_the_rest_is_published(
    model, real_images, tmp_path, spoiled, caplog
):
    spoiled["decode_int8.tflite"] = lambda value: value + 0.2 * np.ptp(value)
    version = _export(model, real_images, tmp_path / "export" / "xcov")
    (entry,) = version.left_out
    assert (entry.artifact, entry.signature) == ("decode_int8.tflite", "decode")
    line = r"left out: decode_int8.tflite, decode: images differs from Keras by 0\.\d+ \(bound 0\.\d+, rounding must "
    line += r"cost 0\.\d+\); the rest is published, and --lite=float32,float16,dynamic does not ask for it"
    assert re.search(line, caplog.text)
    files = {f"{name}_{variant}.tflite" for name in ("encode", "decode") for variant in lite.VARIANTS}
    assert {path.name for path in (version.folder / "lite").iterdir()} == files - {"decode_int8.tflite"}
    metadata = json.loads((version.folder / "metadata.json").read_text())
    assert metadata["left_out"] == [entry.to_dict()]
    assert "decode_int8.tflite" not in {agreement.artifact for agreement in version.agreements}
    assert f"- `decode_int8.tflite` (decode): {entry.reason}" in (version.folder / "MODEL_CARD.md").read_text()
    (tmp_path / "config.json").write_text(json.dumps(metadata["config"]))
    assert f"<li>xcov/1: decode_int8.tflite, decode: {entry.reason}</li>" in report.write(tmp_path).read_text()


@pytest.mark.thorough
def test_garbage_of_every_kind_is_left_out_and_in_float32_stops_everything(model, real_images, tmp_path, spoiled):
    requests = _requests(model, real_images)
    files, _ = lite.write(model, tmp_path, requests)
    files = {key: path for key, path in files.items() if key[0] == "encode"}
    quantized = {key: path for key, path in files.items() if key[1] != "float32"}
    for change in (np.zeros_like, np.negative, lambda value: 1.5 * value, lambda value: value * np.nan):
        spoiled.update({path.name: change for path in files.values()})
        agreements, left_out = parity.check_lite(model.signatures(), quantized, requests, requests)
        assert not agreements and [entry.artifact for entry in left_out] == [path.name for path in quantized.values()]
        with pytest.raises(ParityError, match=r"encode_float32.tflite, encode: .* differs .*nothing was published"):
            parity.check_lite(model.signatures(), files, requests, requests)


@pytest.mark.thorough
def test_what_the_converter_cannot_make_is_left_out_and_in_float32_stops_everything(
    model, real_images, tmp_path, monkeypatch
):
    original, refused = lite._convert, {("encode", "int8")}

    def convert(saved_model, signature, variant, examples):
        if (signature, variant) in refused:
            raise ValueError("no kernel for it\nand a long log")
        return original(saved_model, signature, variant, examples)

    monkeypatch.setattr(lite, "_convert", convert)
    version = _export(model, real_images, tmp_path / "m", lite_variants=("float32", "int8"))
    reason = "the converter cannot make it (no kernel for it)"
    assert version.left_out == (LeftOut("encode_int8.tflite", "encode", reason),)
    assert {path.stem for path in (version.folder / "lite").iterdir()} == {
        "encode_float32", "decode_float32", "decode_int8"
    }  # fmt: skip
    refused.add(("encode", "float32"))
    with pytest.raises(ParityError, match=r"encode_float32.tflite, encode: the converter .*nothing was published"):
        _export(model, real_images, tmp_path / "n", lite_variants=("float32",))
    assert not any((tmp_path / "n").iterdir())


class _Linear(keras.Model):
    """y = x W, and the greatest of y as a class."""

    def __init__(self, kernel: np.ndarray):
        super().__init__()
        self.dense = keras.layers.Dense(kernel.shape[1], use_bias=False)
        self.dense.build((None, kernel.shape[0]))
        self.dense.set_weights([kernel])
        self.built = True

    def signatures(self) -> dict:
        def classify(x):
            scores = self.dense(x)
            return {"scores": scores, "label": tf.argmax(scores, axis=-1, output_type=tf.int32)}

        spec = {"x": tf.TensorSpec([None, self.dense.kernel.shape[0]], tf.float32, name="x")}
        return {"classify": Signature(classify, spec, lambda x: {"x": x}, lite=True)}


def test_a_file_that_rounding_leaves_nothing_of_is_left_out_though_it_is_as_good_as_can_be(tmp_path):
    rng = np.random.default_rng(0)
    model = _Linear(rng.normal(size=(32, 40)).astype(np.float32))
    probes = rng.normal(size=(20, 32)).astype(np.float32)
    # One image a thousand times as bright as the others: a step of 8 bits is as large as all that the others show.
    calibration = np.concatenate([probes, 1000.0 * probes[:1]])
    requests = {"classify": {"x": probes}}, {"classify": {"x": calibration}}
    files, _ = lite.write(model, tmp_path, requests[1], ("dynamic", "int8"))
    agreements, (left_out,) = parity.check_lite(model.signatures(), files, *requests)
    assert left_out.artifact == "classify_int8.tflite" and "Keras' own answers" in left_out.reason
    assert {entry.artifact for entry in agreements} == {"classify_dynamic.tflite"}


def test_rows_whose_best_answers_are_nearer_than_rounding_do_not_count_against_a_file(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(32, 40)).astype(np.float32)
    kernel[:, 1] = kernel[:, 0] + 1e-4  # Classes 0 and 1 are a tie wherever one of them is the greatest.
    model = _Linear(kernel)
    directions = kernel[:, rng.integers(2, 40, 60)].T
    ties = np.arange(60) % 3 == 0
    directions[ties] = kernel[:, 0]
    probes = {"classify": {"x": directions.astype(np.float32)}}
    files, _ = lite.write(model, tmp_path, probes, ("dynamic",))
    expected = model.signatures()["classify"].function(**probes["classify"])["label"].numpy()
    assert set(expected[ties]) <= {0, 1} and not set(expected[~ties]) & {0, 1}

    def answer(turned):
        original = lite.LiteModel.call

        def call(self, **inputs):
            outputs = original(self, **inputs)
            return {**outputs, "label": np.where(turned, (expected + 1) % 40, expected).astype(np.int32)}

        return call

    with monkeypatch.context() as patch:
        patch.setattr(parity.LiteModel, "call", answer(ties))
        agreements, left_out = parity.check_lite(model.signatures(), files, probes, probes)
        assert not left_out and {(one.measure, one.difference) for one in agreements if one.output == "label"} == {
            ("rows", 0.0)
        }
    monkeypatch.setattr(parity.LiteModel, "call", answer(np.arange(60) % 10 == 1))
    _, (entry,) = parity.check_lite(model.signatures(), files, probes, probes)
    # Of the six rows that it turns over two are ties.
    assert entry.reason == "label differs from Keras in 6.7 % of the rows (bound 5 %)"
