"""The neuron that knows a concept, beside its controls, as pictures (Le et al. 2012, section 4.4 and appendices)."""

import concurrent.futures
import dataclasses
import os

import numpy as np

from .. import pipelines, progress
from . import concept_table, pictures, stimuli
from .codes import some_images
from .concept_images import Concept, ConceptImages
from .contract import Picture
from .linear_filters import LinearFilter
from .moving import STATED, moved
from .neurons import Neuron

_TOP, _CONTROLS_TOP = 48, 12
_MAPS, _MAP_SCALE, _MAP_STEPS = 4, 2.5, 28  # Photographs, their side in windows, and windows along it.


@dataclasses.dataclass(frozen=True)
class Unit:
    """The best unit of a row of the table.

    Attributes:
      name, title: of the row.
      unit: answers `responses`.
      polarity, threshold: of its detector.
      deviation: of its responses to the test images.
      signed: float [n], responses to the test images above the threshold, in deviations, positive for the concept.
    """

    name: str
    title: str
    unit: Neuron | LinearFilter
    polarity: int
    threshold: float
    deviation: float
    signed: np.ndarray

    def rated(self, responses) -> np.ndarray:
        """Responses times polarity above the threshold, in deviations."""
        return (responses - self.polarity * self.threshold) / self.deviation


def draw(model, train: pipelines.Images, concept: Concept, numbers: dict, seed: int) -> dict[str, Picture]:
    """All pictures of one concept.

    Args:
      model: a `models.Sparse`.
      train: its training images.
      concept: where its images are.
      numbers: of `concept_table.measure` for this concept.
      seed: as there.
    """
    side, name = model.config.window, concept.name
    found = concept.read(side, model.config.image_shape[2], seed)
    units = _units(model, train, concept, found, numbers, seed)
    neuron, shown = units[0], found.shown
    images, labels = found.images[shown], found.labels[shown]
    what = "images that it was not chosen on" if found.apart else "all test images, chosen on the same"
    title = f"the best neuron for {name}"
    groups = {name: neuron.signed[labels == 1], "others": neuron.signed[labels == 0]}
    result = {
        f"{name}_controls": _controls(concept, numbers, found),
        f"{name}_responses": Picture(
            pictures.histograms(groups, f"{title}: responses, threshold at 0", "deviations"),
            f"Responses to {what}. The honest accuracies are those of the table, with their intervals.",
        ),
        f"{name}_top_stimuli": Picture(
            pictures.grid(_sheet(images, neuron.signed, _TOP, 8)),
            f"Of {what}, the {_TOP} that excite {title} most, row by row.",
        ),
        f"{name}_top_stimuli_controls": Picture(
            pictures.labeled_rows(
                np.concatenate([_sheet(images, unit.signed, _CONTROLS_TOP, _CONTROLS_TOP) for unit in units]),
                [unit.title for unit in units],
                least_side=40,
            ),
            "The test images that excite the best unit of each kind most.",
        ),
        f"{name}_optimal_stimulus": _optimal(units, train),
        f"{name}_moved": _moved(found, seed),
        f"{name}_map": _maps(model, concept, neuron, found, seed),
        **_invariances(name, units, images[labels == 1][:10]),
    }
    return result


def _units(model, train, concept: Concept, found: ConceptImages, numbers: dict, seed: int) -> list[Unit]:
    """The best neuron, and the best units of the controls, as `numbers` tell them."""
    drawn = ("neuron", "stage_1", "random_weights", "linear_filter")
    units, wanted = [], [row for row in concept_table.titles(numbers, concept.name) if row in drawn]
    for row in concept_table.rows(model, train, seed, wanted):
        first = row.name == "neuron"
        prefix = concept.name if first else f"{concept.name}_{row.name}"
        unit = row.eye.neuron(row.eye.from_index(int(numbers[f"{prefix}_index"])))
        polarity = int(numbers[f"{prefix}_{'polarity' if first else 'sign'}"])
        threshold = float(numbers[f"{prefix}_threshold"])
        images = found.images[found.shown]
        if row.eye.window != images.shape[1]:
            images = concept.read(row.eye.window, images.shape[3], seed).images[found.shown]
        responses = unit.responses(images)
        deviation = max(float(responses.std()), 1e-12)
        signed = polarity * (responses - threshold) / deviation
        units.append(Unit(row.name, row.title, unit, polarity, threshold, deviation, signed))
    return units


