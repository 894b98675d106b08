"""The report page of folders that are damaged: one line that names the file, or a page without what is lost."""

import datetime
import json

import pytest
from reverie import cli
from reverie.configs import defaults
from reverie.errors import UserError
from reverie.evaluation import report

NUMBERS = {"step": 60, "accuracy": 0.75, "reconstruction": 0.125, "varies_features": 0.0}


@pytest.fixture
def folder(tmp_path):
    """The JSON files of a run, without any training."""
    config = json.loads(defaults.get_config("xcov").to_json_best_effort())
    content = {
        "config.json": config,
        "run.json": {"started": 1e9, "step": 60, "seconds": 90.0, "examples_per_second": 1500.0},
        "data.json": {"images": 60, "name": "tiny"},
        "evaluation.json": NUMBERS,
    }
    for name, said in content.items():
        (tmp_path / name).write_text(json.dumps(said))
    lines = [{"step": step, "phase": "xcov", "time": 1.0, "total": 1.0 / step} for step in (20, 40, 60)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "captions.json").write_text("{}")
    return tmp_path


def _said(folder, capsys) -> str:
    """The one line that the command line says of a folder that it refuses."""
    assert cli.main(["reverie", "report", f"--workdir={folder}"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("reverie report: error: ") and not any("Traceback" in line for line in said)
    return said[-1]


def test_a_whole_folder_has_its_page(folder):
    page = report.write(folder).read_text()
    assert "75.00 %" in page and "0.1250" in page and "60 steps" in page and "1.5 minutes" in page
    assert "<h2>Curves</h2>" in page and "This network has not learned" in page


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b"null", b'"text"', b"3", b'{"a": ', b"[" * 100_000], ids=range(8)
)
@pytest.mark.parametrize("name", ["config.json", "run.json", "data.json", "evaluation.json", "pictures/captions.json"])
def test_a_file_that_is_no_object_is_named(folder, capsys, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name} is not JSON of an object.*; restore "):
        report.write(folder)
    line = _said(folder, capsys)
    assert f"{folder / name} is not JSON of an object" in line
    if name == "evaluation.json":
        assert line.endswith("restore it, or run `reverie evaluate` again")
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("content", [{}, {"model": None}, {"model": {"family": 3}}, {"model": {}, "seed": 0}])
def test_settings_without_a_family_are_named(folder, capsys, content):
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"config.json is damaged: it names no model.family"):
        report.write(folder)
    assert "config.json is damaged" in _said(folder, capsys)


@pytest.mark.parametrize("value", ["n/a", None, [1], {"a": 1}, float("nan"), 10**400, "<b>"])
def test_a_headline_that_is_no_number_is_shown_as_it_stands(folder, value):
    (folder / "evaluation.json").write_text(json.dumps({**NUMBERS, "accuracy": value}))
    page = report.write(folder).read_text()
    assert ("0.1250" in page and "75.00 %" not in page and "<b>1" not in page and "&lt;b&gt;" in page) or value != "<b>"


PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\nIDAT"
    b"x\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)


