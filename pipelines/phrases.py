"""Phrases as people say them, read as symbols: "Red hat on a white wall", "dark woman", "wall_color=white".

Commas join terms; a value that holds one stands in quotes, `color="pale, yellow"`. Within a term words are cut into
what is known: values, values said of a noun, and words that say nothing here (`FILLERS`), which are passed over. Every
way to cut them is tried; the one that passes over the fewest words counts, and where several remain, somebody has to
say which is meant.
"""

import difflib
import functools
import itertools
import re
from collections.abc import Iterable

from ..errors import UserError
from ..paths import composed
from .nearest import nearest

# Said around the words that matter. One that is a value or a noun of the data is not passed over.
FILLERS = frozenset((
    *("a", "an", "the", "this", "that", "these", "those", "there", "some", "its", "his", "her", "and", "&", "with"),
    *("of", "on", "in", "at", "before", "behind", "against", "above", "below", "beside", "near", "upon", "over"),
    *("is", "are", "was", "be", "has", "have", "having", "which", "who", "whose", "wearing"),
    *("color", "colored", "colour", "coloured", "picture", "image", "photo", "scene", "show", "me", "imagine"),
))  # fmt: skip
# Said alone it names nothing, as the empty symbol is written.
ANYTHING = "anything"
# What may stand inside a term: "without a hat", "red colored hat", and of the loose ones "the wall is white".
_ARTICLES = frozenset(("a", "an", "the", "any", "color", "colored", "colour", "coloured"))
_COPULAS = frozenset(("is", "are", "was", "has", "in", "of"))
_NO = ("no", "not", "without")
# Words of a term that are no fillers, and all: every way to cut them up is tried.
_MOST_CHAINED, _MOST_WORDS = 16, 64
_LONGEST_NOUN = 4  # Words of a noun that stands further on than what is said of it.
_FAR = 100  # What it counts that a noun stands further on, in words passed over: more than all that are.
_MOST_READINGS = 64  # Of a place in a term, the likeliest.
_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
_QUOTED = re.compile(r'="[^"]*"')
_CLOSE = 0.8  # How alike a whole phrase must be to be named instead of a word of it.


