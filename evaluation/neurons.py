"""Finding the neuron that best detects a concept, among more than fit in memory (Le et al. 2012, section 4).

The paper takes every neuron's least and greatest response to the test images, tries 20 equally spaced thresholds
between them, and reports the accuracy of the best neuron at its best threshold, chosen on the very images that it is
reported on. Of a hundred thousand neurons some fit by chance, so here neuron, threshold and polarity are chosen on
one half of the images and reported on the other.

Untied filters are different at every place: an image says something about a neuron only where that neuron looks. So
test images are resized to the window of a neuron and shown to its cone, the part of the network below it.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from .. import models
from ..errors import UserError
from . import sweep

THRESHOLDS = 20


@dataclasses.dataclass(frozen=True)
class Detector:
    """A unit with a threshold.

    Attributes:
      unit: number of the unit.
      threshold: between "is" and "is not".
      polarity: 1 if responses above it mean "is", -1 if those below it do.
      selection: accuracy on the images it was chosen on; optimistic.
      reporting: accuracy on the others.
    """

    unit: int
    threshold: float
    polarity: int
    selection: float
    reporting: float


class NeuronSearch:
    """Best unit of many in two passes over the images; its memory does not depend on how many images there are.

    First every batch goes through `see_range`, then every batch again through `see`. Ranges and choices are made on
    rows marked as selection; the others are only counted.

    Arguments:
      units: how many are searched at a time.
    """

    def __init__(self, units: int):
        self.low, self.high = np.full(units, np.inf), np.full(units, -np.inf)
        # [selection or reporting, unit, thresholds below the response, label]
        self._counts = np.zeros([2, units, THRESHOLDS + 1, 2], np.int64)

    def see_range(self, responses, selection) -> None:
        """float [n, units], bool [n]."""
        if np.any(selection):
            chosen = np.asarray(responses)[selection]
            self.low = np.minimum(self.low, chosen.min(axis=0))
            self.high = np.maximum(self.high, chosen.max(axis=0))

    def see(self, responses, labels, selection) -> None:
        """float [n, units], 0 or 1 [n], bool [n]."""
        units = len(self.low)
        width = np.maximum(self.high - self.low, 1e-30)
        place = (np.asarray(responses, np.float64) - self.low) / width * (THRESHOLDS + 1)
        below = np.clip(np.ceil(place) - 1, 0, THRESHOLDS).astype(np.int64)
        for part, rows in enumerate((selection, ~selection)):
            index = (np.arange(units) * (THRESHOLDS + 1) + below[rows]) * 2 + np.asarray(labels)[rows, None]
            counts = np.bincount(index.ravel(), minlength=self._counts[part].size)
            self._counts[part] += counts.reshape(self._counts[part].shape)

    def accuracies(self) -> np.ndarray:
        """float [selection or reporting, unit, threshold, polarity 1 or -1]."""
        above = self._counts[:, :, ::-1].cumsum(axis=2)[:, :, ::-1][:, :, 1:]
        total = self._counts.sum(axis=2, keepdims=True)
        hits = above[..., 1] + (total[..., 0] - above[..., 0])
        share = hits / np.maximum(total.sum(axis=-1), 1)
        return np.stack([share, 1.0 - share], axis=-1)

    def best(self) -> Detector:
        """The unit, threshold and polarity of the greatest accuracy on the selection."""
        accuracies = self.accuracies()
        place = np.unravel_index(np.argmax(accuracies[0]), accuracies[0].shape)
        unit, threshold, polarity = (int(number) for number in place)
        value = self.low[unit] + (threshold + 1) * (self.high[unit] - self.low[unit]) / (THRESHOLDS + 1)
        scores = (float(accuracies[part][place]) for part in (0, 1))
        return Detector(unit, float(value), 1 - 2 * polarity, *scores)


def halves(labels, seed: int) -> np.ndarray:
    """A random half of the positives and of the negatives: bool [n]."""
    generator, selection = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for label in (0, 1):
        rows = generator.permutation(np.flatnonzero(np.asarray(labels) == label))
        selection[rows[: len(rows) // 2]] = True
    return selection


def search(batches: Iterable, labels, selections: list) -> list:
    """The best of streamed units, for several halvings of the same images at once.

    Args:
      batches: iterable, gone through twice, of (first row, float responses [b, units]).
      labels: 0 or 1 [n].
      selections: bool [n] each; see `halves`.

    Returns:
      A `Detector` for each.
    """
    labels, searches = np.asarray(labels), []
    for first, responses in batches:
        searches = searches or [NeuronSearch(responses.shape[1]) for _ in selections]
        for one, selection in zip(searches, selections, strict=True):
            one.see_range(responses, selection[first : first + len(responses)])
    for first, responses in batches:
        rows = slice(first, first + len(responses))
        for one, selection in zip(searches, selections, strict=True):
            one.see(responses, labels[rows], selection[rows])
    return [one.best() for one in searches]


class Cone:
    """The part of a network below one position, as a small network of its own that is moved about.

    Arguments:
      model: a `models.sparse.Sparse`.
      stages: of the neurons looked at; the last by default.
    """

    def __init__(self, model, stages: int | None = None):
        stages = stages or model.config.stages
        shallow = dataclasses.replace(
            model.config, stages=stages, tile=0, shards=1, decoder="tied", memory_saving=False
        )
        side = shallow.window
        channels = model.config.image_shape[2]
        self.window, self.maps = side, model.config.maps
        self.net = models.sparse.Sparse(
            dataclasses.replace(shallow, image_shape=(side, side, channels), unit_norm=False)
        )
        for mine, theirs in zip(self.net.whitening.weights, model.whitening.weights, strict=True):
            mine.assign(theirs)
        self._kernels = []
        for stage in model.stages[:stages]:
            geometry = stage.filters.geometry
            self._kernels.append(stage.filters.compact_kernel().reshape(*geometry.distinct, geometry.field, -1))
        self._strides = [model.config.stride ** (stages - 1 - number) for number in range(stages)]
        rows = _output_side(model, stages)
        self.center, top = self.net.output_shape_[0] // 2, self.net.output_shape_[0]
        # Positions whose whole window lies in the image; (row, column) of the neurons at the given stage.
        self.positions = [
            (row + self.center, column + self.center)
            for row in range(rows[0] - top + 1)
            for column in range(rows[1] - top + 1)
        ]
        self._call = tf.function(self._center_responses, autograph=False)

    def move(self, row: int, column: int) -> None:
        """Takes the filters that the neurons at a position look through."""
        for number, stage in enumerate(self.net.stages):
            part = self.filters(number, row, column)
            stage.filters.set_compact_kernel(part.reshape(-1, *part.shape[2:]))

    def filters(self, number: int, row: int, column: int) -> np.ndarray:
        """Those of a stage (from 0) below a position: float32 [rows, columns, field (row, column, channel), maps]."""
        kernel, stride = self._kernels[number], self._strides[number]
        sides = self.net.stages[number].filters.geometry.positions
        rows = ((row - self.center) * stride + np.arange(sides[0])) % kernel.shape[0]
        columns = ((column - self.center) * stride + np.arange(sides[1])) % kernel.shape[1]
        return kernel[rows[:, None], columns[None, :]]

    def whitened(self, images, batch: int = 500) -> np.ndarray:
        """float32 like images, [n, window, window, channels] in [0, 1]."""
        parts = [self.net.whitening(tf.constant(images[k : k + batch])) for k in range(0, len(images), batch)]
        return np.concatenate([part.numpy() for part in parts])

    def responses(self, images) -> np.ndarray:
        """float32 [n, maps] of the neurons at the position, for float32 [n, window, window, channels] in [0, 1]."""
        return self._call(tf.convert_to_tensor(images)).numpy()

    def of_whitened(self, values):
        """Likewise for images that are whitened already; differentiable."""
        for stage in self.net.stages:
            values = stage(values)[2]
        return values[:, self.center, self.center]

    def _center_responses(self, images):
        return self.net.outputs(images)[-1][:, self.center, self.center]


def best_neurons(cone: Cone, images, labels, selections: list, every: int = 1, title: str = "neurons") -> list:
    """The best neurons of a network for a concept, one for each halving of the test images.

    Args:
      cone: of the network and stage.
      images: float32 [n, window, window, channels] in [0, 1].
      labels: 0 or 1 [n].
      selections: see `halves`.
      every: looks only at every N-th row and column of positions.
      title: of the progress bar.

    Returns:
      [(Detector, (row, column, map))].

    Raises:
      UserError: no neuron whose whole window lies in the image.
    """
    if not cone.positions:
        raise UserError(f"no neuron sees {cone.window} pixels of the image; concepts need a larger image_shape")
    best: list = [None] * len(selections)
    top, left = cone.positions[0]
    places = [place for place in cone.positions if not ((place[0] - top) % every or (place[1] - left) % every)]
    found = sweep.responses(cone, cone.whitened(images), places)
    for (row, column), responses in tqdm(found, title, len(places), unit="place", disable=None):
        for number, detector in enumerate(search([(0, responses)], labels, selections)):
            if best[number] is None or detector.selection > best[number][0].selection:
                best[number] = (detector, (row, column, detector.unit))
    return best


def best_filters(
    whitened_patches, whitened_images, labels, selections: list, group: int = 200, title: str = "linear filters"
) -> list:
    """The best linear filters: training patches by their cosine similarity with test images, searched likewise.

    Args:
      whitened_patches: float [p, ...], each as large as an image.
      whitened_images: float [n, ...].
      labels, selections: as in `best_neurons`.
      group: patches at a time; few, so that the search stays near the processor.
      title: of the progress bar.

    Returns:
      A `Detector` for each halving; its unit is the number of the patch.
    """

    def unit(rows):
        rows = np.reshape(rows, [len(rows), -1])
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    images = unit(np.asarray(whitened_images))
    best: list[Any] = [None] * len(selections)
    for first in tqdm(range(0, len(whitened_patches), group), title, unit="group", disable=None):
        similar = images @ unit(np.asarray(whitened_patches[first : first + group])).T
        for number, found in enumerate(search([(0, similar)], labels, selections)):
            if best[number] is None or found.selection > best[number].selection:
                best[number] = dataclasses.replace(found, unit=first + found.unit)
    return best


def _output_side(model, stages: int) -> tuple:
    positions = model.stages[stages - 1].filters.geometry.positions
    return tuple(side - model.config.pool + 1 for side in positions)
