"""The page of every family in Chromium, opened from disk: numbers, pictures, requests, accessibility, times.

Needs node, Chromium, the page's built code and what tests/browser/package.json names: `make test-page` has all but
Chromium.
"""

import base64
import io
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import PIL.Image
import pytest
from reverie import Run, models
from reverie.errors import UserError
from reverie.evaluation import moments
from reverie.experiments import train
from reverie.experiments.explore import code_folder
from reverie.export import bundle

from ..contracts.family_cases import CASES

pytestmark = pytest.mark.slow

HERE = pathlib.Path(__file__).parent
FAMILIES = ("xcov", "replay-bir", "replay-task", "scan", "sparse-greedy")
ROWS = 3
_OWN = 4  # Which of the page's pictures is given to it as a file.


def driver() -> tuple[str, str]:
    """(node, Chromium)."""
    node = shutil.which("node")
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not node or not browser:
        pytest.skip("needs node and Chromium")
    if not (HERE / "node_modules").is_dir():
        pytest.skip("needs the driver of a browser: npm ci --prefix tests/browser")
    return node, browser


def needed() -> tuple[str, str]:
    """(node, Chromium), where the page's code is built."""
    node, browser = driver()
    try:
        bundle.read(code_folder())
    except UserError as error:
        pytest.skip(str(error))
    return node, browser


@pytest.fixture(scope="module", params=FAMILIES)
def visit(request, tmp_path_factory):
    """(run, page as data, what the browser saw)."""
    node, browser = needed()
    folder = tmp_path_factory.mktemp(request.param)
    run: Run = train(CASES[request.param].config(folder), folder / "run")
    path = run.explore(weights="float32")
    page = _held(path)
    kinds = [panel["kind"] for panel in page["panels"]]
    picture = _pictures(page)[_OWN]
    PIL.Image.fromarray(picture.squeeze()).save(folder / "own.png")
    names = [attribute["phrases"] for panel in page["panels"] for attribute in panel.get("attributes", ())]
    times = next((panel["moments"] for panel in page["panels"] if panel["kind"] == "times"), [])
    plan = {
        "functions": {name: _rows(inputs) for name, inputs in _requests(run, page).items()},
        "picture": str(folder / "own.png"),
        "draws": page["ink"] is not None,
        "classes": any((panel.get("heads") or {}).get("input") for panel in page["panels"]),
        "imagines": "imagine" in kinds,
        "moments": len(times),
        "live": any("function" in moment for moment in times),
        "words": [names[0][1], f"{names[0][0]} AND {names[1][0]}", f"{names[0][0]}, {names[1][1]} IGNORE {names[0][0]}"]
        if names
        else None,
        "neurons": "neurons" in kinds,
        "screenshot": str(folder / "page.png"),
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    command = [node, HERE / "drive.mjs", path, folder / "plan.json", browser]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=HERE)
    assert done.returncode == 0, done.stderr
    return run, page, json.loads(done.stdout)


def _held(path: pathlib.Path) -> dict:
    text = path.read_text(encoding="utf-8")
    return json.loads(text.partition('<script type="application/json" id="page">')[2].partition("</script>")[0])


def _pictures(page: dict) -> np.ndarray:
    """uint8 [n, height, width, channels], the page's test pictures."""
    strip = page["pictures"]
    pixels = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(strip["png"]))))
    return pixels.reshape(strip["count"], strip["height"], strip["width"], -1)


def _requests(run: Run, page: dict) -> dict:
    images = _pictures(page)[:ROWS].astype(np.float32) / 255.0
    return {name: signature.examples(images) for name, signature in run.model.page_functions().items()}


def _rows(inputs: dict) -> list[dict]:
    return [{name: value[row].ravel().tolist() for name, value in inputs.items()} for row in range(ROWS)]


def _close(actual, expected, amplification: float = 1.0) -> None:
    expected = np.asarray(expected).ravel()
    bound = 1e-4 * amplification * max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(np.asarray(actual).ravel(), expected, rtol=0, atol=bound)


def test_every_function_gives_in_the_page_what_keras_gives(visit):
    run, page, seen = visit
    functions = run.model.page_functions()
    for name, inputs in _requests(run, page).items():
        expected = {key: np.asarray(value) for key, value in functions[name].function(**inputs).items()}
        assert len(seen["functions"][name]) == ROWS
        for row, answer in enumerate(seen["functions"][name]):
            assert set(answer) == set(expected)
            for key, value in answer.items():
                _close(value, expected[key][row], functions[name].amplification)


def test_a_picture_from_a_file_and_a_dropped_one_are_read_pixel_by_pixel_and_perceived(visit):
    run, page, seen = visit
    picture = _pictures(page)[_OWN].astype(np.float32) / 255.0
    first = next(iter(run.model.page_functions()))
    function = run.model.page_functions()[first]
    expected = {key: np.asarray(value) for key, value in function.function(images=picture[None]).items()}
    for way in ("file", "drop"):
        _close(seen[way]["shown"], picture)
        answer = seen[way]["maps"] or seen[way]["seen"]
        for key, value in expected.items():
            _close(answer[key], value, function.amplification)


