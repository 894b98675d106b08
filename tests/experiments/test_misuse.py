"""The Python face, called as it must not be: every call is refused in one line that says what would be right."""

import unicodedata
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import reverie
from reverie import cli
from reverie.errors import UserError
from reverie.experiments import class_numbers
from reverie.experiments.exported import NotExportedError
from reverie.pipelines import Vocabulary
from reverie.pipelines.symbols import Attribute

from ..conftest import tiny_arrays
from .test_face import SMALL


@pytest.fixture(scope="module")
def digits():
    return tiny_arrays(120)


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    small = {**SMALL, "train.steps": 4}
    return reverie.train("xcov_mnist", tmp_path_factory.mktemp("misuse") / "run", data=digits, overrides=small)


@pytest.fixture(scope="module")
def version(run):
    return run.export(lite=(), max_batch=64, warmup=False).folder


@pytest.fixture(scope="module")
def exported(version):
    return reverie.load(version)


def refused(call, *said: str) -> None:
    with pytest.raises(UserError) as error:
        call()
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    for words in said:
        assert words in str(error.value)


@pytest.mark.parametrize("label", ["0:1", "-1:-1", "0:1:2"])
def test_a_label_has_a_part_for_each_head(run, version, label, tmp_path, capsys):
    parts = label.count(":") + 1
    for place in (run.folder, version):
        assert cli.main(["reverie", "generate", f"--model={place}", f"--label={label}", f"--out={tmp_path}/a.png"]) == 2
        assert f"label has {parts} parts; the model has 1 head" in capsys.readouterr().err
    assert cli.main(["reverie", "generate", f"--model={version}", "--label=0,-1", f"--out={tmp_path}/a.png"]) == 0


@pytest.mark.parametrize("label", [[[0, 1]], [[0], [1, 2]], [[[0]]], {}, b"0", [1, None], ["1", 2.5], True, [True]])
def test_a_label_that_is_none_is_refused(run, label):
    refused(lambda: run.generate(2, label=label), "label ")


def test_one_column_of_labels_is_a_label_an_image(run):
    made = run.generate(3, label=[[0], [2], [1]])
    np.testing.assert_array_equal(np.ravel(made["label"]), [0, 2, 1])


@pytest.mark.parametrize("count", [None, 0, -3, 2.5, "3", True, np.bool_(True), [3], 10**9, 2**40])
def test_a_count_is_a_whole_number_within_a_limit_that_is_said(run, exported, count):
    refused(lambda: run.generate(count), "count is ", "expected a whole number from 1 to 100000")
    refused(lambda: exported.generate(count), "count is ", "expected a whole number from 1 to 64")


def test_a_count_may_be_of_any_type_of_whole_number(run):
    assert len(run.generate(np.int64(2))["images"]) == len(run.generate(np.array(2))["images"]) == 2


@pytest.mark.parametrize("seed", [-1, 2**31, 1.0, "1", None, True, (1, -1), (1, 2, 3), [], [[1, 2]]])
def test_a_seed_has_the_range_that_the_command_line_has(run, exported, seed):
    for model in (run, exported):
        refused(lambda model=model: model.generate(2, seed=seed), "seed is ", "to 2147483647")
    assert len(run.generate(2, seed=2**31 - 1)["images"]) == 2


def test_what_the_graph_would_refuse_is_said_with_its_value(exported):
    refused(lambda: exported.generate(65), "count is 65; expected a whole number from 1 to 64, the version's max_batch")
    refused(lambda: exported.generate(2, label=7), "label is 7; expected values from -1 to 2")
    refused(lambda: exported.generate(3, label=[0, 1]), "label has 2 rows; expected 1 or count=3")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ({}, "decode takes features, probabilities, not nothing"),
        ({"features": 3}, "decode takes features, probabilities, not features"),
        ({"probabilities": "x", "features": [[1, 2]]}, "probabilities is 'x'; expected numbers [n, 3]"),
        ({"probabilities": [[1, 0, 0]], "features": 3}, "features has shape (); expected [n, 2]"),
        ({"probabilities": [[1, 0, 0]], "features": [[1, 2], [3]]}, "expected numbers [n, 2]"),
        ({"probabilities": [[1, 0, 0]], "features": None}, "features is None; expected numbers"),
        ({"probabilities": np.zeros([2, 3]), "features": np.zeros([3, 2])}, "features has 3, probabilities has 2"),
        ({"probabilities": np.zeros([0, 3]), "features": np.zeros([0, 2])}, "at least one row"),
        ({"probabilities": np.zeros([2, 3]), "features": np.full([2, 2], np.nan)}, "finite number"),
    ],
)
def test_a_code_that_is_none_is_refused(run, exported, code, said):
    for model in (run, exported):
        refused(lambda model=model: model.decode(**code), said)


