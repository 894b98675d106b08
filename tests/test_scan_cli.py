"""SCAN from the command line, on a table of pictures with attributes: training to words made pictures."""

import collections
import csv
import itertools
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import reverie as package
import tensorflow as tf
from reverie import Exported, cli, load, models
from reverie.configs import scan_few, scan_mnist_a, scan_scenes
from reverie.errors import UserError
from reverie.evaluation import scan as evaluation
from reverie.export.endpoints import endpoints
from reverie.export.graph_loader import GraphModel

from . import experiment
from .conftest import ATTRIBUTES, colored_bars

TINY = (
    "--config=scan_scenes", "--config.data.image_shape=(8, 8, 3)", "--config.model.image_shape=(8, 8, 3)",
    "--config.data.test_fraction=0.3", "--config.words.pairs=80", "--config.words.held_out=0.1",
    "--config.model.vision.channels=(8, 8)", "--config.model.vision.hidden=24", "--config.model.vision.latents=5",
    "--config.model.denoising.channels=(4, 4)", "--config.model.symbols.hidden=16",
    "--config.model.recombination.hidden=16", "--config.stages.denoising.steps=20", "--config.stages.vision.steps=400",
    "--config.stages.symbols.steps=60", "--config.stages.operators.steps=60",
    "--config.model.vision.ramp_steps=300", "--config.model.vision.beta=1.0", "--config.model.vision.beta_start=20.0",
    "--config.model.vision.hold_steps=0", "--config.model.vision.precision=50.0",
    "--config.stages.vision.batch_size=16", "--config.stages.vision.unmix_at=(200,)",
)  # fmt: skip


def reverie(*arguments) -> int:
    return cli.main(["reverie", *map(str, arguments)])


@pytest.fixture(scope="session")
def bars_table(tmp_path_factory):
    """The colored bars as PNG files and a CSV file."""
    folder, images = tmp_path_factory.mktemp("bars"), colored_bars(400)
    lines = ["file,colour,place"]
    for row, (pixels, label) in enumerate(zip(images.pixels, images.labels, strict=True)):
        PIL.Image.fromarray(pixels).save(folder / f"{row}.png")
        lines.append(f"{row}.png," + ",".join(ATTRIBUTES[name][n] for name, n in zip(ATTRIBUTES, label, strict=True)))
    (folder / "bars.csv").write_text("\n".join(lines))
    return f"table:{folder / 'bars.csv'}"


@pytest.fixture(scope="session")
def scan_run(tmp_path_factory, bars_table):
    folder = tmp_path_factory.mktemp("scan") / "run"
    assert reverie("train", f"--workdir={folder}", *TINY, f"--config.data.source={bars_table}") == 0
    return folder


