"""The unit that detects a concept best, of many, chosen on some images and judged on others.

The paper (Le et al. 2012, section 4) takes every neuron's least and greatest response to the test images, tries 20
equally spaced thresholds between them, and reports the accuracy of the best neuron at its best threshold, chosen on
the very images that it is reported on. Of a hundred thousand neurons some fit by chance, so here neuron, threshold
and polarity are chosen on one part of the images and reported on another. Pictures of one person, or of one clip, are
never on both sides; intervals come from drawing persons again, not only images.

Beside the accuracy stands the area under the ROC curve, which no threshold can miss: the probability that a picture
of the concept excites the unit more than another picture does.
"""

import concurrent.futures
import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import progress
from ..errors import UserError

THRESHOLDS = 20
_RESAMPLES = 1000
# Numbers in one piece of work: few enough to stay near a processor, enough to be worth a call.
_PIECE = 2**21
# Equal answers to more images than this share are counted by halves; fewer cannot move an area by 1e-5.
_TIED = 0.002


class Split(NamedTuple):
    """Which images choose, and which judge.

    Attributes:
      selecting, reporting: bool [n].
    """

    selecting: np.ndarray
    reporting: np.ndarray


@dataclasses.dataclass(frozen=True)
class Detector:
    """A unit with a threshold.

    Attributes:
      place: what the search was told of where the unit is.
      unit: its number there.
      threshold: between "is" and "is not".
      polarity: 1 if responses above it mean "is", -1 if those below it do.
      selection: accuracy on the images it was chosen on; optimistic.
      reporting: accuracy on the others.
      area: under the ROC curve, on the others.
      best_area: likewise of the unit with the greatest area on the images it was chosen on, another one perhaps.
      hits: bool [n], on which images it is right.
      responses: float32 [n].
    """

    place: Any
    unit: int
    threshold: float
    polarity: int
    selection: float
    reporting: float
    area: float
    best_area: float
    hits: np.ndarray = dataclasses.field(repr=False)
    responses: np.ndarray = dataclasses.field(repr=False)


@dataclasses.dataclass
class _Best:
    """The best so far of one split."""

    score: float = -1.0
    detector: tuple = ()  # place, unit, threshold, polarity, responses [n]
    area_score: float = -1.0
    area: tuple = ()  # polarity, responses [n]


class Search:
    """Looks at units, some at a time, and keeps the best for every split of the same images.

    Responses are sorted once a unit; every split then only counts along the order.

    Arguments:
      labels: 0 or 1 [n].
      splits: which images choose and which judge.
      luck: in how many trials labels are shuffled among the selecting images of the first split, to see what the best
        of as many units reaches when there is nothing to know.
      seed: keys those trials.
    """

    def __init__(self, labels, splits: Sequence[Split], luck: int = 0, seed: int = 0):
        self.labels, self.splits = np.asarray(labels), list(splits)
        self.units = 0
        self._best = [_Best() for _ in self.splits]
        # What an image adds to the count along the order: 1 for others, -1 for the concept, 0 if it does not choose.
        self._steps = [(split.selecting * (1 - 2 * self.labels)).astype(np.int8) for split in self.splits]
        generator, rows = np.random.default_rng(seed), np.flatnonzero(self.splits[0].selecting)
        self._shuffled = []
        for _ in range(luck):
            steps = np.zeros(len(self.labels), np.int8)
            steps[rows] = generator.permutation(self._steps[0][rows])
            self._shuffled.append(steps)
        self._luck = np.zeros(luck)

    def see(self, responses, place: Any = None, title: str = "units") -> None:
        """Looks at units.

        Args:
          responses: float32 [n, units].
          place: given back with the best of them.
          title: of the progress bar, for where there are very many.
        """
        responses = np.asarray(responses, np.float32)
        size = max(1, _PIECE // max(1, len(responses)))
        starts = range(0, responses.shape[1], size)
        pieces = [np.ascontiguousarray(responses[:, start : start + size].T) for start in starts]
        self.units += responses.shape[1]
        if len(pieces) == 1:
            looks = [self._look(pieces[0])]
        else:
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                looks = list(progress.shown(pool.map(self._look, pieces), title, len(pieces), unit="part"))
        for start, piece, (found, luck) in zip(starts, pieces, looks, strict=True):
            self._luck = np.maximum(self._luck, luck)
            for best, (score, unit, threshold, polarity, area_score, area_unit, area_polarity) in zip(
                self._best, found, strict=True
            ):
                if score > best.score:
                    best.score = score
                    best.detector = (place, start + unit, threshold, polarity, piece[unit].copy())
                if area_score > best.area_score:
                    best.area_score, best.area = area_score, (area_polarity, piece[area_unit].copy())

    def found(self) -> list[Detector]:
        """The best unit for every split."""
        detectors = []
        for split, best in zip(self.splits, self._best, strict=True):
            place, unit, threshold, polarity, responses = best.detector
            hits = ((responses > threshold) == (polarity == 1)) == (self.labels == 1)
            rows = split.reporting
            # Where all images choose, none are left to judge.
            known = rows if rows.any() else split.selecting
            areas = [
                area_under_curve(sign * values[known], self.labels[known])
                for sign, values in ((polarity, responses), best.area)
            ]
            reporting = float(hits[known].mean())
            detectors.append(
                Detector(
                    place, unit, threshold, polarity, best.score, reporting, *areas, hits=hits, responses=responses
                )
            )
        return detectors

    def luck(self) -> np.ndarray:
        """float64 [trials]: what the best unit reached on the selecting images of the first split, labels shuffled."""
        return self._luck.copy()

    def _look(self, values: np.ndarray) -> tuple:
        """The best of some units, float32 [units, n]: what `see` compares."""
        order = np.argsort(values, axis=1)
        ordered = np.take_along_axis(values, order, axis=1)
        tied = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).mean(axis=1) > _TIED)
        order[tied] = np.argsort(values[tied], axis=1, kind="stable")
        # The same order, but for equal answers, which are turned about: the mean of both counts them by halves.
        turned = values.shape[1] - 1 - np.argsort(values[tied][:, ::-1], axis=1, kind="stable")
        found, belows = [], []
        for steps in self._steps:
            chosen, counts = _counted(order, steps)
            thresholds, below = _thresholds(ordered, chosen)
            belows.append(below)
            accuracies = _accuracies(counts, below, steps)
            place = np.unravel_index(np.argmax(accuracies), accuracies.shape)
            unit, number, polarity = (int(part) for part in place)
            areas = _areas(chosen, counts, steps)
            other_chosen, other_counts = _counted(turned, steps)
            areas[tied] = (areas[tied] + _areas(other_chosen, other_counts, steps)) / 2
            area_unit = int(np.argmax(np.abs(areas - 0.5)))
            area = float(areas[area_unit])
            turn = 1 if area >= 0.5 else -1
            threshold = float(thresholds[unit, number])
            found.append(
                (float(accuracies[place]), unit, threshold, 1 - 2 * polarity, max(area, 1 - area), area_unit, turn)
            )
        luck = [_accuracies(_counted(order, steps)[1], belows[0], steps).max() for steps in self._shuffled]
        return found, np.array(luck, np.float64).reshape(len(self._shuffled))