def test_whole_numbers_are_encoded_as_they_are_trained_on(run, exported, digits):
    pixels = (
        np.round(255 * np.asarray(digits[0][:3])).astype(np.uint8) if digits[0].dtype != np.uint8 else digits[0][:3]
    )
    expected = run.encode(pixels)["features"]
    for given in (pixels.tolist(), pixels.astype(np.int64), pixels[..., 0].tolist()):
        np.testing.assert_array_equal(run.encode(given)["features"], expected)
    np.testing.assert_allclose(exported.encode(pixels.tolist())["features"], expected, atol=1e-4)
    black_and_white = pixels > 127
    np.testing.assert_array_equal(
        run.encode(black_and_white)["features"], run.encode(255 * black_and_white.astype(np.uint8))["features"]
    )
    refused(lambda: run.encode(pixels.astype(int) + 200), "images: pixels of type int64 range over [200, ", "0 to 255")
    refused(lambda: run.encode(pixels.astype(str)), "images: images are of type")
    refused(lambda: run.encode([[1], [1, 2]]), "images are rows of several shapes; expected [n, 8, 8, 1]")
    for nothing in (None, 3, "x", [], {}):
        refused(lambda nothing=nothing: run.encode(nothing), "expected [n, 8, 8, 1] with at least one row")


WORDS = Vocabulary((Attribute("wall_color", ("red", "white"), "wall"), Attribute("object", ("hat", "bag"))))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "the words are None; expected a text"),
        (3, "the words are 3; expected a text"),
        (["red wall"], "the words are ['red wall']; expected a text"),
        (b"white wall", "the words are b'white wall'; expected a text"),
        ("white" + 500 * " wall", "has 501 words; expected at most 200"),
        (" AND ".join(300 * ["hat"]), "words; expected at most 200"),
        ("white" + 100 * " wall", "has 101 words without a comma; expected at most 16"),
        (2 * ("white" + 15 * " wall") , "words without a comma"),
    ],
)  # fmt: skip
def test_an_expression_is_a_text_of_bounded_length(text, said):
    refused(lambda: WORDS.parse_expression(text), said)


def test_expressions_up_to_the_bound_are_read():
    assert WORDS.parse_expression("white wall hat") == {"wall_color": "white", "object": "hat"}
    refused(lambda: WORDS.parse_expression("white" + 15 * " wall"), "says nothing by itself")


def test_a_model_without_words_says_so_whatever_is_asked(run):
    for text in (None, 3, ["red"], "red"):
        refused(lambda text=text: run.imagine(text), "its family has no symbols")


class Worded(reverie.Exported):
    """Words without a graph: what is refused is refused before anything is computed."""

    def __init__(self):
        self._graph = SimpleNamespace(signatures={})
        self.folder = "worded"

    attributes = WORDS.plain()
    image_shape = (8, 8, 3)
    metadata = {"max_batch": 64}


@pytest.mark.parametrize("count", [0, "x", 1.5, None, 65])
def test_imagining_counts_as_generating_does(count):
    refused(lambda: Worded().imagine("red wall", count=count), "count is ", "expected a whole number from 1 to 64")
    refused(lambda: Worded().imagine("red wall", seed=-1), "seed is -1; expected a whole number from 0 to 2147483647")