def test_what_a_slider_shows_is_what_keras_decodes(visit):
    run, page, seen = visit
    if "slider" not in seen:
        assert not any(panel.get("units") for panel in page["panels"])
        return
    panel = page["panels"][0]
    state, unit = seen["slider"], panel["units"][0]
    assert state["latents"][unit["index"]] == pytest.approx(unit["low"], abs=1e-3)
    inputs = {panel["input"]: np.float32([state["latents"]])}
    if panel["heads"] and panel["heads"]["input"]:
        inputs[panel["heads"]["input"]] = np.float32([state["classes"]])
    function = run.model.page_functions()[panel["decode"]]
    _close(state["picture"], function.function(**inputs)[panel["picture"]], function.amplification)


def test_what_is_drawn_by_hand_is_perceived(visit):
    run, page, seen = visit
    if "draw" not in seen:
        assert page["ink"] is None
        return
    shown = np.float32(seen["draw"]["shown"]).reshape(1, *run.model.config.image_shape)
    assert shown.max() > 0.5 and shown.mean() < 0.5
    panel = page["panels"][0]
    function = run.model.page_functions()[panel["encode"]]
    for key, value in function.function(images=shown).items():
        _close(seen["draw"]["seen"][key], value, function.amplification)


def test_everything_that_is_touched_changes_what_is_seen(visit):
    _, _, seen = visit
    assert seen["changed"]
    assert [name for name, changed in seen["changed"].items() if not changed] == []


def test_the_slider_over_time_imagines_with_the_model_of_then_and_from_the_same_numbers(visit):
    run, page, seen = visit
    times = next((panel["moments"] for panel in page["panels"] if panel["kind"] == "times"), [])
    assert bool(times) == ("moments" in seen)
    assert models.Capability.MOMENTS not in run.family.capabilities or all("function" in moment for moment in times)
    numbers = {}
    for place, moment in enumerate(times):
        shown = seen["moments"][place]
        assert shown["place"] == place and {entry["label"] for entry in shown["pictures"]} == set(moment["met"])
        assert shown["unknown"] == run.model.config.classes - len(moment["met"])
        latents = np.float32([entry["latents"] for entry in shown["pictures"]])
        labels = [entry["label"] for entry in shown["pictures"]]
        priors = {prior["label"]: prior for prior in moment["priors"]}
        for k, label in enumerate(labels):
            noise = (latents[k] - priors[label]["mean"]) / priors[label]["deviation"]
            np.testing.assert_allclose(noise, numbers.setdefault((label, labels[:k].count(label)), noise), atol=1e-3)
        model = models.build(run.kind.model_section(run.config), run.config.seed)
        moments.put(moments.read(moments.file_of(run.folder, place + 1), model.moment()), model.moment())
        function, classes = model.page_functions()["imagine"], np.eye(model.config.classes, dtype=np.float32)[labels]
        given = {"mean": latents, "probabilities": classes}
        expected = function.function(**{name: given[name] for name in function.inputs})["images"].numpy()
        actual = np.float32([entry["picture"] for entry in shown["pictures"]]).reshape(expected.shape)
        assert float(np.sqrt(np.mean(np.square(actual - expected)))) < 0.02  # Weights have 8 bits.
    if times:
        first, again = (np.float32([entry["latents"] for entry in one["pictures"]]) for one in (shown, seen["again"]))
        assert first.shape == again.shape and not np.isclose(first, again).all(axis=1).any()


def test_words_are_understood_and_nonsense_is_answered_in_a_line(visit):
    run, _, seen = visit
    if models.Capability.WORDS not in run.family.capabilities:
        assert "spoken" not in seen
        return
    assert seen["spoken"] == ["", "", ""]
    assert "nonsense" in seen["refused"] and "say for example" in seen["refused"]


def test_no_request_leaves_and_nothing_is_wrong(visit):
    _, _, seen = visit
    assert seen["requests"] == [] and seen["errors"] == []


def test_nothing_serious_is_found_by_axe_in_either_scheme(visit):
    _, _, seen = visit
    for scheme, found in seen["axe"].items():
        assert [entry for entry in found if entry["impact"] in ("serious", "critical")] == [], scheme
    assert seen["wide"] <= 0, "a phone has to scroll sideways"


def test_the_first_picture_and_a_step_of_a_slider_come_in_time(visit, record_property):
    _, _, seen = visit
    record_property("times", {"first pictures": seen["firstPictures"], **seen["steps"]})
    assert min(seen["firstPictures"]) < 2000  # What else the machine does only adds to it.
    if seen["steps"]:
        assert seen["steps"]["picture"] < 33
