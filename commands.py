"""What each verb of the command line does: its flags and its action. What runs exported files: export_commands.py.

Heavy imports stand inside the actions, so that `--help` and a mistyped flag answer at once.
"""

import dataclasses
import pathlib
import sys

from absl import flags

from .command import Command, boolean, integer, needed, string
from .data_commands import DATA_COMMANDS
from .data_commands import facts as data_facts
from .errors import UserError
from .export_commands import EXPORT_COMMANDS
from .imagine_command import IMAGINE_COMMAND

# ---- train


def _define_config(values, argv):
    from ml_collections import config_flags

    config_flags.DEFINE_config_file(
        "config",
        None,
        "A config of the package by name, or a file (default: xcov_demo); --config.a.b=value overrides.",
        flag_values=values,
        sys_argv=argv,
    )


def _define_train(values, argv):
    _define_config(values, argv)
    string("workdir", "", "The run folder. A run already there is taken up where it stopped.", values)
    text = (
        "auto, one, mirrored (all GPUs; logical CPUs without one), or ps: asynchronous SGD over the chief, workers and "
        "parameter servers of TF_CONFIG, each started with this same command, or inside this process without it."
    )
    string("strategy", "auto", text, values)
    text = (
        "How many replicas mirrored takes; 0 is all GPUs, or two CPUs. For ps inside one process: workers and servers."
    )
    integer("replicas", 0, text, values)
    string("data_dir", "", "Where TFDS sets were prepared; the same as --config.data.data_dir.", values)
    boolean("deterministic", False, "Operations that repeat bit for bit, on one machine and version.", values)


def _train(values, _):
    needed(values, "workdir")
    from . import stream_runs
    from .training import experiment, loop, run_folder, stages, strategies

    if values.strategy == "ps":
        strategies.serve_if_told()
    strategy = strategies.build(values.strategy, values.replicas)
    if values.deterministic:
        experiment.set_deterministic()
    config = values.config
    if values.data_dir:
        config.data.data_dir = values.data_dir
    sets = {}
    if "stages" in config:
        # Read first: the attributes that the data has belong to the settings that the run is known by.
        sets = experiment.read_images(config, "train", "validation")
        stages.name_attributes(config, sets["train"])
    workdir = run_folder.open_run(values.workdir, config)
    if "stream" in config:
        model, phases, data, state, watch = stream_runs.prepare(config, strategy, workdir)
    else:
        sets = sets or experiment.read_images(config, "train", "validation")
        model, phases = experiment.build(config, sets["train"], strategy)
        evaluate, pictures = _monitors(config.model.family, model, sets)
        data, state, watch = data_facts(sets["train"]), None, loop.Watch(evaluate, pictures)
    description = run_folder.describe(workdir, " ".join(sys.argv), values.deterministic, strategy)
    run_folder.write_json(workdir / "run.json", description)
    run_folder.write_json(workdir / "data.json", data)
    context = loop.Context(model, experiment.loop_settings(config), strategy, workdir, state)
    outcome = loop.train(context, phases, watch)
    run_folder.write_json(workdir / "run.json", run_folder.finished(description, dataclasses.asdict(outcome)))
    rate = f", {outcome.examples_per_second:,.0f} images/s" if outcome.examples_per_second else ""
    state = "stopped and saved" if outcome.signal else "trained"
    print(f"{state}: step {outcome.step}{rate}, in {workdir}")
    return outcome.exit_code


def _monitors(family: str, model, sets: dict) -> tuple:
    """(numbers, pictures) while training: numbers of validation images only, pictures of any."""
    from . import evaluation

    family, validation = evaluation.FAMILIES[family], sets.get("validation")

    def numbers():
        return {f"validation_{name}": value for name, value in family.quick(model, validation).items()}

    def pictures():
        return {name: picture for name, (picture, _) in family.draw(model, validation or sets["train"]).items()}

    return numbers if validation else None, pictures


# ---- compare


def _define_compare(values, argv):
    _define_config(values, argv)
    string("workdir", "", "The comparison's folder; a comparison already there is gone on with.", values)
    flags.DEFINE_list("methods", [], "Recipes, comma-separated; see configs/recipes.py.", flag_values=values)
    flags.DEFINE_list("seeds", ["0"], "Seeds, comma-separated.", flag_values=values)
    text = "Of the stream; the config's own by default."
    flags.DEFINE_enum("scenario", None, ["task", "domain", "class"], text, flag_values=values)
    integer("jobs", 1, "Runs at a time; the cores are shared out among them.", values)


def _compare(values, _):
    needed(values, "workdir", "methods")
    from ml_collections import config_flags

    from . import comparison

    if "stream" not in values.config:
        raise UserError("compare needs a config of a stream of tasks, as --config=replay_split_mnist")
    try:
        seeds = [int(seed) for seed in values.seeds]
    except ValueError:
        raise UserError(f"seeds are {','.join(values.seeds)}; expected whole numbers") from None
    if values.jobs < 1 or len(set(seeds)) != len(seeds) or len(set(values.methods)) != len(values.methods):
        raise UserError("expected at least one job, and no seed or method twice")
    overrides = config_flags.get_override_values(values["config"])
    given = [f"--config.{key}={value!r}" if isinstance(value, tuple) else f"--config.{key}={value}"
             for key, value in overrides.items()]  # fmt: skip
    path = config_flags.get_config_filename(values["config"]).partition(":")[0]
    scenario = values.scenario or values.config.stream.scenario
    return comparison.run(path, given, values.methods, scenario, seeds, values.workdir, values.jobs)


