"""Words to pictures, pictures to words, and operators: how often they are right (Higgins et al. 2018, section 5).

A separate classifier, trained on real pictures, says what an imagined picture shows. "Accuracy" of imagination is the
share of pictures in which *every* named attribute is as asked. "Diversity" is about the attributes that were not named:
the divergence of what the classifier sees there from the uniform distribution, in nats; 0 is as varied as can be.

"Correctness" and "coverage" are those of Vedantam et al. 2018 (arXiv 1705.10762), by how many attributes are named:
correctness is the mean share of the named attributes that are as asked; coverage, of several pictures of one symbol,
1 less the Jensen-Shannon divergence between the values seen of an attribute that was not named and those that it has in
real pictures. The divergence is in bits here, so that coverage lies between 0 and 1; published figures are in nats.
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy import special

from .. import pipelines, progress
from ..pipelines import symbols as words
from ..pipelines.expressions import Composed, folded

_AT_ONCE = 250
_TRIED = 20  # Symbols drawn for every one wanted, so that some are held out.


@dataclasses.dataclass(frozen=True)
class Imagined:
    """What was asked for and what was seen.

    Attributes:
      asked: int [n, attributes], -1 where nothing was.
      seen: int [n, attributes], the classifier's verdict.
    """

    asked: np.ndarray
    seen: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of pictures with every named attribute as asked."""
        return float(np.mean(np.all((self.asked < 0) | (self.asked == self.seen), axis=1)))

    @property
    def correctness(self) -> float:
        """Share of the named attributes that are as asked, a mean over pictures."""
        right = (self.asked == self.seen) & (self.asked >= 0)
        return float(np.mean(right.sum(axis=1) / (self.asked >= 0).sum(axis=1)))

    def per_attribute(self) -> np.ndarray:
        """float [attributes]: share of pictures in which it is as asked, of those that name it."""
        right = (self.asked == self.seen) & (self.asked >= 0)
        return right.sum(axis=0) / np.maximum((self.asked >= 0).sum(axis=0), 1)

    def diversity(self, sizes: tuple) -> float:
        """Mean over attributes of KL(what is seen where it is not named || uniform), nats."""
        return float(np.mean([to_uniform(self.seen[self.asked[:, k] < 0, k], size) for k, size in enumerate(sizes)]))


def to_uniform(values, size: int) -> float:
    """KL(empirical distribution of `values` in 0..size-1 || uniform), in nats; few values cannot be uniform.

    The empirical entropy of n draws is too low by about (size - 1) / (2 n) (Miller 1955), which is put right.
    """
    counts = np.bincount(values, minlength=size)
    shares = counts[counts > 0] / max(len(values), 1)
    entropy = -np.sum(shares * np.log(shares)) + (size - 1) / (2 * max(len(values), 1))
    return float(max(np.log(size) - entropy, 0.0))


def sample_symbols(vocabulary: pipelines.Vocabulary, labels, count: int, seed: int) -> np.ndarray:
    """Symbols that name part of what real pictures show.

    Args:
      vocabulary: of the data.
      labels: int [n, attributes] of pictures.
      count: how many.
      seed: of the draw.

    Returns:
      int32 [count, attributes], -1 where unnamed; every number of named attributes is equally common.
    """
    rng = np.random.default_rng(seed)
    rows = labels[rng.integers(0, len(labels), count)]
    order = rng.random(rows.shape).argsort(axis=1).argsort(axis=1)
    most = len(vocabulary.attributes)
    return np.where(order < rng.integers(1, most + 1, count)[:, None], rows, -1).astype(np.int32)


class Queries(NamedTuple):
    """Symbols that name so many attributes each, int32 [k, attributes], -1 where unnamed.

    Attributes:
      shown: what they name, some training picture shows together.
      held_out: what they name, no training picture shows together.
    """

    shown: np.ndarray
    held_out: np.ndarray


