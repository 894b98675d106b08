"""The page of examples/page, with a model in it, opened from disk in Chromium and used by the keyboard alone."""

import json
import shutil
import subprocess

import pytest
import reverie

from ..contracts.family_cases import CASES
from ..export.test_page_example import INDEX
from .test_page import HERE, needed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    node, browser = needed()
    folder = tmp_path_factory.mktemp("embedded")
    run = reverie.train(CASES["xcov"].config(folder), folder / "run")
    site = folder / "site"
    site.mkdir()
    run.explore(site / "explore.html")
    shutil.copy(INDEX, site)
    command = [node, HERE / "embed.mjs", site / "index.html", browser]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=HERE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_model_in_the_frame_is_reached_and_worked_by_the_keyboard(seen):
    assert seen["first"] == "Past the model"
    assert seen["stops"] < 50 and seen["label"].startswith("Test picture 2") and seen["chosen"]


def test_no_request_leaves_and_nothing_is_wrong(seen):
    assert seen["requests"] == [] and seen["errors"] == []


def test_the_frame_has_no_access_to_the_page_around_it(seen):
    assert seen["alone"]


def test_nothing_serious_is_found_by_axe(seen):
    assert [entry for entry in seen["axe"] if entry["impact"] in ("serious", "critical")] == []