@pytest.mark.parametrize(
    ("name", "overrides", "said"),
    [
        ("xcov_demo", [1], "overrides are [1]; expected a dict"),
        ("xcov_demo", {3: 4}, "overrides have the key 3; expected a dict"),
        ("xcov_demo", "train.steps=3", "overrides are 'train.steps=3'; expected a dict"),
        ("xcov_demo", {"train.steps": None}, "train.steps is None; expected a value like"),
        ("xcov_demo", {"train.steps": -1}, "train.steps is -1; expected 0 to"),
        ("xcov_demo", {"train.steps": True}, "train.steps is True; expected a value like"),
        ("sparse_demo", {"greedy.steps": "a"}, "greedy.steps is 'a'; expected a value like (400, 100, 100)"),
        ("sparse_demo", {"data.windows": "x"}, "data.windows is 'x'; expected a value like 4000"),
        ("sparse_demo", {"optimizer.beta_1": 7}, "optimizer.beta_1 is 7; expected at least 0 and below 1"),
        ("sparse_demo", {"schedule.rate": -1}, "schedule.rate is -1; expected a finite number above 0"),
        ("xcov_demo", {"train.batch_size": 0}, "train.batch_size is 0; expected 1 to"),
        ("xcov_demo", {"seed": -1}, "seed is -1; expected 0 to 2147483647"),
        ("xcov_demo", {"train.epochs": float("nan")}, "train.epochs is nan; expected 0 or more"),
        ("xcov_demo", {"train": {"steps": 3}}, "lacks train."),
        ("xcov_demo", {"train": 3}, "train is 3"),
        ("xcov_demo", {"optimizer": None}, "optimizer is None"),
        ("xcov_demo", {"": 3}, "unknown config key ''"),
        (None, None, "config is None; expected a name"),
        (3, None, "config is 3; expected a name"),
        ("", None, "config is ''; expected a name"),
        ({"train": {}}, None, "expected a name as 'xcov_mnist', a file, or settings"),
    ],
)
def test_settings_that_are_none_are_refused_when_they_are_given(name, overrides, said):
    refused(lambda: reverie.config(name, overrides), said)


def test_overrides_and_folders_of_training_are_held_to_what_they_must_be(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(lambda: reverie.train("xcov_mnist", tmp_path / "run", data=digits, overrides="x"), "overrides are 'x'")
    for workdir in (None, "", " ", 3, b"runs/a", "a\0b"):
        refused(lambda workdir=workdir: reverie.train("xcov_mnist", workdir, data=digits), "workdir is ", "a folder")
        refused(lambda workdir=workdir: reverie.Run(workdir), "workdir is ")
        refused(lambda workdir=workdir: reverie.load(workdir), "path is ", "expected a run folder")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"to": 3}, "to is 3; expected a folder"),
        ({"name": 3}, "name is 3; expected letters"),
        ({"lite": 3}, "lite are 3; expected a list"),
        ({"lite": [3]}, "lite hold 3; expected texts"),
        ({"lite": "int9"}, "lite is int9; expected some of float32"),
        ({"max_batch": "x"}, "max_batch is 'x'; expected a whole number from 1 to 65536"),
        ({"max_batch": 0}, "max_batch is 0"),
        *(({"name": name}, "expected letters, digits") for name in (
            "../../esc", "/abs", "a/b", "a\nb", "a b", ".hidden", "..", ".", "a\n", "ä", 300 * "a")),
    ],
)  # fmt: skip
def test_an_export_goes_nowhere_that_no_server_could_serve(run, options, said, tmp_path):
    before = sorted(run.folder.parent.rglob("*"))
    refused(lambda: run.export(**options), said)
    assert sorted(run.folder.parent.rglob("*")) == before


@pytest.mark.thorough
def test_a_bare_text_means_one_variant_and_to_is_free(run, tmp_path):
    published = run.export("a.B-c_1", tmp_path / "any where", lite="float32", warmup=False)
    assert published.folder == tmp_path / "any where" / "a.B-c_1" / "1"
    variants = {path.stem.rsplit("_", 1)[1] for path in (published.folder / "lite").glob("*.tflite")}
    assert variants == {"float32"}