def sample_queries(vocabulary, labels, trained, table, named: int, count: int, seed: int) -> Queries:
    """Symbols that name `named` attributes of real pictures, drawn with all such choices equally likely.

    Args:
      vocabulary: of the data.
      labels: int [n, attributes] of the pictures that are named in part, -1 where nothing is known.
      trained: int [m, attributes] of training pictures.
      table: bool [values, values], pairs of values that training left out; see `symbols.held_out`.
      named: how many attributes each names, from 1.
      count: how many at most of either kind; those that are held out may be few or none.
      seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    rows = labels[rng.integers(0, len(labels), _TRIED * count)]
    # Attributes in random order, unknown ones last.
    order = (rng.random(rows.shape) + (rows < 0)).argsort(axis=1).argsort(axis=1)
    asked = np.where(order < named, rows, -1).astype(np.int32)
    asked = asked[(asked >= 0).sum(axis=1) == named]
    shown = ~words.holds_pair(vocabulary.khot(asked), table) & _occur(asked, trained, vocabulary.sizes)
    return Queries(asked[shown][:count], asked[~shown][:count])


def _occur(asked, labels, sizes: tuple) -> np.ndarray:
    """bool [n]: which symbols, all of as many named attributes, some row of labels shows."""
    found = np.zeros(len(asked), bool)
    patterns, of = np.unique(asked >= 0, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        rows, columns = np.flatnonzero(of.reshape(-1) == number), np.flatnonzero(pattern)
        known = labels[(labels[:, columns] >= 0).all(axis=1)][:, columns]
        numbers = [sizes[k] for k in columns]
        found[rows] = np.isin(*(np.ravel_multi_index(part.T, numbers) for part in (asked[rows][:, columns], known)))
    return found


def coverage(made: Imagined, each: int, labels, sizes: tuple) -> float:
    """How well what symbols leave open varies as it does in real pictures, from 0 to 1.

    Args:
      made: `each` pictures of every symbol, one symbol after the other; none names all attributes.
      each: pictures a symbol. Few pictures cannot match a distribution: of ten uniform draws from ten values coverage
        is 0.77 on average, from two values 0.98.
      labels: int [n, attributes] of real pictures; those that show what is named say how the rest is distributed. All
        pictures together count as ten more, so that few do not decide.
      sizes: number of values of each attribute.

    Returns:
      Mean over symbols of the mean over attributes they leave open of 1 - JS(values seen || values in real pictures),
      the Jensen-Shannon divergence to the base of 2.
    """
    found = []
    for symbol, seen in zip(made.asked[::each], made.seen.reshape(-1, each, len(sizes)), strict=True):
        named = symbol >= 0
        fitting = labels[(labels[:, named] == symbol[named]).all(axis=1)]
        shares = [
            1.0 - jensen_shannon(np.bincount(seen[:, k], minlength=size), _values(fitting, labels, k, size))
            for k, size in enumerate(sizes)
            if not named[k]
        ]
        found.append(np.mean(shares))
    return float(np.mean(found))


def jensen_shannon(first, second) -> float:
    """The Jensen-Shannon divergence of two distributions in bits, 0 to 1, each given as counts or shares of values.

    Example:
      >>> jensen_shannon([1, 0], [0, 3])
      1.0
    """
    first, second = (np.asarray(part, np.float64) / np.sum(part) for part in (first, second))
    middle = (first + second) / 2
    nats = (special.rel_entr(first, middle).sum() + special.rel_entr(second, middle).sum()) / 2
    return float(np.clip(nats / np.log(2.0), 0.0, 1.0))


def _values(fitting, labels, column: int, size: int) -> np.ndarray:
    """How often each value of an attribute is met in pictures that fit, and ten times its share of all pictures."""
    some, every = (np.bincount(part[part >= 0], minlength=size) for part in (fitting[:, column], labels[:, column]))
    return some + 10.0 * every / max(every.sum(), 1)


def imagine(model, reference, vocabulary, asked, seed: int = 0) -> Imagined:
    """One picture for every symbol, int [n, attributes], as the classifier sees it."""
    return Imagined(asked, _seen(reference, model.symbols_to_images, [vocabulary.khot(asked)], seed))


def _seen(reference, function, columns: list, seed: int) -> np.ndarray:
    """int [n, attributes]: what the classifier sees in a picture a row, of `function`(columns..., count, seed)."""
    made, seen = _compiled(function), []
    for start in progress.shown(range(0, len(columns[0]), _AT_ONCE), "imagining", unit="batch"):
        parts = [column[start : start + _AT_ONCE] for column in columns]
        count = len(parts[0])
        # Always as many, the last ones repeated: another number of rows would be another graph.
        rows = [
            tf.constant(np.pad(part, [(0, _AT_ONCE - count), *[(0, 0)] * (part.ndim - 1)], "edge")) for part in parts
        ]
        images = made(*rows, tf.constant(_AT_ONCE), tf.constant([seed, start]))["images"]
        seen.append(reference.all_classes(images[:count]))
    return np.concatenate(seen)


@functools.lru_cache(maxsize=2)
def _compiled(function) -> tf.types.experimental.GenericFunction:
    """A model's function, traced once for everything that is asked of it."""
    return tf.function(function, autograph=False)


