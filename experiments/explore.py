"""Exploring a run: one HTML file in which its LiteRT models run, to be opened from disk."""

import datetime
import math
import pathlib
import tempfile
from typing import cast

import numpy as np

from .. import __version__
from ..errors import UserError
from ..evaluation import of_family
from ..evaluation.page import PageEvaluation
from ..export import bundle, single, web_page
from ..export.publish import versions
from ..models import Capability
from ..stored import read_object, whole_file
from . import arguments
from .outputs import output_file
from .run import Run

WEIGHTS = ("auto", *single.VARIANTS)
_SAID = {"float32": "weights of 32 bits, as trained", "float16": "weights of 16 bits", "dynamic": "weights of 8 bits"}


def explore(
    run: Run, out: str | pathlib.Path = "", *, weights: str = "auto", code: str | pathlib.Path = "", build: bool = False
) -> pathlib.Path:
    """Writes the page of a run.

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
        raise UserError(
            f"{run.folder}: its family {run.family.name} declares no page; families with the capability 'explore' have "
            "one"
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
    content = shown.to_dict()
    content["functions"] = {
        name: {"inputs": {key: [1, *spec.shape[1:].as_list()] for key, spec in signature.inputs.items()}}
        for name, signature in model.page_functions().items()
    }
    tried = single.VARIANTS if weights == "auto" else (weights,)
    with tempfile.TemporaryDirectory() as work:
        text, size = "", 0
        for variant in tried:
            made = _files(run, pathlib.Path(work), variant, shown.pictures)
            if not made.whole(variant):
                continue
            text = _page(run, built, content, made, variant)
            size = len(text.encode())
            if size < web_page.LIMIT:
                break
        if not text:
            reasons = "; ".join(map(str, made.left_out))
            raise UserError(f"{run.folder}: no page with {' or '.join(tried)} weights: {reasons}")
    if size >= web_page.LIMIT:
        smaller = "a smaller model" if tried[-1] == single.VARIANTS[-1] else "--weights=auto, or a smaller model"
        raise UserError(
            f"{run.folder}: its page would be {size / 1e6:.1f} MB; expected less than {web_page.LIMIT / 1e6:g} MB: "
            f"{smaller}"
        )
    with whole_file(place) as path:
        path.write_text(text, encoding="utf-8")
    return place


def code_folder(code: str | pathlib.Path = "") -> pathlib.Path:
    """Where the built code of pages is: the folder named, or that of this version in the user's cache."""
    return arguments.path("code", code) if code != "" else bundle.default_folder(__version__)


def build_code(code: str | pathlib.Path = "") -> pathlib.Path:
    """Builds the code of pages, which fetches packages by npm, and returns its folder."""
    return bundle.build(code_folder(code))


def _files(run: Run, work: pathlib.Path, variant: str, images: np.ndarray) -> single.SingleFiles:
    """Those of the newest version published from these weights, or made now, through the same gate."""
    functions = tuple(run.model.page_functions())
    for base in sorted((run.folder / "export").glob("*")):
        for version in reversed(versions(base)):
            metadata = read_object(base / str(version) / "metadata.json")
            if metadata.get("step") == run.step and metadata.get("config") == read_object(run.folder / "config.json"):
                found = single.published(base / str(version), functions, metadata.get("parity", []))
                if found.whole(variant):
                    return found
    return single.make(run.model, work, images, (variant,))


def _page(run: Run, built: bundle.Bundle, content: dict, made: single.SingleFiles, variant: str) -> str:
    files = {name: path.read_bytes() for (name, form), path in made.files.items() if form == variant}
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
    notes = [run.family.summary, f"{f'Trained on {data}, ' if data else ''}{run.step:,} steps."]
    return web_page.write(
        built, f"{run.family.name}: {run.folder.resolve().name}", notes, {**content, "weights": variant}, files, footer
    )
