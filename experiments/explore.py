"""Exploring a run: one HTML file in which its LiteRT models run, to be opened from disk."""

import dataclasses
import datetime
import math
import pathlib
import tempfile
from typing import cast

import numpy as np

from .. import __version__, models
from ..errors import UserError
from ..evaluation import moments, of_family
from ..evaluation.page import Page, PageEvaluation
from ..export import bundle, single, web_page
from ..export.publish import versions
from ..models import Capability
from ..models.contract import Explores, Remembers
from ..pipelines.picture import Look
from ..stored import in_utf8, read_object, whole_file
from . import arguments
from .outputs import output_file
from .run import Run

WEIGHTS = ("auto", *single.VARIANTS)
_SAID = {"float32": "weights of 32 bits, as trained", "float16": "weights of 16 bits", "dynamic": "weights of 8 bits"}
_PAST_WEIGHTS = "dynamic"  # What imagined after earlier tasks: there may be many of them.


def explore(
    run: Run, out: str | pathlib.Path = "", *, weights: str = "auto", code: str | pathlib.Path = "", build: bool = False
) -> pathlib.Path:
    """Writes the page of a run.

    What imagined after earlier tasks of a stream has 8 bits; where there is no room, the earliest are left out.

    Args:
      run: trained.
      out: the file; <run folder>/explore.html by default.
      weights: "float32", "float16" or "dynamic" (8 bits); "auto" takes the most exact with which the page stays below
        6 MB.
      code: folder of the page's built code; by default the one of `code_folder`.
      build: whether to build that code first, which fetches packages by npm.

    Returns:
      The file.

    Raises:
      UserError: a family without a page, code that is not built, a page that would be too large.
      ParityError: a LiteRT file in float32 does not reproduce the model.
    """
    if weights not in WEIGHTS:
        raise UserError(f"weights is {arguments.shown(weights)}; expected one of {', '.join(WEIGHTS)}")
    if Capability.EXPLORE not in run.family.capabilities:
        able = [name for name in models.families() if Capability.EXPLORE in models.family(name).capabilities]
        raise UserError(
            f"{run.folder}: its family {run.family.name} declares no page; expected one of {', '.join(able)}"
        )
    folder = code_folder(code)
    if build:
        bundle.build(folder)
    built = bundle.read(folder)
    place = output_file(out or run.folder / "explore.html", ".html")
    model = run.model
    least = sum(math.prod(variable.shape) for variable in model.variables)
    if least > web_page.LIMIT:
        raise UserError(
            f"{run.folder}: its {least:,} numbers are too many for a page of {web_page.LIMIT / 1e6:g} MB; expected a "
            "smaller model"
        )
    evaluation = cast(PageEvaluation, of_family(run.family))
    data = run.kind.evaluation_data(run.config, run.folder, model, run.step)
    shown = evaluation.explore(model, data)
    tried = single.VARIANTS if weights == "auto" else (weights,)
    with tempfile.TemporaryDirectory() as work:
        text = _fitting(run, built, shown, tried, pathlib.Path(work))
    size = _size(text)
    if size >= web_page.LIMIT:
        smaller = "a smaller model" if tried[-1] == single.VARIANTS[-1] else "--weights=auto, or a smaller model"
        raise UserError(
            f"{run.folder}: its page would be {size / 1e6:.1f} MB; expected less than {web_page.LIMIT / 1e6:g} MB: "
            f"{smaller}"
        )
    with whole_file(place) as path:
        path.write_text(in_utf8(text), encoding="utf-8")
    if place.resolve().parent == run.folder.resolve():
        run.report()  # Which links to it from now on.
    return place


def code_folder(code: str | pathlib.Path = "") -> pathlib.Path:
    """Where the built code of pages is: the folder named, or that of this version in the user's cache."""
    return arguments.path("code", code) if code != "" else bundle.default_folder(__version__)


def build_code(code: str | pathlib.Path = "") -> pathlib.Path:
    """Builds the code of pages, which fetches packages by npm, and returns its folder."""
    return bundle.build(code_folder(code))


def _fitting(run: Run, built: bundle.Bundle, shown: Page, tried: tuple[str, ...], work: pathlib.Path) -> str:
    """The page with the most exact weights with which it is small enough, or the smallest that there is.

    Raises:
      UserError: no weights answer as the model does.
    """
    text, past, reasons = "", None, []
    pages: list[tuple[single.SingleFiles, str]] = []  # Files and weights that there are, the most exact first.
    for variant in tried:
        made = _files(run, work, variant, shown.pictures)
        if not made.whole(variant):
            reasons += made.left_out
            continue
        pages.append((made, variant))
        text = _page(run, built, shown, made, variant, _NOTHING)
        if _size(text) < web_page.LIMIT:
            past = past or _past(run, shown, work / "past")
            text = _page(run, built, shown, made, variant, past)
        if _size(text) < web_page.LIMIT:
            return text
    if not pages:
        raise UserError(f"{run.folder}: no page with {' or '.join(tried)} weights: {'; '.join(map(str, reasons))}")
    while past and past.files and _size(text) >= web_page.LIMIT:
        past = past.without_first()
        text = _page(run, built, shown, *pages[-1], past)
    return text


