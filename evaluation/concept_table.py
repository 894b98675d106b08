"""The paper's table for one concept, with controls that leave a network no excuse (Le et al. 2012, section 4).

Every row is the best of many units, chosen and judged the same way on the same images, as they are and moved. A
network has learned a concept if its best neuron is better than the best neuron of the same network with random
weights, than its own lower stages, and than the best of 20,000 linear filters; and better than luck, which is what the
best of as many neurons reaches where labels are shuffled.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .. import models, pipelines
from ..errors import UserError
from ..models.sparse_stage import WindowStage
from .codes import some_images
from .concept_images import Concept, ConceptImages
from .detectors import Detector, Search, Split, interval
from .linear_filters import LinearFilters
from .moving import moved
from .neurons import look_at

_LUCK = 20  # Trials with shuffled labels.
_FITTED, _WINDOWS = 400, 40_000  # Training images, and windows of them, that random networks fit whitenings to.
MOVED = "_moved"
_TITLES = {
    "neuron": "best neuron",
    "random_weights": "random weights, fitted whitening",
    "random_filters": "random filters, no whitening",
    "linear_filter": "best linear filter",
    "linear_filter_whitened": "best linear filter, whitened",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table: where units are, and how they are named.

    Attributes:
      name: of its numbers.
      title: for readers.
      eye: `neurons.OnePass`, `neurons.Cone` or `LinearFilters`.
    """

    name: str
    title: str
    eye: Any


def rows(model, train: pipelines.Images, seed: int, wanted: Container[str] | None = None) -> Iterator[Row]:
    """The network's best neuron first, then what it must be better than; each is made when it is its turn.

    Args:
      model: a `models.Sparse`.
      train: its training images.
      seed: keys random weights and linear filters.
      wanted: names of rows; None is all.
    """
    window, sample = model.config.window, functools.cache(lambda: some_images(train, _FITTED))
    made: dict[str, Callable] = {
        "neuron": lambda: look_at(model),
        **{f"stage_{stage}": functools.partial(look_at, model, stage) for stage in range(1, model.config.stages)},
        "random_weights": lambda: look_at(random_weights(model, sample(), seed)),
        "random_filters": lambda: look_at(random_filters(model, seed)),
        "linear_filter": lambda: LinearFilters(train, window, seed, whitened=False),
        "linear_filter_whitened": lambda: LinearFilters(train, window, seed, whitened=True),
    }
    for name in names(model.config.stages):
        if wanted is None or name in wanted:
            yield Row(name, _title(name), made[name]())


def titles(numbers: Mapping[str, Any], concept: str) -> dict[str, str]:
    """Name -> title of the rows that there are numbers of, in order."""
    pattern = re.compile(rf"{re.escape(concept)}_({'|'.join(_TITLES)}|stage_\d+)_selection")
    found = {match.group(1) for match in map(pattern.fullmatch, numbers) if match}
    highest = max((int(name.removeprefix("stage_")) for name in found - set(_TITLES)), default=0)
    return {name: _title(name) for name in names(highest + 1) if name in found}


def _title(name: str) -> str:
    return _TITLES.get(name) or name.replace("_", " ")


def random_weights(model, images, seed: int):
    """The same network with random filters of the same lengths, and whitenings fitted to what it sees itself.

    Args:
      model: a `models.Sparse`.
      images: float32 [n, h, w, c] that whitenings above the first are fitted to.
      seed: keys the filters.
    """
    net = models.Sparse(model.config)
    for mine, theirs in zip(net.whitening.weights, model.whitening.weights, strict=True):
        mine.assign(theirs)
    _randomize(net, model, seed)
    values = net.whitening(images)
    for stage in net.stages:
        if isinstance(stage, WindowStage):
            stage.whitening.fit(values, windows=_WINDOWS)
        values = stage(values)[2]
    return net


def random_filters(model, seed: int):
    """A network of the same sizes with random filters of pixels, and no whitening but mean and deviation."""
    config = dataclasses.replace(
        model.config, whitening="standardize", reconstruction="overlap", decoder="tied", unit_norm=False
    )
    net = models.Sparse(config)
    _randomize(net, model, seed)
    return net


def _randomize(net, model, seed: int) -> None:
    generator = np.random.default_rng(seed)
    for mine, theirs in zip(net.stages, model.stages, strict=True):
        length = np.linalg.norm(theirs.filters.compact_kernel(), axis=1).mean()
        filters = generator.normal(size=mine.filters.geometry.compact_shape).astype(np.float32)
        filters *= length / np.linalg.norm(filters, axis=1, keepdims=True)
        mine.filters.set_compact_kernel(filters)


def names(stages: int) -> list[str]:
    """The rows of a network of so many stages, in order.

    Example:
      >>> names(2)
      ['neuron', 'stage_1', 'random_weights', 'random_filters', 'linear_filter', 'linear_filter_whitened']
    """
    first, *others = _TITLES
    return [first, *(f"stage_{stage}" for stage in range(stages - 1, 0, -1)), *others]


