"""Symbols: which values of which attributes somebody named, and the three operations on them.

A symbol is {attribute: value} over any subset of the attributes. To a network it is a k-hot vector over all values of
all attributes; to a person it is a phrase, `white wall, red hat`. Higgins et al. 2018, section 3.
"""

import dataclasses
import itertools
import re
import zlib
from collections.abc import Callable, Mapping

import numpy as np

from ..errors import UserError
from .image_set import Images
from .nearest import nearest

OPERATORS = ("AND", "IN COMMON", "IGNORE")

# Words of an expression, and of what stands in it without a comma: every way to cut the latter up is tried.
_MOST_WORDS, _MOST_CHAINED = 200, 16


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
        if not self.attributes or min(len(attribute.values) for attribute in self.attributes) < 2:
            raise UserError(
                f"attributes {[a.name for a in self.attributes]}: expected some, with two or more values each"
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

    def subsets(self, symbol: Mapping[str, str]) -> list[dict[str, str]]:
        """All symbols that name some of what this one names, without the empty one, smallest first."""
        items = list(symbol.items())
        return [dict(part) for size in range(1, len(items) + 1) for part in itertools.combinations(items, size)]

    # ---- words

    def phrase(self, symbol: Mapping[str, str]) -> str:
        """ "white wall, red hat"; "anything" for the empty symbol."""
        left, words = {name: symbol[name] for name in self.names if name in symbol}, []
        for name in list(left):
            if name not in left:
                continue
            attribute, value = self.attributes[self._number(name)], left.pop(name)
            if _is_number(value):
                words.append(f"{name}={value}")
            elif attribute.noun:
                # The noun's own attribute takes its place where it is named too: red + hat, not red object + hat.
                words.append(f"{value} {left.pop(attribute.noun, attribute.noun)}")
            elif attribute.binary:
                words.append(f"{'' if value == 'yes' else 'no '}{name}")
            else:
                words.append(value)
        return ", ".join(words) or "anything"

    def parse(self, text: str) -> dict[str, str]:
        """ "white wall, red hat" as {attribute: value}; `name=value` says the same of any attribute.

        Commas may be left out and words may be in any case where that leaves one meaning: "Dark woman".

        Raises:
          UserError: nothing named, an unknown word (with the nearest known ones), a contradiction.
        """
        symbol: dict = {}
        for term in (part.strip() for part in text.split(",")):
            if not term:
                raise UserError(f"'{text}' names nothing; say for example {self.example()!r}")
            for name, value in self._term(term).items():
                if symbol.get(name, value) != value:
                    raise UserError(f"contradiction: {name} is both {symbol[name]} and {value} in '{text}'")
                symbol[name] = value
        return symbol

    def parse_expression(self, text: str) -> list:
        """ "white wall AND red hat" as [symbol, (operator, symbol), ...]; operators are taken from left to right.

        Raises:
          UserError: as `parse`; no text, or one of more than 200 words.
        """
        if not isinstance(text, str):
            raise UserError(f"the words are {text!r:.60}; expected a text, for example {self.example()!r}")
        count = len(text.split())
        if count > _MOST_WORDS:
            raise UserError(f"the expression has {count} words; expected at most {_MOST_WORDS}")
        pieces = re.split(rf"\s+({'|'.join(OPERATORS)})\s+", f" {text.strip()} ")
        first, rest = self.parse(pieces[0].strip()), pieces[1:]
        return [first, *((rest[k], self.parse(rest[k + 1].strip())) for k in range(0, len(rest), 2))]

    def example(self) -> str:
        """A phrase of this vocabulary."""
        return self.phrase({attribute.name: attribute.values[0] for attribute in self.attributes[:2]})

    def _term(self, term: str) -> dict:
        name, equals, value = (part.strip() for part in term.partition("="))
        if equals:
            symbol = {self._spelled(name, self.names): value}
            for known in symbol:
                symbol[known] = self._spelled(value, self.attributes[self._number(known)].values)
            self.labels(symbol)  # Refuses what is unknown.
            return symbol
        words = term.split()
        if len(words) > _MOST_CHAINED:
            raise UserError(
                f"'{' '.join(words[:4])} ...' has {len(words)} words without a comma; expected at most "
                f"{_MOST_CHAINED}, commas between the others"
            )
        found = self._readings(tuple(words), {})
        if not found:
            found = self._chained(words)
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            commas = ", or commas between the words" if len(words) > 1 else ""
            raise UserError(f"'{term}' may mean {' or '.join(map(str, found))}; write name=value{commas}")
        joined = f"; a comma joins words: '{', '.join(words)}'" if len(words) > 1 else ""
        raise UserError(f"'{term}' is not known{nearest(term, self.phrases())}{joined}")

    def _chained(self, words: list[str]) -> list[dict]:
        """What words without commas say: adjectives one after the other, as in "dark woman" or "red big hat".

        Every way to cut them into known terms is tried, where an adjective may also be said of the noun at the end.

        Raises:
          UserError: they can only be cut so that they contradict each other.
        """
        known: dict[tuple, list[dict]] = {}
        readings: list[list[dict]] = [[] for _ in words]  # Of the words from here to the end.
        clash = ""
        for start in reversed(range(len(words))):
            found = list(self._readings(tuple(words[start:]), known))
            for end in range(start + 1, len(words)):
                nouns = [(), *(tuple(words[noun:]) for noun in range(end, len(words)))]
                said = [one for noun in nouns for one in self._readings((*words[start:end], *noun), known)]
                for first, rest in itertools.product(said, readings[end]):
                    differ = [name for name in first.keys() & rest.keys() if first[name] != rest[name]]
                    if not differ:
                        found.append({**first, **rest})
                    elif not start:
                        clash = f"{differ[0]} is both {first[differ[0]]} and {rest[differ[0]]}"
            readings[start] = [one for place, one in enumerate(found) if one not in found[:place]]
        if not readings[0] and clash:
            raise UserError(f"contradiction: {clash} in '{' '.join(words)}'")
        return readings[0]

    def _readings(self, words: tuple[str, ...], known: dict[tuple, list[dict]]) -> list[dict]:
        """Every symbol that a single term may mean: as it is written, and if it is nothing then in any case."""
        if words not in known:
            known[words] = self._read(" ".join(words), str) or self._read(" ".join(words), str.casefold)
        return known[words]

    def _read(self, term: str, spelling: Callable[[str], str]) -> list[dict]:
        """Of a single term, with words compared in a spelling."""
        term = spelling(term)
        pairs = [(term[: blank.start()], term[blank.end() :]) for blank in re.finditer(" ", term)]
        found: list[dict] = []

        def named(values: tuple[str, ...], wanted: str) -> list[str]:
            return [value for value in values if spelling(value) == wanted]

        for attribute in self.attributes:
            name = spelling(attribute.name)
            if attribute.binary:
                if term == name:
                    return [{attribute.name: "yes"}]
                found += [{attribute.name: "no"} for pair in pairs if pair == ("no", name)]
            elif not attribute.noun:
                found += [{attribute.name: value} for value in named(attribute.values, term)]
            for adjective, noun in pairs if attribute.noun else ():
                values = named(attribute.values, adjective)
                if noun == spelling(attribute.noun):
                    found += [{attribute.name: value} for value in values]
                else:
                    nouns = named(self._nouns(attribute), noun)
                    found += [{attribute.name: value, attribute.noun: one} for value in values for one in nouns]
        return found

    @staticmethod
    def _spelled(word: str, known: tuple[str, ...]) -> str:
        """The word as it is known, in whichever case; as it is where that says nothing, or more than one."""
        same = [one for one in known if one.casefold() == word.casefold()]
        return same[0] if word not in known and len(same) == 1 else word

    def phrases(self) -> list[str]:
        """Every phrase that a single term may be."""
        found = []
        for attribute in self.attributes:
            found += [self.phrase({attribute.name: value}) for value in attribute.values]
            found += [f"{value} {noun}" for value in attribute.values for noun in self._nouns(attribute)]
        return found

    def _nouns(self, attribute: Attribute) -> tuple:
        """What the attribute's values may be said of beside its own noun: "hat", where the noun is an attribute."""
        return self.attributes[self._number(attribute.noun)].values if attribute.noun in self.names else ()

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
                raise UserError(f"contradiction: {name} is {first[name]} in one and {second[name]} in the other symbol")
        result = {**first, **second}
    elif operator == "IN COMMON":
        result = {name: value for name, value in first.items() if second.get(name) == value}
    elif operator == "IGNORE":
        result = {name: value for name, value in first.items() if second.get(name) != value}
    else:
        raise UserError(f"operator is '{operator}'; expected one of {', '.join(OPERATORS)}")
    if not result:
        raise UserError(f"{first} {operator} {second} leaves nothing: an empty symbol")
    return result


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


def _is_number(value: str) -> bool:
    return value.replace(".", "", 1).replace("-", "", 1).isdigit()