class Reader:
    """Reads phrases of some attributes.

    Arguments:
      attributes: of a `Vocabulary`, with `name`, `values`, `noun` and `binary`.

    Example:
      >>> from reverie.pipelines.symbols import Attribute
      >>> color, thing = Attribute("object_color", ("red", "white"), "object"), Attribute("object", ("hat", "bag"))
      >>> Reader((color, thing)).read("A red hat")
      {'object_color': 'red', 'object': 'hat'}
    """

    def __init__(self, attributes: tuple):
        self.attributes = {attribute.name: attribute for attribute in attributes}
        self._exact, self._loose = _Index(attributes, composed), _Index(attributes, _normal)
        self._fillers = FILLERS - self._loose.alone
        names = "|".join(sorted(map(re.escape, self.attributes), key=len, reverse=True))
        self._named = re.compile(rf"(?<!\S)(?:{names})\s*=", re.IGNORECASE)

    @property
    def fillers(self) -> tuple[str, ...]:
        """Words that are passed over, in order."""
        return tuple(sorted(self._fillers))

    def read(self, text: str) -> dict[str, str]:
        """A phrase as {attribute: value}; see `Vocabulary.parse`."""
        if _normal(text).split() == [ANYTHING] and not self._loose.knows(ANYTHING):
            return {}
        return self._together(_terms(composed(text)), text)

    def _together(self, terms: Iterable[str], text: str) -> dict[str, str]:
        """What the terms of a text name, each by itself."""
        symbol: dict[str, str] = {}
        for term in terms:
            if not term:
                raise UserError(f"'{text}' names nothing; say for example {self.example()!r}")
            for name, value in self._term(term).items():
                if symbol.get(name, value) != value:
                    raise UserError(f"contradiction: {name} is both {symbol[name]} and {value} in '{text}'")
                symbol[name] = value
        return symbol

    def example(self) -> str:
        """Two words of these attributes."""
        return ", ".join(said(attribute, attribute.values[0]) for attribute in list(self.attributes.values())[:2])

    def phrases(self) -> list[str]:
        """Every phrase of one value, or of a value and the noun that it is said of."""
        found = []
        for attribute in self.attributes.values():
            things = self.attributes[attribute.noun].values if attribute.noun in self.attributes else ()
            found += [said(attribute, value) for value in attribute.values]
            found += [f"{value} {thing}" for value in attribute.values for thing in things]
        return found

    # ---- one term

    def _term(self, term: str) -> dict[str, str]:
        if "=" in term:
            return self._assigned(term)
        words = [self._bare(word) for word in term.split()]
        content = [word for word in words if word.casefold() not in self._fillers]
        if len(content) > _MOST_CHAINED or len(words) > _MOST_WORDS:
            raise UserError(
                f"'{' '.join(words[:4])} ...' has {len(content)} words without a comma; expected at most "
                f"{_MOST_CHAINED}, commas between the others"
            )
        if not content:
            raise UserError(f"'{term}' names nothing; say for example {self.example()!r}")
        strict = _Cut(self, words, False)
        found = strict.readings or _Cut(self, words, True).readings
        if not found and len(values := self._open(content)) == 1:
            found = values
        if len(found) == 1:
            return found[0]
        if found:
            commas = ", or put commas between the words" if len(content) > 1 else ""
            which = " or ".join(", ".join(f"{name}={value}" for name, value in one.items()) for one in found)
            raise UserError(f"'{term}' may mean {which}; write name=value{commas}")
        raise self._refusal(term, content, strict.clash)

    def _bare(self, word: str) -> str:
        """The word without the full stop behind it, unless it is part of a name."""
        return word if self._loose.knows(word) else word.rstrip(".!?;:") or word

    def _assigned(self, term: str) -> dict[str, str]:
        """name=value, in whichever case that leaves one meaning; several of them where no comma stands between."""
        name, _, value = (part.strip() for part in term.partition("="))
        name = _spelled(name, tuple(self.attributes))
        values = self.attributes[name].values if name in self.attributes else ()
        value = _spelled(value, values)
        if value in values:
            return {name: value}
        starts = [found.start() for found in self._named.finditer(term)]
        if starts and starts != [0]:
            return self._apart(term, starts)
        if name not in self.attributes:
            raise UserError(f"no attribute '{name}'{nearest(name, self.attributes)}")
        words = value.split()
        while len(words) > 1 and self.passes_over(words[-1]):  # "color=red and"
            words.pop()
        bare = " ".join(words)
        if bare not in values and len(bare) > 1 and bare[0] == bare[-1] == '"':
            bare = bare[1:-1]
        if (bare := _spelled(bare, values)) in values:
            return {name: bare}
        raise UserError(f"{name} has no value '{value}'{nearest(value, values)}")

    def _apart(self, term: str, starts: list[int]) -> dict[str, str]:
        """A term without commas in which name=value begins at several places, or behind words."""
        parts = [term[i:j].strip() for i, j in itertools.pairwise([0, *starts, len(term)])]
        telling = (part for part in parts if "=" in part or not all(map(self.passes_over, part.split())))
        return self._together(telling, term)

    def single(self, words: tuple[str, ...], loose: bool) -> list[dict[str, str]]:
        """Every symbol that a run of words may mean as one: as it is spelled, and if that is nothing in any case."""
        term = " ".join(words)
        return self._exact.read(term, loose) or self._loose.read(term, loose)

    def passes_over(self, word: str) -> bool:
        return word.casefold() in self._fillers

    def is_said_of_nouns(self, words: tuple[str, ...]) -> bool:
        return bool(self._loose.adjectives.get(_normal(" ".join(words))))

    def _open(self, words: list[str]) -> list[dict[str, str]]:
        """What words may mean that leave open what they are said of: "red"."""
        return self._loose.adjectives.get(_normal(" ".join(words)), [])

    # ---- what is not understood

    def _refusal(self, term: str, content: list[str], clash: str) -> UserError:
        known = self.phrases()
        unknown = [word for word in content if not self._loose.knows(word)]
        if unknown:
            like = difflib.get_close_matches(" ".join(content), known, n=1, cutoff=_CLOSE)
            one = unknown[0]
            if _normal(one) in _NO:
                return UserError(f"'{one}' in '{term}' denies nothing: no attribute is yes or no; say what there is")
            if like or len(content) == 1:
                return UserError(f"'{term}' is not known{nearest(' '.join(content), known)}")
            return UserError(f"'{one}' in '{term}' is not known{nearest(one, self._loose.spelled())}")
        if clash:
            return UserError(f"contradiction: {clash} in '{term}'")
        spans = itertools.combinations(range(len(content) + 1), 2)
        opened = [(start, end, self._open(content[start:end])) for start, end in spans]
        for loose in (False, True):
            for start, end, meant in opened:
                rest = [*content[:start], *content[end:]]
                if meant and (not rest or _Cut(self, rest, loose).readings):
                    return self._question(" ".join(content[start:end]), term, meant)
        # The words too many: what is left without them is understood, and they are not.
        for start, end, _ in sorted(opened, key=lambda entry: entry[1] - entry[0]):
            one, rest = content[start:end], [*content[:start], *content[end:]]
            if _Cut(self, rest, True).readings and not _Cut(self, one, True).readings:
                one = " ".join(one)
                return UserError(f"'{one}' in '{term}' says nothing by itself{nearest(one, known)}")
        return UserError(f"'{term}' says nothing as it stands{nearest(' '.join(content), known)}")

    def _question(self, word: str, term: str, meant: list[dict[str, str]]) -> UserError:
        pairs = [(self.attributes[name], value) for one in meant for name, value in one.items()]
        which = [f"'{said(attribute, value)}'" for attribute, value in pairs]
        nouns = [attribute.noun for attribute, _ in pairs]
        inside = "" if _normal(word) == _normal(term) else f" in '{term}'"
        return UserError(f"'{word}'{inside} may be said of {_any_of(nouns)}; say {_any_of(which)}")


