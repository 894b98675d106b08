"""LiteRT files of one row each, and the page that holds them."""

import base64
import gzip
import hashlib
import json
import lzma
import re

import numpy as np
import pytest
import reverie
from reverie import cli
from reverie.errors import ParityError, UserError
from reverie.export import LiteModel, bundle, seven_bits, single, web_page

from ..conftest import tiny_config, write_tiny_npz
from .conftest import publish


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explored")
    return reverie.train(tiny_config(write_tiny_npz(folder / "tiny.npz"), steps=30), folder / "run")


@pytest.fixture(scope="module")
def page(run, code):
    return run.explore(code=code).read_text(encoding="utf-8")


def _block(page: str, name: str) -> str:
    return re.search(rf'<script type="[^"]+" id="{name}">([^<]*)</script>', page)[1]


@pytest.mark.parametrize(("variant", "tolerance"), [("float32", 1e-4), ("float16", 5e-3)])
def test_files_of_one_row_answer_as_keras_row_by_row(trained_model, real_images, tmp_path, variant, tolerance):
    made = single.make(trained_model, tmp_path, real_images[:8], (variant,))
    assert made.whole(variant) and not made.left_out
    encoder, decoder = (LiteModel(made.files[name, variant]) for name in ("encode", "decode"))
    assert encoder.inputs["images"]["shape_signature"].tolist() == [1, 8, 8, 1]  # LiteRT.js refuses open rows.
    code = {name: value.numpy() for name, value in trained_model.encode(real_images[:5]).items()}
    for name, expected in code.items():
        np.testing.assert_allclose(encoder.call(images=real_images[:5])[name], expected, atol=tolerance)
    np.testing.assert_allclose(decoder.call(**code)["images"], trained_model.decode(**code), atol=tolerance)


def test_a_file_of_one_row_that_answers_otherwise_is_not_made(trained_model, real_images, tmp_path, monkeypatch):
    original = LiteModel.call

    def call(self, **inputs):
        return {name: value + 0.01 for name, value in original(self, **inputs).items()}

    monkeypatch.setattr(LiteModel, "call", call)
    with pytest.raises(ParityError, match=r"encode_float32_single\.tflite, encode: .* differs from Keras"):
        single.make(trained_model, tmp_path, real_images[:4], ("float32",))


@pytest.mark.thorough
def test_an_export_for_a_page_has_them_and_says_how_well_they_agree(trained_model, real_images, tmp_path):
    options = {"lite_variants": (), "with_warmup": False}
    without = publish(trained_model, tmp_path / "xcov", real_images, **options)
    folder = publish(trained_model, tmp_path / "xcov", real_images, page=True, **options)
    assert not (without / "lite").exists()
    names = {path.name for path in (folder / "lite").iterdir()}
    parity = json.loads((folder / "metadata.json").read_text())["parity"]
    agreed = {entry["artifact"] for entry in parity if entry["artifact"] != "saved_model"}
    assert names == agreed and {"encode_float32_single.tflite", "decode_float16_single.tflite"} <= names
    assert all(entry["difference"] <= entry["bound"] for entry in parity)
    found = single.published(folder, ("encode", "decode"), parity)
    assert found.whole("float32") and max(entry.difference for entry in found.agreements) < 1.0
    assert not single.published(without, ("encode", "decode"), []).whole("float32")


def test_a_page_holds_the_models_and_the_interpreter(run, page, code, tmp_path):
    assert len(page.encode()) < web_page.LIMIT
    content = json.loads(_block(page, "page"))
    assert content["weights"] == "float32" and set(content["functions"]) == {"encode", "decode"}
    assert lzma.decompress(seven_bits.as_bytes(_block(page, "litert"))) == b"\0asm" * 100
    (tmp_path / "encode.tflite").write_bytes(gzip.decompress(seven_bits.as_bytes(_block(page, "model-encode"))))
    images = np.random.default_rng(0).random([2, 8, 8, 1], np.float32)
    answer = LiteModel(tmp_path / "encode.tflite").call(images=images)["features"]
    np.testing.assert_allclose(answer, run.model.encode(images)["features"], atol=1e-4)


def test_a_page_loads_nothing_and_lets_no_other_script_run(page, code):
    addresses = re.findall(r"""(?:src|href|action|url)\s*[=(]\s*["']?([^"'\s>)]+)""", page.partition("<script")[0])
    assert [address for address in addresses if not address.startswith("data:")] == []
    assert re.search(r"https?://", page) is None
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and "connect-src" not in rules
    assert rules["img-src"] == "data: blob:"
    scripts = re.findall(r"<script>(.*?)</script>\n", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert len(scripts) == 1 and rules["script-src"] == f"'sha256-{digest}' 'wasm-unsafe-eval'"


def test_names_from_outside_are_text_in_a_page(code):
    found = bundle.read(code)
    page = {"labels": ["</script><script>alert(1)</script>"], "functions": {}}
    text = web_page.write(found, "<b>a", ["<i>b"], page, {}, "<u>c")
    assert "<b>a" not in text and "<i>b" not in text and "<u>c" not in text and "<script>alert" not in text
    assert json.loads(_block(text, "page")) == page


def test_a_page_says_nothing_of_where_the_data_lies(page, run):
    assert str(run.folder.parent) not in page and "tiny.npz" in page


@pytest.mark.thorough
def test_the_files_of_a_published_version_are_those_of_the_page(run, code, tmp_path):
    version = run.export(lite=(), warmup=False, page=True)
    page = run.explore(tmp_path / "again.html", code=code, weights="float16").read_text(encoding="utf-8")
    published = (version.folder / "lite" / "decode_float16_single.tflite").read_bytes()
    assert gzip.decompress(seven_bits.as_bytes(_block(page, "model-decode"))) == published


def test_code_that_is_not_built_is_said_in_one_line_that_names_the_remedy(run, tmp_path, capsys):
    assert cli.main(["reverie", "explore", f"--workdir={run.folder}", f"--code={tmp_path / 'none'}"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0 and "reverie explore --build" in said and str(tmp_path / "none") in said


def test_without_node_building_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(bundle.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs npm, which is not here: .*pip install 'reverie\[page\]'"):
        bundle.build(tmp_path / "code")


def test_npm_that_cannot_fetch_is_said_in_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    (tmp_path / "node").symlink_to(npm)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UserError, match=r"npm could not fetch .*ENOTFOUND.*; it needs a connection, once"):
        bundle.build(tmp_path / "cache" / "code")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_page_that_would_be_too_large_is_refused_in_one_line(run, code, tmp_path, monkeypatch):
    monkeypatch.setattr(web_page, "LIMIT", 5000)
    with pytest.raises(UserError, match=r"its page would be [\d.]+ MB; expected less than 0.005 MB"):
        run.explore(tmp_path / "large.html", code=code)
    assert not (tmp_path / "large.html").exists()


def test_unknown_weights_are_refused_in_one_line(run, code):
    with pytest.raises(UserError, match="weights is 'int4'; expected one of auto, float32, float16, dynamic"):
        run.explore(code=code, weights="int4")