# ---- evaluate, report


def _define_workdir(values, _):
    string("workdir", "", "The run folder.", values)


def _define_evaluate(values, _):
    _define_workdir(values, _)
    text = (
        "NAME=SOURCE, comma-separated, for sparse: looks for the neuron that knows a concept. The source's label 1 is "
        "the concept, 0 all else; a folder with two sub-folders will do."
    )
    flags.DEFINE_list("concept", [], text, flag_values=values)
    integer("every", 0, "With --concept: every so-manieth row and column of neurons; 0 is about 150 positions.", values)


def _concepts(values, family) -> dict:
    """What the evaluation is asked to look for, as keyword arguments."""
    if not values.concept:
        return {}
    if not hasattr(family, "Concept"):
        raise UserError("--concept looks for single neurons: it is for runs of the family sparse")
    pairs = [entry.partition("=") for entry in values.concept]
    if not all(name and source for name, _, source in pairs):
        raise UserError(f"concept is '{','.join(values.concept)}'; expected NAME=SOURCE, as faces=folder:pictures")
    return {"concepts": tuple(family.Concept(name, source) for name, _, source in pairs)}


def _evaluate(values, _):
    needed(values, "workdir")
    from . import evaluation, stream_runs
    from .evaluation import pictures, report
    from .training import experiment, run_folder, stages

    config, model, step = experiment.load(values.workdir)
    family, folder = evaluation.FAMILIES[config.model.family], pathlib.Path(values.workdir)
    if "stream" in config:
        sets, history = stream_runs.read(config, folder)
    else:
        sets = experiment.read_images(config, "train", "test")
        history = (stages.facts(config, step),) if "stages" in config else ()
    train, test = sets["train"], sets["test"]
    concepts = _concepts(values, family)
    searched = {**concepts, "every": values.every} if concepts else {}
    numbers = {"step": step, **family.evaluate(model, train, test, *history, **searched)}
    run_folder.write_json(folder / "evaluation.json", numbers)
    (folder / "pictures").mkdir(exist_ok=True)
    drawn = family.draw(model, test, *history, **({**concepts, "numbers": numbers} if concepts else {}))
    for name, (picture, _) in drawn.items():
        pictures.save_png(folder / "pictures" / f"{name}.png", picture)
    captions = {name: caption for name, (_, caption) in drawn.items()}
    earlier = history[0].get("captions", {}) if history else {}
    run_folder.write_json(folder / "pictures" / "captions.json", {**captions, **earlier})
    for name, value in numbers.items():
        print(f"{name:28} {value:.6g}")
    print(f"report: {report.write(folder)}")


def _report(values, _):
    needed(values, "workdir")
    from .evaluation import report

    print(report.write(values.workdir))


# ---- doctor

# Package -> the extra that brings it.
_EXTRAS = {
    "ai-edge-litert": "lite",
    "apache-beam": "beam",
    "av": "video",
    "imagehash": "video",
    "opencv-python-headless": "faces",
    "tensorflow-serving-api": "serving",
}


def _doctor(values, _):
    del values
    import tensorflow as tf

    from .training import run_folder

    facts = run_folder.environment()
    versions = facts.pop("versions")
    for key, value in {**facts, "gpus": facts["gpus"] or "none"}.items():
        if value is not None:
            print(f"{key:24} {value}")
    for package, version in versions.items():
        extra = _EXTRAS.get(package)
        hint = f"  (pip install 'reverie[{extra}]')" if version == "not installed" and extra else ""
        print(f"{package:24} {version}{hint}")
    value = float(tf.reduce_sum(tf.linalg.matmul(tf.ones([64, 64]), tf.ones([64, 64]))))
    if value != 64.0**3:
        raise UserError(f"a 64x64 matrix product gave {value}, expected {64.0**3}; this TensorFlow install is broken")
    print(f"{'matrix product':24} ok")


def _define_nothing(values, _):
    del values


COMMANDS = {
    "train": Command("Trains a model from a config, or takes a stopped run up again.", _define_train, _train),
    "compare": Command("Trains methods x seeds over a stream; writes the table.", _define_compare, _compare),
    "evaluate": Command("Measures a run on its test images; writes the report.", _define_evaluate, _evaluate),
    **DATA_COMMANDS,
    **EXPORT_COMMANDS,
    "imagine": IMAGINE_COMMAND,
    "report": Command("Writes the run's report page.", _define_workdir, _report),
    "doctor": Command("Prints versions, devices and what is missing.", _define_nothing, _doctor),
}  # fmt: skip
