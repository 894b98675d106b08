"""The page of several runs: what differs, numbers and pictures beside each other, and what is refused."""

import json
import re

import pytest
import reverie
from reverie import cli
from reverie.configs import defaults
from reverie.errors import UserError

from .test_report import PIXEL, _Elements


def _run(folder, family="xcov", seed=0, rate=0.1, numbers=None, pictures=("own",)):
    folder.mkdir(parents=True)
    config = json.loads(defaults.get_config(family).to_json_best_effort())
    config["seed"], config["schedule"]["rate"] = seed, rate
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evaluation.json").write_text(json.dumps(numbers or {}))
    lines = [{"step": step, "total": rate / step, f"only_{family}": step} for step in (1, 2, 3)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "pictures").mkdir()
    (folder / "pictures" / "captions.json").write_text(json.dumps({name: f"{name} here." for name in pictures}))
    for name in pictures:
        (folder / "pictures" / f"{name}.png").write_bytes(PIXEL)
    return folder


@pytest.fixture
def two(tmp_path):
    a = _run(tmp_path / "a", numbers={"accuracy": 0.5, "reconstruction": 0.25, "extra": 1}, pictures=("own", "alone"))
    return a, _run(tmp_path / "b", seed=1, rate=0.2, numbers={"accuracy": 0.75, "reconstruction": 0.5})


def _row(page: str, name: str) -> list[str]:
    """Cells of the row that begins with a name."""
    row = next(row for row in re.findall(r"<tr>(.*?)</tr>", page) if re.match(rf"<td>{re.escape(name)}[<]", row))
    return re.findall(r"<td class=\"?n[^>]*>(.*?)</td>", row)


def test_settings_that_differ_and_numbers_stand_beside_each_other_and_the_best_is_marked(two, tmp_path):
    page = reverie.compare_runs(two, tmp_path / "page.html").read_text()
    assert _row(page, "test accuracy") == ["50.00 %", "75.00 % (best)"]
    assert _row(page, "mean squared reconstruction error") == ["0.2500 (best)", "0.5000"]
    assert _row(page, "seed") == ["0", "1"] and _row(page, "schedule.rate") == ["0.1", "0.2"]
    assert "<td>model.family</td>" not in page and "different families" not in page
    assert "<td>extra</td>" not in page  # One run alone has it.


def test_what_was_set_anew_where_numbers_were_measured_is_a_setting_that_differs(tmp_path):
    meant = {"accuracy": 0.75, "model.latents": 7}
    folders = [_run(tmp_path / "a", numbers={"accuracy": 0.5}), _run(tmp_path / "b", numbers=meant)]
    page = reverie.compare_runs(folders, tmp_path / "page.html").read_text()
    trained = json.loads((folders[0] / "config.json").read_text())["model"]["latents"]
    assert trained != 7 and _row(page, "model.latents") == [str(trained), "7"]


def test_curves_lie_over_each_other_and_pictures_of_the_same_name_beside_each_other(two, tmp_path):
    found = _Elements(reverie.compare_runs(two, tmp_path / "page").read_text())
    specs = [json.loads(text) for kind, text in found.scripts if kind == "application/json"]
    assert [spec["title"] for spec in specs] == ["total", "only_xcov"]
    told = [entry["title"] for entry in specs[0]["layer"][2]["encoding"]["tooltip"][1:]]
    assert told == ["a", "b"]
    labels = [button["aria-label"] for button in found.of("button") if button.get("class") == "enlarge"]
    assert labels == ["Enlarge: own of a", "Enlarge: own of b"]


def test_runs_of_different_families_are_compared_by_what_they_share_and_that_is_said(two, tmp_path):
    other = _run(tmp_path / "c", "replay", numbers={"average_accuracy": 0.9, "reconstruction": 0.125})
    page = reverie.compare_runs([*two, other], tmp_path / "page.html").read_text()
    assert "runs of different families (xcov, replay): only what all of them have is compared" in page
    assert _row(page, "mean squared reconstruction error")[2] == "0.1250 (best)"
    assert "test accuracy" not in page and "only_xcov" not in page and "only_replay" not in page
    assert _row(page, "model.family") == ["xcov", "xcov", "replay"]


def test_runs_of_the_same_name_are_told_apart_by_the_folders_above(tmp_path):
    runs = [_run(tmp_path / name / "run", seed=number) for number, name in enumerate(("x", "y"))]
    page = reverie.compare_runs(runs, tmp_path / "page.html").read_text()
    assert "<th scope=col>x/run</th><th scope=col>y/run</th>" in page


@pytest.mark.parametrize(
    ("workdirs", "out", "said"),
    [
        ("a", "c.html", "1 run is no comparison; expected two run folders or more"),
        ("a,a", "c.html", "is given twice"),
        ("a,none", "c.html", "none: no run there (no config.json)"),
        ("a,b", "c.png", "c.png ends in .png; what is written is a .html file"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(two, tmp_path, monkeypatch, capsys, workdirs, out, said):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["reverie", "report", f"--workdirs={workdirs}", f"--out={out}"]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("reverie report: error: ") and said in line and not (tmp_path / out).exists()


def test_flags_that_do_not_go_together_are_refused(two, tmp_path, capsys):
    a, b = two
    assert cli.main(["reverie", "report", f"--workdir={a}", f"--workdirs={a},{b}"]) == 2
    assert "--workdir and --workdirs are both given" in capsys.readouterr().err
    assert cli.main(["reverie", "report", f"--workdir={a}", f"--out={tmp_path / 'x.html'}"]) == 2
    assert "--out is for --workdirs" in capsys.readouterr().err


def test_the_command_line_writes_the_same_page_as_python(two, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["reverie", "report", "--workdirs=a,b"]) == 0
    assert capsys.readouterr().out.strip() == "compare.html"
    assert (tmp_path / "compare.html").read_text() == reverie.compare_runs(two, tmp_path / "x.html").read_text()


def test_a_damaged_file_of_one_of_them_is_named(two, tmp_path):
    (two[1] / "evaluation.json").write_text("[]")
    with pytest.raises(UserError, match=r"b/evaluation.json is not JSON of an object"):
        reverie.compare_runs(two, tmp_path / "page.html")
