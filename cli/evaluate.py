"""The verb `evaluate`: numbers, pictures and the report of a run."""

import os
import re

from absl import flags

from ..errors import UserError
from .command import Command, anew, folder, integer, needed, set_anew


def _define(values, _):
    folder("workdir", "The run folder.", values)
    anew(values)
    text = (
        "For sparse: NAME=SOURCE, comma-separated: finds the neuron that best detects a concept. In the source, label "
        "1 is the concept and 0 is everything else; a folder with two subfolders will do. May be given several times."
    )
    flags.DEFINE_multi_string("concept", [], text, flag_values=values)
    text = (
        "With --concept: NAME=SOURCE, images to judge on what was chosen on the concept's; without, halves by turns. "
        "May be given several times."
    )
    flags.DEFINE_multi_string("report", [], text, flag_values=values)
    text = (
        "With --concept: NAME=RULE, who or which clip is on an image and must not be on both sides: a column of "
        "labels, or a regular expression whose first group in the file name says it. May be given several times."
    )
    flags.DEFINE_multi_string("groups", [], text, flag_values=values)
    text = "With --concept: every N-th row and column of neurons; 0 is about 75 positions, all of shared filters."
    integer("every", 0, text, values, least=0)
    text = "With --concept: rows of the table, comma-separated; all of them by default, the best neuron always."
    flags.DEFINE_list("rows", [], text, flag_values=values)


def _run(values, _):
    needed(values, "workdir")
    from .. import experiments

    options = {}
    if values.concept:
        options = {"concept": _concepts(values.concept), "every": values.every}
        options |= {"report": _concepts(values.report, "report")} if values.report else {}
        options |= {"groups": _rules(values.groups)} if values.groups else {}
        options |= {"rows": values.rows} if values.rows else {}
    elif lone := [name for name in ("report", "groups", "rows", "every") if values[name].value]:
        raise UserError(f"--{lone[0]} is given without --concept; name a concept, too")
    run = experiments.Run(values.workdir, settings=set_anew(values))
    for name, value in run.evaluate(**options).items():
        print(f"{name:28} {value:.6g}")
    print(f"report: {run.folder / 'report.html'}")


def _concepts(given: list[str], option: str = "concept") -> dict[str, str]:
    """Name -> source. A comma begins another concept where NAME= follows; a path that is there keeps its commas."""
    found: dict[str, str] = {}
    for text in given:
        source = text.partition("=")[2]
        whole = any(os.path.exists(place) for place in (source, source.partition(":")[2]))
        for entry in [text] if whole else re.split(r",(?=[^,=/:]+=)", text):
            name, _, source = entry.partition("=")
            name = name.strip()
            if not name or not source:
                raise UserError(f"{option} is '{text}'; expected NAME=SOURCE, for example faces=folder:pictures")
            if name in found:
                raise UserError(f"{option} {name} is given twice; every concept needs a name of its own")
            found[name] = source
    return found


def _rules(given: list[str]) -> dict[str, str]:
    """Name -> rule, which may have any signs in it."""
    found: dict[str, str] = {}
    for text in given:
        name, _, rule = text.partition("=")
        if not name.strip() or not rule:
            raise UserError(f"groups is '{text}'; expected NAME=RULE, for example faces=person")
        if name.strip() in found:
            raise UserError(f"groups of {name.strip()} is given twice; expected one rule")
        found[name.strip()] = rule
    return found


COMMAND = Command("Measures a run on its test images; writes the report.", _define, _run)
