"""What can be asked of a trained model, NumPy in and NumPy out: of a run, or of its exported files."""

import abc
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import pipelines
from ..errors import UserError
from ..pipelines.nearest import nearest
from ..pipelines.symbols import OPERATORS, combine

_ROWS_AT_ONCE = 256


class Endpoints(abc.ABC):
    """Endpoints of a model by name; `runs.Run` and `exported.Exported` answer `_inputs` and `_call`."""

    @abc.abstractmethod
    def _inputs(self, endpoint: str) -> Mapping[str, tuple]:
        """Input name -> its shape with None for rows; UserError where there is no such endpoint."""

    @abc.abstractmethod
    def _call(self, endpoint: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The answers of an endpoint by name."""

    @property
    def class_names(self) -> Mapping[str, Sequence[str]]:
        """Head -> the names of its classes in label order; without the heads whose classes have none."""
        return {}

    @property
    def attributes(self) -> Any:
        """((name, values, noun), ...) of models that know words, else empty."""
        return ()

    def encode(self, images: Any) -> dict[str, np.ndarray]:
        """Codes of images.

        Args:
          images: [n, height, width(, channels)]; uint8 0..255, or floats in [0, 1].

        Returns:
          Name of a code -> float32 [n, ...], as the family names them ("features" of xcov, "mean" of scan, ...).

        Raises:
          UserError: images of another shape or range.
        """
        return self._of_images("encode", images)

    def reconstruct(self, images: Any) -> np.ndarray:
        """Images from their own codes, float32 like images; arguments as of `encode`."""
        return self._of_images("reconstruct", images)["images"]

    def classify(self, images: Any) -> dict[str, np.ndarray]:
        """ "label" int32 [n] and "probabilities" float32 [n, classes]; arguments as of `encode`."""
        return self._of_images("classify", images)

    def decode(self, **code: Any) -> np.ndarray:
        """Images from a code, float32 [n, height, width, channels]; the code's parts under the names of `encode`."""
        inputs = {name: np.asarray(value, np.float32) for name, value in code.items()}
        if set(inputs) != set(self._inputs("decode")):
            raise UserError(
                f"decode takes {', '.join(sorted(self._inputs('decode')))}, not {', '.join(sorted(inputs))}"
            )
        return self._call("decode", inputs)["images"]

    def generate(self, count: int, label: Any = None, seed: int | tuple[int, int] = 0) -> dict[str, np.ndarray]:
        """Imagines images.

        Args:
          count: how many.
          label: class of all of them, or one each ([count], [count, heads] with several heads), by number or by name;
            None or -1 draws it.
          seed: the same seed gives the same images.

        Returns:
          "images" float32 [count, height, width, channels] in [0, 1], and where the model knows classes "label".

        Raises:
          UserError: the model does not imagine, or knows no classes and a label is given.
        """
        specs = self._inputs("generate")
        # The input that says what to imagine is named after what it is: a label of the observed code, or class ids.
        asked = [name for name in specs if name not in ("count", "seed")]
        if label is not None and not asked:
            raise UserError("this model imagines without labels; if it knows words, use imagine('...')")
        request: dict[str, np.ndarray] = {"count": np.asarray(count, np.int32), "seed": _seed(seed)}
        for name in asked:
            columns = len(specs[name]) > 1
            wanted = class_numbers(-1 if label is None else label, self.class_names)
            if columns:
                heads = int(specs[name][1])
                if wanted.ndim == 0 and label is not None and int(wanted) != -1:
                    raise UserError(f"label is {label}; expected one number for each of the {heads} heads, as [3, -1]")
                wanted = np.broadcast_to(wanted, [1, heads]) if wanted.ndim < 2 else wanted
            request[name] = np.atleast_1d(wanted).astype(np.int32)
        return self._call("generate", request)

    def imagine(self, text: str, count: int = 16, seed: int = 0) -> np.ndarray:
        """Imagines what words say.

        Args:
          text: as "white wall AND red hat".
          count: how many pictures.
          seed: the same seed gives the same pictures.

        Returns:
          float32 [count, height, width, channels].

        Raises:
          UserError: a model without words, words that it does not know, a contradiction.
        """
        return self.sheet(text, count, seed)[0]

    def sheet(self, text: str, count: int, seed: int) -> tuple[np.ndarray, str]:
        """(pictures of `imagine`, in words what the expression comes to)."""
        vocabulary = self.vocabulary
        symbol, *rest = vocabulary.parse_expression(text)
        request = {"count": np.asarray(count, np.int32), "seed": _seed(seed)}
        khot = vocabulary.encode(symbol)[None]
        if not rest:
            images = self._call("symbols_to_images", {"symbols": khot, **request})["images"]
            return images, vocabulary.phrase(symbol)
        if len(rest) > 1 or "compose" not in self.endpoints:
            raise UserError(
                "a published version composes two symbols at most (a jmvae none); use --run for longer expressions"
            )
        ((operator, other),) = rest
        parts = {"symbols_a": khot, "symbols_b": vocabulary.encode(other)[None]}
        number = np.asarray([OPERATORS.index(operator)], np.int32)
        images = self._call("compose", {"operator": number, **parts, **request})["images"]
        return images, vocabulary.phrase(combine(symbol, operator, other))

    @property
    @abc.abstractmethod
    def endpoints(self) -> tuple[str, ...]:
        """Names of what can be asked."""

    @property
    def vocabulary(self) -> pipelines.Vocabulary:
        """The words that the model knows.

        Raises:
          UserError: it knows none.
        """
        if not self.attributes:
            raise UserError(f"{self}: its family has no symbols; expected scan or jmvae")
        return pipelines.Vocabulary.from_plain(self.attributes)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of its images."""
        return tuple(self._inputs("encode")["images"][1:])

    def _of_images(self, endpoint: str, images: Any) -> dict[str, np.ndarray]:
        self._inputs(endpoint)
        pixels = unit_images(images, self.image_shape)
        parts = [
            self._call(endpoint, {"images": pixels[first : first + _ROWS_AT_ONCE]})
            for first in range(0, len(pixels), _ROWS_AT_ONCE)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def class_numbers(label: Any, class_names: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Labels as numbers.

    Args:
      label: numbers or names, [], [n] or [n, heads].
      class_names: head -> names in label order; heads in the order of the columns.

    Returns:
      integers of the same shape.

    Raises:
      UserError: a name that no class has, or numbers that are not whole.

    Example:
      >>> class_numbers(["dog", "cat"], {"animal": ("cat", "dog")})
      array([1, 0])
    """
    wanted = np.asarray(label, dtype=object)
    if wanted.size and not any(isinstance(item, str) for item in wanted.reshape(-1)):
        numbers = np.asarray(label)
        if not np.issubdtype(numbers.dtype, np.integer):
            raise UserError(f"label is {label!r}; expected whole numbers, or names of classes")
        if np.any(numbers < -1) or np.any(numbers >= 2**31):
            raise UserError(f"label is {label!r}; expected class numbers 0, 1, 2, ..., or -1 to draw one")
        return numbers
    tables = list(class_names.values())
    numbers = np.empty(wanted.shape, np.int64)
    for place, item in np.ndenumerate(wanted):
        column = place[-1] if wanted.ndim == 2 or (wanted.ndim == 1 and len(tables) > 1) else 0
        numbers[place] = _class_number(item, tables[column] if column < len(tables) else ())
    return numbers


def _class_number(item: Any, names: Sequence[str]) -> int:
    """The number of one class: its name counts first, then a number written out."""
    if not isinstance(item, str):
        return int(item)
    lowered = [name.casefold() for name in names]
    if item in names:
        return list(names).index(item)
    if lowered.count(item.casefold()) == 1:
        return lowered.index(item.casefold())
    text = item.strip()
    if text.removeprefix("-").isdecimal() and -1 <= int(text) < 2**31:
        return int(text)
    known = nearest(item, names) if names else "; its classes have no names, give their numbers"
    raise UserError(f"label '{item}' is no class of this model{known}")


def unit_images(images: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Images as models take them.

    Args:
      images: [n, height, width(, channels)], uint8 0..255 or floats in [0, 1].
      shape: (height, width, channels) wanted.

    Returns:
      float32 [n, height, width, channels] in [0, 1].

    Raises:
      UserError: another shape, type or range.
    """
    pixels = np.asarray(images)
    if pixels.ndim == 3 and shape[-1] == 1:
        pixels = pixels[..., None]
    if pixels.ndim != 4 or tuple(pixels.shape[1:]) != tuple(shape) or not len(pixels):
        wanted = ", ".join(map(str, shape))
        raise UserError(f"images have shape {np.shape(images)}; expected [n, {wanted}] with at least one row")
    if pixels.dtype == np.uint8:
        return pixels.astype(np.float32) / np.float32(255)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise UserError(f"images are of type {pixels.dtype}; expected uint8 (0..255) or floats in [0, 1]")
    low, high = float(np.min(pixels)), float(np.max(pixels))
    if not (math.isfinite(low) and math.isfinite(high) and low >= 0.0 and high <= 1.0):
        raise UserError(
            f"images range over [{low:g}, {high:g}]; expected floats in [0, 1] (divide by 255, or use uint8)"
        )
    return pixels.astype(np.float32)


def _seed(seed: Any) -> np.ndarray:
    found = np.asarray([seed, 0] if np.ndim(seed) == 0 else seed)
    if found.shape != (2,) or not np.issubdtype(found.dtype, np.integer) or np.any(np.abs(found) >= 2**31):
        raise UserError(f"seed is {seed}; expected a whole number below 2^31")
    return found.astype(np.int32)
