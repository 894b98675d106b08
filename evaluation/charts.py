"""Curves to look into: drawn by Vega in the page, with a picture in their place where scripts are off."""

import bisect
import contextlib
import functools
import html
import importlib.metadata
import json
from collections.abc import Mapping, Sequence

from ..errors import StorageError
from ..paths import user_cache
from ..stored import whole_file
from . import pictures
from .html_page import image

_MOST = 1000  # Points of a line; more are thinned.
_HEIGHT = 220
_HINT = (
    "Point at a curve for its values; drag to move it, turn the wheel with Ctrl held to look closer, and double-click "
    "to go back."
)
# Draws every chart of the page, in the colors of the reader's choice, and again where that changes.
_DRAW = """
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const draw = () => document.querySelectorAll("div.chart").forEach((place) => {
    const spec = JSON.parse(place.querySelector("script").textContent);
    const config = { background: "transparent", axis: { labelFontSize: 11, titleFontSize: 11 } };
    const holder = place.querySelector(".drawn");
    vegaEmbed(holder, spec, {
      ast: true, renderer: "svg", theme: dark.matches ? "dark" : undefined, config,
      actions: { export: true, source: false, compiled: false, editor: false },
      downloadFileName: (spec.title || "chart").replace(/[^\\p{L}\\p{N}._-]+/gu, "_"),
    }).then(() => {
      place.querySelector(".still").hidden = true;
      holder.querySelector("summary").ariaLabel = "Save this chart";
    });
  });
  draw();
  dark.addEventListener("change", draw);
})();
"""

Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]


def chart(series: Series, title: str) -> str:
    """Lines over steps as an element of a page.

    Of more than 1,000 points a line keeps every n-th and its last. What a reader can do with it is said by `together`.

    Args:
      series: name -> (steps [n], values [n]).
      title: of the chart.

    Example:
      html = chart({"run a": ([10, 20], [0.5, 0.25])}, "loss")
    """
    thinned = {name: _thinned(*points) for name, points in series.items()}
    values = [value for _, found in thinned.values() for value in found]
    logarithmic = min(values) > 0 and max(values) > 30 * min(values)
    still = image(pictures.to_png(pictures.curves(thinned, title, logarithmic)), f"Curve of {title}")
    # A closing tag within a text would end the element.
    spec = json.dumps(_spec(thinned, title, logarithmic)).replace("<", "\\u003c")
    return (
        f'<div class=chart role=group aria-label="{html.escape(title)}"><script type="application/json">{spec}</script>'
        f"<div class=drawn></div><div class=still>{still}</div></div>"
    )


def together(drawn: Sequence[str]) -> str:
    """Charts beside each other, below what can be done with them; "" for none."""
    return f"<p class=note>{_HINT}</p><div class=curves>{''.join(drawn)}</div>" if drawn else ""


def scripts(drawn: Sequence[str]) -> tuple[str, ...]:
    """What a page with these charts needs: Vega with all that it stands on, and what draws them; nothing for none."""
    return (_vega(), _DRAW) if drawn else ()


def _spec(series: Series, title: str, logarithmic: bool) -> dict:
    import altair

    rows = [
        {"step": step, "value": value, "series": name}
        for name, points in series.items()
        for step, value in zip(*points, strict=True)
    ]
    scale = altair.Scale(type="log", nice=False) if logarithmic else altair.Scale(zero=False)
    colors = [pictures.COLORS[(3 * number) % len(pictures.COLORS)] for number in range(len(series))]
    legend = None if len(series) == 1 else altair.Legend(title=None, orient="bottom", columns=1, labelLimit=260)
    color = altair.Color("series:N", legend=legend, sort=None, scale=altair.Scale(range=_readable(colors)))
    # Enough grid lines to read by; on a logarithmic axis there would be ten for every power.
    values = altair.Y("value:Q", scale=scale, title=None, axis=altair.Axis(tickCount=5))
    steps = altair.X("step:Q", axis=altair.Axis(format="~s", tickCount=6))
    lines = altair.Chart(altair.NamedData("lines")).encode(x=steps, y=values, color=color)
    near = altair.selection_point(name="near", on="pointermove", nearest=True, fields=["step"], empty=False)
    points = lines.mark_point(filled=True, size=60).encode(
        opacity=altair.condition(near, altair.value(1), altair.value(0))
    )
    # What the pointer shows: one row a step with all lines in it, by number, for a name may be anything.
    told = [altair.Tooltip(f"line_{number}:Q", format=".5g", title=name) for number, name in enumerate(series)]
    rule = altair.Chart(altair.NamedData("steps")).mark_rule(color="#8888", strokeWidth=1).encode(
        x=steps,
        opacity=altair.condition(near, altair.value(1), altair.value(0)),
        tooltip=[altair.Tooltip("step:Q", format=","), *told],
    )  # fmt: skip
    layers = altair.layer(lines.mark_line(strokeWidth=1.6), points, rule.add_params(near))
    # The wheel alone still moves the page.
    looking = altair.selection_interval(name="looking", bind="scales", zoom="wheel![event.ctrlKey]")
    whole = layers.properties(title=title, width="container", height=_HEIGHT).add_params(looking).to_dict()
    # Put in afterwards: Altair would check every row against its schema, which takes seconds.
    return {**whole, "datasets": {"lines": rows, "steps": _by_step(series)}}


def _by_step(series: Series) -> list[dict[str, float]]:
    """A row for every step of any line, with what each line was last measured at until then."""
    rows = []
    for step in sorted({step for steps, _ in series.values() for step in steps}):
        row = {"step": step}
        for number, (steps, values) in enumerate(series.values()):
            if place := bisect.bisect_right(steps, step):
                row[f"line_{number}"] = values[place - 1]
        rows.append(row)
    return rows


def _readable(colors: list[str]) -> list[str]:
    """The colors of pictures, those too dark for a dark page lightened: the same ones serve both."""
    lighter = {"#332288": "#6A5ACD", "#117733": "#2E9E57", "#882255": "#B8497F", "#000000": "#808080"}
    return [lighter.get(color, color) for color in colors]


def _thinned(steps: Sequence[float], values: Sequence[float]) -> tuple[list[float], list[float]]:
    every = -(-len(steps) // _MOST)
    chosen = list(range(0, len(steps), every))
    chosen += [len(steps) - 1] if chosen[-1] != len(steps) - 1 else []
    return [steps[place] for place in chosen], [values[place] for place in chosen]


@functools.cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script.

    Putting them together takes seconds, so the script is kept in the user's cache folder, by version.
    """
    version = importlib.metadata.version("vl-convert-python")
    kept = user_cache() / f"vega-{version}.js"
    with contextlib.suppress(OSError, UnicodeError):
        return kept.read_text(encoding="utf-8")
    import vl_convert

    made = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    if "</script" in made.lower():
        raise AssertionError("a script that is put into a page must not hold the end of one")
    with contextlib.suppress(OSError, StorageError):  # A folder that cannot be written costs time, nothing else.
        kept.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(kept) as place:
            place.write_text(made, encoding="utf-8")
    return made