def test_one_command_trains_all_stages_and_keeps_the_vocabulary(scan_run):
    config = json.loads((scan_run / "config.json").read_text())
    assert [name for name, _, _ in config["model"]["attributes"]] == ["colour", "place"]
    metrics = [json.loads(line) for line in (scan_run / "metrics.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in metrics if line["phase"]][-1] == "operators"
    assert {line["phase"] for line in metrics} == {"denoising", "vision", "symbols", "operators"}


@pytest.mark.thorough
def test_evaluation_has_every_number_and_picture(scan_run, monkeypatch):
    monkeypatch.setattr(evaluation, "_CASES", 20)
    assert reverie("evaluate", f"--workdir={scan_run}") == 0
    numbers = json.loads((scan_run / "evaluation.json").read_text())
    names = {
        "judge_accuracy", "symbols_to_images", "symbols_to_images_place", "diversity_kl", "images_to_symbols",
        "images_to_symbols_colour", "images_to_symbols_all", "and", "in_common", "ignore", "ignore_held_out",
        "disentanglement_mig", "disentanglement_dci_completeness", "disentanglement_sap", "disentanglement_factor_vae",
        "disentanglement_beta_vae", "reconstruction", "kl", "active_latents", "symbols_to_images_alone_place",
        "symbols_to_images_full", "and_direct", "ignore_held_out_direct", "correctness", "correctness_1", "coverage",
        "coverage_1", "correctness_2", "correctness_held_out", "correctness_2_held_out",
    }  # fmt: skip
    assert names <= set(numbers) and all(np.isfinite(value) for value in numbers.values())
    # With both attributes named nothing is left open to vary.
    assert "coverage_2" not in numbers and numbers["coverage"] == numbers["coverage_1"]
    drawn = {path.stem for path in (scan_run / "pictures").glob("*.png")}
    assert drawn == {"reconstructions", "traversals", "imagined_from_symbols", "operators", "concepts"}
    report = (scan_run / "report.html").read_text()
    assert "imagined pictures with every named attribute as asked" in report and "Imagined from words" in report


def test_words_become_a_sheet_of_pictures(scan_run, tmp_path, capsys):
    for text in (
        "colour=red",
        "The Red at the Top",
        "colour=red AND place=top",
        "red, top IGNORE top IN COMMON red",
        "(red AND top) IGNORE (top IN COMMON (top AND blue))",
    ):
        out = tmp_path / "sheet.png"
        assert reverie("imagine", f"--run={scan_run}", text, f"--out={out}", "--count=5") == 0
        assert PIL.Image.open(out).size[0] > 200
    assert "5 pictures of red" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rad", "'rad' is not known; nearest: red"),
        ("red, blue", "contradiction: colour is both red and blue"),
        ("red AND blue", "contradiction: colour is red in one and blue in the other symbol"),
        ("red IN COMMON blue", "leaves nothing: an empty symbol"),
        ("", "names nothing; say for example"),
        ("(red AND top", "at character 1, '(red AND top': this bracket is not closed"),
        ("red AND (top IGNORE rad)", "at character 21: 'rad' is not known; nearest: red"),
    ],
)
def test_words_that_mean_nothing_are_refused_in_one_line(scan_run, capsys, text, message):
    assert reverie("imagine", f"--run={scan_run}", text) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_other_runs_have_no_words(trained_run, capsys):
    assert reverie("imagine", f"--run={trained_run}", "red") == 2
    assert "its family has no symbols" in capsys.readouterr().err
    assert reverie("imagine", "red") == 2
    assert 'expected: reverie imagine --run=DIR "white wall AND red hat"' in capsys.readouterr().err


def test_pictures_are_said_in_words(scan_run, bars_table, tmp_path, capsys):
    folder = pathlib.Path(bars_table.removeprefix("table:")).parent
    files = [folder / "0.png", folder / "1.png"]
    assert reverie("describe", f"--run={scan_run}", *files, "--least=0.0") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith(f"{files[0]}: ")
    said = [re.sub(r" \(\d\.\d\d\)", "", line.partition(": ")[2]) for line in lines]
    run = load(scan_run)
    pixels = np.stack([np.asarray(PIL.Image.open(file)) for file in files])
    likeliest = run.model.images_to_symbols(tf.constant(pixels / 255.0, tf.float32))["label"].numpy()
    assert [run.vocabulary.labels(run.vocabulary.parse(text)).tolist() for text in said] == likeliest.tolist()
    # What is not probable enough is left out, and a symbol's probabilities are those of the model.
    (one, other) = run.describe(pixels, least=0.0)
    assert [str(one), str(other)] == [line.partition(": ")[2] for line in lines]
    expected = run.model.images_to_symbols(tf.constant(pixels[:1] / 255.0, tf.float32))["probabilities"].numpy()[0]
    found = [value for values in one.probabilities.values() for value in values.values()]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert run.describe(pixels, least=1.0)[0].text == "anything"


def test_what_cannot_be_described_is_refused_in_a_line(scan_run, trained_run, tmp_path, capsys):
    (tmp_path / "no.png").write_text("no picture")
    for arguments, message in (
        ([f"--run={scan_run}"], "expected: reverie describe --run=DIR PICTURE"),
        ([f"--run={scan_run}", tmp_path / "no.png"], "no.png: no picture"),
        ([f"--run={scan_run}", tmp_path / "none.png"], "none.png: no picture"),
    ):
        assert reverie("describe", *arguments) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]
    pixels = np.zeros([1, 8, 8, 3], np.uint8)
    with pytest.raises(UserError, match="least is 2; expected a probability from 0 to 1"):
        load(scan_run).describe(pixels, least=2)
    with pytest.raises(UserError, match="its family has no symbols"):
        load(trained_run).describe(pixels)


