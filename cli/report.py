"""The verb `report`: a run's page, or one page of several runs, from what lies in their folders."""

from ..errors import UserError
from .command import Command, folder, needed, string


def _define(values, _):
    folder("workdir", "The run folder; the page is <workdir>/report.html.", values)
    string("workdirs", "", "Run folders, comma-separated, for one page that compares them.", values)
    string("out", "compare.html", "With --workdirs: the HTML file to write.", values)


def _run(values, _):
    from .. import experiments
    from ..paths import split_list

    if values.workdirs and values.workdir:
        raise UserError("--workdir and --workdirs are both given; expected one of them")
    if values.workdirs:
        print(experiments.compare_runs(split_list(values.workdirs), values.out))
        return
    if values["out"].present:
        raise UserError("--out is for --workdirs; the page of one run is report.html in its folder")
    needed(values, "workdir")
    print(experiments.Run(values.workdir).report())


COMMAND = Command("Writes the report page of a run, or one page that compares several.", _define, _run)
