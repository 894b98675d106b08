"""What can be asked of a trained model, NumPy in and NumPy out: of a run, or of its exported files."""

import abc
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import pipelines
from ..errors import UserError
from ..models import limits
from ..paths import composed
from ..pipelines.expressions import Composed, folded
from ..pipelines.image_set import as_bytes
from ..pipelines.nearest import nearest
from ..pipelines.symbols import OPERATORS, comes_to
from . import arguments
from .description import Description, described

_ROWS_AT_ONCE = 256
_MOST_SEED = 2**31 - 1
# What a model imagines in one call: so many images, and so many bytes of them.
_MOST_IMAGES, _MOST_BYTES = 100_000, 2**30


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
        """Head -> the names of its classes in label order. Of several heads each is there, () where it has none."""
        return {}

    @property
    def attributes(self) -> Any:
        """((name, values, noun), ...) of models that know words, else empty."""
        return ()

    def encode(self, images: Any) -> dict[str, np.ndarray]:
        """Codes of images.

        Args:
          images: [n, height, width(, channels)], as an array or nested lists; whole numbers 0..255, truth values
            (black and white), or floats in [0, 1].

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
        """Images from a code.

        Args:
          **code: the code's parts under the names of `encode`, float32 [n, ...] with as many rows each.

        Returns:
          float32 [n, height, width, channels].

        Raises:
          UserError: other parts than the model's, of other shapes, or that are not numbers.

        Example:
          run.decode(**run.encode(images))
        """
        specs = self._inputs("decode")
        if set(code) != set(specs):
            raise UserError(
                f"decode takes {', '.join(sorted(specs))}, not {', '.join(sorted(code)) or 'nothing'}; "
                "for example decode(**encode(images))"
            )
        inputs = {name: _code_part(name, code[name], shape) for name, shape in specs.items()}
        rows = {name: len(value) for name, value in inputs.items()}
        if len(set(rows.values())) > 1:
            said = ", ".join(f"{name} has {count}" for name, count in sorted(rows.items()))
            raise UserError(f"decode: the parts have different numbers of rows ({said}); expected the same of all")
        return self._call("decode", inputs)["images"]

    def generate(self, count: int, label: Any = None, seed: int | tuple[int, int] = 0) -> dict[str, np.ndarray]:
        """Imagines images.

        Args:
          count: how many, a whole number from 1; at most 100,000 images or 1 GiB of them of a run, and of a published
            version as many as its graph admits in a request.
          label: class of all of them, or one each ([count], [count, heads] with several heads), by number or by name;
            None or -1 draws it. An integer is always the number of a class. A text is a name first, and a number
            written out only where no class has that name: of classes named "1", "9", "10", label=1 is the class "9"
            and label="1" the class "1".
          seed: the same seed gives the same images; a whole number from 0 to 2^31 - 1, or two of them.

        Returns:
          "images" float32 [count, height, width, channels] in [0, 1], and where the model knows classes "label".

        Raises:
          UserError: the model does not imagine, knows no classes and a label is given, or a count, label or seed that
            is none.
        """
        specs = self._inputs("generate")
        # The input that says what to imagine is named after what it is: a label of the observed code, or class ids.
        asked = [name for name in specs if name not in ("count", "seed")]
        if label is not None and not asked:
            raise UserError("this model imagines without labels; if it knows words, use imagine('...')")
        request = self._wanted(count, seed)
        for name in asked:
            heads = int(specs[name][1]) if len(specs[name]) > 1 else 1
            _check_parts(label, heads)
            wanted = class_numbers(-1 if label is None else label, self.class_names)
            if heads > 1 and wanted.ndim == 0 and int(wanted) != -1:
                raise UserError(
                    f"label is {arguments.shown(label)}; expected one for each of the {heads} heads, as [3, -1]"
                )
            if len(specs[name]) > 1:
                wanted = np.broadcast_to(wanted, [1, heads]) if wanted.ndim < 2 else wanted
            elif wanted.ndim == 2:
                wanted = wanted[:, 0]
            wanted = np.atleast_1d(wanted)
            if len(wanted) not in (1, int(request["count"])):
                raise UserError(f"label has {len(wanted)} rows; expected 1 or count={count}")
            request[name] = wanted.astype(np.int32)
        return self._call("generate", request)

    def imagine(self, text: str, count: int = 16, seed: int = 0) -> np.ndarray:
        """Imagines what words say.

        Args:
          text: as "white wall AND red hat"; 200 words at most.
          count: how many pictures, as of `generate`.
          seed: the same seed gives the same pictures; a whole number from 0 to 2^31 - 1.

        Returns:
          float32 [count, height, width, channels].

        Raises:
          UserError: a model without words, words that it does not know, a contradiction.
        """
        return self.sheet(text, count, seed)[0]

    def sheet(self, text: str, count: int, seed: int) -> tuple[np.ndarray, str]:
        """(pictures of `imagine`, in words what the expression comes to)."""
        vocabulary = self.vocabulary
        expression = vocabulary.parse_expression(text)
        request = self._wanted(count, seed)
        said = vocabulary.phrase(comes_to(expression))
        if not expression:  # Anything: the prior, which a model is not asked to learn as a symbol.
            return self._call("generate", request)["images"], said
        if not isinstance(expression, Composed):
            parts = {"symbols": vocabulary.encode(expression)[None], **request}
            return self._call("symbols_to_images", parts)["images"], said
        sides = (expression.first, expression.second)
        if "compose_concepts" in self.endpoints:
            concept = folded(expression, self._concept, self._composed)
            return self._call("concepts_to_images", {**concept, **request})["images"], said
        if "compose" not in self.endpoints:
            raise UserError(
                f"this published version has no operators, so it imagines one symbol without {expression.operator}"
            )
        if any(isinstance(side, Composed) or not side for side in sides):
            raise UserError(
                "this published version composes two symbols at most, neither of them 'anything'; use --run for longer "
                "expressions, or export the run again"
            )
        parts = dict(zip(("symbols_a", "symbols_b"), (vocabulary.encode(side)[None] for side in sides), strict=True))
        images = self._call("compose", {**parts, "operator": _number_of(expression.operator), **request})["images"]
        return images, said

    def _concept(self, symbol: Mapping[str, str]) -> dict[str, np.ndarray]:
        """What a symbol means: "mean", "log_variance"; the prior's where it names nothing."""
        concept = self._call("symbols_to_concepts", {"symbols": self.vocabulary.encode(symbol)[None]})
        return concept if symbol else {name: np.zeros_like(value) for name, value in concept.items()}

    def _composed(self, first: dict, operator: str, second: dict) -> dict[str, np.ndarray]:
        sides = {"first": first, "second": second}
        means = {name: side["mean"] for name, side in sides.items()}
        widths = {f"{name}_log_variance": side["log_variance"] for name, side in sides.items()}
        return self._call("compose_concepts", {**means, **widths, "operator": _number_of(operator)})

    def describe(self, images: Any, least: float = 0.5) -> list[Description]:
        """Pictures in words.

        Args:
          images: as of `encode`.
          least: words less probable than this are left out, from 0 to 1.

        Returns:
          A `Description` each; its text is "red hat (0.98) on a white wall (0.99)".

        Raises:
          UserError: a model without words, images of another shape or range, a probability that is none.

        Example:
          print(*run.describe(images), sep="\n")
        """
        vocabulary = self.vocabulary
        if isinstance(least, bool) or not isinstance(least, int | float) or not 0 <= least <= 1:
            raise UserError(f"least is {arguments.shown(least)}; expected a probability from 0 to 1")
        rows = self._of_images("images_to_symbols", images)
        return [described(vocabulary, row, float(least)) for row in rows["probabilities"]]

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
            raise UserError(f"{self}: its family has no symbols; expected scan, jmvae or telbo")
        return pipelines.Vocabulary.from_plain(self.attributes)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of its images."""
        return tuple(self._inputs("encode")["images"][1:])

    @property
    def _most(self) -> tuple[int, str]:
        """(how many images one call may make, why)."""
        most = max(1, min(_MOST_IMAGES, _MOST_BYTES // (4 * math.prod(self.image_shape))))
        return most, " in one call; ask again with another seed for more"

    def _wanted(self, count: Any, seed: Any) -> dict[str, np.ndarray]:
        """The inputs "count" and "seed" of whatever imagines."""
        most, why = self._most
        count = arguments.whole("count", count, 1, most, why if isinstance(count, int) and count > most else "")
        seeds = arguments.whole_pair("seed", seed, _MOST_SEED)
        return {"count": np.asarray(count, np.int32), "seed": np.asarray(seeds, np.int32)}

    def _of_images(self, endpoint: str, images: Any) -> dict[str, np.ndarray]:
        self._inputs(endpoint)
        pixels = unit_images(images, self.image_shape)
        parts = [
            self._call(endpoint, {"images": pixels[first : first + _ROWS_AT_ONCE]})
            for first in range(0, len(pixels), _ROWS_AT_ONCE)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _number_of(operator: str) -> np.ndarray:
    """An operator as models take it, int32 [1]."""
    return np.asarray([OPERATORS.index(operator)], np.int32)


def names_of_heads(known: Mapping[str, Sequence[str]], heads: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Class names of every head in the order of the label's columns, () where a head's classes have none.

    Args:
      known: head -> names, without those that have none.
      heads: of the model, in order. A single head takes whatever there is: its column may be called otherwise.

    Example:
      >>> names_of_heads({"pose": ("left", "right")}, ["light", "pose"])
      {'light': (), 'pose': ('left', 'right')}
    """
    heads = list(heads)
    return {head: tuple(known.get(head, ())) for head in heads} if len(heads) > 1 else known


