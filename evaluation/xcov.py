"""What the XCov paper shows of its models, as numbers and pictures (Cheung et al. 2014)."""

import numpy as np
import tensorflow as tf

from .. import pipelines
from . import pictures
from .codes import over, some_images
from .contract import EvaluationData, Picture
from .dependence import linear_dependence
from .probes import probe_accuracy
from .reference_classifier import ReferenceClassifier

HEADLINES = {
    "accuracy": "test accuracy",
    "probe": "class read linearly off the style code (chance is best)",
    "clamped_recognized": "decodings recognized as their clamped class",
    "generated_recognized": "imagined images recognized as the requested class",
    "reconstruction": "mean squared reconstruction error",
}
OPTIONS: dict[str, str] = {}
# Codes with more units than this get no quadratic probe: its features grow with the square.
_QUADRATIC_LIMIT = 32
_SWEEP = 9
_STYLES_JUDGED = 1000


def quick(model, images: pipelines.Images) -> dict[str, float]:
    """Accuracy, reconstruction error and linear dependence: cheap enough to run while training."""
    codes = over(model.encode, images)
    result = {f"accuracy{_suffix(model, head)}": value for head, value in _accuracies(model, codes, images).items()}
    dependence = linear_dependence(codes["probabilities"], codes["features"])
    result |= {f"dependence_{name}": value for name, value in dependence.items()}
    result["reconstruction"] = float(over(lambda x: {"error": _squared_error(model, x)}, images)["error"].mean())
    return result


def evaluate(model, data: EvaluationData, reference_steps: int = 0) -> dict[str, float]:
    """All numbers of the family.

    Args:
      model: an XCov model.
      data: its training images fit the probes and the reference classifier.
      reference_steps: training length of the separate classifier; 0 fits it to the number of images.

    Returns:
      name -> number: "accuracy", "probe" (class read linearly off z; "chance" is the largest class's share),
      "probe_quadratic" (with squares and products of z), "dependence_*", "reconstruction" (mean squared
      error), "judge_accuracy" (the separate classifier on real test images), "clamped_recognized" (it sees
      the class that y was clamped to, z from test images), "generated_recognized" (likewise, z from the
      fitted prior). With several heads the names end in "_<head>". Without labels only what `quick` gives.
    """
    train, test = data.train, data.test
    result = {"test_images": len(test), "train_images": len(train), **quick(model, test)}
    if not all(np.any(_column(part, k) >= 0) for part in (train, test) for k in range(len(model.config.heads))):
        return result  # Without labels there is nothing to probe for and no reference classifier to train.
    train_codes, test_codes = over(model.encode, train)["features"], over(model.encode, test)["features"]
    reference = ReferenceClassifier(train, model.config.heads, reference_steps)
    for number, (head, classes) in enumerate(model.config.heads.items()):
        suffix = _suffix(model, head)
        y_train, y_test = _column(train, number), _column(test, number)
        probe = (train_codes, y_train, test_codes, y_test, classes)
        result[f"chance{suffix}"] = float(np.bincount(y_test[y_test >= 0]).max() / np.sum(y_test >= 0))
        result[f"probe{suffix}"] = probe_accuracy(*probe)
        if train_codes.shape[1] <= _QUADRATIC_LIMIT:
            result[f"probe_quadratic{suffix}"] = probe_accuracy(*probe, degree=2)
        result[f"judge_accuracy{suffix}"] = reference.accuracy(test, head)
        result[f"clamped_recognized{suffix}"] = _recognized(model, reference, test, head)
        result[f"generated_recognized{suffix}"] = _generated_recognized(model, reference, number, head)
    return result


def draw(model, data: EvaluationData, numbers: dict) -> dict[str, Picture]:
    """All pictures of the family, of its test images."""
    del numbers
    images = data.test
    batch = pipelines.drawn(images, 2000)
    sample = batch["image"]
    codes = {name: value.numpy() for name, value in model.encode(sample).items()}
    result = {"reconstructions": _reconstructions(model, sample)}
    styles, deviation = codes["features"], codes["features"].std(axis=0)
    # The sweep covers two measured standard deviations either way: z has no scale of its own.
    strongest = np.sort(np.argsort(-deviation)[:3])
    for head in model.config.heads:
        suffix = _suffix(model, head)
        for unit in strongest:
            name = f"class_by_style{suffix}_z{unit + 1}"
            result[name] = _class_by_style(model, codes, head, int(unit))
        result[f"swaps{suffix}"] = _swaps(model, sample, codes, head)
    if styles.shape[1] >= 2:
        result["style_plane"] = _style_plane(model, codes, strongest[:2])
        for number, head in enumerate(model.config.heads):
            labels = batch["label"].numpy().reshape(len(styles), -1)[:, number]
            names = images.class_names.get(head, ())
            units = [f"z{unit + 1}" for unit in strongest[:2]]
            shown = pictures.scatter(styles[:, strongest[:2]], labels, f"style code z by {head}", names, units)
            result[f"latents{_suffix(model, head)}"] = Picture(
                shown,
                "Each point is the style code of one image. Classes on top of each other: z is free of class.",
            )
    return result


