"""A picture in words, with how sure each of them is."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import pipelines
from ..errors import UserError
from ..pipelines.picture import Unreadable, read_picture

if TYPE_CHECKING:
    from .endpoints import Endpoints


@dataclasses.dataclass(frozen=True)
class Description:
    """What a model says that a picture shows.

    Attributes:
      text: "red hat (0.98) on a white wall (0.99)"; "anything" where nothing is probable enough.
      symbol: {attribute: value} of what is said.
      probabilities: {attribute: {value: probability that it would be named}}, of all attributes.

    Example:
      >>> print(Description("hat (0.97)", {"object": "hat"}, {"object": {"hat": 0.97, "bag": 0.04}}))
      hat (0.97)
    """

    text: str
    symbol: dict[str, str]
    probabilities: dict[str, dict[str, float]]

    def __str__(self) -> str:
        return self.text


def described(vocabulary: pipelines.Vocabulary, probabilities: np.ndarray, least: float) -> Description:
    """The likeliest value of every attribute, said where it is probable enough.

    Args:
      vocabulary: of the model.
      probabilities: float [values], as of `images_to_symbols`.
      least: the probability from which on a value is said.
    """
    parts = np.split(np.asarray(probabilities), np.cumsum(vocabulary.sizes)[:-1])
    every = {
        attribute.name: dict(zip(attribute.values, map(float, part), strict=True))
        for attribute, part in zip(vocabulary.attributes, parts, strict=True)
    }
    best = {name: max(values, key=values.__getitem__) for name, values in every.items()}
    symbol = {name: value for name, value in best.items() if every[name][value] >= least}
    sure = {name: every[name][value] for name, value in symbol.items()}
    return Description(vocabulary.sentence(symbol, sure), symbol, every)


def describe_files(
    model: "Endpoints", files: Sequence[str | pathlib.Path], resize: str = "crop", least: float = 0.5
) -> list[Description]:
    """Picture files in words.

    Args:
      model: a run or what was exported of one.
      files: pictures of any known format and size.
      resize: how they are brought to the model's size: none, stretch or crop.
      least: as of `Endpoints.describe`.

    Raises:
      UserError: a file that gives no picture, a model without words.

    Example:
      describe_files(reverie.load("runs/scan"), ["room.png"])[0].text
    """
    height, width, channels = model.image_shape
    return model.describe(np.stack([_fitted(file, height, width, channels, resize) for file in files]), least)


def _fitted(file, height: int, width: int, channels: int, resize: str) -> np.ndarray:
    from ..pipelines.decoding import fitter

    try:
        pixels = read_picture(str(file), channels).pixels
    except (Unreadable, OSError) as reason:
        raise UserError(f"{file}: no picture ({reason})") from None
    if resize == "none" and pixels.shape != (height, width, channels):
        raise UserError(f"{file}: is {pixels.shape}, but the model sees {(height, width, channels)}; set --resize")
    return fitter(height, width, resize)(pixels)
