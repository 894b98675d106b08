"""The verb `describe`: pictures to words."""

from ..errors import UserError
from .command import Command, folder, number, string


def _define(values, _):
    folder("model", "The run folder of a scan, jmvae or telbo model, or a published version's folder.", values)
    string("resize", "crop", "How pictures are brought to the model's size: none, stretch or crop.", values)
    number("least", 0.5, "Words less probable than this are left out.", values)


def _run(values, positional):
    if not positional or not values.model:
        raise UserError("expected: reverie describe --run=DIR PICTURE [PICTURE ...]")
    from .. import experiments

    model = experiments.load(values.model)
    found = experiments.describe_files(model, positional, values.resize, values.least)
    for file, description in zip(positional, found, strict=True):
        print(f"{file}: {description}")


COMMAND = Command(
    "Says what pictures show, with how probable each word is.", _define, _run, "--run=DIR PICTURE [PICTURE ...]"
)
