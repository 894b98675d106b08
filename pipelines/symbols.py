"""Symbols: which values of which attributes somebody named, and the three operations on them.

A symbol is {attribute: value} over any subset of the attributes. To a network it is a k-hot vector over all values of
all attributes; to a person it is a phrase, `white wall, red hat`. Higgins et al. 2018, section 3.
"""

import contextlib
import dataclasses
import functools
import itertools
import math
import re
import zlib
from collections.abc import Mapping

import numpy as np

from ..errors import UserError
from . import expressions
from .expressions import OPERATORS, Expression
from .image_set import Images
from .nearest import nearest
from .phrases import ANYTHING, Reader, is_number, said

# What things stand on or before: "on a white wall", where other nouns are said to be "with" them.
_SURFACES = ("wall", "floor", "ground", "background", "table", "field")
_OPERATOR = r"AND|(?i:IN\s+COMMON|IGNORE)"
_SYNTAX = r"(?i)[()]|(?<!\S)(AND|IN\s+COMMON|IGNORE)(?!\S)"


@dataclasses.dataclass(frozen=True)
class Attribute:
    """One attribute and its values.

    Attributes:
      name: as the data set calls it.
      values: names of its values, in label order.
      noun: what a value is said of ("wall" in "white wall"); "" where a value stands alone ("hat").
    """

    name: str
    values: tuple[str, ...]
    noun: str = ""

    @property
    def binary(self) -> bool:
        return self.values == ("no", "yes")