def _size(text: str) -> int:
    return len(text.encode())


def _files(run: Run, work: pathlib.Path, variant: str, images: np.ndarray) -> single.SingleFiles:
    """Those of the newest version published from these weights, or made now, through the same gate."""
    functions = tuple(run.model.page_functions())
    for base in sorted((run.folder / "export").glob("*")):
        for version in reversed(versions(base)):
            metadata = read_object(base / str(version) / "metadata.json")
            if metadata.get("step") == run.step and metadata.get("config") == run.written_config():
                found = single.published(base / str(version), functions, metadata.get("parity", []))
                if found.whole(variant):
                    return found
    return single.make(run.model, work, images, (variant,))


@dataclasses.dataclass(frozen=True)
class _Past:
    """What imagined at earlier moments of a run, as a page carries it.

    Attributes:
      files: function -> LiteRT file, the earliest first.
      differences: function -> how far it lies from the Keras model of then.
      left_out: functions that are not carried -> why.
    """

    files: dict[str, bytes]
    differences: dict[str, float]
    left_out: dict[str, str]

    def without_first(self) -> "_Past":
        """For a page that has no room for all of them."""
        first, *rest = self.files
        why = f"its model has no room in a page of {web_page.LIMIT / 1e6:g} MB"
        return _Past({name: self.files[name] for name in rest}, self.differences, {**self.left_out, first: why})


_NOTHING = _Past({}, {}, {})


def _past(run: Run, shown: Page, work: pathlib.Path) -> _Past:
    """Those that were kept, made into files behind the gate of all exported ones."""
    if not shown.moments:
        return _NOTHING
    # A model of its own: that of the run stays as it is.
    model = models.build(run.kind.model_section(run.config), run.config.seed)
    for variable, trained in zip(model.variables, run.model.variables, strict=True):
        variable.assign(trained)
    moment = cast(Remembers, model).moment()
    assert moment is not None
    found = _Past({}, {}, {})
    for name, path in shown.moments.items():
        moments.put(moments.read(path, moment), moment)
        function = {name: cast(Explores, model).page_functions()[moment.function]}
        made = single.make(model, work, shown.pictures, (_PAST_WEIGHTS,), function)
        if made.whole(_PAST_WEIGHTS):
            found.files[name] = made.files[name, _PAST_WEIGHTS].read_bytes()
            found.differences[name] = max(entry.difference for entry in made.agreements)
        else:
            found.left_out[name] = "its model does not answer as it did once its weights are rounded"
    return found


def _page(run: Run, built: bundle.Bundle, shown: Page, made: single.SingleFiles, variant: str, past: _Past) -> str:
    files = {name: path.read_bytes() for (name, form), path in made.files.items() if form == variant} | past.files
    functions = dict(run.model.page_functions())
    if past.files:
        now = cast(Remembers, run.model).moment()
        assert now is not None
        functions |= dict.fromkeys(past.files, functions[now.function])
    content = shown.to_dict(functions, past.left_out)
    content["image"]["ground"] = Look(run.config.data.background).color
    content["functions"] = {
        name: {
            "inputs": {key: [1, *spec.shape[1:].as_list()] for key, spec in signature.inputs.items()},
            "later": name in past.files,
        }
        for name, signature in functions.items()
    }
    names = {path.name for path in made.files.values() if path.stem.endswith(f"_{variant}_single")}
    greatest = max(entry.difference for entry in made.agreements if entry.artifact in names)
    # The page is passed on: where the data lies on this machine is left out.
    data = str(read_object(run.folder / "data.json").get("name", "")).rpartition("/")[2].removesuffix(":train")
    day = datetime.date.today().isoformat()
    footer = (
        f"reverie {__version__}, {day}. The models run in this page, by LiteRT.js {built.litert}; nothing is fetched "
        f"and nothing is sent. {_SAID[variant][0].upper()}{_SAID[variant][1:]}; greatest difference to the Keras model "
        f"{greatest:.1e}."
    )
    if past.files:
        greatest = max(past.differences[name] for name in past.files)
        footer += f" Models of earlier tasks: {_SAID[_PAST_WEIGHTS]}, {greatest:.1e}."
    notes = [run.family.summary, f"{f'Trained on {data}, ' if data else ''}{run.step:,} steps."]
    notes += [f"{name} is {value}, set anew." for name, value in run.anew.items()]
    if signal := read_object(run.folder / "run.json").get("signal"):
        notes.append(f"Training was stopped by a signal ({signal}), and what it had not reached yet was not learned.")
    return web_page.write(
        built, f"{run.family.name}: {run.folder.resolve().name}", notes, {**content, "weights": variant}, files, footer
    )
