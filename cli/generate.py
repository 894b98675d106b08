"""The verb `generate`: a picture of images imagined by class."""

from absl import flags

from ..errors import UserError
from ..paths import composed
from .command import Command, anew, folder, integer, needed, seed, set_anew, string

_MOST = 10_000  # Images a row: one picture holds them all.


def _define(values, _):
    folder("model", "A published version's folder, or a run folder.", values)
    anew(values)
    integer("count", 10, "Images per label.", values)
    text = (
        "Classes by number or name, comma-separated, one row each; -1 samples one. With several heads: one each, for "
        "example 3:-1 or happy:-1."
    )
    flags.DEFINE_list("label", ["-1"], text, flag_values=values)
    seed("The same seed gives the same images.", values)
    string("out", "imagined.png", "The picture to write.", values)


def _run(values, _):
    needed(values, "model")
    if values.count > _MOST:
        raise UserError(f"count is {values.count}; expected 1 to {_MOST}")
    if not values.label:
        raise UserError("label is empty; expected labels, comma-separated, for example --label=0,1,-1")
    import numpy as np

    from .. import experiments, progress

    out = experiments.output_file(values.out, ".png")  # Refused now, not after the work.
    model = experiments.load(values.model, settings=set_anew(values))
    rows = []
    for row, label in enumerate(progress.shown(values.label, "imagining", unit="row")):
        asked = None if values.label == ["-1"] else _label(label, model.class_names)
        rows.append(model.generate(values.count, asked, (values.seed, row))["images"])
    experiments.save_rows(out, np.stack(rows))
    print(f"{out}: {len(rows)} x {values.count} images")


def _label(text: str, class_names):
    """What one row is of: a number or a name, or with several heads a list of one row of them."""
    named = any(composed(text) == composed(name) for names in class_names.values() for name in names)
    return text if named or ":" not in text else [text.split(":")]


COMMAND = Command("Imagines images with a published version or a run.", _define, _run)
