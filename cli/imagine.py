"""The verb `imagine`: words to a sheet of pictures."""

from ..errors import UserError
from .command import Command, anew, folder, integer, seed, set_anew, string


def _define(values, _):
    folder("model", "The run folder of a scan, jmvae or telbo model, or a published version's folder.", values)
    anew(values)
    integer("count", 16, "How many pictures.", values)
    seed("The same seed gives the same pictures.", values)
    string("out", "imagined.png", "The picture to write.", values)


def _run(values, positional):
    if len(positional) != 1 or not values.model:
        raise UserError('expected: reverie imagine --run=DIR "white wall AND red hat"')
    if not 1 <= values.count <= 400:
        raise UserError(f"count is {values.count}; expected 1 to 400")
    from .. import experiments

    out = experiments.output_file(values.out, ".png")  # Refused now, not after the work.
    model = experiments.load(values.model, settings=set_anew(values))
    images, phrase = model.sheet(positional[0], values.count, values.seed)
    experiments.save_sheet(out, images, positional[0])
    print(f"{out}: {len(images)} {'picture' if len(images) == 1 else 'pictures'} of {phrase}")


COMMAND = Command(
    "Imagines what words say; writes a sheet of pictures.", _define, _run, '--run=DIR "white wall AND red hat"'
)
