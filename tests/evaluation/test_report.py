"""The report page: what stands on it, that it loads nothing, and folders that are damaged."""

import base64
import datetime
import hashlib
import html.parser
import json
import pathlib
import re

import pytest
from reverie import cli, models
from reverie.configs import defaults
from reverie.errors import UserError
from reverie.evaluation import headlines, report

NUMBERS = {"step": 60, "accuracy": 0.75, "reconstruction": 0.125, "varies_features": 0.0}

PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\nIDAT"
    b"x\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)


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
    assert "<h2>Curves</h2>" in page and "This network has not learned (60 steps)" in page


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
    assert "<script>" not in page and "<b>" not in page
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
    machine = page[page.index("<summary>Machine and versions</summary>") : page.index("</main>")]
    assert "<td>finished</td><td class=n>2026-05-04 15:30</td>" in machine and str(moment) not in page
    assert not any(f"<td>{name}</td>" in machine for name in empty) and "None" not in machine
    assert "<td>resumed</td><td class=n>0</td>" in machine and "<td>nonfinite</td><td class=n>0</td>" in machine
    data = page[page.index("<summary>Data</summary>") : page.index("<summary>Settings</summary>")]
    assert "<td>classes.label</td><td class=n>cat, dog</td>" in data and "skipped" not in data


class _Elements(html.parser.HTMLParser):
    """Elements and texts of a page, scripts by their kind."""

    def __init__(self, page: str):
        super().__init__()
        self.elements, self.scripts, self._in_script = [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._in_script = dict(attributes).get("type", "") if tag == "script" else None

    def handle_data(self, data):
        if self._in_script is not None:
            self.scripts.append((self._in_script, data))
            self._in_script = None

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


def _with_pictures(folder) -> pathlib.Path:
    (folder / "pictures" / "captions.json").write_text(json.dumps({"first_one": "A picture.", "second": "Another."}))
    for name in ("first_one", "second"):
        (folder / "pictures" / f"{name}.png").write_bytes(PIXEL)
    return folder


def test_a_page_loads_nothing_and_its_policy_lets_it_run_only_its_own_scripts(folder):
    page = report.write(_with_pictures(folder)).read_text()
    found = _Elements(page)
    for _, attributes in found.elements:
        for name in ("src", "href", "data", "srcset", "poster", "action"):
            if name in attributes:
                assert re.match(r"data:|#", attributes[name]), attributes
    assert "url(" not in page[page.index("<style>") : page.index("</style>")] and "@import" not in page
    (policy,) = [meta["content"] for meta in found.of("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'; img-src data:;") and "http" not in policy
    run = [text for kind, text in found.scripts if kind == "text/javascript"]
    digests = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run}
    assert len(run) == 3 and set(re.findall(r"'sha256-([^']+)'", policy)) == digests
    assert len(page) < 1_500_000


def test_curves_are_charts_with_their_numbers_and_a_picture_for_readers_without_scripts(folder):
    page = report.write(folder).read_text()
    found = _Elements(page)
    (spec,) = [json.loads(text) for kind, text in found.scripts if kind == "application/json"]
    rows = spec["datasets"][spec["layer"][0]["data"]["name"]]
    assert [(row["step"], row["value"]) for row in rows] == [(20, 1 / 20), (40, 1 / 40), (60, 1 / 60)]
    assert spec["title"] == "total" and [image["alt"] for image in found.of("img")] == ["Curve of total"]


def test_a_page_without_curves_and_pictures_has_no_script(folder):
    (folder / "metrics.jsonl").unlink()
    page = report.write(folder).read_text()
    assert _Elements(page).of("script") == [] and "script-src 'none'" in page and len(page) < 40_000


def test_pictures_enlarge_by_buttons_that_the_keyboard_reaches_and_have_a_text_each(folder):
    found = _Elements(report.write(_with_pictures(folder)).read_text())
    buttons = [button for button in found.of("button") if button.get("class") == "enlarge"]
    assert [button["aria-label"] for button in buttons] == ["Enlarge: first one", "Enlarge: second"]
    assert all("tabindex" not in button and button["type"] == "button" for button in buttons)
    assert len(found.of("dialog")) == 1 and {"first one", "second"} <= {image["alt"] for image in found.of("img")}
    assert len(found.of("figcaption")) == 2


def test_the_contents_lead_to_every_section(folder):
    found = _Elements(report.write(_with_pictures(folder)).read_text())
    sections = [section["id"] for section in found.of("section")]
    assert [link["href"] for link in found.of("a")] == [f"#{name}" for name in sections]
    assert sections == ["pictures", "curves", "numbers", "details"]


@pytest.mark.parametrize("family", models.families())
def test_every_headline_of_a_family_says_what_it_means_and_what_would_be_good(family):
    for name, headline in headlines(models.family(family)).items():
        assert len(headline.meaning) > 10 and len(headline.good) > 10, name
        assert headline.better in ("", "higher", "lower")


def test_headlines_say_what_they_mean_and_what_would_be_good(folder):
    page = report.write(folder).read_text()
    for name in ("accuracy", "reconstruction"):
        headline = headlines(models.family("xcov"))[name]
        assert f"<span>{headline.meaning}</span><small>Good: {html.escape(headline.good)}</small>" in page
    assert headlines(models.family("xcov"))["probe"].meaning not in page  # It was not measured.


def test_of_several_heads_each_has_its_headline(folder):
    config = json.loads((folder / "config.json").read_text())
    config["model"]["heads"] = {"color": 3, "shape": 4}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evaluation.json").write_text(json.dumps({"accuracy_color": 0.5, "accuracy_shape": 0.25}))
    page = report.write(folder).read_text()
    assert "50.00 %</strong><span>color: test accuracy<" in page and "25.00 %</strong><span>shape: test" in page


@pytest.mark.parametrize(
    ("file", "said", "warning"),
    [
        ("run.json", {"signal": 15}, "stopped by a signal (15)"),
        ("run.json", {"skipped": 3}, "3 updates were left out"),
        ("run.json", {"step": 90}, "The numbers are of step 60, but the run is at step 90 by now"),
        ("data.json", {"images": 5000}, ""),
        ("data.json", {"images": 999}, "Trained on 999 images only"),
        ("data.json", {"images": 5000, "skipped": 2, "skipped_reasons": {"empty <file>": 2}},
         "2 files gave no picture and were skipped (empty &lt;file&gt;: 2)"),
        ("data.json", {"images": 5000, "remarks": {"left out, a face detected": 1234}},
         "Of the data: left out, a face detected: 1,234."),
        ("data.json", {"images": 5000, "windows": {"windows": 4000, "pictures": 70}},
         "4,000 windows cut from 70 pictures"),
        ("evaluation.json", {"test_images": 100}, "a share of them is uncertain by up to 10.0 percentage points"),
        ("evaluation.json", {"test_images": 10_000}, ""),
        ("evaluation.json", None, "Not evaluated yet"),
    ],
)  # fmt: skip
def test_what_must_be_known_before_a_number_is_believed_stands_at_the_top(folder, file, said, warning):
    (folder / "data.json").write_text(json.dumps({"images": 5000}))
    before = {} if said is None else json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**before, **(said or {})}))
    page = report.write(folder).read_text()
    top = page[: page.index("<section")]
    assert ("To be kept in mind" in top) == bool(warning) and warning in top