def class_numbers(label: Any, class_names: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Labels as numbers.

    Args:
      label: numbers or names, [], [n] or [n, heads].
      class_names: head -> names in label order, () where it has none; heads in the order of the columns.

    Returns:
      integers of the same shape.

    Names are found in any case and with their accents composed or not, and count before numbers written out.

    Raises:
      UserError: a name that no class has, numbers that are not whole, or rows of several lengths.

    Example:
      >>> class_numbers(["dog", "cat"], {"animal": ("cat", "dog")})
      array([1, 0])
    """
    try:
        wanted = np.asarray(label, dtype=object)
    except ValueError:
        wanted = np.asarray(None)
    if wanted.ndim > 2 or any(isinstance(item, list | tuple | np.ndarray) for item in wanted.reshape(-1)):
        raise UserError(f"label is {arguments.shown(label)}; expected one, one an image, or one row of heads an image")
    if wanted.size and not any(isinstance(item, str) for item in wanted.reshape(-1)):
        numbers = np.asarray(label)
        if not np.issubdtype(numbers.dtype, np.integer):
            raise UserError(f"label is {arguments.shown(label)}; expected whole numbers, or names of classes")
        if np.any(numbers < -1) or np.any(numbers >= 2**31):
            raise UserError(
                f"label is {arguments.shown(label)}; expected class numbers 0, 1, 2, ..., or -1 to draw one"
            )
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
        return arguments.whole("label", item, -1, _MOST_SEED)
    known = [composed(name) for name in names]
    text, lowered = composed(item), [name.casefold() for name in known]
    if text in known:
        return known.index(text)
    if lowered.count(text.casefold()) == 1:
        return lowered.index(text.casefold())
    text = text.strip()
    if text.removeprefix("-").isdecimal() and len(text) < 12 and -1 <= int(text) <= _MOST_SEED:
        return int(text)
    close = nearest(text, known, quoted=True) if known else "; its classes have no names, give their numbers"
    raise UserError(f"label {arguments.shown(item)} is no class of this model{close}")


def _check_parts(label: Any, heads: int) -> None:
    """Refuses a label with another number of parts than the model has heads, before names are looked up."""
    rows = label if isinstance(label, list | tuple | np.ndarray) else []
    parts = {len(row) for row in rows if isinstance(row, list | tuple | np.ndarray) and np.ndim(row) == 1}
    if heads > 1 and len(rows) and not parts:
        parts = {len(rows)}
    if wrong := sorted(parts - {heads}):
        plural = "part" if wrong[0] == 1 else "parts"
        many = "1 head" if heads == 1 else f"{heads} heads"
        raise UserError(f"label has {wrong[0]} {plural}; the model has {many}; expected one part a head")


def _code_part(name: str, value: Any, shape: tuple) -> np.ndarray:
    """One part of a code as float32 of its shape, where None is any number of rows."""
    wanted = ", ".join("n" if side is None else str(side) for side in shape)
    try:
        found = np.asarray(value)
        if not (np.issubdtype(found.dtype, np.number) or found.dtype == bool):
            raise ValueError
        found = found.astype(np.float32)
    except (TypeError, ValueError):
        raise UserError(f"decode: {name} is {arguments.shown(value)}; expected numbers [{wanted}]") from None
    fits = found.ndim == len(shape) and all(side in (None, size) for side, size in zip(shape, found.shape, strict=True))
    if not fits or not found.size:
        raise UserError(f"decode: {name} has shape {found.shape}; expected [{wanted}] with at least one row")
    return found


def unit_images(images: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Images as models take them.

    Args:
      images: [n, height, width(, channels)], an array or nested lists: whole numbers 0..255, truth values, or floats
        in [0, 1], what rounding may add to it included (`models.limits`).
      shape: (height, width, channels) wanted.

    Returns:
      float32 [n, height, width, channels] in [0, 1].

    Raises:
      UserError: another shape, type or range.
    """
    wanted = f"[n, {', '.join(map(str, shape))}] with at least one row"
    try:
        pixels = np.asarray(images)
    except (TypeError, ValueError):  # Rows of several lengths.
        raise UserError(f"images are rows of several shapes; expected {wanted}") from None
    if pixels.ndim == 3 and shape[-1] == 1:
        pixels = pixels[..., None]
    if pixels.ndim != 4 or tuple(pixels.shape[1:]) != tuple(shape) or not len(pixels):
        raise UserError(f"images have shape {pixels.shape}; expected {wanted}")
    if not np.issubdtype(pixels.dtype, np.floating):
        return as_bytes("images", pixels).astype(np.float32) / np.float32(255)
    low, high = float(np.min(pixels)), float(np.max(pixels))
    least, greatest = limits.admitted(limits.PIXELS, floating=True)
    if not (low >= least and high <= greatest):  # NaN neither.
        raise UserError(
            f"images range over [{low:g}, {high:g}]; expected floats in [0, 1] (divide by 255, or use uint8)"
        )
    return pixels.astype(np.float32)
