import os
import subprocess
import sys

import numpy as np
import pytest
from reverie.errors import UserError
from reverie.export import LiteModel, lite


@pytest.mark.parametrize(
    ("variant", "tolerance"), [("float32", 1e-4), ("float16", 5e-3), ("dynamic", 0.05), ("int8", 0.3)]
)
def test_encoder_and_decoder_answer_as_keras(published, trained_model, real_images, variant, tolerance):
    encoder, decoder = (LiteModel(published / "lite" / f"{name}_{variant}.tflite") for name in ("encode", "decode"))
    assert (encoder.signature, decoder.signature) == ("encode", "decode")
    for rows in (1, 7):
        code = {name: value.numpy() for name, value in trained_model.encode(real_images[:rows]).items()}
        actual = encoder.call(images=real_images[:rows])
        for name, expected in code.items():
            np.testing.assert_allclose(actual[name], expected, atol=tolerance)
        decoded = decoder.call(**code)["images"]
        np.testing.assert_allclose(decoded, trained_model.decode(**code), atol=tolerance)


def test_int8_files_take_and_give_integers(published):
    model = LiteModel(published / "lite" / "encode_int8.tflite")
    assert model.inputs["images"]["dtype"] == np.int8
    assert {detail["dtype"] for detail in model.outputs.values()} == {np.int8}


@pytest.mark.thorough
def test_weights_shrink_with_the_variant(trained_model, real_images, tmp_path):
    from reverie.models.xcov import XCov, XCovConfig

    model = XCov(XCovConfig(image_shape=(8, 8, 1), encoder=(256,), decoder=(256,)))
    examples = {name: signature.examples(real_images[:8]) for name, signature in model.signatures().items()}
    files, failed = lite.write(model, tmp_path, examples)
    assert not failed
    sizes = {variant: files["encode", variant].stat().st_size for variant in lite.VARIANTS}
    assert sizes["float32"] > 1.6 * sizes["float16"] > 2.4 * sizes["dynamic"]


_ELSEWHERE = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
runner = Interpreter(model_path=sys.argv[1]).get_signature_runner("encode")
np.save(sys.argv[3], runner(images=np.load(sys.argv[2]))["features"])
assert "tensorflow" not in sys.modules and "reverie" not in sys.modules
"""


def test_it_runs_with_builtin_operators_where_there_is_no_tensorflow(published, trained_model, real_images, tmp_path):
    np.save(tmp_path / "x.npy", real_images)
    paths = [str(published / "lite" / "encode_float32.tflite"), str(tmp_path / "x.npy"), str(tmp_path / "z.npy")]
    subprocess.run([sys.executable, "-c", _ELSEWHERE, *paths], check=True, env=dict(os.environ), cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), trained_model.encode(real_images)["features"], atol=1e-4)


def test_files_and_variants_that_do_not_exist_are_named(tmp_path, trained_model):
    with pytest.raises(UserError, match="no such file"):
        LiteModel(tmp_path / "a.tflite")
    (tmp_path / "b.tflite").write_bytes(b"junk" * 10)
    with pytest.raises(UserError, match="not a LiteRT file"):
        LiteModel(tmp_path / "b.tflite")
    with pytest.raises(UserError, match=r"variants \['int4'\] are unknown"):
        lite.write(trained_model, tmp_path, {}, ("int4",))