def _recognized(model, reference: ReferenceClassifier, images: pipelines.Images, head: str) -> float:
    """Share of decodings in which the reference classifier sees the class that the head was clamped to."""
    sample = some_images(images, _STYLES_JUDGED)
    codes = model.encode(sample)
    hits = []
    for label in range(model.config.heads[head]):
        decoded = model.decode(codes["features"], _clamped(model, codes["probabilities"].numpy(), head, label))
        hits.append(np.mean(reference.classes(decoded, head) == label))
    return float(np.mean(hits))


def _generated_recognized(model, reference: ReferenceClassifier, number: int, head: str) -> float:
    count = _STYLES_JUDGED * 2
    labels = np.full([count, len(model.config.heads)], -1, np.int32)
    request = labels[:, 0] if labels.shape[1] == 1 else labels
    made = model.generate(tf.constant(count), tf.constant([0, 1]), tf.constant(request))
    drawn = made["label"].numpy().reshape(count, -1)[:, number]
    return float(np.mean(reference.classes(made["images"], head) == drawn))


def _clamped(model, probabilities: np.ndarray, head: str, label: int) -> np.ndarray:
    """The observed code with one head set to a pure class and the others as they are."""
    clamped, start = probabilities.copy(), 0
    for name, size in model.config.heads.items():
        if name == head:
            clamped[:, start : start + size] = np.eye(size, dtype=np.float32)[label]
        start += size
    return clamped


def _class_by_style(model, codes: dict, head: str, unit: int) -> Picture:
    mean, deviation = codes["features"].mean(axis=0), codes["features"].std(axis=0)
    sweep = np.linspace(-2.0, 2.0, _SWEEP)
    style = np.repeat(mean[None], _SWEEP, axis=0)
    style[:, unit] = mean[unit] + sweep * deviation[unit]
    typical = np.repeat(codes["probabilities"].mean(axis=0, keepdims=True), _SWEEP, axis=0)
    classes = range(model.config.heads[head])
    rows = [model.decode(style, _clamped(model, typical, head, label)).numpy() for label in classes]
    ends = mean[unit] - 2 * deviation[unit], mean[unit] + 2 * deviation[unit]
    caption = (
        f"Rows: {head} clamped to each class. Columns: z{unit + 1} from {ends[0]:.2f} to {ends[1]:.2f}, others at rest."
    )
    return Picture(pictures.grid(np.stack(rows)), caption)


def _style_plane(model, codes: dict, units) -> Picture:
    """One class over the plane of the two strongest latent units."""
    mean, deviation = codes["features"].mean(axis=0), codes["features"].std(axis=0)
    sweep = np.linspace(-2.0, 2.0, _SWEEP)
    style = np.repeat(mean[None], _SWEEP * _SWEEP, axis=0)
    style[:, units[0]] = mean[units[0]] + np.tile(sweep, _SWEEP) * deviation[units[0]]
    style[:, units[1]] = mean[units[1]] + np.repeat(sweep, _SWEEP) * deviation[units[1]]
    head = next(iter(model.config.heads))
    label = min(2, model.config.heads[head] - 1)
    typical = np.repeat(codes["probabilities"].mean(axis=0, keepdims=True), len(style), axis=0)
    made = model.decode(style, _clamped(model, typical, head, label)).numpy()
    caption = (
        f"{head} clamped to class {label}, z{units[0] + 1} across and z{units[1] + 1} down, two deviations either way."
    )
    return Picture(pictures.grid(made.reshape(_SWEEP, _SWEEP, *made.shape[1:])), caption)


def _swaps(model, sample, codes: dict, head: str) -> Picture:
    """Real images in the first column, then their style with every class."""
    count = min(8, len(sample))
    style = codes["features"][:count]
    columns = [sample[:count].numpy()]
    for label in range(model.config.heads[head]):
        observed = _clamped(model, codes["probabilities"][:count], head, label)
        columns.append(model.decode(style, observed).numpy())
    caption = f"First column: real images. The rest: their own style z, with {head} swapped for each class."
    return Picture(pictures.grid(np.stack(columns, axis=1)), caption)


def _reconstructions(model, sample) -> Picture:
    shown = sample[:16]
    rows = np.stack([shown.numpy(), model.reconstruct(shown)["images"].numpy()])
    return Picture(pictures.grid(rows), "Above: real images. Below: their reconstructions.")


def _squared_error(model, images):
    return tf.reduce_mean(tf.square(model.reconstruct(images)["images"] - images), axis=[1, 2, 3])


def _accuracies(model, codes: dict, images: pipelines.Images) -> dict:
    result, start = {}, 0
    for number, (head, size) in enumerate(model.config.heads.items()):
        predicted = np.argmax(codes["probabilities"][:, start : start + size], axis=1)
        labels = _column(images, number)
        if np.any(labels >= 0):
            result[head] = float(np.mean(predicted[labels >= 0] == labels[labels >= 0]))
        start += size
    return result


def _column(images: pipelines.Images, number: int) -> np.ndarray:
    return images.labels.reshape(len(images), -1)[:, number]


def _suffix(model, head: str) -> str:
    return "" if len(model.config.heads) == 1 else f"_{head}"