def search(blocks: Iterable, labels, splits: Sequence[Split]) -> list[Detector]:
    """The best unit of all for every split.

    Args:
      blocks: of (place, float32 [n, units]).
      labels: 0 or 1 [n].
      splits: see `Split`.
    """
    searching = Search(labels, splits)
    for place, responses in blocks:
        searching.see(responses, place)
    return searching.found()


def area_under_curve(responses, labels) -> float:
    """The probability that a response to label 1 is greater than one to label 0; equal ones count half.

    Args:
      responses: float [n].
      labels: 0 or 1 [n].

    Example:
      >>> area_under_curve([0.1, 0.4, 0.3, 0.9], [0, 0, 1, 1])
      0.75
    """
    labels = np.asarray(labels)
    values = np.unique(np.asarray(responses), return_inverse=True)[1]
    others = np.bincount(values[labels == 0], minlength=values.max() + 1)
    below = np.cumsum(others) - 0.5 * others
    return float(below[values[labels == 1]].mean() / max(others.sum(), 1))


def halves(labels, seed: int, groups=None) -> Split:
    """Two random halves, of the concept and of the others alike, no group in both.

    Args:
      labels: 0 or 1 [n].
      seed: keys the halving.
      groups: integers [n]: images of the same number stay together; None leaves every image by itself.

    Raises:
      UserError: fewer than two groups of either label.
    """
    labels, generator = np.asarray(labels), np.random.default_rng(seed)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    names, sizes = np.unique(groups, return_counts=True)
    selecting = np.zeros(len(labels), bool)
    strata = _strata(labels, groups)
    mixed = any(kind == 2 for kind, _ in strata)
    for kind, members in strata:
        if len(members) < 2 and not (mixed and kind < 2):
            what = (
                "everything else has one group of images", "the concept has one group of images",
                "one group alone holds images of the concept and others",
            )[kind]  # fmt: skip
            raise UserError(
                f"{what}; expected two or more: neurons are chosen on one half of the groups and judged on the other"
            )
        order = generator.permutation(members)
        filled = np.cumsum(sizes[np.searchsorted(names, order)])
        # As near to half of the images as whole groups allow, and at least one group on either side.
        count = int(np.argmin(np.abs(filled - filled[-1] / 2))) + 1
        # A lone one, beside groups that hold both, falls to either.
        chosen = order[: min(count, len(order) - 1)] if len(order) > 1 else order[: generator.integers(2)]
        selecting |= np.isin(groups, chosen)
    return Split(selecting, ~selecting)