def test_a_page_shows_pictures_of_its_run_only_whatever_captions_say(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for path in (elsewhere / "x.png", folder / "x.png", folder / "pictures" / "own.png"):
        path.write_bytes(PIXEL)
    (folder / "pictures" / "deeper").mkdir()
    (folder / "pictures" / "deeper" / "x.png").write_bytes(PIXEL)
    (folder / "pictures" / "linked.png").symlink_to(elsewhere / "x.png")
    (folder / "pictures" / "a folder.png").mkdir()
    names = (
        "own", "linked", "../x", f"../../{elsewhere.name}/x", str(elsewhere / "x"), "deeper/x", "./own", "a folder",
        "none", "", "..", "\0", "own\0", "x" * 5000,
    )  # fmt: skip
    captions = {name: f"caption of {number}" for number, name in enumerate(names)}
    (folder / "pictures" / "captions.json").write_text(json.dumps(captions))
    page = report.write(folder).read_text()
    assert [caption for caption in captions.values() if f"{caption}<" in page] == ["caption of 0"]


def test_names_of_folders_and_classes_are_no_markup_in_the_page(folder):
    said = "<script>alert(1)</script>\"'&"
    config = json.loads((folder / "config.json").read_text())
    config["data"]["source"] = f"folder:{said}"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "data.json").write_text(json.dumps({"name": said, "classes": {said: [said]}, said: 1}))
    (folder / "evaluation.json").write_text(json.dumps({**NUMBERS, f"accuracy_{said}": 0.5}))
    (folder / "pictures" / "captions.json").write_text(json.dumps({"<b>": said, "own": said}))
    for name in ("own", "<b>"):
        (folder / "pictures" / f"{name}.png").write_bytes(PIXEL)
    renamed = folder.with_name("a <b> & c")
    folder.rename(renamed)
    page = report.write(renamed).read_text()
    assert "<script>" not in page and "<b>" not in page.replace("<b>This network has not learned</b>", "")
    assert page.count("&lt;script&gt;") >= 7


@pytest.mark.parametrize("name", ["started", "step", "seconds", "examples_per_second"])
@pytest.mark.parametrize("value", ["x", None, [], {}, float("inf"), 10**400, 1e300])
def test_an_entry_of_run_json_that_says_nothing_is_left_out(folder, name, value):
    said = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**said, name: value}))
    page = report.write(folder).read_text()
    assert "75.00 %" in page and ("date unknown" in page) == (name == "started")


@pytest.mark.parametrize("name", ["step", "varies_features"])
@pytest.mark.parametrize("value", ["x", None, [], float("nan")])
def test_numbers_of_a_collapse_that_are_none_are_not_judged(folder, name, value):
    (folder / "evaluation.json").write_text(json.dumps({**NUMBERS, name: value}))
    assert "This network has not learned" not in report.write(folder).read_text()


def test_bad_lines_of_the_record_are_passed_over(folder):
    path = folder / "metrics.jsonl"
    good, whole = path.read_bytes(), report.write(folder).read_text()
    bad = (
        b'{}\n[1]\n"text"\nnull\n3\n{"step": "5", "total": 1}\n{"step": null}\n\xff\xfe\n{"step": 80, "total": "nan"}\n'
    )
    path.write_bytes(bad + good + bad + b'{"step": 80, "to')
    assert report.write(folder).read_text() == whole
    path.write_bytes(b"\xff" * 100)
    assert "<h2>Curves</h2>" not in report.write(folder).read_text()


def test_dates_are_dates_and_empty_entries_are_left_out(folder):
    said = json.loads((folder / "run.json").read_text())
    moment = datetime.datetime(2026, 5, 4, 15, 30).timestamp()
    empty = {"signal": None, "gpus": [], "command": ""}
    (folder / "run.json").write_text(json.dumps({**said, **empty, "finished": moment, "resumed": 0, "nonfinite": 0.0}))
    (folder / "data.json").write_text(
        json.dumps({"images": 60, "skipped_reasons": {}, "skipped_first": [], "classes": {"label": ["cat", "dog"]}})
    )
    page = report.write(folder).read_text()
    machine = page[page.index("<summary>Machine and versions</summary>") :]
    assert "<td>finished</td><td class=n>2026-05-04 15:30</td>" in machine and str(moment) not in page
    assert not any(f"<td>{name}</td>" in machine for name in empty) and "None" not in machine
    assert "<td>resumed</td><td class=n>0</td>" in machine and "<td>nonfinite</td><td class=n>0</td>" in machine
    data = page[page.index("<summary>Data</summary>") : page.index("<summary>Settings</summary>")]
    assert "<td>classes.label</td><td class=n>cat, dog</td>" in data and "skipped" not in data