class _Index:
    """What single terms mean, in one way of spelling.

    Attributes:
      words: every word of a term.
      alone: terms of one word that say something by themselves, and nouns.
      adjectives: value that is said of nouns -> a symbol for each noun.
    """

    def __init__(self, attributes: tuple, spelling):
        self.spelling, self._names = spelling, set()
        self._values: dict[str, list[dict[str, str]]] = {}
        self._flags: dict[str, dict[str, str]] = {}  # Binary attributes by name.
        self._named: dict[tuple[str, str], dict[str, str]] = {}  # Value and name of attributes without a noun.
        self._nouns: dict[str, list[tuple[str, str]]] = {}  # Noun -> (attribute that it is said with, its own value).
        self.adjectives: dict[str, list[dict[str, str]]] = {}
        self._said_of = {attribute.name: attribute.noun for attribute in attributes}
        values = {attribute.name: attribute.values for attribute in attributes}
        for attribute in attributes:
            if attribute.binary:
                self._flags[self._key(attribute.name)] = {attribute.name: "yes"}
                continue
            kept = self.adjectives if attribute.noun else self._values
            for value in attribute.values:
                kept.setdefault(self._key(value), []).append({attribute.name: value})
                if not attribute.noun:
                    self._named[self._key(value), self._key(attribute.name)] = {attribute.name: value}
            if attribute.noun:
                self._nouns.setdefault(self._key(attribute.noun), []).append((attribute.name, ""))
                for thing in values.get(attribute.noun, ()):
                    self._nouns.setdefault(self._key(thing), []).append((attribute.name, thing))
        self.alone = {*self._values, *self._flags, *self.adjectives, *self._nouns}
        terms = {*self.alone, *(name for _, name in self._named)}
        self.words = {word for term in terms for word in term.split(" ")} | set(_NO if self._flags else ())

    def _key(self, name: str) -> str:
        key = self.spelling(name)
        self._names.add(name)
        return key

    def knows(self, word: str) -> bool:
        """Whether a word, or each part of one with hyphens, is one of a term."""
        return self.words.issuperset(self.spelling(word).split(" "))

    def spelled(self) -> list[str]:
        """Every name and noun as the data spells it."""
        return sorted(self._names)

    def read(self, term: str, loose: bool) -> list[dict[str, str]]:
        """Every symbol that a term may mean; `loose` also where the noun stands before what is said of it."""
        term = self.spelling(term)
        if term in self._flags:
            return [self._flags[term]]
        found = list(self._values.get(term, ()))
        for blank in re.finditer(" ", term):
            first, second = term[: blank.start()], term[blank.end() :]
            if first in _NO and second in self._flags:
                found += [{name: "no"} for name in self._flags[second]]
            found += self._pairs(first, second)
            if loose:
                found += [one for one in self._pairs(second, first) if one not in found]
        return found

    def _pairs(self, adjective: str, noun: str) -> list[dict[str, str]]:
        found = [self._named[adjective, noun]] if (adjective, noun) in self._named else []
        for one in self.adjectives.get(adjective, ()):
            (name,) = one
            for attribute, thing in self._nouns.get(noun, ()):
                if attribute == name:
                    found.append({**one, **({self._said_of[name]: thing} if thing else {})})
        return found


