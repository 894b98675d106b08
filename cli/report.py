"""The verb `report`: a run's page, from what lies in its folder."""

from .command import Command, needed, string


def _define(values, _):
    string("workdir", "", "The run folder.", values)


def _run(values, _):
    needed(values, "workdir")
    from .. import experiments

    print(experiments.Run(values.workdir).report())


COMMAND = Command("Writes the run's report page.", _define, _run)