def attributes_of(images: Images) -> tuple[Attribute, ...]:
    """The attributes of an image set with named label columns.

    A column `wall_colour` (or `wall_color`, `wall_hue`) makes phrases like "white wall". Where one attribute is called
    what another one is the color of (`object` and `object_colour`), its values are nouns: "red hat" says both. Values
    without names are numbered.

    Args:
      images: a set with one column of labels an attribute.

    Returns:
      One `Attribute` a column, in the order of the columns.

    Raises:
      UserError: no labels to name anything by.

    Example:
      >>> from reverie.pipelines import from_arrays
      >>> names = {"wall_color": ("red", "white")}
      >>> fields = {"head_names": tuple(names), "class_names": names}
      >>> attributes_of(from_arrays("walls", np.zeros([2, 4, 4], np.uint8), [0, 1], **fields))
      (Attribute(name='wall_color', values=('red', 'white'), noun='wall'),)
    """
    columns = images.labels.reshape(len(images), -1)
    if columns.shape[1] != len(images.head_names) or (columns < 0).all():
        raise UserError(f"{images.name}: has no attributes with values; symbols need named label columns")
    found = []
    for name, column in zip(images.head_names, columns.T, strict=True):
        values = tuple(images.class_names.get(name, ())) or tuple(str(n) for n in range(int(column.max()) + 1))
        noun = re.sub(r"_(colou?r|hue)$", "", name)
        found.append(Attribute(name, values, noun if noun != name else ""))
    return tuple(found)


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """All attributes of a data set, in the order of its label columns.

    Attributes:
      attributes: one a label column.

    Raises:
      UserError: none, one with fewer than two values, or with two values of one name.

    Example:
      >>> words = Vocabulary((Attribute("wall_color", ("red", "white"), "wall"), Attribute("object", ("hat", "bag"))))
      >>> words.parse("white wall, hat")
      {'wall_color': 'white', 'object': 'hat'}
      >>> words.encode({"object": "hat"})
      array([0., 0., 1., 0.], dtype=float32)
    """

    attributes: tuple[Attribute, ...]

    def __post_init__(self):
        if not self.attributes:
            raise UserError("there are no attributes; expected one or more, with two or more values each")
        for attribute in self.attributes:
            if len(attribute.values) < 2:
                only = f"one value, '{attribute.values[0]}'" if attribute.values else "no values"
                raise UserError(
                    f"attribute {attribute.name} has {only}; expected two or more, or leave it out of the data"
                )
        for attribute in self.attributes:
            if len(set(attribute.values)) < len(attribute.values):
                raise UserError(f"attribute {attribute.name}: has values of the same name {attribute.values}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(attribute.name for attribute in self.attributes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each attribute."""
        return tuple(len(attribute.values) for attribute in self.attributes)

    @property
    def size(self) -> int:
        """Length of a k-hot vector."""
        return sum(self.sizes)

    def plain(self) -> tuple:
        """((name, values, noun), ...), to be kept in settings; `from_plain` reads it back."""
        return tuple((attribute.name, attribute.values, attribute.noun) for attribute in self.attributes)

    @staticmethod
    def from_plain(content) -> "Vocabulary":
        return Vocabulary(tuple(Attribute(name, tuple(values), noun) for name, values, noun in content))

    # ---- vectors

    def encode(self, symbol: Mapping[str, str]) -> np.ndarray:
        """{attribute: value} as float32 [size].

        Raises:
          UserError: unknown attribute or value.
        """
        return self.khot(self.labels(symbol))

    def labels(self, symbol: Mapping[str, str]) -> np.ndarray:
        """{attribute: value} as int32 [attributes], -1 where unnamed."""
        row = np.full(len(self.attributes), -1, np.int32)
        for name, value in symbol.items():
            number = self._number(name)
            values = self.attributes[number].values
            if value not in values:
                raise UserError(f"{name} has no value '{value}'{nearest(str(value), values)}")
            row[number] = values.index(value)
        return row

    def khot(self, labels) -> np.ndarray:
        """int [..., attributes], -1 where unnamed, as float32 [..., size]."""
        labels = np.asarray(labels)
        parts = [labels[..., k, None] == np.arange(size) for k, size in enumerate(self.sizes)]
        return np.concatenate(parts, axis=-1).astype(np.float32)

    def decode(self, khot: np.ndarray) -> dict[str, str]:
        """float [size] as {attribute: value}.

        Raises:
          UserError: two values of one attribute, or no vector of that length.
        """
        khot = np.asarray(khot)
        if khot.shape != (self.size,):
            raise UserError(f"a symbol has shape {khot.shape}; expected ({self.size},), one entry a value")
        symbol = {}
        for attribute, part in zip(self.attributes, np.split(khot, np.cumsum(self.sizes)[:-1]), strict=True):
            named = np.flatnonzero(part > 0.5)
            if len(named) > 1:
                both = " and ".join(attribute.values[n] for n in named)
                raise UserError(f"contradiction: {attribute.name} is both {both}; a symbol has one value an attribute")
            if len(named):
                symbol[attribute.name] = attribute.values[named[0]]
        return symbol

    def place(self, entry: int) -> tuple[str, str]:
        """(attribute, value) of an entry of a vector."""
        return [(attribute.name, value) for attribute in self.attributes for value in attribute.values][entry]

    def subsets(self, symbol: Mapping[str, str]) -> list[dict[str, str]]:
        """All symbols that name some of what this one names, without the empty one, smallest first."""
        items = list(symbol.items())
        return [dict(part) for size in range(1, len(items) + 1) for part in itertools.combinations(items, size)]

    # ---- words

    def phrase(self, symbol: Mapping[str, str]) -> str:
        """ "white wall, red hat"; "anything" for the empty symbol."""
        words = [self._said(part) for part in self._parts(symbol)]
        return ", ".join(words) or ANYTHING

    def sentence(self, symbol: Mapping[str, str], probabilities: Mapping[str, float]) -> str:
        """A symbol in words with how sure each is: "red hat (0.98) on a white wall (0.99)".

        Args:
          symbol: {attribute: value}.
          probabilities: of the value of each of these attributes; where one word says two, their product is shown.

        Returns:
          A text that `parse` reads as the symbol once the brackets are left out; "anything" for the empty symbol.
        """
        things, grounds = [], []
        for part in self._parts(symbol):
            words = self._said(part)
            probability = f"({math.prod(float(probabilities[name]) for name in part):.2f})"
            noun = next((noun for noun in (self._attribute(name).noun for name in part) if noun), "")
            if len(part) == 1 and noun and "=" not in words:
                article = "an" if words[:1].lower() in tuple("aeiou") else "a"
                grounds.append((f"{article} {words} {probability}", noun in _SURFACES))
            else:
                things.append(f"{words} {probability}")
        text = ", ".join(things)
        for place, (ground, surface) in enumerate(grounds):
            before = (
                ""
                if not text
                else " and "
                if place and surface == grounds[place - 1][1]
                else " on "
                if surface
                else " with "
            )
            text += before + ground
        return text or ANYTHING

    def parse(self, text: str) -> dict[str, str]:
        """ "white wall, red hat" as {attribute: value}; `name=value` says the same of any attribute.

        Words may be in any case and, where that leaves one meaning, without commas and in another order; words that
        say nothing here ("a", "on", "the") are passed over: "Red hat on a white wall". "anything" names nothing. See
        `phrases`.

        Raises:
          UserError: nothing named, an unknown word (with the nearest known ones), a word that fits several attributes,
            a contradiction.
        """
        return self._reader.read(text)

    def parse_expression(self, text: str) -> Expression:
        """ "(white wall AND red hat) IGNORE red hat" as a symbol or a tree, `expressions.Composed`.

        All operators bind alike and are taken from left to right; brackets say otherwise.

        Raises:
          UserError: as `parse`, with the place; no text, one of more than 200 words, brackets or operators that do not
            fit.
        """
        if not isinstance(text, str):
            raise UserError(f"the words are {text!r:.60}; expected a text, for example {self.example()!r}")
        return expressions.parse(text, self.parse, self._literal)

    def text_of(self, expression: Expression) -> str:
        """What `parse_expression` reads as this expression."""
        return expressions.text_of(expression, self.phrase)

    def example(self) -> str:
        """A phrase of this vocabulary."""
        return self._reader.example()

    def phrases(self) -> list[str]:
        """Every phrase that a single term may be."""
        return self._reader.phrases()

    @property
    def fillers(self) -> tuple[str, ...]:
        """Words that say nothing in phrases of this vocabulary."""
        return self._reader.fillers

    @functools.cached_property
    def _reader(self) -> Reader:
        return Reader(self.attributes)

    @functools.cached_property
    def _literal(self) -> tuple[str, ...]:
        """Names that hold a bracket or an operator; one that is an operator is said with its attribute's name."""
        names = {name for a in self.attributes for name in (a.name, a.noun, *a.values)}
        return tuple(name for name in sorted(names) if re.search(_SYNTAX, name) and not re.fullmatch(_OPERATOR, name))

    def _parts(self, symbol: Mapping[str, str]) -> list[dict[str, str]]:
        """The symbol in parts that are said as one: a noun's own attribute takes its place, red hat for red object."""
        left, parts = {name: symbol[name] for name in self.names if name in symbol}, []
        for name in list(left):
            if name in left:
                part = {name: left.pop(name)}
                noun = self._attribute(name).noun
                if noun in left and not is_number(part[name]):
                    part[noun] = left.pop(noun)
                parts.append(part)
        return parts

    def _said(self, part: Mapping[str, str]) -> str:
        (name, value), *things = part.items()
        return f"{value} {things[0][1]}" if things else self._words[name, value]

    @functools.cached_property
    def _words(self) -> dict[tuple[str, str], str]:
        """(attribute, value) -> the shortest way to say it that is read as it."""
        return {(one.name, value): self._understood(one, value) for one in self.attributes for value in one.values}

    def _understood(self, attribute: Attribute, value: str) -> str:
        name, short = attribute.name, said(attribute, value)
        for text in (short, f"{value} {name}", f"{name}={value}", f'{name}="{value}"'):
            with contextlib.suppress(UserError):
                if self.parse_expression(text) == {name: value}:
                    return text
        return short

    def _attribute(self, name: str) -> Attribute:
        return self.attributes[self._number(name)]

    def _number(self, name: str) -> int:
        if name not in self.names:
            raise UserError(f"no attribute '{name}'{nearest(name, self.names)}")
        return self.names.index(name)


# ---- operations


def combine(first: Mapping[str, str], operator: str, second: Mapping[str, str]) -> dict[str, str]:
    """One of the three operations on symbols {attribute: value}.

    AND names what either names; IN COMMON what both name alike; IGNORE what the first names and the second does not.

    Raises:
      UserError: unknown operator; AND of symbols that contradict each other; nothing left (an empty symbol).

    Example:
      >>> combine({"wall": "white", "object": "hat"}, "IGNORE", {"object": "hat"})
      {'wall': 'white'}
    """
    if operator == "AND":
        for name in first.keys() & second.keys():
            if first[name] != second[name]:
                raise UserError(
                    f"contradiction: {name} is {first[name]} in one and {second[name]} in the other symbol of "
                    f"'{_plainly(first)} AND {_plainly(second)}'"
                )
        result = {**first, **second}
    elif operator == "IN COMMON":
        result = {name: value for name, value in first.items() if second.get(name) == value}
    elif operator == "IGNORE":
        result = {name: value for name, value in first.items() if second.get(name) != value}
    else:
        raise UserError(f"operator is '{operator}'; expected one of {', '.join(OPERATORS)}")
    if not result:
        kept = "both name alike" if operator == "IN COMMON" else "the first names and the second does not"
        both = f"{_plainly(first)} {operator} {_plainly(second)}"
        raise UserError(f"'{both}' leaves nothing: an empty symbol; expected something that {kept}")
    return result


def _plainly(symbol: Mapping[str, str]) -> str:
    """A symbol as `Vocabulary.parse` reads it, in brackets where more is named than one value."""
    named = ", ".join(f"{name}={value}" for name, value in symbol.items())
    return f"({named})" if len(symbol) > 1 else named or ANYTHING


def comes_to(expression: Expression) -> dict[str, str]:
    """What an expression names once all its operations are done on words.

    Raises:
      UserError: as `combine`.

    Example:
      >>> comes_to(expressions.Composed({"wall": "white"}, "AND", {"object": "hat"}))
      {'wall': 'white', 'object': 'hat'}
    """
    return expressions.folded(expression, dict, combine)


# ---- held-out combinations


def held_out(vocabulary: Vocabulary, share: float, seed: int) -> np.ndarray:
    """Pairs of values that training must never show together.

    Args:
      vocabulary: of the data.
      share: of the value pairs of every two attributes, from 0 to 0.5.
      seed: another seed, other pairs.

    Returns:
      bool [size, size], symmetric: True where two values of different attributes are held out. Whether a pair is
      depends on its names and the seed alone; every pair of attributes with any value pairs to spare gives one up.
      The names are hashed as the data spells them: another spelling would hold out other pairs.

    Raises:
      UserError: another share.
    """
    if not 0.0 <= share <= 0.5:
        raise UserError(f"words.held_out is {share:g}; expected 0 to 0.5")
    table = np.zeros([vocabulary.size] * 2, bool)
    starts = np.cumsum([0, *vocabulary.sizes])
    for (a, first), (b, second) in itertools.combinations(enumerate(vocabulary.attributes), 2):
        pairs = list(itertools.product(range(len(first.values)), range(len(second.values))))
        count = max(1, round(share * len(pairs))) if share and len(pairs) > 4 else 0
        names = [f"{seed}:{first.name}={first.values[i]}:{second.name}={second.values[j]}" for i, j in pairs]
        for place in np.argsort([zlib.crc32(name.encode()) for name in names], kind="stable")[:count]:
            i, j = starts[a] + pairs[place][0], starts[b] + pairs[place][1]
            table[i, j] = table[j, i] = True
    return table


def holds_pair(khot: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Which symbols name both values of a held-out pair.

    Args:
      khot: float [n, size].
      table: bool [size, size], as `held_out` returns it.

    Returns:
      bool [n].
    """
    khot = np.asarray(khot, np.float32)
    return np.einsum("ni,ij,nj->n", khot, table.astype(np.float32), khot) > 0