def test_files_left_out_of_the_newest_export_are_told_at_the_top_and_its_card_is_linked(folder):
    for version, left_out in ((1, "old_int8.tflite"), (2, "encode_int8.tflite"), (10, "classify_int8.tflite")):
        place = folder / "export" / "a b" / str(version)
        place.mkdir(parents=True)
        (place / "MODEL_CARD.md").write_text("card")
        entry = {"artifact": left_out, "signature": "encode", "reason": "too far"}
        parity = {"artifact": "x", "signature": "y", "output": "z", "difference": 0.0, "bound": 1.0}
        (place / "metadata.json").write_text(json.dumps({"left_out": [entry], "parity": [parity]}))
    page = report.write(folder).read_text()
    top = page[: page.index("<section")]
    assert "Left out of the export a b/10: classify_int8.tflite" in top and "encode_int8" not in top
    assert '<a href="export/a%20b/10/MODEL_CARD.md">' in top and "b/2/MODEL" not in top
    assert "encode_int8.tflite" in page and "old_int8.tflite" in page


def test_the_page_to_touch_and_tensorboard_are_named_where_they_are_there_only(folder):
    page = report.write(folder).read_text()
    assert "explore.html" not in page and "tensorboard --logdir" not in page
    (folder / "explore.html").write_text("x")
    (folder / "events").mkdir()
    page = report.write(folder).read_text()
    assert '<a href="explore.html">' in page and "<code>tensorboard --logdir events</code>" in page