@pytest.fixture(scope="session")
def scan_version(scan_run):
    assert reverie("export", f"--workdir={scan_run}", "--lite=float32,int8") == 0
    return scan_run / "export" / "scan" / "1"


@pytest.mark.thorough
def test_the_export_answers_in_words_and_pictures_as_keras_does(scan_run, scan_version):
    graph, (_, model, _) = GraphModel(scan_version), experiment.load(scan_run)
    assert {"encode", "generate", "decode", "symbols_to_images", "images_to_symbols", "compose"} <= set(
        graph.signatures
    )
    assert {"symbols_to_concepts", "compose_concepts", "concepts_to_images"} <= set(graph.signatures)
    red, top = np.eye(7, dtype=np.float32)[[0]], np.eye(7, dtype=np.float32)[[4]]
    request = {"count": np.int32(3), "seed": np.array([4, 2], np.int32)}
    made = graph.call("compose", symbols_a=red, operator=[0], symbols_b=top, **request)
    expected = model.compose(red, np.array([0], np.int32), top, **request)
    np.testing.assert_allclose(made["images"], expected["images"], atol=1e-5)
    np.testing.assert_allclose(made["probabilities"], expected["probabilities"], atol=1e-5)
    again = graph.call("symbols_to_images", symbols=red, **request)["images"]
    np.testing.assert_array_equal(again, graph.call("symbols_to_images", symbols=red, **request)["images"])
    other = graph.call("symbols_to_images", symbols=red, count=np.int32(3), seed=[4, 3])["images"]
    assert not np.allclose(again, other)
    files = {path.stem for path in (scan_version / "lite").glob("*.tflite")}
    assert {"encode_float32", "encode_int8", "decode_float32"} <= files
    card = (scan_version / "MODEL_CARD.md").read_text()
    assert "- colour: blue, green, red, white" in card and "Operators: 0 AND" in card
    graph.close()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"symbols": np.array([[1, 1, 0, 0, 0, 0, 0]], np.float32)}, "a contradiction"),
        ({"symbols": np.full([1, 7], 2.0, np.float32)}, "expected values from 0 to 1"),
        ({"symbols": np.zeros([2, 7], np.float32)}, "expected 1 or `count` rows"),
        ({"count": np.int32(10**6)}, "count: expected 1 to"),
    ],
)
def test_the_graph_refuses_what_is_no_symbol(scan_version, inputs, message):
    graph = GraphModel(scan_version)
    request = {"symbols": np.eye(7, dtype=np.float32)[[0]], "count": np.int32(3), "seed": np.array([0, 1], np.int32)}
    with pytest.raises(Exception, match=message):
        graph.call("symbols_to_images", **{**request, **inputs})
    graph.close()


@pytest.mark.thorough
def test_published_versions_imagine_words_too(scan_run, scan_version, tmp_path, capsys):
    long = "(red AND top) IGNORE (top IN COMMON (top AND blue))"
    for text in ("red", "colour=red AND place=top", long):
        assert reverie("imagine", f"--model={scan_version}", text, f"--out={tmp_path / 'a.png'}", "--count=3") == 0
    assert reverie("imagine", f"--model={scan_version}", "rad") == 2
    assert "nearest: red" in capsys.readouterr().err
    assert reverie("generate", f"--model={scan_version}", f"--out={tmp_path / 'b.png'}", "--count=2") == 0
    assert reverie("generate", f"--model={scan_version}", "--label=3") == 2
    assert "imagines without labels" in capsys.readouterr().err
    version, run = load(scan_version), load(scan_run)
    # Of nothing named, both draw from the prior, and so does what it is composed with.
    np.testing.assert_allclose(run.imagine("anything", 3, 7), run.generate(3, seed=7)["images"], atol=1e-6)
    for text in ("red AND top", long, "anything", "anything AND red"):
        np.testing.assert_allclose(version.imagine(text, 3, 7), run.imagine(text, 3, 7), atol=1e-4)
    pixels = np.random.default_rng(0).integers(0, 256, [4, 8, 8, 3], np.uint8)
    assert [str(one) for one in version.describe(pixels)] == [str(one) for one in run.describe(pixels)]


