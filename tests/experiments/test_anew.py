"""Settings that a trained run is given anew, in Python and on the command line."""

import json
import shutil

import numpy as np
import pytest
import reverie
from reverie import cli, models, pipelines
from reverie.errors import UserError
from reverie.evaluation import scan
from reverie.experiments.anew import differing
from reverie.models.guidance import guided
from reverie.training import run_folder

from ..conftest import colored_bars, tiny_scan


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A JMVAE of colored bars, whose symbols are meant as they were learned."""
    folder = tmp_path_factory.mktemp("anew")
    config = tiny_scan("jmvae", data__source=pipelines.give(colored_bars(300)), model__guidance=1.0)
    config.model.vision.precision = 50.0
    return reverie.train(config, folder / "run")


@pytest.fixture
def run(trained, tmp_path):
    """A copy, which a test may write to."""
    return reverie.Run(shutil.copytree(trained.folder, tmp_path / "run"))


SYMBOL = np.eye(7, dtype=np.float32)[:1]


def test_pictures_are_imagined_from_the_symbol_as_much_as_is_set(run):
    meant = reverie.load(run.folder, settings={"guidance": 6})
    concept = run.model.concept(SYMBOL)
    expected = run.model.imagine(guided(concept, 6.0), 5, (1, 2))["images"]
    made = meant.model.imagine(concept, 5, (1, 2))["images"]
    np.testing.assert_allclose(made, expected, atol=1e-6)
    assert np.abs(made - run.model.imagine(concept, 5, (1, 2))["images"]).max() > 1e-3


@pytest.mark.thorough
def test_numbers_say_what_was_set_and_a_version_of_other_settings_has_none(run, caplog, monkeypatch):
    monkeypatch.setattr(scan, "_CASES", 20)
    meant = reverie.load(run.folder, settings={"guidance": 6, "attempts": 3})
    assert meant.evaluate()["model.guidance"] == 6.0
    page = (run.folder / "report.html").read_text()
    assert "The numbers and pictures are of model.guidance = 6.0, which was set anew." in page
    assert json.loads((run.folder / "config.json").read_text())["model"]["guidance"] == 1.0

    version = reverie.load(meant.export(lite=()).folder)
    fitting = json.loads((version.folder / "metadata.json").read_text())
    assert fitting["config"]["model"]["guidance"] == 6.0 and fitting["evaluation"]["model.guidance"] == 6.0
    (images, phrase), (expected, said) = version.sheet("red", 3, 5), meant.sheet("red", 3, 5)
    assert phrase == said
    np.testing.assert_allclose(images, expected, atol=1e-5)
    assert np.abs(expected - run.sheet("red", 3, 5)[0]).max() > 1e-3
    with pytest.raises(UserError, match="is exported, and its settings are fixed; export its run with other ones"):
        reverie.load(version.folder, settings={"guidance": 6})

    caplog.clear()
    other = json.loads((run.export(lite=()).folder / "metadata.json").read_text())
    assert other["config"]["model"]["guidance"] == 1.0 and not other["evaluation"]
    assert "its numbers are left out, because they were measured with model.attempts 3 instead of 1, " in caplog.text


def test_numbers_of_a_run_older_than_a_setting_are_of_its_default(run):
    path = run.folder / "config.json"
    content = json.loads(path.read_text())
    del content["model"]["attempts"]
    path.write_text(json.dumps(content))
    meant = reverie.load(run.folder, settings={"attempts": 4})
    assert meant.written_config()["model"]["attempts"] == 4
    trained = run_folder.load_config(run.folder)
    assert differing({"step": 1}, trained, meant.config) == ["model.attempts 1 instead of 4"]
    assert differing({"step": 1, "model.attempts": 4}, trained, meant.config) == []
    assert differing({"step": 1}, trained, reverie.load(run.folder).config) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"guidance": 0}, r"model.guidance is 0; expected 1, a concept as it was learned, to 1000"),
        ({"guidance": "much"}, r"config: model.guidance is 'much'; expected a value like 1.0"),
        ({"alpha": 2.0}, r"alpha cannot be set anew; of a trained jmvae that can be: attempts, guidance"),
        ({"guidence": 2.0}, r"guidence cannot be set anew; of a trained jmvae that can be: attempts, guidance"),
        ([("guidance", 2)], r"settings are \[\('guidance', 2\)\]; expected a dict, as \{'guidance': 5\}"),
    ],
)
def test_what_cannot_be_set_is_said_in_one_line(trained, settings, said):
    with pytest.raises(UserError, match=said):
        _ = reverie.load(trained.folder, settings=settings).model


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--set=guidance"], "--set is 'guidance'; expected NAME=VALUE, for example guidance=5"),
        (["--set=guidance=2", "--set=guidance=3"], "--set gives guidance twice; expected one value"),
        (["--set=guidance={[]:1}"], "config: model.guidance is '{[]:1}'; expected a value like 1.0"),
        (["--set=guidance=1" + 400 * "0"], "; expected a value like 1.0"),
        (["--set=guidance=much"], "config: model.guidance is 'much'; expected a value like 1.0"),
        (["--set=latents=3"], "latents cannot be set anew; of a trained jmvae that can be: attempts, guidance"),
    ],
)
def test_the_command_line_refuses_in_one_line(trained, given, said, capsys, tmp_path):
    assert cli.main(["reverie", "imagine", f"--run={trained.folder}", f"--out={tmp_path}/a.png", *given, "red"]) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


def test_the_command_line_imagines_as_python_does(trained, tmp_path):
    def picture(*given) -> bytes:
        out = tmp_path / "made.png"
        assert cli.main(["reverie", "imagine", f"--run={trained.folder}", f"--out={out}", *given, "red"]) == 0
        return out.read_bytes()

    plain = picture()
    assert picture("--set=guidance=1") == plain != picture("--set=guidance=6")


def test_only_families_that_say_so_have_settings_to_set():
    assert {name: set(models.family(name).settable) for name in models.families() if models.family(name).settable} == {
        **{name: {"guidance", "attempts"} for name in ("scan", "jmvae", "telbo")},
        "replay": {"temperature", "attempts"},
    }
