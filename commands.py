"""What each verb of the command line does: its flags and its action.

Heavy imports stand inside the actions, so that `--help` and a mistyped flag answer at once.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Callable

from absl import flags

from .errors import UserError


@dataclasses.dataclass(frozen=True)
class Command:
    """One verb: what it does, its flags (defined on `values`), and the action, which may return an exit code."""

    summary: str
    define: Callable
    run: Callable
    usage: str = ""


def _string(name, default, text, values):
    flags.DEFINE_string(name, default, text, flag_values=values)


def _integer(name, default, text, values):
    flags.DEFINE_integer(name, default, text, flag_values=values)


def _boolean(name, default, text, values):
    flags.DEFINE_bool(name, default, text, flag_values=values)


def _needed(values, *names) -> None:
    missing = [f"--{name}" for name in names if not values[name].value]
    if missing:
        raise UserError(f"{' and '.join(missing)} must be given")


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
    _string("workdir", "", "The run folder. A run already there is taken up where it stopped.", values)
    _string("strategy", "auto", "auto, one, or mirrored (all GPUs; logical CPUs without one).", values)
    _integer("replicas", 0, "How many replicas --strategy=mirrored takes; 0 is all GPUs, or two CPUs.", values)
    _string("data_dir", "", "Where TFDS sets were prepared; the same as --config.data.data_dir.", values)
    _boolean("deterministic", False, "Operations that repeat bit for bit, on one machine and version.", values)


def _train(values, _):
    _needed(values, "workdir")
    from . import stream_runs
    from .training import experiment, loop, run_folder, strategies

    strategy = strategies.build(values.strategy, values.replicas)
    if values.deterministic:
        experiment.set_deterministic()
    config = values.config
    if values.data_dir:
        config.data.data_dir = values.data_dir
    workdir = run_folder.open_run(values.workdir, config)
    if "stream" in config:
        model, phases, data, hooks = stream_runs.prepare(config, strategy, workdir)
    else:
        sets = experiment.read_images(config, "train", "validation")
        model, phases = experiment.build(config, sets["train"], strategy)
        evaluate, pictures = _monitors(config.model.family, model, sets)
        data, hooks = _data_facts(sets["train"]), {"evaluate": evaluate, "pictures": pictures}
    description = run_folder.describe(workdir, " ".join(sys.argv), values.deterministic, strategy)
    run_folder.write_json(workdir / "run.json", description)
    run_folder.write_json(workdir / "data.json", data)
    outcome = loop.train(model, phases, experiment.loop_settings(config), strategy, workdir, **hooks)
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


def _data_facts(images) -> dict:
    if images.skipped.count:
        print(images.skipped.summary(), file=sys.stderr)
    return {
        "name": images.name,
        "images": len(images),
        "shape": list(images.shape),
        "unlabelled": int((images.labels < 0).sum()),
        "skipped": images.skipped.count,
        "skipped_reasons": images.skipped.reasons,
        "skipped_first": list(images.skipped.first),
    }


# ---- compare


def _define_compare(values, argv):
    _define_config(values, argv)
    _string("workdir", "", "The comparison's folder; a comparison already there is gone on with.", values)
    flags.DEFINE_list("methods", [], "Recipes, comma-separated; see configs/recipes.py.", flag_values=values)
    flags.DEFINE_list("seeds", ["0"], "Seeds, comma-separated.", flag_values=values)
    flags.DEFINE_enum("scenario", "class", ["task", "domain", "class"], "Of the stream.", flag_values=values)
    _integer("jobs", 1, "Runs at a time; the cores are shared out among them.", values)


def _compare(values, _):
    _needed(values, "workdir", "methods")
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
    return comparison.run(path, given, values.methods, values.scenario, seeds, values.workdir, values.jobs)


# ---- evaluate, report


def _define_workdir(values, _):
    _string("workdir", "", "The run folder.", values)


def _evaluate(values, _):
    _needed(values, "workdir")
    from . import evaluation, stream_runs
    from .evaluation import pictures, report
    from .training import experiment, run_folder

    config, model, step = experiment.load(values.workdir)
    family, folder = evaluation.FAMILIES[config.model.family], pathlib.Path(values.workdir)
    if "stream" in config:
        sets, history = stream_runs.read(config, folder)
    else:
        sets, history = experiment.read_images(config, "train", "test"), ()
    train, test = sets["train"], sets["test"]
    numbers = {"step": step, **family.evaluate(model, train, test, *history)}
    run_folder.write_json(folder / "evaluation.json", numbers)
    (folder / "pictures").mkdir(exist_ok=True)
    drawn = family.draw(model, test, *history)
    for name, (picture, _) in drawn.items():
        pictures.save_png(folder / "pictures" / f"{name}.png", picture)
    captions = {name: caption for name, (_, caption) in drawn.items()}
    earlier = history[0].get("captions", {}) if history else {}
    run_folder.write_json(folder / "pictures" / "captions.json", {**captions, **earlier})
    for name, value in numbers.items():
        print(f"{name:28} {value:.6g}")
    print(f"report: {report.write(folder)}")


def _report(values, _):
    _needed(values, "workdir")
    from .evaluation import report

    print(report.write(values.workdir))


# ---- export and what runs exported files


def _define_export(values, argv):
    _define_workdir(values, argv)
    _string("name", "", "The model's name on the server; the family's name by default.", values)
    _string("to", "", "Folder of all models; <workdir>/export by default.", values)
    _string("lite", "float32,float16,dynamic,int8", "LiteRT variants, comma-separated, or none.", values)
    _integer("max_batch", 1024, "Greatest number of images a request, built into the graph.", values)
    _boolean("warmup", True, "Write warm-up requests for TensorFlow Serving.", values)


def _export(values, _):
    _needed(values, "workdir")
    from . import __version__, export, pipelines, stream_runs
    from .evaluation import report
    from .pipelines import decoding
    from .training import experiment, run_folder

    config, model, step = experiment.load(values.workdir)
    folder = pathlib.Path(values.workdir)
    # Of a stream, the images as its first task shows them, with the classes of all.
    images = stream_runs.sample(config) if "stream" in config else experiment.read_images(config, "train")["train"]
    sample = next(iter(pipelines.in_order(images, min(len(images), 1000))))["image"].numpy()
    shape, resize, max_pixels = tuple(model.config.image_shape), config.data.resize, config.data.max_pixels
    context = {
        "reverie": __version__,
        "config": run_folder.read_json(folder / "config.json"),
        "step": step,
        "evaluation": run_folder.read_json(folder / "evaluation.json"),
        "environment": run_folder.environment(),
    }
    published = export.export(
        model,
        pathlib.Path(values.to or folder / "export") / (values.name or config.model.family),
        sample,
        context,
        max_batch=values.max_batch,
        lite_variants=() if values.lite in ("", "none") else tuple(values.lite.split(",")),
        with_warmup=values.warmup,
        from_bytes=lambda contents: decoding.served_images(contents, shape, resize, max_pixels),
    )
    report.write(folder)
    print(published)


def _define_encode(values, _):
    _string("model", "", "A published version's folder, or an encoder's .tflite file.", values)
    _string("source", "", "Images: a data source as in --config.data.source.", values)
    _string("split", "train", "Split of the source.", values)
    _string("resize", "crop", "none, stretch or crop: how images are brought to the model's size.", values)
    _string("out", "codes.npz", "Where the codes go, with labels and file names beside them.", values)


def _encode(values, _):
    _needed(values, "model", "source")
    import numpy as np

    from . import pipelines
    from .export.graph_loader import GraphModel
    from .export.lite import LiteModel

    if values.model.endswith(".tflite"):
        lite = LiteModel(values.model)
        if lite.signature != "encode":
            raise UserError(f"{values.model}: holds '{lite.signature}'; give an encoder's file")
        shape, call = tuple(int(side) for side in lite.inputs["images"]["shape"][1:]), lite.call
    else:
        graph = GraphModel(values.model)
        dimensions = graph.signatures["encode"].inputs["images"].tensor_shape.dim
        shape = tuple(side.size for side in dimensions[1:])

        def call(images):
            return graph.call("encode", images=images)

    # Whatever the source holds is encoded: nothing is held out here.
    whole = {"validation_fraction": 0.0, "test_fraction": 0.0}
    images = pipelines.read(values.source, values.split, image_shape=shape, resize=values.resize, **whole)
    parts = [call(images=batch["image"].numpy()) for batch in pipelines.in_order(images, 256)]
    codes = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    names = {} if images.keys is None else {"filename": images.keys}
    _save_npz(values.out, label=images.labels, **names, **codes)
    shapes = ", ".join(f"{name} {value.shape}" for name, value in codes.items())
    print(f"{values.out}: {shapes}")


def _define_generate(values, _):
    _string("model", "", "A published version's folder.", values)
    _integer("count", 10, "How many images a label.", values)
    text = "Labels, comma-separated, a row each; -1 draws at random. Several heads: one number each, as 3:-1."
    flags.DEFINE_list("label", ["-1"], text, flag_values=values)
    _integer("seed", 0, "The same seed gives the same images.", values)
    _string("out", "imagined.png", "The picture to write.", values)


def _generate(values, _):
    _needed(values, "model")
    import numpy as np
    import tensorflow as tf

    from .evaluation import pictures
    from .export.graph_loader import GraphModel

    graph = GraphModel(values.model)
    rows = []
    for row, label in enumerate(values.label):
        try:
            numbers = np.array([int(part) for part in label.split(":")], np.int32)
            request = numbers if len(numbers) == 1 else numbers[None]
            made = graph.call("generate", count=values.count, seed=[values.seed, row], label=request)
        except ValueError:
            raise UserError(f"label '{label}' cannot be used; expected one whole number a head, as 3 or 3:-1") from None
        except tf.errors.InvalidArgumentError as error:
            reason = next((part for part in str(error).split("[") if "expected" in part), str(error))
            raise UserError(f"the model refused: {reason.strip().rstrip(']').strip()}") from None
        rows.append(made["images"])
    try:
        pictures.save_png(values.out, pictures.grid(np.stack(rows)))
    except OSError as error:
        raise UserError(f"{values.out} cannot be written: {error.strerror}") from None
    print(f"{values.out}: {len(rows)} x {values.count} images")


def _save_npz(path: str, **arrays) -> None:
    import numpy as np

    try:
        np.savez(path, **arrays)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None


def _define_serve_check(values, _):
    _string("grpc", "", "host:port of the gRPC API.", values)
    _string("rest", "", "http://host:port of the REST API.", values)
    _string("name", "xcov", "The model's name on the server.", values)
    _string("saved_model", "", "Folder of the version being served, to compare numbers with.", values)
    _integer("requests", 20, "Timed requests.", values)


def _serve_check(values, _):
    from .errors import ParityError
    from .export import serve_check

    findings = serve_check.check(values.name, values.grpc, values.rest, values.saved_model, values.requests)
    for finding in findings:
        print(f"{'ok  ' if finding.passed else 'FAIL'} {finding.check}: {finding.detail}")
    failed = sum(not finding.passed for finding in findings)
    if failed:
        raise ParityError(f"{failed} of {len(findings)} checks failed")


# ---- data, doctor


def _define_data(values, _):
    _string("data_dir", "", "Where TensorFlow Datasets are prepared.", values)
    _string("split", "train", "For check: which split.", values)
    flags.DEFINE_list("image_shape", [], "For check: height,width,channels.", flag_values=values)
    _string("resize", "none", "For check: none, stretch or crop.", values)


def _data(values, positional):
    from . import pipelines
    from .pipelines import prepared

    if len(positional) != 2 or positional[0] not in ("build", "check"):
        raise UserError("expected: reverie data build NAME, or: reverie data check SOURCE")
    verb, name = positional
    if verb == "build":
        print(prepared.build(name, values.data_dir))
        return
    shape = tuple(int(side) for side in values.image_shape) or None
    settings = {"image_shape": shape, "resize": values.resize, "data_dir": values.data_dir, "max_bad_fraction": 1.0}
    images = pipelines.read(name, values.split, validation_fraction=0.0, test_fraction=0.0, **settings)
    for key, value in _data_facts(images).items():
        print(f"{key:16} {value}")


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
        extra = {"ai-edge-litert": "lite", "tensorflow-serving-api": "serving"}.get(package)
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
    "evaluate": Command("Measures a run on its test images; writes the report.", _define_workdir, _evaluate),
    "export": Command("Publishes a run as checked SavedModel and LiteRT files.", _define_export, _export),
    "encode": Command("Encodes images through an exported file.", _define_encode, _encode),
    "generate": Command("Imagines images through an exported SavedModel.", _define_generate, _generate),
    "serve-check": Command("Sends real requests to a TensorFlow Serving address.", _define_serve_check, _serve_check),
    "data": Command(
        "Prepares a TFDS data set (build NAME), or checks a source (check SOURCE).", _define_data, _data,
        "build NAME | check SOURCE [flags]",
    ),
    "report": Command("Writes the run's report page.", _define_workdir, _report),
    "doctor": Command("Prints versions, devices and what is missing.", _define_nothing, _doctor),
}  # fmt: skip
