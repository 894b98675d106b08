"""The verb `describe`: pictures to words."""

from ..errors import UserError
from .command import Command, number, string


def _define(values, _):
    string("run", "", "The run folder of a scan, jmvae or telbo model.", values)
    string("model", "", "Or a published version's folder.", values)
    string("resize", "crop", "How pictures are brought to the model's size: none, stretch or crop.", values)
    number("least", 0.5, "Words less probable than this are left out.", values)


def _run(values, positional):
    if not positional or bool(values.run) == bool(values.model):
        raise UserError("expected: reverie describe --run=DIR (or --model=VERSION) PICTURE [PICTURE ...]")
    from .. import experiments

    model = experiments.Run(values.run) if values.run else experiments.Exported(values.model)
    found = experiments.describe_files(model, positional, values.resize, values.least)
    for file, description in zip(positional, found, strict=True):
        print(f"{file}: {description}")


COMMAND = Command(
    "Says what pictures show, with how probable each word is.", _define, _run, "--run=DIR PICTURE [PICTURE ...]"
)