def interval(detectors: Sequence[Detector], splits: Sequence[Split], labels, groups=None, seed: int = 0) -> tuple:
    """Where 95 of 100 accuracies lie when other people had been photographed: groups are drawn again.

    Groups are drawn with replacement, as many of each label as there are; the detectors stay as they are. Over
    several splits the accuracy is their mean, and a group is drawn for all of them at once.

    Args:
      detectors: one a split.
      splits: see `Split`.
      labels: 0 or 1 [n].
      groups: as in `halves`.
      seed: keys the draws.

    Returns:
      (low, high) of the reporting accuracy.
    """
    labels, generator = np.asarray(labels), np.random.default_rng(seed)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    names, numbers = np.unique(groups, return_inverse=True)
    reported = np.any([split.reporting for split in splits], axis=0)
    draws = np.zeros([_RESAMPLES, len(names)])
    for _, members in _strata(labels[reported], groups[reported]):
        columns = np.searchsorted(names, members)
        draws[:, columns] = generator.multinomial(len(columns), np.full(len(columns), 1 / len(columns)), _RESAMPLES)
    means = np.zeros(_RESAMPLES)
    for detector, split in zip(detectors, splits, strict=True):
        rows = split.reporting
        hits = np.bincount(numbers[rows], detector.hits[rows], len(names))
        sizes = np.bincount(numbers[rows], minlength=len(names))
        means += (draws @ hits) / np.maximum(draws @ sizes, 1)
    low, high = np.percentile(means / len(splits), [2.5, 97.5])
    return float(low), float(high)


def _strata(labels: np.ndarray, groups: np.ndarray) -> list[tuple]:
    """(label, its groups) for both labels, and (2, groups) for those of mixed labels, where there are any."""
    names, numbers = np.unique(groups, return_inverse=True)
    share = np.bincount(numbers, labels, len(names)) / np.bincount(numbers, minlength=len(names))
    kinds = np.where(share == 0, 0, np.where(share == 1, 1, 2))
    return [(kind, names[kinds == kind]) for kind in (0, 1, 2) if np.any(kinds == kind)]


# ---- counting along the order; order [units, n] are images by rising response


def _counted(order: np.ndarray, steps: np.ndarray) -> tuple:
    """(steps in order, and how many more others than pictures of the concept there are up to each)."""
    chosen = np.take(steps, order)
    kind = np.int16 if len(steps) < 2**15 else np.int32
    return chosen, np.cumsum(chosen, axis=1, dtype=kind)


def _thresholds(ordered: np.ndarray, chosen: np.ndarray) -> tuple:
    """Equally spaced between least and greatest selecting response, and how many responses are not above each.

    Returns:
      (float64 [units, THRESHOLDS], int64 likewise).
    """
    units, count = ordered.shape
    rows, there = np.arange(units), chosen != 0
    low = ordered[rows, there.argmax(axis=1)].astype(np.float64)[:, None]
    high = ordered[rows, count - 1 - there[:, ::-1].argmax(axis=1)].astype(np.float64)[:, None]
    thresholds = low + np.arange(1, THRESHOLDS + 1) * (high - low) / (THRESHOLDS + 1)
    # Compared as responses are kept; rounded down, so that the same ones lie above.
    rounded = thresholds.astype(np.float32)
    rounded = np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    below, above = np.zeros(thresholds.shape, np.int64), np.full(thresholds.shape, count)
    while np.any(below < above):
        middle = (below + above) // 2
        open_ = below < above
        under = open_ & (np.take_along_axis(ordered, np.minimum(middle, count - 1), axis=1) <= rounded)
        below, above = np.where(under, middle + 1, below), np.where(open_ & ~under, middle, above)
    return thresholds, below


def _accuracies(counts: np.ndarray, below: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """float64 [units, THRESHOLDS, polarity 1 or -1]."""
    positives, total = int(np.sum(steps < 0)), int(np.sum(steps != 0))
    passed = np.take_along_axis(counts, np.maximum(below - 1, 0), axis=1).astype(np.int64)
    # Right are the others below the threshold and the concept above it.
    share = (positives + np.where(below > 0, passed, 0)) / max(total, 1)
    return np.stack([share, 1.0 - share], axis=-1)


def _areas(chosen: np.ndarray, counts: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """float64 [units] under the ROC curve, equal responses in the order that they are in."""
    positives, others = int(np.sum(steps < 0)), int(np.sum(steps > 0))
    # At the k-th picture of the concept there are counts + k others below it.
    passed = np.where(chosen < 0, counts, 0).sum(axis=1, dtype=np.int64)
    return (passed + positives * (positives + 1) / 2) / max(positives * others, 1)
