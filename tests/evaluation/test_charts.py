"""Charts of a page: what they show at a step, long lines, names that are markup."""

import json

import pytest
from reverie.evaluation import charts


def _spec(element: str) -> dict:
    return json.loads(element.split('<script type="application/json">')[1].split("</script>")[0])


def _values(spec: dict, layer: int) -> list[dict]:
    return spec["datasets"][(spec["layer"][layer].get("data") or spec["data"])["name"]]


def test_of_a_step_every_line_shows_what_it_was_last_measured_at():
    spec = _spec(charts.chart({"a": ([1, 3], [0.5, 0.25]), "b": ([2], [7.0])}, "loss"))
    assert _values(spec, 2) == [
        {"step": 1, "line_0": 0.5},
        {"step": 2, "line_0": 0.5, "line_1": 7.0},
        {"step": 3, "line_0": 0.25, "line_1": 7.0},
    ]
    told = [(entry["field"], entry.get("title")) for entry in spec["layer"][2]["encoding"]["tooltip"]]
    assert told == [("step", None), ("line_0", "a"), ("line_1", "b")]


@pytest.mark.parametrize(("count", "kept"), [(3, 3), (1000, 1000), (1001, 501), (5000, 1001)])
def test_long_lines_are_thinned_and_keep_their_ends(count, kept):
    rows = _values(_spec(charts.chart({"a": (list(range(count)), [1.0] * count)}, "loss")), 0)
    steps = [row["step"] for row in rows]
    assert (steps[0], steps[-1], len(steps)) == (0, count - 1, kept) and steps == sorted(set(steps))


@pytest.mark.parametrize(("values", "kind"), [([1.0, 0.01], "log"), ([1.0, 0.5], None), ([1.0, 0.0], None)])
def test_what_falls_far_has_a_logarithmic_axis_and_what_reaches_zero_has_none(values, kind):
    assert _spec(charts.chart({"a": ([1, 2], values)}, "x"))["layer"][0]["encoding"]["y"]["scale"].get("type") == kind


def test_names_cannot_end_the_element():
    element = charts.chart({"</script><b>": ([1, 2], [1.0, 2.0])}, "<i>")
    assert element.count("</script") == 1 and "<b>" not in element and "<i>" not in element
    assert _spec(element)["title"] == "<i>"


def test_a_page_that_draws_nothing_carries_no_library():
    assert charts.scripts([]) == () and len(charts.scripts(["one"])) == 2


def test_the_library_is_put_together_once_a_machine_and_needs_no_cache(tmp_path, monkeypatch):
    vl_convert = pytest.importorskip("vl_convert")
    made = []
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda _: made.append(1) or "window.vegaEmbed = 1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for _ in range(2):
        charts._vega.cache_clear()
        assert charts._vega() == "window.vegaEmbed = 1"
    assert len(made) == 1
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # No folder can be made below a file.
    charts._vega.cache_clear()
    assert charts._vega() == "window.vegaEmbed = 1" and len(made) == 2
    charts._vega.cache_clear()
