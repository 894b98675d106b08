"""The verb `imagine`: words to a sheet of pictures.

Heavy imports stand inside the action, so that `--help` and a mistyped flag answer at once.
"""

from .command import Command, integer, save_picture, string
from .errors import UserError


def _define(values, _):
    string("run", "", "The run folder of a scan or jmvae model.", values)
    string("model", "", "Or a published version's folder.", values)
    integer("count", 16, "How many pictures.", values)
    integer("seed", 0, "The same seed gives the same pictures.", values)
    string("out", "imagined.png", "The picture to write.", values)


def _imagine(values, positional):
    if len(positional) != 1 or bool(values.run) == bool(values.model):
        raise UserError('expected: reverie imagine --run=DIR (or --model=VERSION) "white wall AND red hat"')
    if not 1 <= values.count <= 400:
        raise UserError(f"count is {values.count}; expected 1 to 400")
    import math

    import numpy as np

    from .evaluation import pictures

    made = (_from_run if values.run else _from_version)(values, positional[0])
    images, vocabulary = made["images"], made["vocabulary"]
    columns = min(len(images), max(1, round(math.sqrt(2 * len(images)))))
    blank = np.ones([-len(images) % columns, *images.shape[1:]], images.dtype)
    rows = np.concatenate([images, blank]).reshape(-1, columns, *images.shape[1:])
    save_picture(values.out, pictures.labelled_rows(rows, [positional[0], *[""] * (len(rows) - 1)], 96))
    print(f"{values.out}: {len(images)} pictures of {vocabulary.phrase(made['symbol'])}")


def _from_run(values, text: str) -> dict:
    from .evaluation import scan
    from .training import experiment, run_folder, stages

    if "stages" not in run_folder.load_config(values.run):
        raise UserError(f"{values.run}: is no run of a family with symbols (scan, jmvae)")
    config, model, step = experiment.load(values.run)
    vocabulary = stages.vocabulary_of(config)
    expression = vocabulary.parse_expression(text)
    present = stages.trained(config, step)
    if "symbols" not in present:
        raise UserError(f"{values.run}: the stage symbols is not trained, so words mean nothing yet")
    if len(expression) > 1 and "operators" not in present:
        raise UserError(
            f"{values.run}: the stage operators is not trained; imagine one symbol without {expression[1][0]}"
        )
    made = scan.imagined(model, vocabulary, expression, values.count, values.seed)
    return {**made, "vocabulary": vocabulary}


def _from_version(values, text: str) -> dict:
    import pathlib

    import numpy as np

    from .export.graph_loader import GraphModel
    from .pipelines import Vocabulary
    from .pipelines.symbols import OPERATORS, combine
    from .training import run_folder

    metadata = run_folder.read_json(pathlib.Path(values.model) / "metadata.json")
    attributes = metadata.get("config", {}).get("model", {}).get("attributes")
    if not attributes:
        raise UserError(f"{values.model}: is no published version of a family with symbols")
    vocabulary = Vocabulary.from_plain(attributes)
    symbol, *rest = vocabulary.parse_expression(text)
    request = {"count": values.count, "seed": [values.seed, 0]}
    graph, khot = GraphModel(values.model), vocabulary.encode(symbol)[None]
    if not rest:
        images = graph.call("symbols_to_images", symbols=khot, **request)["images"]
        return {"images": images, "symbol": symbol, "vocabulary": vocabulary}
    if len(rest) > 1 or "compose" not in graph.signatures:
        raise UserError("a published version composes two symbols (and a jmvae none); use --run for longer ones")
    ((operator, other),) = rest
    parts = {"symbols_a": khot, "symbols_b": vocabulary.encode(other)[None]}
    number = np.asarray([OPERATORS.index(operator)], np.int32)
    images = graph.call("compose", operator=number, **parts, **request)["images"]
    return {"images": images, "symbol": combine(symbol, operator, other), "vocabulary": vocabulary}


IMAGINE_COMMAND = Command(
    "Imagines what words say; writes a sheet of pictures.",
    _define,
    _imagine,
    '--run=DIR "white wall AND red hat"',
)
