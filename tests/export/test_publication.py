import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from reverie.errors import ParityError, StorageError, UserError
from reverie.export import (
    GraphModel,
    Provenance,
    card,
    examples,
    graph_loader,
    parity,
    publish,
    saved_model,
    warmup,
)
from reverie.export import export as export_function
from reverie.export import lite as lite_module
from reverie.pipelines import served_files

from .conftest import publish as export


def test_a_version_holds_everything_and_says_what_it_is(published):
    names = {str(path.relative_to(published)) for path in published.rglob("*") if path.is_file()}
    assert {"saved_model.pb", "metadata.json", "MODEL_CARD.md", "assets.extra/tf_serving_warmup_requests"} <= names
    assert {f"lite/{s}_{v}.tflite" for s in ("encode", "decode") for v in lite_module.VARIANTS} <= names
    metadata = json.loads((published / "metadata.json").read_text())
    assert metadata["signatures"]["generate"]["limits"] == {"label": [-1, 2]}
    assert metadata["signatures"]["encode"]["inputs"]["images"] == {"shape": [-1, 8, 8, 1], "dtype": "float32"}
    assert all(entry["difference"] <= entry["bound"] for entry in metadata["parity"])
    assert {entry["artifact"] for entry in metadata["parity"]} == {
        "saved_model", *(f"{s}_{v}.tflite" for s in ("encode", "decode") for v in lite_module.VARIANTS)
    }  # fmt: skip
    assert metadata["signatures"]["reconstruct"]["outputs"] == {"images": {"shape": [-1, 8, 8, 1], "dtype": "float32"}}
    assert list(metadata["signatures"]["encode_bytes"]["outputs"]) == ["features", "probabilities"]
    card = (published / "MODEL_CARD.md").read_text()
    assert "| `encode_bytes` |" in card and "| accuracy | 0.5 |" in card


def test_the_card_says_of_every_signature_whether_a_server_may_batch_it(published):
    known = json.loads((published / "metadata.json").read_text())["signatures"]
    assert {name for name, detail in known.items() if not detail["batchable"]} == {"generate"}
    card = (published / "MODEL_CARD.md").read_text()
    rows = {line.split("`")[1]: line.split("|")[4].strip() for line in card.splitlines() if line.startswith("| `")}
    assert rows == {name: "yes" if detail["batchable"] else "no" for name, detail in known.items()}
    assert "are not to be batched: a count, a seed" in card


def test_example_requests_are_bodies_of_rest_that_the_graph_answers(published, real_images):
    bodies = json.loads((published / examples.FILE).read_text())
    names = {"encode", "reconstruct", "classify", "decode", "generate", "generate_each"}
    names |= {"serving_default", "encode_bytes"}
    assert set(bodies) == names and all(body["signature_name"] == name for name, body in bodies.items())
    assert bodies["generate"]["inputs"] == {"count": 3, "seed": [1, 2], "label": [0, 0, 0]}
    graph, read = GraphModel(published), examples.read(published)
    for name, inputs in read.items():
        assert all(np.all(np.isfinite(value)) for value in graph.call(name, **inputs).values())
    # The pixels come back as they were, and the files hold the same pixels.
    np.testing.assert_array_equal(read["encode"]["images"], real_images[30:33])
    assert [file[:8] for file in read["encode_bytes"]["image_bytes"]] == [b"\x89PNG\r\n\x1a\n"] * 3
    of_files, of_pixels = (graph.call(name, **read[name]) for name in ("encode_bytes", "encode"))
    np.testing.assert_allclose(of_files["features"], of_pixels["features"], atol=1e-5)


