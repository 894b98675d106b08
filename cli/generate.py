"""The verb `generate`: a picture of images imagined by class."""

from absl import flags

from ..errors import UserError
from .command import Command, integer, needed, seed, string

_MOST = 10_000  # Images a row: one picture holds them all.


def _define(values, _):
    string("model", "", "A published version's folder, or a run folder.", values)
    integer("count", 10, "Images per label.", values)
    text = (
        "Labels, comma-separated, one row each; -1 samples one. With several heads: one number each, for example 3:-1."
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

    from .. import experiments

    experiments.output_file(values.out)  # Refused now, not after the work.
    model = experiments.load(values.model)
    rows = []
    for row, label in enumerate(values.label):
        asked = None if values.label == ["-1"] else _label(label)
        rows.append(model.generate(values.count, asked, (values.seed, row))["images"])
    experiments.save_rows(values.out, np.stack(rows))
    print(f"{values.out}: {len(rows)} x {values.count} images")


def _label(text: str):
    try:
        numbers = [int(part) for part in text.split(":")]
        if not all(-1 <= number < 2**31 for number in numbers):
            raise ValueError
    except ValueError:
        raise UserError(
            f"label '{text}' cannot be used; expected one whole number per head from -1 on, for example 3 or 3:-1"
        ) from None
    return numbers[0] if len(numbers) == 1 else [numbers]


COMMAND = Command("Imagines images through an exported SavedModel.", _define, _run)
