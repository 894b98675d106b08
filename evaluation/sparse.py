"""What the paper of the sparse autoencoder shows of its networks, as numbers and pictures (Le et al. 2012)."""

import functools
import math
from collections.abc import Mapping

import numpy as np

from .. import models, pipelines
from ..errors import UserError
from ..models.sparse_stage import OverlapStage
from . import concept_probes, concept_table, gabor, neuron_pictures, page, pictures, stimuli
from .codes import over, some_images
from .concept_images import Concept
from .contract import EvaluationData, Headline, Picture
from .neuron_pictures import centered

HEADLINES = {
    "gabor_fit": Headline(
        "of an edge's shape in the first stage's filters: median R squared of Gabor functions fitted to them",
        "above 0.8 for filters that are edges, if they spread over some pixels: a single pixel is fitted too",
        better="higher",
    ),
    "effective_pixels": Headline(
        "pixels that a filter of the first stage spreads over (median)",
        "15 and more, an edge with some length; near 1 it only copies single pixels",
    ),
    "edges": Headline(
        "of the first stage's filters are edges: a fit of 0.8 or more over at least 15 pixels",
        "most of them on natural images",
        share=True,
        better="higher",
    ),
    "missed_1": Headline(
        "of its input's energy that the first stage cannot reconstruct",
        "0 is perfect, 1 blind; to be read with the filters' shape, since copying pixels misses nothing",
    ),
    "neuron": Headline(
        "of test images told right by the best neuron, chosen on others",
        "above the best linear filter and random weights, by more than their intervals",
        share=True,
        better="higher",
    ),
    "linear_filter": Headline(
        "by the best of as many as 20,000 linear filters", "what the neuron must exceed", share=True
    ),
    "random_weights": Headline(
        "by the best neuron of the same network with random weights", "what the neuron must exceed", share=True
    ),
}
OPTIONS = {
    "concept": "NAME=SOURCE, comma-separated: looks for the neuron that knows a concept. The source's label 1 is the "
    "concept, 0 all else; a folder with two sub-folders will do.",
    "report": "with concept: NAME=SOURCE, images to judge on what was chosen on the concept's; without, halves by "
    "turns.",
    "groups": "with concept: NAME=RULE, who or which clip is on an image and must not be on both sides: a column of "
    "labels, or a regular expression whose first group in the file name says it.",
    "rows": "with concept: rows of the table, a list of names; the best neuron is always among them, without any it is "
    "all of them.",
    "every": "with concept: every N-th row and column of neurons; 0 is about 75 positions, all of shared filters.",
}
_FILTERS = 48  # Of the first stage that are fitted and shown.


def quick(model, images: pipelines.Images) -> dict[str, float]:
    """Reconstruction error of every stage as a share of its input's energy: 0 is perfect, 1 is blind."""
    found = over(functools.partial(_errors, model), images, batch_size=50)
    return {name: float(np.mean(value)) for name, value in found.items()}


