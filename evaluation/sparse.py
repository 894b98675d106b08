"""What the paper of the sparse autoencoder shows of its networks, as numbers and pictures (Le et al. 2012)."""

import dataclasses
import functools
import re

import numpy as np

from .. import models, pipelines
from ..errors import UserError
from . import neurons, pictures, stimuli
from .codes import over, some_images
from .contract import EvaluationData, Picture

HEADLINES = {"missed_1": "of its input's energy that the first stage cannot reconstruct (0 is perfect, 1 blind)"}
OPTIONS = {
    "concept": "NAME=SOURCE, comma-separated: looks for the neuron that knows a concept. The source's label 1 is the "
    "concept, 0 all else; a folder with two sub-folders will do.",
    "every": "with concept: every N-th row and column of neurons; 0 is about 150 positions.",
}
_HALVINGS = 10
_PATCHES = 20_000
_PLACES = 150  # About how many positions are looked at, unless it is said how many.


@dataclasses.dataclass(frozen=True)
class Concept:
    """Test images of one concept.

    Attributes:
      name: as in the report; pictures are named after it.
      source: a data source with label 1 for the concept and 0 for everything else.

    Raises:
      UserError: a name that a file cannot have.
    """

    name: str
    source: str

    def __post_init__(self):
        if not re.fullmatch(r"\w[\w .-]*", self.name):
            raise UserError(f"concept is named '{self.name}'; expected letters, digits, blanks, '.', '-' or '_'")

    def read(self, side: int, channels: int) -> tuple:
        """(float32 [n, side, side, channels] in [0, 1], labels [n]).

        Raises:
          UserError: labels other than 0 and 1, or fewer than two images of either.
        """
        whole = {"validation_fraction": 0.0, "test_fraction": 0.0}
        images = pipelines.read(self.source, "train", image_shape=(side, side, channels), resize="stretch", **whole)
        labels = np.asarray(images.labels)
        if labels.ndim != 1:
            raise UserError(f"concept {self.name}: {self.source} has {labels.shape[1]} columns of labels; expected one")
        counts = {int(label): int(count) for label, count in zip(*np.unique(labels, return_counts=True), strict=True)}
        if set(counts) != {0, 1}:
            said = "no labels" if set(counts) == {-1} else f"the labels {', '.join(map(str, sorted(counts)[:5]))}"
            raise UserError(
                f"concept {self.name}: {self.source} has {said}; expected 1 for the concept and 0 for everything else "
                "(a folder with two subfolders, numbered from 0 in alphabetical order)"
            )
        if min(counts.values()) < 2:
            raise UserError(
                f"concept {self.name}: {self.source} has {counts[1]} image(s) of the concept and {counts[0]} of "
                "everything else; expected two or more of each: neurons are chosen on one half and judged on the other"
            )
        return next(iter(pipelines.in_order(images, len(images))))["image"].numpy(), labels


def quick(model, images: pipelines.Images) -> dict[str, float]:
    """Reconstruction error of every stage as a share of its input's energy: 0 is perfect, 1 is blind."""
    found = over(functools.partial(_errors, model), images, batch_size=50)
    return {name: float(np.mean(value)) for name, value in found.items()}


def evaluate(model, data: EvaluationData, seed: int = 0) -> dict[str, float]:
    """All numbers of the family.

    Args:
      model: a Sparse model.
      data: its training images give the patches of the linear filters; of its options "concept" says which neurons to
        look for (name -> source), and "every" to look at every N-th row and column only.
      seed: keys the halvings.

    Returns:
      name -> number: "missed_1", ... (see `quick`), "filter_length_1", ... (mean length of the encoder's filters),
      "units"; and of every concept "<name>_neuron", "<name>_first_stage", "<name>_random_weights",
      "<name>_linear_filter", "<name>_guess": accuracies on reporting halves, means over ten halvings, with the
      accuracy on the selecting halves as "..._selection". Entries "_found" hold the chosen neurons.
    """
    train, test = data.train, data.test
    result = {"test_images": len(test), "train_images": len(train), "units": model.units, **quick(model, test)}
    for number, stage in enumerate(model.stages, start=1):
        result[f"filter_length_{number}"] = float(np.linalg.norm(stage.filters.compact_kernel(), axis=1).mean())
    for concept in _concepts(data):
        result |= _table(model, train, concept, int(data.options.get("every", 0)), seed)
    return result


