"""The settings of the config section `data`: those of all sources, and those that each source adds."""

import dataclasses
import numbers
import operator
from typing import Any, cast

from ..errors import UserError
from .budget import Budget
from .nearest import nearest
from .picture import Look
from .sources.contract import Option, Request, Source
from .sources.registry import source_options

# Settings that mean the same for every source.
GENERAL: dict[str, Option] = {
    "source": Option("mnist_sample", "What to read; pipelines.sources_table() lists the kinds."),
    "image_shape": Option((28, 28, 1), "Height, width and channels of the images that the model sees."),
    "resize": Option(Request.resize, "How images of another size are brought to it: none, stretch, crop."),
    "background": Option(Look.background, "What shows where a picture is transparent: a color's name, or #rrggbb."),
    "bits": Option(Look.bits, "Significant bits of deep gray files, as 12; 0 takes those of the file."),
    "validation_fraction": Option(
        Request.validation_fraction, 'Held out of "train" where the source has no validation split.'
    ),
    "test_fraction": Option(Request.test_fraction, "Likewise for folders and .npz files without test images."),
    "holdout_seed": Option(Request.holdout_seed, "Which images are held out, and which windows are cut."),
    "holdout": Option(
        Request.holdout, "stratified: the same share of every class; independent: each image for itself."
    ),
    "windows": Option(
        Request.windows, "Train on this many windows of random size and place, half of them mirrored; 0: pictures."
    ),
    "window_least": Option(
        Request.window_least, "Of the smallest window, as a share of the largest that fits; log-uniform between them."
    ),
    "without_faces": Option(
        Request.without_faces, "Leave out training pictures in which OpenCV detects a face, before windows are cut."
    ),
    "max_pixels": Option(Budget.max_pixels, "Width * height of one file, checked before decoding."),
    "max_file_mib": Option(Budget.max_file_mib, "Size of one file, in MiB."),
    "max_bad_fraction": Option(Budget.max_bad_fraction, "Share of unusable files above which the run does not start."),
    "memory_gib": Option(Budget.memory_gib, "Larger sets are decoded while streaming."),
    "cache": Option(Request.cache, "Folder in which decoded files are kept, so that another run need not decode them."),
    "service": Option("", "Address of a tf.data service that makes the batches of training, as grpc://HOST:PORT."),
}


def data_settings() -> dict[str, Option]:
    """Every setting of the section `data`: setting -> `Option(default, meaning)`.

    Loads no TensorFlow, so that a command line can be read before it.

    Example:
      >>> data_settings()["test_fraction"].default
      0.1
    """
    return {**GENERAL, **source_options()}


def request_for(source: Source, settings: dict[str, Any]) -> Request:
    """The request that settings make of a source.

    Args:
      source: whose own options are taken; those of other sources are passed over.
      settings: any of `data_settings()` without "source". `image_shape` is None where it is not said.

    Raises:
      UserError: an unknown setting (names the nearest), or a value of another type or out of range.
    """
    known = data_settings()
    for name, value in settings.items():
        if name not in known or name == "source":
            raise UserError(f"data.{name} is no setting{nearest(name, known)}")
        if name != "image_shape":
            _check_type(name, value, known[name].default)
    budget = {field.name: settings[field.name] for field in dataclasses.fields(Budget) if field.name in settings}
    look = Look(**{field.name: settings[field.name] for field in dataclasses.fields(Look) if field.name in settings})
    names = (
        "resize", "validation_fraction", "test_fraction", "holdout_seed", "holdout", "windows", "window_least",
        "without_faces", "cache",
    )  # fmt: skip
    options = {name: settings.get(name, option.default) for name, option in source.options.items()}
    return Request(
        image_shape=_shape(settings.get("image_shape")),
        look=look,
        budget=Budget(**budget),
        options=options,
        **{name: settings[name] for name in names if name in settings},
    )


def _shape(value) -> tuple[int, int, int] | None:
    if value is None:
        return None
    try:
        # A config that was read from JSON has lists.
        return cast(tuple[int, int, int], tuple(operator.index(side) for side in value)) or None
    except TypeError:
        raise UserError(f"data.image_shape is {value!r}; expected (height, width, channels), as (64, 64, 3)") from None


def _check_type(name: str, value, default) -> None:
    for kind, accepted, word in (
        (bool, bool, "True or False"),
        (int, numbers.Integral, "a whole number"),
        (float, numbers.Real, "a number"),
        (str, str, "a string"),
    ):
        if isinstance(default, kind):
            if not isinstance(value, accepted) or (kind is not bool and isinstance(value, bool)):
                raise UserError(f"data.{name} is {value!r}; expected {word}")
            return