def evaluate(model, data: EvaluationData, seed: int = 0) -> dict[str, float]:
    """All numbers of the family.

    Args:
      model: a Sparse model.
      data: its training images give the patches of the linear filters; of its options "concept" says which neurons to
        look for (name -> source), "report" on which other images they are judged, "groups" who is on an image, "rows"
        which rows of the table are made, and "every" to look at every N-th row and column only.
      seed: keys the halvings, the moves and the controls.

    Returns:
      name -> number: "missed_1", ... (see `quick`), "filter_length_1", ... (mean length of the encoder's filters),
      "units"; of the first stage's filters "gabor_fit" and "effective_pixels" (medians; see `gabor`) and "edges", the
      share with a fit of 0.8 over 15 effective pixels or more; of every concept what `concept_table.measure` and
      `concept_probes.measure` give. "neuron", "linear_filter" and "random_weights" are those of the first concept.
    """
    train, test = data.train, data.test
    result = {"test_images": len(test), "train_images": len(train), "units": model.units, **quick(model, test)}
    for number, stage in enumerate(model.stages, start=1):
        result[f"filter_length_{number}"] = float(np.linalg.norm(stage.filters.compact_kernel(), axis=1).mean())
    filters = first_filters(model)
    fits, pixels = np.array([found.fit for found in gabor.fit(filters)]), gabor.effective_pixels(filters)
    result["gabor_fit"], result["effective_pixels"] = float(np.median(fits)), float(np.median(pixels))
    result["edges"] = float(np.mean((fits >= 0.8) & (pixels >= 15)))
    rows, every = data.options.get("rows", ()), data.options.get("every", 0)
    if not isinstance(every, int) or every < 0:
        raise UserError(f"every is {every!r}; expected a whole number, 0 or more")
    wanted = concept_table.chosen([rows] if isinstance(rows, str) else rows, model.config.stages)
    concepts = _concepts(data)
    for concept in concepts[1:]:  # What cannot be read is refused before the first is searched for.
        concept.read(model.config.window, model.config.image_shape[2], seed)
    for number, concept in enumerate(concepts):
        result |= concept_table.measure(model, train, concept, every, seed, wanted)
        result |= concept_probes.measure(model, concept, seed)
        if not number:
            headlines = ("neuron", "linear_filter", "random_weights")
            result |= {row: result[f"{concept.name}_{row}"] for row in headlines if f"{concept.name}_{row}" in result}
    return result


def first_filters(model, most: int = _FILTERS) -> np.ndarray:
    """Filters of the first stage as they look in pixels, all maps at positions along the diagonal.

    Args:
      model: a Sparse model.
      most: about how many.

    Returns:
      float32 [n, field, field, channels].
    """
    places = _places(model, most)
    filters = np.concatenate([model.stages[0].pixel_filters(place).transpose(3, 0, 1, 2) for place in places])
    chosen = np.linspace(0, len(filters) - 1, min(most, len(filters))).round().astype(int)
    return filters[chosen]