def test_a_published_version_says_who_answers_what_it_does_not(exported):
    for name in ("evaluate", "report", "export", "model", "step"):
        refused(lambda name=name: getattr(exported, name), f"its run folder has '{name}'", "endpoints only (", "encode")
        assert not hasattr(exported, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'") as error:
        exported.nothing  # noqa: B018
    assert not isinstance(error.value, NotExportedError)


def test_what_is_registered_is_of_its_kind():
    refused(lambda: reverie.register_family(3), "register_family got 3; expected a Family")
    refused(lambda: reverie.register_method(int), "register_method got <class 'int'>; expected a subclass")
    refused(lambda: reverie.register_method(3), "register_method got 3; expected a subclass")
    refused(lambda: reverie.register_layer(3), "register_layer got 3; expected @register_layer(inputs=")
    refused(lambda: reverie.register_layer(keras.layers.Dense), "expected @register_layer(inputs=")
    refused(lambda: reverie.register_layer(inputs=3), "inputs are 3; expected a list")
    refused(lambda: reverie.register_layer(inputs=[], arguments=3), "arguments are 3; expected a dict")
    refused(lambda: reverie.register_layer(inputs=[1])(int), "expected a subclass of keras.layers.Layer")
    assert int not in reverie.training.continual.registry.methods().values()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seeds": 0}, "seeds are 0; expected a list, as [0, 1, 2]"),
        ({"seeds": ["a"]}, "one of the seeds is 'a'; expected a whole number from 0 to 2147483647"),
        ({"seeds": [1.5]}, "one of the seeds is 1.5"),
        ({"seeds": [True]}, "one of the seeds is True"),
        ({"seeds": [-1]}, "one of the seeds is -1"),
        ({"seeds": "01"}, "one of the seeds is '01'"),
        ({"seeds": None}, "seeds are None"),
        ({"seeds": []}, "seeds are empty"),
        ({"seeds": [1, 1]}, "none twice"),
        ({"methods": None}, "methods are None; expected a list"),
        ({"methods": [3]}, "methods hold 3; expected texts"),
        ({"methods": "nine"}, "nine"),
        ({"methods": ["none", "xdg"]}, "xdg gates by task, which the class-incremental scenario does not provide"),
        ({"methods": ["gr", "rff"], "overrides": {"model.fourier": 0}}, "rff is on, but model.fourier is 0"),
        (
            {"overrides": {"continual.memmory": 3}},
            "none: unknown config key 'continual.memmory'; nearest: ",
        ),
        ({"jobs": 0}, "jobs is 0"),
        ({"jobs": "2"}, "jobs is '2'"),
        ({"scenario": 3}, "scenario is 3"),
        ({"plugins": 3}, "plugins are 3"),
        ({"overrides": [1]}, "overrides are [1]"),
        ({"workdir": ""}, "workdir is ''"),
        ({"workdir": None}, "workdir is None"),
        ({"config": 3}, "config is 3"),
    ],
)
def test_a_comparison_takes_methods_and_seeds_alone(tmp_path, arguments, said):
    given = {"config": "replay_split_mnist", "workdir": tmp_path / "methods", "methods": ["none"], **arguments}
    refused(lambda: reverie.compare(**given), said)
    assert not (tmp_path / "methods" / "none").exists()


def test_class_names_are_found_with_any_accents_and_listed_in_quotes():
    written = {form: unicodedata.normalize(form, "café, noir") for form in ("NFC", "NFD")}
    assert written["NFC"] != written["NFD"]
    for kept in written.values():
        names = {"label": ("thé", kept)}
        for asked in (*written.values(), *(text.upper() for text in written.values())):
            assert class_numbers(asked, names).tolist() == 1
        refused(lambda names=names: class_numbers("cafe, noir", names), f"nearest: '{written['NFC']}'")
    refused(lambda: class_numbers("xyz", {"label": ("a, b", "c")}), "expected one of 'a, b', 'c'")


def test_integers_are_class_numbers_and_texts_are_names_first():
    names = {"label": ("1", "9", "10")}
    assert class_numbers([1], names).tolist() == [1] and class_numbers(["1", "10", "2"], names).tolist() == [0, 2, 2]