@pytest.mark.thorough
def test_versions_without_steps_of_composing_compose_two_symbols(scan_version):
    """As exports of earlier releases are."""

    class Earlier(Exported):
        endpoints = tuple(name for name in load(scan_version).endpoints if "concepts" not in name)

    earlier = Earlier(scan_version)
    np.testing.assert_allclose(
        earlier.imagine("red AND top", 2), load(scan_version).imagine("red AND top", 2), atol=1e-4
    )
    with pytest.raises(UserError, match="composes two symbols at most"):
        earlier.imagine("red AND top IGNORE red", 2)


NAMING = {"symbols_to_images", "images_to_symbols", "symbols_to_concepts", "concepts_to_images"}


@pytest.mark.parametrize(
    ("trained", "words"),
    [
        (None, {*NAMING, "compose"}),
        (("vision", "symbols"), NAMING),
        (("vision",), set()),
    ],
)
def test_words_that_no_stage_has_learned_are_not_published(trained, words):
    config = scan_scenes.get_config()
    config.model.attributes = (("colour", ("red", "green"), ""), ("place", ("top", "bottom"), ""))
    found = set(endpoints(models.build(config.model), trained=trained))
    assert {name for name in found if not name.endswith("_each")} - {"compose_concepts"} == {
        "encode", "serving_default", "decode", "reconstruct", "generate", *words,
    }  # fmt: skip
    assert ("compose_concepts" in found) == ("compose" in words)


@pytest.mark.thorough
def test_a_version_of_vision_alone_says_nothing_of_words(bars_table, tmp_path, capsys):
    folder, none = tmp_path / "run", [f"--config.stages.{stage}.steps=0" for stage in ("symbols", "operators")]
    assert reverie("train", f"--workdir={folder}", *TINY, f"--config.data.source={bars_table}", *none) == 0
    assert reverie("export", f"--workdir={folder}", "--lite=none") == 0
    version = folder / "export/scan/1"
    assert "Entries of a symbol" not in (version / "MODEL_CARD.md").read_text()
    assert reverie("imagine", f"--model={version}", "red") == 2
    assert "'symbols_to_images', only decode, encode" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("family", ["jmvae", "telbo"])
def test_the_joint_baselines_go_the_whole_way_too(family, bars_table, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "_CASES", 20)
    kept = [a for a in TINY if not any(word in a for word in ("denoising", "recombination", "stages."))]
    folder = tmp_path / "joint"
    joint = [f"--config.data.source={bars_table}", "--config.stages.joint.steps=300", *kept[1:]]
    assert reverie("train", f"--config=scan_scenes:{family}", f"--workdir={folder}", *joint) == 0
    assert reverie("evaluate", f"--workdir={folder}") == 0
    numbers = json.loads((folder / "evaluation.json").read_text())
    assert "symbols_to_images" in numbers and "and" not in numbers
    assert reverie("imagine", f"--run={folder}", "red", f"--out={tmp_path / 'a.png'}") == 0
    picture = pathlib.Path(bars_table.removeprefix("table:")).parent / "0.png"
    assert reverie("describe", f"--run={folder}", picture, "--least=0") == 0
    assert f"{picture}: " in capsys.readouterr().out
    assert reverie("imagine", f"--run={folder}", "red AND top") == 2
    assert "the stage operators is not trained" in capsys.readouterr().err
    assert reverie("export", f"--workdir={folder}", "--lite=none") == 0
    version = folder / "export" / family / "1"
    assert reverie("imagine", f"--model={version}", "red AND top") == 2
    assert "has no operators, so it imagines one symbol without AND" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "channels"),
    [
        *((scan_scenes.get_config(variant), 3) for variant in scan_scenes.VARIANTS),
        *((scan_mnist_a.get_config(variant), 1) for variant in scan_mnist_a.VARIANTS),
        (scan_few.get_config(), 3),
    ],
)
def test_every_variant_builds_its_model(config, channels):
    config.model.attributes = (("colour", ("red", "green"), ""), ("place", ("top", "bottom"), ""))
    model = models.build(config.model)
    assert model.generate(2, np.array([0, 1]))["images"].shape == (2, 64, 64, channels)