def _places(model, most: int) -> list[tuple[int, int]]:
    """Positions of the first stage along the diagonal, as many as have about `most` filters."""
    stage = model.stages[0]
    rows, columns = stage.filters.geometry.distinct
    count = min(max(1, most // stage.config.maps), rows)
    return [(int(share * (rows - 1)), int(share * (columns - 1))) for share in np.linspace(0.1, 0.9, count)]


def _concepts(data: EvaluationData) -> list[Concept]:
    named = {option: data.options.get(option, {}) for option in ("concept", "report", "groups")}
    for option, given in named.items():
        if not isinstance(given, Mapping):
            value = "a rule" if option == "groups" else "a source, or (images, labels)"
            raise UserError(f"{option} is {given!r}; expected a dict of names, each with {value}")
    for name, rule in named["groups"].items():
        if not isinstance(rule, str):
            raise UserError(f"groups of {name} is {rule!r}; expected a column of labels or a regular expression")
    for option in ("report", "groups"):
        for name in named[option]:
            if name not in named["concept"]:
                raise UserError(
                    f"{option} is given for {name}, but the concept(s) are {', '.join(named['concept']) or 'none'}"
                )

    def source(given) -> str:
        return given if isinstance(given, str) else pipelines.give(given)

    return [
        Concept(name, source(given), source(named["report"].get(name, "")), named["groups"].get(name, ""))
        for name, given in named["concept"].items()
    ]


# ---- a page

_TOP, _MOST_MAPS, _LOOKED_AT = 8, 64, 400  # Pictures a map, maps a stage, test images that are looked at.
_THUMBNAIL = 24  # Pixels a side of what excites a map.


def explore(model, data: EvaluationData) -> page.Page:
    """What a page shows: the neurons of every stage, what excites each most, and its map of any picture."""
    sample = pipelines.drawn(data.test, _LOOKED_AT)["image"].numpy()
    parts = [model.outputs(sample[start : start + 50]) for start in range(0, len(sample), 50)]
    stages = []
    for number in range(1, model.config.stages + 1):
        maps = np.concatenate([part[number - 1].numpy() for part in parts])
        count = min(maps.shape[-1], _MOST_MAPS)
        shown = np.linspace(0, maps.shape[-1] - 1, count).round().astype(int)
        step, window = _looks(model.config, number)
        best = np.concatenate([_exciting(maps[..., k], sample, step, window) for k in shown])
        stages.append(
            {
                "name": f"stage {number}",
                "output": f"stage_{number}",
                "rows": maps.shape[1],
                "columns": maps.shape[2],
                "maps": maps.shape[3],
                "shown": shown,
                "means": maps.mean(axis=(0, 1, 2))[shown],
                "deviations": maps.std(axis=(0, 1, 2))[shown],
                "step": step,
                "window": window,
                "filters": _page_filters(model, shown) if number == 1 else None,
                "stimuli": page.strip(best),
                "liked": page.strip(_liked(model, number, shown, maps, sample, step, window)),
            }
        )
    labels = [f"picture {number + 1}" for number in range(24)]
    return page.Page([page.NeuronsPanel("maps", stages, _TOP)], sample[:24], labels[: len(sample)])


def _looks(config, stage: int) -> tuple[int, int]:
    """(step, side) in pixels of what a neuron of a stage looks at, without the normalizations around it."""
    step, side = 1, 1
    for number in range(stage, 0, -1):
        own = config.of_stage(number)
        side = (side + own.pool - 2) * own.stride + own.field
    for number in range(1, stage + 1):
        step *= config.of_stage(number).stride
    return step, min(side, *config.image_shape[:2])


def _exciting(values: np.ndarray, images: np.ndarray, step: int, window: int) -> np.ndarray:
    """Windows that excite a map most, one an image: float [_TOP, side, side, channels], white where there are no more.

    Args:
      values: float [n, rows, columns].
      images: float [n, height, width, channels].
      step, window: of the map's neurons.
    """
    flat = values.reshape(len(values), -1)
    order, places = np.argsort(-flat.max(axis=1))[:_TOP], flat.argmax(axis=1)
    side = min(window, _THUMBNAIL)
    lines = (np.arange(side) * window) // side
    found = np.ones([_TOP, side, side, images.shape[3]], np.float32)
    for k, image in enumerate(order):
        place = np.unravel_index(places[image], values.shape[1:])
        top, left = (min(int(p) * step, end - window) for p, end in zip(place, images.shape[1:3], strict=True))
        found[k] = images[image, top : top + window, left : left + window][lines[:, None], lines]
    return found


def _liked(model, stage: int, shown: np.ndarray, maps, images, step: int, window: int) -> np.ndarray:
    """What the neurons in a stage's middle like best, gray is zero: float [k, window, window, channels].

    Each climbs from the window that excites its map most.
    """
    middle = [side // 2 for side in maps.shape[1:3]]
    corner = [min(place * step, end - window) for place, end in zip(middle, images.shape[1:3], strict=True)]
    flat = maps.reshape(len(maps), -1, maps.shape[-1])[:, :, shown]
    first = flat.max(axis=1).argmax(axis=0)
    places = np.unravel_index(flat[first, :, range(len(shown))].argmax(axis=1), maps.shape[1:3])
    whitened = model.whitening(images[first]).numpy()
    starts = np.empty([len(shown), window, window, images.shape[3]], np.float32)
    for k, place in enumerate(zip(*places, strict=True)):
        top, left = (min(int(p) * step, end - window) for p, end in zip(place, images.shape[1:3], strict=True))
        starts[k] = whitened[k, top : top + window, left : left + window]
    units = np.stack([np.full(len(shown), middle[0]), np.full(len(shown), middle[1]), shown], axis=1)
    return centered(stimuli.of_places(model, stage, units, starts, tuple(corner), stimuli.strengths_of(starts)))


def _page_filters(model, shown: np.ndarray) -> dict:
    """Filters of the first stage in the middle, one a map shown; with signed pooling a map is a filter and a sign."""
    stage = model.stages[0]
    middle = tuple(side // 2 for side in stage.filters.geometry.distinct)
    filters = stage.pixel_filters(middle).transpose(3, 0, 1, 2)
    signs = np.where(shown < len(filters), 1.0, -1.0)[:, None, None, None]
    return page.strip(centered(signs * filters[shown % len(filters)]))


# ---- pictures


def draw(model, data: EvaluationData, numbers: dict, seed: int = 0) -> dict[str, Picture]:
    """All pictures of the family; those of neurons only where `numbers` hold results for concepts."""
    result = {
        **_filters(model, bool(numbers)),
        **_decoder(model),
        "reconstructions": _reconstructions(model, some_images(data.test, 12)),
    }
    for concept in _concepts(data):
        if concept.name in models.sparse.found_neurons(numbers):
            result |= neuron_pictures.draw(model, data.train, concept, numbers, seed)
    return result


def _filters(model, fitted: bool) -> dict[str, Picture]:
    """The first stage's filters, sorted by the orientation and frequency of the edges they are fitted by."""
    filters, stage = first_filters(model), model.stages[0]
    where = (
        "the first stage"
        if math.prod(stage.filters.geometry.distinct) == 1
        else "the first stage, at positions along the diagonal"
    )
    if fitted:
        fits, pixels = gabor.fit(filters), gabor.effective_pixels(filters)
        # By orientation in steps of 22.5 degrees, then from coarse to fine.
        keys = [(round(found.orientation / 22.5) % 8, found.frequency) for found in fits]
        order = sorted(range(len(filters)), key=keys.__getitem__)
        words = [f"{fits[k].fit:.2f}  {pixels[k]:.0f} px" for k in order]
        sheet = pictures.worded_sheet(centered(filters[order]), words, columns=12)
        caption = (
            f"Filters of {where} as they look in pixels, sorted by orientation (from horizontal, turning) and "
            "frequency; gray is zero. Below each, R squared of the Gabor function fitted to it and how many pixels it "
            f"spreads over: medians {np.median([found.fit for found in fits]):.2f} and {np.median(pixels):.0f} of "
            f"{stage.config.field**2}."
        )
    else:
        sheet = _in_rows(filters)
        caption = f"Filters of {where} as they look in pixels; gray is zero."
    return {"filters_encoder": Picture(sheet, caption)}


def _decoder(model) -> dict[str, Picture]:
    """Filters of a decoder of its own, where it decodes to pixels."""
    stage = model.stages[0]
    if stage.config.decoder == "tied" or not isinstance(stage, OverlapStage):
        return {}
    geometry, config = stage.decoder.geometry, stage.config
    kernel = stage.decoder.compact_kernel().reshape(*geometry.distinct, geometry.field, config.maps)
    filters = np.concatenate([kernel[place].T for place in _places(model, _FILTERS)])
    filters = filters.reshape(-1, config.field, config.field, geometry.image[2])[:_FILTERS]
    return {
        "filters_decoder": Picture(
            _in_rows(filters), "Filters of the first stage's decoder, at the same positions; gray is zero."
        )
    }


def _in_rows(filters: np.ndarray) -> np.ndarray:
    rest = np.zeros([-len(filters) % 12, *filters.shape[1:]], filters.dtype)
    return pictures.grid(centered(np.concatenate([filters, rest])).reshape(-1, 12, *filters.shape[1:]))


def _reconstructions(model, sample) -> Picture:
    whitened, back = model.whitening(sample).numpy(), model.reconstruct(sample)["images"].numpy()
    scale = np.abs(whitened).max(axis=(1, 2, 3), keepdims=True) / 0.5 + 1e-12
    rows = np.stack([sample.numpy(), 0.5 + whitened / scale, 0.5 + back / scale])
    return Picture(pictures.grid(rows), "Above: images. Middle: whitened. Below: what the first stage makes of them.")


def _errors(model, images) -> dict:
    values, errors = model.whitening(images), {}
    for number, stage in enumerate(model.stages, start=1):
        errors[f"missed_{number}"] = stage.missed(values)
        values = stage(values)[2]
    return errors
