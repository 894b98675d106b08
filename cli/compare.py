"""The verb `compare`: methods x seeds over a stream of tasks, and the table of them all."""

from absl import flags

from ..errors import UserError
from .command import Command, config, integer, needed, string


def _define(values, argv):
    config(values, argv)
    string("workdir", "", "The comparison's folder; a comparison already in it is resumed.", values)
    flags.DEFINE_list("methods", [], "Recipes, comma-separated; see configs/recipes.py.", flag_values=values)
    flags.DEFINE_list("seeds", ["0"], "Seeds, comma-separated.", flag_values=values)
    text = "Scenario of the stream; the config's own by default."
    flags.DEFINE_enum("scenario", None, ["task", "domain", "class"], text, flag_values=values)
    integer(
        "jobs",
        1,
        "Runs at a time; they share the cores equally, and each trains on one of the GPUs.",
        values,
        least=1,
        most=1024,
    )


def _run(values, _):
    needed(values, "workdir", "methods")
    from ml_collections import config_flags

    from .. import experiments

    try:
        seeds = [int(seed) for seed in values.seeds]
    except ValueError:
        raise UserError(f"seeds are {','.join(values.seeds)}; expected whole numbers") from None
    comparison = experiments.compare(
        values.config_name,
        values.workdir,
        methods=values.methods,
        seeds=seeds,
        scenario=values.scenario or "",
        overrides=config_flags.get_override_values(values["config"]),
        jobs=values.jobs,
        plugins=values.plugins,
    )
    print(f"{comparison.table}\nreport: {comparison.report}" if comparison.rows else comparison.table)
    return comparison.exit_code


COMMAND = Command("Trains methods x seeds over a stream; writes the table.", _define, _run)