@pytest.mark.slow
@pytest.mark.parametrize("variant", scan_mnist_a.VARIANTS)
def test_digits_with_attributes_are_learned_from_the_sample_and_imagined(variant, tmp_path):
    named = [name for name in scan_mnist_a.get_config(variant).stages if name != "start_from"]
    stages = [f"--config.stages.{name}.steps=2" for name in named]
    folder = tmp_path / "run"
    settings = ("--config.data.variants=1", "--config.words.pairs=100", "--config.data.combinations=held_out")
    assert reverie("train", f"--config=scan_mnist_a:{variant}", f"--workdir={folder}", *settings, *stages) == 0
    text = "small seven clockwise top-left"
    assert reverie("imagine", f"--run={folder}", text, f"--out={tmp_path / 'a.png'}", "--count=2") == 0


def test_an_unknown_variant_is_refused(capsys):
    assert reverie("train", "--config=scan_scenes:sideways", "--workdir=none") == 2
    expected = "reverse, entangled, mixed, latentwise, compares, features, jmvae, telbo"
    assert f"variant is 'sideways'; expected one of {expected}" in capsys.readouterr().err


def test_emoji_people_become_a_table_and_are_learned_from_it(tmp_path):
    """examples/words/emoji_people.py on a package of three roles, one of which has no man."""
    script = pathlib.Path(package.__file__).parent / "examples/words/emoji_people.py"
    unpacked, random, entries = tmp_path / "package", np.random.default_rng(0), []
    pictures = unpacked / "img/google/64"
    pictures.mkdir(parents=True)
    tones = ("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF")
    for name in ("WOMAN FARMER", "MAN FARMER", "WOMAN FACTORY WORKER", "MAN FACTORY WORKER", "WOMAN JUDGE"):
        files = {tone: {"image": f"{name}-{tone}.png".replace(" ", "-").lower()} for tone in tones}
        entries.append({"name": name, "subcategory": "person-role", "has_img_google": True, "skin_variations": files})
        for file in files.values():
            PIL.Image.fromarray(random.integers(0, 256, [64, 64, 4], np.uint8)).save(pictures / file["image"])
    entries.append({"name": "MAN RUNNING", "subcategory": "person-sport", "has_img_google": True})
    (unpacked / "emoji.json").write_text(json.dumps(entries))
    made = subprocess.run([sys.executable, script, unpacked], capture_output=True, text=True, check=True)
    assert "people.csv: 20 people, 2 roles" in made.stdout
    rows = list(csv.DictReader((pictures / "people.csv").open()))
    assert {(row["tone"], row["gender"], row["role"]) for row in rows} == set(
        itertools.product(
            ("light", "medium_light", "medium", "medium_dark", "dark"), ("woman", "man"), ("farmer", "factory_worker")
        )
    )
    assert collections.Counter(row["split"] for row in rows) == {"train": 16, "validation": 2, "test": 2}
    assert all(row["file"].startswith(row["gender"]) and row["role"][:4] in row["file"] for row in rows)
    sizes = (("steps", 2), ("batch_size", 8))
    steps = [f"--config.stages.{s}.{name}={n}" for s in ("vision", "symbols", "operators") for name, n in sizes]
    source = f"--config.data.source=table:{pictures / 'people.csv'}"
    folder = tmp_path / "people"
    assert reverie("train", "--config=scan_few", f"--workdir={folder}", source, *steps) == 0
    text = "dark woman factory worker IGNORE factory worker"
    assert reverie("imagine", f"--run={folder}", text, f"--out={tmp_path / 'a.png'}", "--count=2") == 0
    wrong = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)
    assert wrong.returncode and "which holds emoji.json" in wrong.stderr