def test_damaged_files_of_a_version_are_told_in_one_line(published, tmp_path):
    shutil.copytree(published, tmp_path / "1")
    (tmp_path / "1" / examples.FILE).write_text('{"encode": {"inputs": {"imag')
    with pytest.raises(UserError, match=r"examples.json: its example requests cannot be read"):
        examples.read(tmp_path / "1")
    (tmp_path / "1" / examples.FILE).unlink()
    assert examples.read(tmp_path / "1") == {}
    whole = (tmp_path / "1" / "saved_model.pb").read_bytes()
    (tmp_path / "1" / "saved_model.pb").write_bytes(whole[: len(whole) // 2])
    for reader in (GraphModel, graph_loader.definitions):
        with pytest.raises(UserError, match="the SavedModel cannot be"):
            reader(tmp_path / "1")


def test_the_card_says_what_labels_mean_and_takes_no_name_for_markup(published):
    content = json.loads((published / "metadata.json").read_text())
    content["legend"] = ["Labels:", "", "- 0 is <img src=x>", "- 1 is R&B", "- 2 is [a](http://b.c) `d` *e* _f_ | ~g~"]
    lines = card.model_card("m", content).splitlines()
    assert lines[lines.index("Labels:") + 1 :][:4] == [
        "",
        "- 0 is &lt;img src=x&gt;",
        "- 1 is R&amp;B",
        r"- 2 is \[a\](http\://b.c) \`d\` \*e\* \_f\_ \| \~g\~",
    ]


def test_the_card_says_what_is_admitted(published):
    line = next(line for line in (published / "MODEL_CARD.md").read_text().splitlines() if line.startswith("Admitted"))
    assert line == (
        "Admitted, everything else is refused: `count` values from 1 to 32; `images` values from 0 to 1; `features` "
        "values from -1e+06 to 1e+06; `probabilities` values from 0 to 1, rows that sum to 1; "
        "`label` values from -1 to 2."
    )


HOSTILE = "<script>alert(1)</script>\n# h\n| a | `b` ![c](http://d.e/f.png) <img src=x onerror=y> [g]: h"


def test_no_name_from_outside_is_markup_in_the_card_as_a_page_shows_it(published):
    """Read by a Markdown reader of its own: whatever names hold, the page has the elements that it has without them."""
    markdown = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    content = json.loads((published / "metadata.json").read_text())

    def elements(said: str) -> list[str]:
        content["config"]["data"]["source"] = f"folder:{said}"
        content["evaluation"] = {f"accuracy_{said}": 0.5}
        content["legend"] = [f"Classes of {said}: 0 {said}.", "", f"- {said}: {said}", "- b: c"]
        content["left_out"] = [{"artifact": "encode_int8.tflite", "signature": "encode", "reason": said}]
        page = markdown.MarkdownIt("gfm-like", {"linkify": False}).render(card.model_card("m", content))
        return re.findall(r"<[^>]*>", page)

    assert elements(HOSTILE) == elements("plain")


def test_warm_up_requests_replay(published):
    with GraphModel(published) as graph:
        assert warmup.replay(published, graph) == 8 * len(warmup.BATCH_SIZES)


@pytest.mark.thorough
def test_a_version_that_refuses_its_own_warm_up_is_not_published(trained_model, real_images, tmp_path):
    provenance = Provenance({"model": {"family": "xcov"}, "data": {"source": "tiny"}, "seed": 0}, 1, "test")

    def from_bytes(contents):
        return served_files.served_images(contents, (8, 8, 1), "none", max_pixels=10)

    with pytest.raises(ParityError, match=r"warm-up, encode_bytes: does not run \(.*larger than 10 pixels"):
        export_function(trained_model, tmp_path / "m", real_images, provenance, lite_variants=(), from_bytes=from_bytes)
    assert _nothing_published(tmp_path / "m")


@pytest.mark.thorough
def test_versions_count_up_and_are_never_overwritten(trained_model, real_images, tmp_path):
    options = {"lite_variants": (), "with_warmup": False}
    first = export(trained_model, tmp_path / "m", real_images, **options)
    before = {path: path.stat().st_mtime_ns for path in first.rglob("*")}
    (tmp_path / "m" / "7").mkdir()
    assert export(trained_model, tmp_path / "m", real_images, **options).name == "8"
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*")} == before
    assert publish.versions(tmp_path / "m") == [1, 7, 8]


def test_a_published_version_is_a_path_with_a_number_and_its_agreements(trained_model, real_images, tmp_path):
    provenance = Provenance({"model": {"family": "xcov"}, "data": {"source": "tiny"}, "seed": 0}, 1, "test")
    version = export_function(
        trained_model, tmp_path / "m", real_images, provenance, lite_variants=(), with_warmup=False
    )
    assert (version.version, os.fspath(version), str(version)) == (1, *[str(tmp_path / "m" / "1")] * 2)
    kept = json.loads((version.folder / "metadata.json").read_text())
    assert kept["parity"] == [agreement.to_dict() for agreement in version.agreements]
    assert set(kept["parity"][0]) == {"artifact", "signature", "output", "difference", "bound", "measure", "cost"}
    assert (version.left_out, kept["left_out"]) == ((), [])
    assert (kept["step"], kept["reverie"], kept["evaluation"], kept["classes"]) == (1, "test", None, [])


@pytest.mark.fault(
    "a file named 1, or version 2^63 - 1, where versions go",
    "everything",
    "the next number; beyond the highest one line",
    2,
)
def test_names_that_are_taken_by_files_and_numbers_beyond_a_servers_are_not_versions(tmp_path):
    (tmp_path / "1").touch()
    with publish.new_version(tmp_path) as draft:
        (draft.folder / "part").touch()
    assert draft.published.name == "2" and publish.versions(tmp_path) == [2]
    (tmp_path / str(2**63 - 1)).mkdir()
    with pytest.raises(UserError, match="the highest that a server accepts"), publish.new_version(tmp_path):
        pass
    assert publish.versions(tmp_path) == [2, 2**63 - 1]


@pytest.mark.fault(
    "an export killed",
    "the published versions; its draft goes with the next export",
    "nothing",
    0,
)
@pytest.mark.thorough
def test_what_a_killed_export_left_is_removed_but_never_a_draft_in_the_making(tmp_path):
    code = (
        "import sys, time\nfrom reverie.export import publish\n"
        "with publish.new_version(sys.argv[1]) as draft:\n    print(draft.folder, flush=True)\n    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        left = pathlib.Path(other.stdout.readline().strip())
        os.utime(left, (0, 0))
        with publish.new_version(tmp_path):
            assert left.is_dir()
        other.kill()
        other.wait()
    assert left.is_dir()
    os.utime(left, (0, 0))
    with publish.new_version(tmp_path) as draft:
        assert not left.exists() and draft.folder.is_dir()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["1", "2"]


def test_a_poller_never_sees_a_half_written_version(tmp_path):
    # As the server does: any child with an integer name is loaded the moment it is seen.
    incomplete, stop = [], threading.Event()

    def poll():
        while not stop.is_set():
            for version in publish.versions(tmp_path):
                if not (tmp_path / str(version) / "last").is_file():
                    incomplete.append(version)

    poller = threading.Thread(target=poll)
    poller.start()
    for _ in range(20):
        with publish.new_version(tmp_path) as draft:
            for number in range(50):
                (draft.folder / f"part{number}").write_bytes(b"x")
            (draft.folder / "last").write_bytes(b"x")
    stop.set()
    poller.join()
    assert publish.versions(tmp_path) == list(range(1, 21)) and not incomplete


def _nothing_published(base) -> bool:
    return not base.exists() or not any(base.iterdir())


@pytest.mark.thorough
def test_weights_that_did_not_come_along_are_caught(trained_model, real_images, tmp_path, monkeypatch):
    original = saved_model.write

    def damaged(model, folder, *arguments):
        kept = model.get_weights()
        model.set_weights([weights * 1.01 for weights in kept])
        original(model, folder, *arguments)
        model.set_weights(kept)

    monkeypatch.setattr(saved_model, "write", damaged)
    with pytest.raises(ParityError, match=r"saved_model, encode: .* differs from Keras by .*nothing was published"):
        export(trained_model, tmp_path / "m", real_images)
    assert _nothing_published(tmp_path / "m")


def test_the_export_that_python_cannot_tell_from_a_good_one_is_caught(trained_model, real_images, tmp_path):
    # A Keras 3 model held by a tf.Module answers rightly through tf.saved_model.load, and is broken in a server.
    class Wrapper(tf.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32, name="images")])
        def encode(self, images):
            return self.model.encode(images)

    wrapper = Wrapper(trained_model)
    tf.saved_model.save(wrapper, str(tmp_path / "w"), signatures={"encode": wrapper.encode})
    loaded = tf.saved_model.load(str(tmp_path / "w")).signatures["encode"](images=tf.constant(real_images))
    np.testing.assert_allclose(loaded["features"], trained_model.encode(real_images)["features"], atol=1e-5)
    examples = {"encode": {"images": real_images}}
    with pytest.raises(ParityError, match="does not run|cannot load"), parity.loaded(tmp_path / "w") as graph:
        parity.check_saved_model({"encode": trained_model.signatures()["encode"]}, graph, examples)


@pytest.mark.parametrize("damage", [np.nan, 1e3])
@pytest.mark.thorough
def test_a_lite_file_of_garbage_is_caught(trained_model, real_images, tmp_path, monkeypatch, damage):
    original = lite_module.LiteModel.call
    monkeypatch.setattr(
        parity.LiteModel,
        "call",
        lambda self, **inputs: {name: value * damage for name, value in original(self, **inputs).items()},
    )
    with pytest.raises(ParityError, match=r"encode_float32.tflite, encode: .* differs from Keras"):
        export(trained_model, tmp_path / "m", real_images, lite_variants=("float32",))
    assert _nothing_published(tmp_path / "m")


@pytest.mark.fault(
    "disk full while exporting",
    "the last published version",
    "one line",
    5,
)
@pytest.mark.thorough
def test_a_full_disk_publishes_nothing_and_keeps_the_last_version(trained_model, real_images, tmp_path, monkeypatch):
    first = export(trained_model, tmp_path / "m", real_images, lite_variants=(), with_warmup=False)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device.*nothing was published"):
        export(trained_model, tmp_path / "m", real_images, lite_variants=(), with_warmup=False)
    assert [entry.name for entry in (tmp_path / "m").iterdir()] == ["1"]
    GraphModel(first).close()


@pytest.mark.parametrize("module", ["ai_edge_litert.interpreter", "tensorflow_serving.apis"])
def test_extras_that_are_not_installed_are_named_before_any_work(
    trained_model, real_images, tmp_path, monkeypatch, module
):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=r"pip install 'reverie\[.*\]', or export --"):
        export(trained_model, tmp_path / "m", real_images)
    assert not (tmp_path / "m").exists()


def test_limits_and_folders_that_cannot_be_used_are_named(trained_model, real_images, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="export folder .* cannot be written"):
        export(trained_model, tmp_path / "file" / "m", real_images)


@pytest.mark.thorough
def test_exports_of_several_heads_and_of_convolutions_pass_the_gate(real_images, tmp_path):
    from reverie.models.xcov import XCov, XCovConfig

    keras.utils.set_random_seed(0)
    config = XCovConfig(
        image_shape=(8, 8, 1), heads={"pose": 3, "light": 2}, convolutions=((4, 4, 2),), encoder=(8,), decoder=(8,)
    )
    model = XCov(config)
    model.calibrate(tf.constant(real_images))
    graph = GraphModel(export(model, tmp_path / "m", real_images, with_warmup=False))
    made = graph.call("generate", count=2, seed=[1, 2], label=[[2, -1]])
    assert made["images"].shape == (2, 8, 8, 1) and made["label"][:, 0].tolist() == [2, 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="values from -1"):
        graph.call("generate", count=2, seed=[1, 2], label=[[0, 2]])