def _concepts(data: EvaluationData) -> list[Concept]:
    return [Concept(name, source) for name, source in data.options.get("concept", {}).items()]


def _table(model, train: pipelines.Images, concept: Concept, every: int, seed: int) -> dict:
    """The paper's table for one concept, its controls that need no other training run included."""
    result = {}
    untrained = models.sparse.Sparse(model.config)
    for mine, theirs in zip(untrained.whitening.weights, model.whitening.weights, strict=True):
        mine.assign(theirs)
    channels = model.config.image_shape[2]
    for row, net, stages in (
        ("neuron", model, None),
        ("random_weights", untrained, None),
        ("first_stage", model, 1),
    ):
        cone = neurons.Cone(net, stages)
        images, labels = concept.read(cone.window, channels)
        selections = [neurons.halves(labels, seed + k) for k in range(_HALVINGS)]
        step = every or max(1, round((len(cone.positions) / _PLACES) ** 0.5))
        # One neuron to show and to serve: chosen on all images, its numbers are those of the halvings.
        everything = [np.ones(len(labels), bool)] if row == "neuron" else []
        title = f"{concept.name}: {row.replace('_', ' ')}"
        found = neurons.best_neurons(cone, images, labels, [*selections, *everything], step, title)
        result |= _scores(f"{concept.name}_{row}", [detector for detector, _ in found[:_HALVINGS]])
        if everything:
            detector, place = found[-1]
            _, columns, maps = model.output_shape_
            index = (place[0] * columns + place[1]) * maps + place[2]
            result[f"{concept.name}_index"] = index
            result[f"{concept.name}_threshold"] = detector.threshold
            result[f"{concept.name}_polarity"] = detector.polarity
            patches = _patches(train, cone.window, seed)
            whitened = cone.whitened(patches), cone.whitened(images)
            filters = neurons.best_filters(*whitened, labels, selections, title=f"{concept.name}: linear filters")
            result |= _scores(f"{concept.name}_linear_filter", filters)
    result[f"{concept.name}_guess"] = float(max(np.mean(labels), 1 - np.mean(labels)))
    return result


def _scores(name: str, detectors: list) -> dict:
    return {
        name: float(np.mean([detector.reporting for detector in detectors])),
        f"{name}_selection": float(np.mean([detector.selection for detector in detectors])),
    }


def _patches(train: pipelines.Images, side: int, seed: int) -> np.ndarray:
    """Random windows of training images: float32 [p, side, side, channels]."""
    images = some_images(train, 2000).numpy()
    generator = np.random.default_rng(seed)
    which = generator.integers(0, len(images), _PATCHES)
    tops, lefts = (generator.integers(0, images.shape[axis] - side + 1, _PATCHES) for axis in (1, 2))
    windows = zip(which, tops, lefts, strict=True)
    return np.stack([images[k, top : top + side, left : left + side] for k, top, left in windows])


# ---- pictures


def draw(model, data: EvaluationData, numbers: dict) -> dict[str, Picture]:
    """All pictures of the family; those of neurons only where `numbers` hold results for concepts."""
    result = {**_filters(model), "reconstructions": _reconstructions(model, some_images(data.test, 12))}
    if concepts := _concepts(data):
        cone, found = neurons.Cone(model), models.sparse.found_neurons(numbers)
        for concept in concepts:
            result |= _of_neuron(model, cone, concept, found[concept.name])
    return result


