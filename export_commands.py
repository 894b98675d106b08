"""The verbs that make exported files and run them: export, encode, generate, serve-check.

Heavy imports stand inside the actions, so that `--help` and a mistyped flag answer at once.
"""

import math
import pathlib

from absl import flags

from .command import Command, boolean, integer, needed, save_picture, string
from .errors import UserError

_SAMPLE_BYTES = 2**28


def _define_export(values, argv):
    del argv
    string("workdir", "", "The run folder.", values)
    string("name", "", "The model's name on the server; the family's name by default.", values)
    string("to", "", "Folder of all models; <workdir>/export by default.", values)
    string("lite", "float32,float16,dynamic,int8", "LiteRT variants, comma-separated, or none.", values)
    integer("max_batch", 1024, "Greatest number of images a request, built into the graph.", values)
    boolean("warmup", True, "Write warm-up requests for TensorFlow Serving.", values)


def _export(values, _):
    needed(values, "workdir")
    from . import __version__, export, pipelines, stream_runs
    from .evaluation import report
    from .models import scan
    from .pipelines import decoding
    from .training import experiment, run_folder

    config, model, step = experiment.load(values.workdir)
    folder = pathlib.Path(values.workdir)
    # Of a stream, the images as its first task shows them, with the classes of all.
    if "stream" in config:
        images, classes = stream_runs.sample(config)
    else:
        images, classes = experiment.read_images(config, "train")["train"], []
    # Enough to calibrate and to judge, but not a gigabyte of large frames.
    count = max(8, min(1000, _SAMPLE_BYTES // (4 * math.prod(images.shape))))
    sample = next(iter(pipelines.in_order(images, min(len(images), count))))["image"].numpy()
    evaluation = run_folder.read_json(folder / "evaluation.json")
    if hasattr(model, "choose") and evaluation:
        from .evaluation import sparse

        model.choose(sparse.chosen(evaluation))
    shape, resize, max_pixels = tuple(model.config.image_shape), config.data.resize, config.data.max_pixels
    # Label k is the k-th class: a stream numbers classes in the order it met them.
    meanings = ", ".join(f"{label} is {meaning}" for label, meaning in enumerate(classes))
    legend = (f"Labels are numbered in the order of learning: {meanings}.",) if classes else ()
    provenance = export.Provenance(
        config=run_folder.read_json(folder / "config.json"),
        step=step,
        reverie=__version__,
        evaluation=evaluation,
        environment=run_folder.environment(),
        classes=tuple(classes),
        legend=(*legend, *scan.legend(config.model)),
    )
    published = export.export(
        model,
        pathlib.Path(values.to or folder / "export") / (values.name or config.model.family),
        sample,
        provenance,
        max_batch=values.max_batch,
        lite_variants=() if values.lite in ("", "none") else tuple(values.lite.split(",")),
        with_warmup=values.warmup,
        from_bytes=lambda contents: decoding.served_images(contents, shape, resize, max_pixels),
    )
    report.write(folder)
    print(published)


def _define_encode(values, _):
    string("model", "", "A published version's folder, or an encoder's .tflite file.", values)
    string("source", "", "Images: a data source as in --config.data.source.", values)
    string("split", "train", "Split of the source.", values)
    string("resize", "crop", "none, stretch or crop: how images are brought to the model's size.", values)
    string("out", "codes.npz", "Where the codes go, with labels and file names beside them.", values)


def _encode(values, _):
    needed(values, "model", "source")
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
    string("model", "", "A published version's folder.", values)
    integer("count", 10, "How many images a label.", values)
    text = "Labels, comma-separated, a row each; -1 draws at random. Several heads: one number each, as 3:-1."
    flags.DEFINE_list("label", ["-1"], text, flag_values=values)
    integer("seed", 0, "The same seed gives the same images.", values)
    string("out", "imagined.png", "The picture to write.", values)


def _generate(values, _):
    needed(values, "model")
    import numpy as np
    import tensorflow as tf

    from .evaluation import pictures
    from .export.graph_loader import GraphModel

    graph = GraphModel(values.model)
    if "generate" not in graph.signatures:
        raise UserError(f"{values.model}: has no signature 'generate', only {', '.join(sorted(graph.signatures))}")
    # What to imagine is called after what it is: a label of the observed code, or class ids.
    asked = [name for name in graph.signatures["generate"].inputs if name not in ("count", "seed")]
    if not asked and values.label != ["-1"]:
        raise UserError(f"{values.model}: imagines without labels; for words there is reverie imagine --model=...")
    rows = []
    for row, label in enumerate(values.label):
        try:
            numbers = np.array([int(part) for part in label.split(":")], np.int32)
            request = dict.fromkeys(asked, numbers if len(numbers) == 1 else numbers[None])
            made = graph.call("generate", count=values.count, seed=[values.seed, row], **request)
        except ValueError:
            raise UserError(f"label '{label}' cannot be used; expected one whole number a head, as 3 or 3:-1") from None
        except tf.errors.InvalidArgumentError as error:
            reason = next((part for part in str(error).split("[") if "expected" in part), str(error))
            raise UserError(f"the model refused: {reason.strip().rstrip(']').strip()}") from None
        rows.append(made["images"])
    save_picture(values.out, pictures.grid(np.stack(rows)))
    print(f"{values.out}: {len(rows)} x {values.count} images")


def _save_npz(path: str, **arrays) -> None:
    import numpy as np

    try:
        np.savez(path, **arrays)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None


def _define_serve_check(values, _):
    string("grpc", "", "host:port of the gRPC API.", values)
    string("rest", "", "http://host:port of the REST API.", values)
    string("name", "xcov", "The model's name on the server.", values)
    string("saved_model", "", "Folder of the version being served, to compare numbers with.", values)
    integer("requests", 20, "Timed requests.", values)


def _serve_check(values, _):
    from .errors import ParityError
    from .export import serve_check

    findings = serve_check.check(values.name, values.grpc, values.rest, values.saved_model, values.requests)
    for finding in findings:
        print(f"{'ok  ' if finding.passed else 'FAIL'} {finding.check}: {finding.detail}")
    failed = sum(not finding.passed for finding in findings)
    if failed:
        raise ParityError(f"{failed} of {len(findings)} checks failed")


EXPORT_COMMANDS = {
    "export": Command("Publishes a run as checked SavedModel and LiteRT files.", _define_export, _export),
    "encode": Command("Encodes images through an exported file.", _define_encode, _encode),
    "generate": Command("Imagines images through an exported SavedModel.", _define_generate, _generate),
    "serve-check": Command("Sends real requests to a TensorFlow Serving address.", _define_serve_check, _serve_check),
}
