"""The tutorials run, and their pages show the code that runs."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import reverie

ROOT = pathlib.Path(reverie.__file__).parent
TUTORIALS = ("xcov", "replay", "scan", "sparse")


def _script(name: str) -> str:
    return (ROOT / "examples" / "tutorials" / f"{name}.py").read_text(encoding="utf-8")


def test_every_script_has_a_page_and_every_page_a_script():
    assert {path.stem for path in (ROOT / "examples/tutorials").glob("*.py")} == set(TUTORIALS)
    assert {path.stem for path in (ROOT / "docs/tutorials").glob("*.md")} == set(TUTORIALS)


@pytest.mark.parametrize("name", TUTORIALS)
def test_the_code_of_the_page_is_the_code_of_the_script(name):
    page = (ROOT / "docs" / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert "\n".join(blocks) == _script(name).partition('"""\n\n')[2]


def _run(name: str, folder: pathlib.Path) -> str:
    """What a script prints, run in a folder as somebody would."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    script = str(ROOT / "examples" / "tutorials" / f"{name}.py")
    done = subprocess.run(
        [sys.executable, script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_folder_of_digits_becomes_an_encoder_that_answers_as_the_run(tmp_path):
    said = _run("xcov", tmp_path)
    assert float(re.search(r"told right: ([\d.]+)%", said)[1]) > 85
    assert float(re.search(r"between phone and run (\S+)", said)[1]) < 1e-4
    assert (tmp_path / "threes.png").is_file() and (tmp_path / "runs/xcov/report.html").is_file()


@pytest.mark.slow
def test_rehearsal_keeps_what_is_forgotten_without(tmp_path):
    said = _run("replay", tmp_path)
    without, rehearsing = (float(share) for share in re.findall(r"mean ([\d.]+)%", said))
    assert without < 30 and rehearsing > without + 30


@pytest.mark.slow
def test_words_become_pictures_of_what_they_say(tmp_path):
    said = _run("scan", tmp_path)
    red, white = ([float(part) for part in colors.split()] for colors in re.findall(r"\[([\d. ]+)\]", said))
    assert red[0] > red[1] + 0.3 and red[0] > red[2] + 0.3
    assert min(white) > 0.5


@pytest.mark.slow
def test_frames_without_a_label_give_filters_like_edges(tmp_path):
    said = _run("sparse", tmp_path)
    assert float(re.search(r"first stage: ([\d.]+)", said)[1]) > 0.4
    assert "'features': (4, 128)" in said