def _filters(model, columns: int = 12) -> dict:
    """First-stage filters of encoder and decoder at some positions along the diagonal, a column each."""
    stage, config, result = model.stages[0], model.config, {}
    where = f"the first stage, {config.maps} maps a column, at {columns} positions along the diagonal; gray is zero."
    for name, layer in (("encoder", stage.filters), ("decoder", stage.decoder)):
        if name == "decoder" and config.decoder == "tied":
            continue
        geometry, shown = layer.geometry, []
        kernel = layer.compact_kernel().reshape(*geometry.distinct, geometry.field, config.maps)
        for share in np.linspace(0.05, 0.95, columns):
            row, column = (int(share * (side - 1)) for side in geometry.distinct)
            filters = kernel[row, column].T.reshape(config.maps, config.field, config.field, config.image_shape[2])
            shown.append(_centered(filters))
        result[f"filters_{name}"] = Picture(pictures.grid(np.stack(shown, axis=1)), f"Filters of the {name} of {where}")
    return result


def _reconstructions(model, sample) -> Picture:
    whitened, back = model.whitening(sample).numpy(), model.reconstruct(sample)["images"].numpy()
    scale = np.abs(whitened).max(axis=(1, 2, 3), keepdims=True) / 0.5 + 1e-12
    rows = np.stack([sample.numpy(), 0.5 + whitened / scale, 0.5 + back / scale])
    return Picture(pictures.grid(rows), "Above: images. Middle: whitened. Below: what the first stage makes of them.")


def _of_neuron(model, cone: neurons.Cone, concept: Concept, neuron: dict) -> dict:
    place, polarity = model.place(neuron["index"]), neuron["polarity"]
    images, labels = concept.read(cone.window, model.config.image_shape[2])
    cone.move(*place[:2])
    signed = polarity * (cone.responses(images)[:, place[2]] - neuron["threshold"])
    name, title = concept.name, f"neuron {neuron['index']} for {concept.name}"
    order = np.argsort(-signed)[:48]
    order = np.concatenate([order, order[: -len(order) % 8]]) if len(order) % 8 else order
    sheet = images[order].reshape(-1, 8, *images.shape[1:])
    best, reached = stimuli.optimal(cone, place, polarity)
    positives = images[labels == 1][:10]
    curves = stimuli.invariance(cone, place, polarity, positives)
    groups = {concept.name: signed[labels == 1], "others": signed[labels == 0]}
    result = {
        f"{name}_responses": Picture(
            pictures.histograms(groups, f"{title}: responses (threshold at 0)", "response"),
            "Chosen on all test images, so it flatters; the honest accuracies are in the table.",
        ),
        f"{name}_top_stimuli": Picture(
            pictures.grid(sheet),
            f"The test images that excite {title} most, row by row.",
        ),
        f"{name}_optimal_stimulus": Picture(
            pictures.grid(_centered(best[None])[None], least_side=200),
            f"The whitened image that excites it most, by gradient ascent from 16 starts (response {reached:.3g}).",
        ),
    }
    for transformation, (values, responses) in curves.items():
        unit = {"scale": "factor", "rotation": "degrees"}.get(transformation, "share of the window")
        series = {
            "mean of ten": (values, responses),
            "threshold": (values, np.full(len(values), polarity * neuron["threshold"])),
        }
        slug = transformation.replace(" ", "_")
        result[f"{name}_invariance_{slug}"] = Picture(
            pictures.curves(series, f"{title}: {transformation}", unit=unit),
            f"Mean response to ten images of the concept under {transformation}.",
        )
    return result


def _centered(filters: np.ndarray) -> np.ndarray:
    """Signed pictures in [0, 1] with zero at gray, each over its own range."""
    scale = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    return 0.5 + 0.5 * filters / np.maximum(scale, 1e-12)


def _errors(model, images) -> dict:
    values, errors = model.whitening(images), {}
    for number, stage in enumerate(model.stages, start=1):
        errors[f"missed_{number}"] = stage.missed(values)
        values = stage(values)[2]
    return errors