def _sheet(images: np.ndarray, signed: np.ndarray, count: int, columns: int) -> np.ndarray:
    """The images that excite most: float [rows, columns, h, w, c], white where there are no more."""
    order = np.argsort(-signed)[:count]
    best = np.ones([-(-count // columns) * columns, *images.shape[1:]], np.float32)
    best[: len(order)] = images[order]
    rows = -(-len(order) // columns)
    return best.reshape(-1, columns, *images.shape[1:])[:rows]


def _controls(concept: Concept, numbers: dict, found: ConceptImages) -> Picture:
    """The table as a picture."""
    name, rows = concept.name, []
    for row, title in concept_table.titles(numbers, name).items():
        values = {}
        for condition, series in (("", "as they are"), (concept_table.MOVED, "moved")):
            keys = (f"{name}_{row}{condition}{end}" for end in ("", "_low", "_high"))
            values[series] = tuple(100 * numbers[key] for key in keys)
        rows.append((title, values))
    marks = {"guess": 100 * numbers[f"{name}_guess"], "luck, choosing": 100 * numbers[f"{name}_luck"]}
    judged = "a set of their own" if found.apart else "halves by turns"
    groups = "images" if found.groups is None else "groups (people, clips)"
    return Picture(
        pictures.intervals(rows, f"{name}: accuracy of the best unit", "% of judging images", marks),
        f"The best unit of each kind, chosen on some images and judged on others ({judged}), as they are and "
        f"{STATED}. Lines: where 95 of 100 values lie when {groups} are drawn again. Luck is what the best of "
        f"{numbers[f'{name}_candidates']:,} neurons reaches on the images it is chosen on when labels are shuffled.",
    )


def _optimal(units: list[Unit], train: pipelines.Images) -> Picture:
    sample = some_images(train, 200).numpy()

    def best(unit: Unit) -> np.ndarray:
        if isinstance(unit.unit, LinearFilter):
            return unit.polarity * unit.unit.picture
        side = unit.unit.image_shape[0]
        top, left = (sample.shape[1] - side) // 2, (sample.shape[2] - side) // 2
        strengths = stimuli.spectrum(unit.unit, sample[:, top : top + side, left : left + side])
        return stimuli.optimal(unit.unit, unit.polarity, strengths)[0]

    # A few images at a time leave cores idle: the units climb beside each other.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(progress.shown(pool.map(best, units), "best stimuli", len(units), unit="neuron"))
    drawn = [_enlarged(centered(one[None])[0], 160) for one in found]
    words = [unit.title for unit in units]
    return Picture(
        pictures.worded_sheet(np.stack(drawn), words, columns=len(drawn), least_side=160),
        "The image of given length, as lengths are counted in whitened images, that excites the best unit of each kind "
        "most: by gradient ascent from 16 starts, and for a linear filter the filter itself. Gray is zero.",
    )


def _enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """At least so large, all alike: nearest neighbors of [side, side, c]."""
    places = (np.arange(side) * len(image)) // side
    return image[places[:, None], places]


def _moved(found: ConceptImages, seed: int) -> Picture:
    rows = np.flatnonzero(found.shown & (found.labels == 1))[:12]
    shaken = moved(found.images, seed)
    return Picture(
        pictures.grid(np.stack([found.images[rows], shaken[rows]])),
        f"Above: images of the concept as they are. Below: moved, every one at random: {STATED}.",
    )


def _invariances(name: str, units: list[Unit], positives: np.ndarray) -> dict[str, Picture]:
    units = [unit for unit in units if unit.name in ("neuron", "linear_filter")]
    curves = {unit.title: stimuli.invariance(unit.unit, unit.polarity, positives) for unit in units}
    result = {}
    for transformation in stimuli.INVARIANCES:
        unit = {"scale": "factor", "rotation": "degrees"}.get(transformation, "share of the window")
        series = {}
        for shown in units:
            values, responses = curves[shown.title][transformation]
            series[shown.title] = (values, shown.rated(responses))
        series["threshold"] = (values, np.zeros(len(values)))
        result[f"{name}_invariance_{transformation.replace(' ', '_')}"] = Picture(
            pictures.curves(series, f"{name}: {transformation}", unit=unit),
            f"Mean response to ten images of the concept under {transformation}, of the "
            f"{' and of the '.join(unit.title for unit in units)}: above the threshold, in deviations over the test "
            "images.",
        )
    return result


def _maps(model, concept: Concept, neuron: Unit, found: ConceptImages, seed: int) -> Picture:
    """The neuron over whole photographs: each larger than its window, which is moved over it."""
    window = model.config.window
    side = int(_MAP_SCALE * window)
    whole = concept.read(side, model.config.image_shape[2], seed)
    positives = np.flatnonzero(found.shown & (found.labels == 1))
    others = np.flatnonzero(found.shown & (found.labels == 0))
    generator = np.random.default_rng(seed)
    positives, others = generator.permutation(positives)[: 2 * _MAPS], generator.permutation(others)
    drawn = []
    for number in progress.shown(range(min(_MAPS, len(positives))), "drawing maps", unit="map"):
        # A photograph of the concept as large as it is, and one as large as a window amid other photographs.
        single, lone = whole.images[positives[number]], found.images[positives[-1 - number]]
        scene = _scene(whole.images[others[number % len(others)]], lone, generator)
        for photograph in (single, scene):
            values = response_map(neuron, photograph, window)
            drawn += [np.repeat(photograph, 3 // photograph.shape[2], axis=2), pictures.overlaid(photograph, values)]
    columns = np.stack(drawn).reshape(-1, 4, side, side, 3)
    return Picture(
        pictures.grid(columns, least_side=96),
        "The best neuron over whole photographs, its window moved over each: orange where it finds the concept, blue "
        "where it does not, strength in deviations above or below the threshold. Left: test images of the concept, "
        f"{_MAP_SCALE:g} windows wide. Right: one of the size of a window, put into a photograph of something else.",
    )


def _scene(photograph: np.ndarray, lone: np.ndarray, generator) -> np.ndarray:
    side, window = len(photograph), len(lone)
    top, left = generator.integers(0, side - window + 1, 2)
    scene = photograph.copy()
    scene[top : top + window, left : left + window] = lone
    return scene


def response_map(neuron: Unit, photograph: np.ndarray, window: int) -> np.ndarray:
    """What the neuron answers at every place: float [h, w] above the threshold, 1 for two deviations.

    Args:
      neuron: which one.
      photograph: float32 [h, w, c] in [0, 1].
      window: side of the neuron's.
    """
    height, width = photograph.shape[:2]
    tops = np.unique(np.linspace(0, height - window, _MAP_STEPS).round().astype(int))
    lefts = np.unique(np.linspace(0, width - window, _MAP_STEPS).round().astype(int))
    windows = np.stack([photograph[top : top + window, left : left + window] for top in tops for left in lefts])
    values = neuron.rated(neuron.polarity * neuron.unit.responses(windows)).reshape(len(tops), len(lefts)) / 2
    # A window's answer stands at its middle; the border has no window of its own.
    rows = np.abs(np.arange(height)[:, None] - (tops + window / 2)[None]).argmin(axis=1)
    columns = np.abs(np.arange(width)[:, None] - (lefts + window / 2)[None]).argmin(axis=1)
    spread, edge = values[rows[:, None], columns], window // 2
    inside = np.zeros([height, width], bool)
    inside[edge : height - edge + 1, edge : width - edge + 1] = True
    return np.where(inside, spread, 0.0)


def centered(filters: np.ndarray) -> np.ndarray:
    """Signed pictures in [0, 1] with zero at gray, each over its own range."""
    scale = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    return 0.5 + 0.5 * filters / np.maximum(scale, 1e-12)
