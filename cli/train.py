"""The verb `train`: from a config to a run folder."""

from .command import Command, boolean, configured, folder, integer, needed, string
from .command import config as config_flag


def _define(values, argv):
    config_flag(values, argv)
    folder("workdir", "The run folder. A stopped run already in it is resumed.", values)
    text = (
        "auto, one, mirrored (all GPUs; logical CPUs without one), multi_worker (the workers of TF_CONFIG, each "
        "started with this same command, --workdir on a file system that all of them see), tpu, or ps: asynchronous "
        "SGD over the chief, workers and parameter servers of TF_CONFIG, each started with this same command, or "
        "inside this process without it."
    )
    string("strategy", "auto", text, values)
    text = (
        "How many replicas mirrored takes; 0 is all GPUs, or two CPUs. For ps inside one process: workers and servers."
    )
    integer("replicas", 0, text, values)
    string("data_dir", "", "Where TFDS sets were prepared; the same as --config.data.data_dir.", values)
    text = "Resume although the data is not what the run was started on; data.json keeps a record of it."
    boolean("accept_changed_data", False, text, values)
    boolean("deterministic", False, "Use operations that repeat bit for bit on the same machine and versions.", values)


def _run(values, _):
    needed(values, "workdir")
    from .. import experiments

    config = configured(values)
    if values.data_dir:
        config.data.data_dir = values.data_dir
    run = experiments.run_training(
        config,
        values.workdir,
        experiments.command_line(),
        strategy=values.strategy,
        replicas=values.replicas,
        deterministic=values.deterministic,
        accept_changed_data=values.accept_changed_data,
    )
    outcome = run.outcome
    assert outcome is not None  # This process trained it.
    rate = f", {outcome.examples_per_second:,.0f} images/s" if outcome.examples_per_second else ""
    state = "stopped and saved" if outcome.signal else "trained"
    print(f"{state}: step {outcome.step}{rate}, in {run.folder}")
    return outcome.exit_code


COMMAND = Command("Trains a model from a config, or resumes a stopped run.", _define, _run)
