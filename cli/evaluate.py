"""The verb `evaluate`: numbers, pictures and the report of a run."""

from absl import flags

from ..errors import UserError
from .command import Command, integer, needed, string


def _define(values, _):
    string("workdir", "", "The run folder.", values)
    text = (
        "For sparse: NAME=SOURCE, comma-separated: finds the neuron that best detects a concept. In the source, label "
        "1 is the concept and 0 is everything else; a folder with two subfolders will do."
    )
    flags.DEFINE_list("concept", [], text, flag_values=values)
    integer("every", 0, "With --concept: every N-th row and column of neurons; 0 is about 150 positions.", values)


def _run(values, _):
    needed(values, "workdir")
    from .. import experiments

    options = {}
    if values.concept:
        pairs = [entry.partition("=") for entry in values.concept]
        if not all(name and source for name, _, source in pairs):
            raise UserError(
                f"concept is '{','.join(values.concept)}'; expected NAME=SOURCE, for example faces=folder:pictures"
            )
        options = {"concept": {name: source for name, _, source in pairs}, "every": values.every}
    run = experiments.Run(values.workdir)
    for name, value in run.evaluate(**options).items():
        print(f"{name:28} {value:.6g}")
    print(f"report: {run.folder / 'report.html'}")


COMMAND = Command("Measures a run on its test images; writes the report.", _define, _run)