class _Cut:
    """Every way to cut a term into what is known.

    Attributes:
      readings: the symbols that pass over the fewest words.
      clash: where values only contradict each other, which.
    """

    def __init__(self, reader: Reader, words: list[str], loose: bool):
        self._reader, self._words, self.clash = reader, tuple(words), ""
        self._single = functools.cache(functools.partial(reader.single, loose=loose))
        self._between = _ARTICLES | _COPULAS if loose else _ARTICLES
        # From each place to the end: (words passed over, symbol), the fewest first.
        later: list[list[tuple[int, dict[str, str]]]] = [[] for _ in range(len(words) + 1)]
        later[-1] = [(0, {})]
        for start in reversed(range(len(words))):
            found = [(count + 1, one) for count, one in later[start + 1]] if reader.passes_over(words[start]) else []
            for end in range(start + 1, len(words) + 1):
                if later[end]:
                    found += self._joined(self._said(start, end), later[end])
            later[start] = _distinct(found)
        found = [entry for entry in later[0] if entry[1]]
        self.readings = [one for count, one in found if count == found[0][0]]

    def _said(self, start: int, end: int) -> list[tuple[int, dict[str, str]]]:
        """What the words from `start` to `end` say as one, with small words in its middle or without."""
        words = self._words[start:end]
        found = [(0, one) for one in self._single(words)]
        inner = tuple(word for word in words[1:-1] if word.casefold() not in self._between)
        if not found and len(inner) + 2 < len(words):
            found = [(len(words) - 2 - len(inner), one) for one in self._single((words[0], *inner, words[-1]))]
        if self._reader.is_said_of_nouns(words):
            # An adjective may be said of a noun further on, with other words between: "red big hat". What is next to
            # its noun is read first.
            places = range(end, len(self._words))
            nouns = [self._words[place : place + size] for place in places for size in range(1, _LONGEST_NOUN + 1)]
            found += [(_FAR, one) for noun in nouns for one in self._single((*words, *noun))]
        return found

    def _joined(self, firsts: list, rests: list) -> list[tuple[int, dict[str, str]]]:
        found = []
        for count, first in firsts:
            for more, rest in rests:
                differ = [name for name in first.keys() & rest.keys() if first[name] != rest[name]]
                if not differ:
                    found.append((count + more, {**first, **rest}))
                elif not self.clash:
                    self.clash = f"{differ[0]} is both {first[differ[0]]} and {rest[differ[0]]}"
        return found


def _terms(text: str) -> list[str]:
    """A phrase between its commas, but for those of a value in quotes: color="pale, yellow"."""
    return [part.replace("\0", ",").strip() for part in _QUOTED.sub(_hidden, text).split(",")]


def _hidden(found: re.Match) -> str:
    return found[0].replace(",", "\0")


def said(attribute, value: str) -> str:
    """One value in words: "white wall", "hat", "no glasses", "scale=3".

    Example:
      >>> from reverie.pipelines.symbols import Attribute
      >>> said(Attribute("glasses", ("no", "yes")), "no")
      'no glasses'
    """
    if is_number(value):
        return f"{attribute.name}={value}"
    if attribute.noun:
        return f"{value} {attribute.noun}"
    if attribute.binary:
        return attribute.name if value == "yes" else f"no {attribute.name}"
    return value


def is_number(value: str) -> bool:
    """Whether a value is named by a number, which says nothing without its attribute."""
    return value.replace(".", "", 1).replace("-", "", 1).isdigit()


def _distinct(found: list[tuple[int, dict[str, str]]]) -> list[tuple[int, dict[str, str]]]:
    kept: list[tuple[int, dict[str, str]]] = []
    for count, one in sorted(found, key=lambda entry: entry[0]):
        if all(one != other for _, other in kept):
            kept.append((count, one))
    return kept[:_MOST_READINGS]


def _normal(word: str) -> str:
    """In small letters, with blanks for underscores and for the hyphens inside words: a minus stays."""
    return " ".join(_HYPHEN.sub(" ", composed(word).casefold().replace("_", " ")).split())


def _spelled(word: str, known: tuple[str, ...]) -> str:
    """The word as it is known, in whichever case; as it is where that says nothing, or more than one."""
    same = [one for one in known if _normal(one) == _normal(word)]
    return same[0] if word not in known and len(same) == 1 else word


def _any_of(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