def recognize(function, images: pipelines.Images) -> Imagined:
    """Real pictures named by `function`, images -> int [b, attributes]; what they show stands for "asked"."""
    batches = pipelines.in_order(images, _AT_ONCE)
    shown = progress.shown(batches, "naming pictures", -(-len(images) // _AT_ONCE), unit="batch")
    seen = [function(batch["image"]) for batch in shown]
    return Imagined(images.labels.reshape(len(images), -1), np.concatenate(seen))


def compose(model, reference, vocabulary, cases: list, seed: int = 0) -> Imagined:
    """One picture for every composition.

    Args:
      model: of the family scan.
      reference: the classifier.
      vocabulary: of the data.
      cases: (first, operator, second), symbols {attribute: value}, from `sample_cases`.
      seed: of the draws.

    Returns:
      `Imagined`; what was asked is the composed symbol.
    """
    first, second = (vocabulary.khot(np.stack([vocabulary.labels(case[k]) for case in cases])) for k in (0, 2))
    operator = np.asarray([words.OPERATORS.index(case[1]) for case in cases], np.int32)
    asked = np.stack([vocabulary.labels(words.combine(*case)) for case in cases])
    return Imagined(asked, _seen(reference, model.compose, [first, operator, second], seed))


def sample_cases(vocabulary, table, operator: str, count: int, of_held_out: bool, seed: int = 0) -> list:
    """Pairs of symbols to compose.

    Args:
      vocabulary: of the data.
      table: the held-out pairs of values, see `symbols.held_out`.
      operator: of OPERATORS.
      count: how many.
      of_held_out: cases in which a held-out pair is named together, in the result (AND) or in what goes in (IN COMMON
        and IGNORE, whose result is part of it); or cases with no such pair in either symbol or the result.
      seed: of the draw.

    Returns:
      [(first, operator, second)]; fewer where hardly any exist.
    """
    rng, cases = np.random.default_rng(seed), []
    for _ in range(400 * count):
        if len(cases) == count:
            break
        case = _case(vocabulary, rng, operator)
        khots = np.stack([vocabulary.encode(symbol) for symbol in (case[0], case[2], {**case[2], **case[0]})])
        paired = words.holds_pair(khots, table)
        # Of AND it is the result that nobody has seen, each of its parts anybody may have.
        wanted = (paired[2] and not paired[:2].any()) if operator == "AND" else paired[0]
        if wanted if of_held_out else not paired.any():
            cases.append(case)
    return cases


def _case(vocabulary, rng, operator: str) -> tuple:
    """Two random symbols whose composition is not empty."""
    scene = {a.name: a.values[rng.integers(len(a.values))] for a in vocabulary.attributes}
    order = list(rng.permutation(vocabulary.names))
    if operator in ("AND", "IGNORE"):
        named = order[: rng.integers(2, len(order) + 1)]
        cut = rng.integers(1, len(named))
        first = named[:cut] if operator == "AND" else named
        return {n: scene[n] for n in first}, operator, {n: scene[n] for n in named[cut:]}
    shared = order[: rng.integers(1, len(order))]
    first, second = ({n: scene[n] for n in shared} for _ in range(2))
    for name in order[len(shared) :]:
        values = vocabulary.attributes[vocabulary.names.index(name)].values
        one, other = rng.choice(len(values), 2, replace=False)
        if rng.random() < 0.75:
            first[name] = values[one]
        if rng.random() < 0.75:
            second[name] = values[other]
    return first, operator, second


def leak(made: Imagined, first, second, sizes: tuple) -> float | None:
    """How much shows of values that two symbols do not have in common.

    Args:
      made: pictures of what is in common.
      first, second: int [n, attributes], what the two symbols name, -1 where nothing.
      sizes: number of values of each attribute.

    Returns:
      Of attributes that both name differently, the share of pictures that show either value, less what chance would
      show and over what it would not (0: nothing, 1: always), a mean over attributes of more than two values; None
      where none differs.
    """
    shares = []
    for k, size in enumerate(sizes):
        rows = (first[:, k] >= 0) & (second[:, k] >= 0) & (first[:, k] != second[:, k])
        if size > 2 and rows.any():
            seen = made.seen[rows, k]
            share = np.mean((seen == first[rows, k]) | (seen == second[rows, k]))
            shares.append((share - 2.0 / size) / (1.0 - 2.0 / size))
    return float(np.mean(shares)) if shares else None


@dataclasses.dataclass(frozen=True)
class Sheet:
    """What a model imagines of an expression.

    Attributes:
      images: float32 [count, height, width, channels].
      symbol: what the words of the expression come to, {attribute: value}.
      labels: int32 [attributes], the model's own words for the concept.
    """

    images: np.ndarray
    symbol: dict
    labels: np.ndarray


def imagined(model, vocabulary: pipelines.Vocabulary, expression, count: int, seed: int = 0) -> Sheet:
    """Imagines a whole expression.

    Args:
      model: with words, see `models.contract.Words`; with operators where something is composed.
      vocabulary: of its data.
      expression: as `Vocabulary.parse_expression` returns it.
      count: pictures.
      seed: of the draws.

    Raises:
      UserError: symbols that cannot be composed, see `symbols.combine`.
    """
    symbol = words.comes_to(expression)

    def composed(first, operator, second):
        return model.combined(first, tf.constant([words.OPERATORS.index(operator)]), second)

    def concept(one):
        code = model.concept(tf.constant(vocabulary.encode(one)[None]))
        return code if one else tuple(tf.zeros_like(part) for part in code)  # Of nothing named, the prior.

    code = folded(expression, concept, composed)
    looked_for = {}
    # A published version composes concepts without their symbols: what is looked for is then said by the concept.
    if getattr(model.config, "attempts", 1) > 1 and not isinstance(expression, Composed):
        looked_for["named"] = tf.constant(vocabulary.encode(expression)[None])
    images = model.imagine(code, count, tf.constant([seed, 0]), **looked_for)["images"].numpy()
    return Sheet(images, symbol, model.in_words(code[0])["label"].numpy()[0])
