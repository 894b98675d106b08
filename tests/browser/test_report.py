"""The report of every family, and of several runs, in Chromium, opened from disk and read by the keyboard.

Needs what test_page.py needs but the page's code.
"""

import json
import pathlib
import subprocess
import urllib.parse

import pytest
from reverie.experiments import compare_runs, train

from ..contracts.family_cases import CASES
from .test_page import FAMILIES, HERE, driver

pytestmark = pytest.mark.slow


def _read(path: pathlib.Path) -> dict:
    node, browser = driver()
    command = [node, HERE / "report.mjs", path, browser, path.with_suffix(".png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=HERE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Name -> what the browser saw of the report of a family, and "compared" of two runs."""
    driver()
    folder, seen = tmp_path_factory.mktemp("reports"), {}
    for family in FAMILIES:
        run = train(CASES[family].config(folder), folder / family)
        run.evaluate()
        if family == FAMILIES[0]:
            run.export()
        seen[family] = _read(run.report())
    page = compare_runs([folder / family for family in FAMILIES[1:3]], folder / "compared.html")
    return {**seen, "compared": _read(page)}


@pytest.fixture(params=[*FAMILIES, "compared"])
def seen(reports, request):
    return reports[request.param]


def test_curves_answer_the_pointer_with_their_numbers(seen):
    assert seen["charts"] > 0
    assert "step" in seen["tooltip"]
    assert seen["saved"].endswith(".svg")


def test_pictures_enlarge_turn_and_close_by_the_keyboard(seen):
    large = seen["large"]
    assert large["opened"] and large["larger"] and large["words"] and large["closed"]
    assert large["turned"] == (seen["pictures"] > 1)
    assert large["back"] == (1 if seen["pictures"] > 1 else 0), "the keyboard goes on where it was"


def test_no_link_is_dead(seen):
    assert seen["inside"] and all(seen["inside"])
    for link in seen["links"]:
        parts = urllib.parse.urlsplit(link)
        assert parts.scheme == "file" and pathlib.Path(urllib.parse.unquote(parts.path)).exists(), link


def test_no_request_leaves_and_nothing_is_wrong(seen):
    assert seen["requests"] == [] and seen["errors"] == []


def test_nothing_serious_is_found_by_axe_in_either_scheme_and_a_phone_need_not_scroll_sideways(seen):
    for scheme, found in seen["axe"].items():
        assert [entry for entry in found if entry["impact"] in ("serious", "critical")] == [], scheme
    assert seen["wide"] <= 0