def chosen(given: Iterable[str], stages: int) -> list[str] | None:
    """Names of the rows that are asked for, the network's own neuron always among them; None, which is all, for none.

    Raises:
      UserError: a row that there is not.
    """
    able, asked = names(stages), list(given)
    if unknown := [name for name in asked if name not in able]:
        raise UserError(f"rows is '{unknown[0]}'; expected some of {', '.join(able)}")
    return [name for name in able if name == able[0] or name in asked] if asked else None


def measure(
    model, train: pipelines.Images, concept: Concept, every: int, seed: int, wanted: Container[str] | None = None
) -> dict[str, float]:
    """The table of one concept.

    Args:
      model: a `models.Sparse`.
      train: its training images.
      concept: where the test images are.
      every: looks at every N-th row and column of positions; 0 chooses.
      seed: keys halvings, moves and controls.
      wanted: see `chosen`.

    Returns:
      name -> number, all beginning with the concept's name: of every row "<row>", the accuracy on judging images,
      "<row>_low" and "<row>_high", between which it lies for 95 of 100 draws of other people, "<row>_spread", its
      deviation over halvings, "<row>_selection", the accuracy on choosing images, "<row>_auc" and "<row>_best_auc",
      areas under the ROC curve of the same unit and of the one with the greatest area; the same with "_moved" for
      moved images; "guess", "luck" and "luck_most", the mean and the most of the best of as many neurons with
      shuffled labels, and "candidates", how many; "index", "threshold" and "polarity" of the neuron to be shown and
      served, and "<row>_index" and so on of the rows below.
    """
    result, channels, read = {}, model.config.image_shape[2], {}
    for row in rows(model, train, seed, wanted):
        side = row.eye.window
        if side not in read:
            still = concept.read(side, channels, seed)
            read[side] = (still, moved(still.images, seed))
        still, shaken = read[side]
        found = _search(row, still, shaken, every, seed, f"{concept.name}: {row.title}")
        for condition, detectors in found.detectors.items():
            for name, value in _scores(detectors, still, seed).items():
                result[f"{concept.name}_{row.name}{condition}{name}"] = value
        prefix = concept.name if row.name == "neuron" else f"{concept.name}_{row.name}"
        place = row.eye.place(found.shown.place, found.shown.unit)
        result[f"{prefix}_index"] = row.eye.index(place)
        result[f"{prefix}_threshold"] = found.shown.threshold
        # A control has a sign and not a polarity: by that name a network finds the neurons that it is to serve.
        result[f"{prefix}_{'polarity' if row.name == 'neuron' else 'sign'}"] = found.shown.polarity
        if len(found.luck):
            result[f"{concept.name}_luck"] = float(found.luck.mean())
            result[f"{concept.name}_luck_most"] = float(found.luck.max())
            result[f"{concept.name}_candidates"] = found.candidates
            result[f"{concept.name}_guess"] = still.guess
    return result


@dataclasses.dataclass(frozen=True)
class _Found:
    detectors: dict[str, list[Detector]]  # Condition ("" or "_moved") -> one a split.
    shown: Detector
    luck: np.ndarray
    candidates: int


def _search(row: Row, still: ConceptImages, shaken: np.ndarray, every: int, seed: int, title: str) -> _Found:
    splits, count = list(still.splits), len(still.labels)
    if not still.apart:
        # One unit to show: chosen on all images, its numbers are those of the halvings.
        splits.append(Split(np.ones(count, bool), np.zeros(count, bool)))
    luck = _LUCK if row.name == "neuron" else 0
    searches = {"": Search(still.labels, splits, luck, seed), MOVED: Search(still.labels, still.splits)}
    for block, responses in row.eye.blocks(np.concatenate([still.images, shaken]), every, title):
        searches[""].see(responses[:count], block, title)
        searches[MOVED].see(responses[count:], block, f"{title}, moved")
    found = {condition: search.found() for condition, search in searches.items()}
    shown = found[""][-1]
    found[""] = found[""][: len(still.splits)]
    return _Found(found, shown, searches[""].luck(), searches[""].units)


def _scores(detectors: list[Detector], images: ConceptImages, seed: int) -> dict[str, float]:
    low, high = interval(detectors, images.splits, images.labels, images.groups, seed)
    reporting = [detector.reporting for detector in detectors]
    scores = {
        "": float(np.mean(reporting)),
        "_low": low,
        "_high": high,
        "_selection": float(np.mean([detector.selection for detector in detectors])),
        "_auc": float(np.mean([detector.area for detector in detectors])),
        "_best_auc": float(np.mean([detector.best_area for detector in detectors])),
    }
    return scores if images.apart else {**scores, "_spread": float(np.std(reporting, ddof=1))}
