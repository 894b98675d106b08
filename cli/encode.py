"""The verb `encode`: codes of images, through exported files or a run."""

import sys

from .command import Command, data_flags, data_settings_given, folder, needed, string


def _define(values, _):
    folder("model", "A published version's folder, an encoder's .tflite file, or a run folder.", values)
    string("source", "", "Images: a data source, as in --config.data.source.", values)
    string("split", "train", "Split of the source.", values)
    string("resize", "crop", "How images are resized to the model's size: none, stretch or crop.", values)
    data_flags(values, "resize")
    string("out", "codes.npz", "File to write the codes to, with labels and file names.", values)


def _run(values, _):
    needed(values, "model", "source")
    from .. import experiments

    out = experiments.output_file(values.out, ".npz")  # Refused now, not after the work.
    settings = data_settings_given(values)
    resize = settings.pop("resize", values.resize)
    codes = experiments.encode_source(values.model, values.source, values.split, resize, **settings)
    codes.save(out)
    if codes.skipped.count:
        print(f"left out: {codes.skipped.summary()}", file=sys.stderr)
    shapes = ", ".join(f"{name} {value.shape}" for name, value in codes.codes.items())
    print(f"{out}: {shapes}")


COMMAND = Command("Encodes images with a published version, a LiteRT file or a run.", _define, _run)
