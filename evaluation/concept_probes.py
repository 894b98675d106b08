"""How much of a concept can be read off each stage by a linear probe: what no single neuron need know."""

import numpy as np
import tensorflow as tf

from .concept_images import Concept
from .neurons import output_shapes
from .probes import fit_softmax

_MOST_ROWS, _MOST_UNITS, _BATCH = 1000, 20_000, 100
_DECAYS = (1e-4, 1e-3, 1e-2, 1e-1)


def measure(model, concept: Concept, seed: int) -> dict[str, float]:
    """Accuracy of logistic regression on pixels and on every stage's output, for images it was not fitted to.

    Images fill the network's input. The strength of the penalty is chosen within the choosing images.

    Args:
      model: a `models.Sparse`.
      concept: its images; of several halvings the first is taken.
      seed: keys halvings and which units are seen, at most 20,000 of a stage.

    Returns:
      "<concept>_probe_pixels", "<concept>_probe_stage_1", ...
    """
    height, _, channels = model.config.image_shape
    found = concept.read(height, channels, seed)
    split, generator = found.splits[0], np.random.default_rng(seed)
    rows = generator.permutation(np.flatnonzero(split.selecting))[:_MOST_ROWS]
    inner = _half(rows, found.labels, found.groups, generator)
    shapes = [model.config.image_shape, *output_shapes(model)]
    kept = [generator.permutation(int(np.prod(shape)))[:_MOST_UNITS] for shape in shapes]
    parts: list = [[] for _ in kept]
    for start in range(0, len(found.images), _BATCH):
        batch = tf.constant(found.images[start : start + _BATCH])
        for part, units, values in zip(parts, kept, [model.whitening(batch), *model.outputs(batch)], strict=True):
            part.append(values.numpy().reshape(len(batch), -1)[:, units])
    names = ["pixels", *(f"stage_{number}" for number in range(1, model.config.stages + 1))]
    return {
        f"{concept.name}_probe_{name}": accuracy(np.concatenate(part), found.labels, rows, inner, split.reporting)
        for name, part in zip(names, parts, strict=True)
    }


def accuracy(features: np.ndarray, labels, rows, inner, reporting) -> float:
    """Held-out accuracy of logistic regression with an L2 penalty.

    Args:
      features: float [n, d]; d may be many times n.
      labels: 0 or 1 [n].
      rows: int [k], that it is fitted to.
      inner: bool [k], those of them that fit while the penalty is chosen by the others.
      reporting: bool [n], that it is judged on.
    """
    features = np.asarray(features, np.float32)
    mean, deviation = features[rows].mean(axis=0), np.maximum(features[rows].std(axis=0), 1e-6)
    features = (features - mean) / (deviation * features.shape[1] ** 0.5)
    # The best weights lie in the span of the rows that they are fitted to: as many coordinates as rows say all.
    values, vectors = np.linalg.eigh((features[rows] @ features[rows].T).astype(np.float64))
    kept = values > 1e-7 * values[-1]
    basis = (vectors[:, kept] / np.sqrt(values[kept])).T @ features[rows]
    codes, labels = features.astype(np.float64) @ basis.T, np.asarray(labels)

    def right(fitted, judged, decay):
        weights = fit_softmax(codes[fitted], labels[fitted], 2, decay)
        scores = codes[judged] @ weights[:-1] + weights[-1]
        return float(np.mean(scores.argmax(axis=1) == labels[judged]))

    rows = np.asarray(rows)
    decay = max(_DECAYS, key=lambda one: right(rows[inner], rows[~inner], one))
    return right(rows, np.flatnonzero(reporting), decay)


def _half(rows: np.ndarray, labels, groups, generator) -> np.ndarray:
    """bool [k]: half of some rows, groups together."""
    of_rows = rows if groups is None else np.asarray(groups)[rows]
    names = np.unique(of_rows)
    chosen = np.isin(of_rows, generator.permutation(names)[: len(names) // 2])
    both = all(len(set(np.asarray(labels)[rows[half]])) == 2 for half in (chosen, ~chosen))
    # Of very few groups a half may hold one label only; then images by themselves.
    return chosen if both else generator.permutation(len(rows)) < len(rows) // 2
