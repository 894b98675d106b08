"""What the XCov paper shows of its models, as numbers and pictures (Cheung et al. 2014)."""

import numpy as np
import tensorflow as tf

from .. import pipelines
from . import class_directions, page, pictures
from .codes import over, some_images
from .contract import RECONSTRUCTION, EvaluationData, Headline, Picture
from .dependence import linear_dependence
from .probes import balanced_accuracy, probe_accuracy
from .reference_classifier import ReferenceClassifier

HEADLINES = {
    "accuracy": Headline(
        "test accuracy", "well above the share of the largest class (chance)", share=True, better="higher"
    ),
    "probe": Headline(
        "class read linearly off the style code",
        "no more than chance: then style knows nothing of the class",
        share=True,
        better="lower",
    ),
    "clamped_recognized": Headline(
        "decodings recognized as their clamped class",
        "near the accuracy of the separate classifier on real images (judge_accuracy)",
        share=True,
        better="higher",
    ),
    "generated_recognized": Headline(
        "imagined images recognized as the requested class",
        "near judge_accuracy; far below it, imagined images do not look like their class",
        share=True,
        better="higher",
    ),
    "reconstruction": RECONSTRUCTION,
}
OPTIONS: dict[str, str] = {}
# Codes with more units than this get no quadratic probe: its features grow with the square.
_QUADRATIC_LIMIT = 32
_SWEEP = 9
_STYLES_JUDGED = 1000
# Images whose changes make the directions of a class.
_CHANGED = 300


def quick(model, images: pipelines.Images) -> dict[str, float]:
    """Accuracies, reconstruction error and linear dependence: cheap enough to run while training."""
    codes = over(model.encode, images)
    result = _accuracies(model, codes, images)
    dependence = linear_dependence(codes["probabilities"], codes["features"])
    result |= {f"dependence_{name}": value for name, value in dependence.items()}
    result["reconstruction"] = float(over(lambda x: {"error": _squared_error(model, x)}, images)["error"].mean())
    return result


def evaluate(
    model, data: EvaluationData, reference_steps: int = 0, reference: ReferenceClassifier | None = None
) -> dict[str, float]:
    """All numbers of the family.

    Args:
      model: an XCov model.
      data: its training images fit the probes and the reference classifier.
      reference_steps: training length of the separate classifier; 0 fits it to the number of images.
      reference: the separate classifier, where one was trained on these images already.

    Returns:
      name -> number: "accuracy", "probe" (class read linearly off z; "chance" is the largest class's share),
      "probe_quadratic" (with squares and products of z), "dependence_*", "reconstruction" (mean squared
      error), "judge_accuracy" (the separate classifier on real test images), "clamped_recognized" (it sees
      the class that y was clamped to, z from test images), "generated_recognized" (likewise, z from the
      fitted prior). "balanced_accuracy", "probe_balanced" and "judge_balanced_accuracy" count every class alike,
      as "clamped_recognized" does; chance is one over the classes. With several heads the names end in "_<head>".
      Without labels only what `quick` gives.
    """
    train, test = data.train, data.test
    result = {"test_images": len(test), "train_images": len(train), **quick(model, test)}
    if not all(np.any(_column(part, k) >= 0) for part in (train, test) for k in range(len(model.config.heads))):
        return result  # Without labels there is nothing to probe for and no reference classifier to train.
    train_codes, test_codes = over(model.encode, train)["features"], over(model.encode, test)["features"]
    reference = reference or ReferenceClassifier(train, model.config.heads, reference_steps)
    for number, (head, classes) in enumerate(model.config.heads.items()):
        suffix = _suffix(model, head)
        y_train, y_test = _column(train, number), _column(test, number)
        probe = (train_codes, y_train, test_codes, y_test, classes)
        result[f"chance{suffix}"] = float(np.bincount(y_test[y_test >= 0]).max() / np.sum(y_test >= 0))
        result[f"probe{suffix}"] = probe_accuracy(*probe)
        result[f"probe_balanced{suffix}"] = probe_accuracy(*probe, balanced=True)
        if train_codes.shape[1] <= _QUADRATIC_LIMIT:
            result[f"probe_quadratic{suffix}"] = probe_accuracy(*probe, degree=2)
        result[f"judge_accuracy{suffix}"] = reference.accuracy(test, head)
        result[f"judge_balanced_accuracy{suffix}"] = reference.accuracy(test, head, balanced=True)
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
        suffix, names = _suffix(model, head), _names(model, images, head)
        for unit in strongest:
            name = f"class_by_style{suffix}_z{unit + 1}"
            result[name] = _class_by_style(model, codes, head, int(unit), names)
        result[f"swaps{suffix}"] = _swaps(model, sample, codes, head, names)
        result[f"class_directions{suffix}"] = _class_directions(model, codes, head, names)
    if len(model.config.heads) > 1:
        result["heads_crossed"] = _heads_crossed(model, sample, codes)
    if styles.shape[1] >= 2:
        result["style_plane"] = _style_plane(model, codes, strongest[:2], images)
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


def explore(model, data: EvaluationData) -> page.Page:
    """What a page shows: drawing, perceiving, the classes and a slider for every style unit in use."""
    heads = {page.titled(head): _names(model, data.test, head) for head in model.config.heads}
    images, labels = page.shown(data.test, next(iter(heads.values())))
    sample = some_images(data.test, 500)
    codes = {name: value.numpy() for name, value in model.encode(sample).items()}

    def decode(styles):
        return model.decode(styles, codes["probabilities"][: len(styles)]).numpy()

    prior = {"mean": model.style_prior.location.numpy(), "scale": model.style_prior.scale.numpy()}
    panel = page.CodePanel(
        encode="encode",
        output="features",
        decode="decode",
        input="features",
        heads=page.Heads("probabilities", "probabilities", heads),
        units=page.units(decode, codes["features"]),
        rest=codes["features"].mean(axis=0),
        priors=[prior],
        what="style",
    )
    return page.Page([panel], images, labels, page.ink(sample.numpy()))


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


def _class_by_style(model, codes: dict, head: str, unit: int, names: list[str]) -> Picture:
    mean, deviation = codes["features"].mean(axis=0), codes["features"].std(axis=0)
    sweep = np.linspace(-2.0, 2.0, _SWEEP)
    style = np.repeat(mean[None], _SWEEP, axis=0)
    style[:, unit] = mean[unit] + sweep * deviation[unit]
    typical = np.repeat(codes["probabilities"].mean(axis=0, keepdims=True), _SWEEP, axis=0)
    classes = range(model.config.heads[head])
    rows = [model.decode(style, _clamped(model, typical, head, label)).numpy() for label in classes]
    ends = mean[unit] - 2 * deviation[unit], mean[unit] + 2 * deviation[unit]
    caption = (
        f"Rows: {head} clamped to each class ({', '.join(names)}). Columns: z{unit + 1} from {ends[0]:.2f} to "
        f"{ends[1]:.2f}, others at rest."
    )
    return Picture(pictures.grid(np.stack(rows)), caption)


def _style_plane(model, codes: dict, units, images: pipelines.Images) -> Picture:
    """One class over the plane of the two strongest latent units."""
    mean, deviation = codes["features"].mean(axis=0), codes["features"].std(axis=0)
    sweep = np.linspace(-2.0, 2.0, _SWEEP)
    style = np.repeat(mean[None], _SWEEP * _SWEEP, axis=0)
    style[:, units[0]] = mean[units[0]] + np.tile(sweep, _SWEEP) * deviation[units[0]]
    style[:, units[1]] = mean[units[1]] + np.repeat(sweep, _SWEEP) * deviation[units[1]]
    head = next(iter(model.config.heads))
    label = min(2, model.config.heads[head] - 1)
    name = _names(model, images, head)[label]
    typical = np.repeat(codes["probabilities"].mean(axis=0, keepdims=True), len(style), axis=0)
    made = model.decode(style, _clamped(model, typical, head, label)).numpy()
    caption = f"{head} clamped to {name}, z{units[0] + 1} across and z{units[1] + 1} down, two deviations either way."
    return Picture(pictures.grid(made.reshape(_SWEEP, _SWEEP, *made.shape[1:])), caption)


def _swaps(model, sample, codes: dict, head: str, names: list[str]) -> Picture:
    """Real images in the first column, then their style with every class."""
    count = min(8, len(sample))
    style = codes["features"][:count]
    columns = [sample[:count].numpy()]
    for label in range(model.config.heads[head]):
        observed = _clamped(model, codes["probabilities"][:count], head, label)
        columns.append(model.decode(style, observed).numpy())
    classes = ", ".join(names)
    caption = f"First column: real images. The rest: their own style z, with {head} swapped for each class ({classes})."
    return Picture(pictures.grid(np.stack(columns, axis=1)), caption)


def _class_directions(model, codes: dict, head: str, names: list[str]) -> Picture:
    """How each class changes an image that has the most usual one."""
    style, observed = codes["features"][:_CHANGED], codes["probabilities"][:_CHANGED]
    usual = int(np.argmax(_of_head(model, codes["probabilities"], head).mean(axis=0)))
    decoded = [model.decode(style, _clamped(model, observed, head, label)).numpy() for label in range(len(names))]
    changed = {name: decoded[label] for label, name in enumerate(names) if label != usual}
    caption = (
        f"What makes an image of each other {head} out of {names[usual]}, in its own style. First column: the average "
        "image of the class. Second: the change that all images share. Then: the leading directions in which it "
        "differs from image to image. Gray is no change; the numbers above a row are the shares of the squared change, "
        "from the second column on."
    )
    return Picture(class_directions.sheet(decoded[usual], changed, min(4, len(style) - 1)), caption)


def _heads_crossed(model, sample, codes: dict) -> Picture:
    """One image's style with every class of one head (rows) and of another (columns)."""
    down, across = list(model.config.heads)[:2]
    rows = []
    for label in range(model.config.heads[down]):
        observed = _clamped(model, codes["probabilities"][:1], down, label)
        columns = [_clamped(model, observed, across, other) for other in range(model.config.heads[across])]
        style = np.repeat(codes["features"][:1], len(columns), axis=0)
        rows.append([sample[0].numpy(), *model.decode(style, np.concatenate(columns)).numpy()])
    caption = f"First column: one real image. The rest: its style with each {down} (rows) and each {across} (columns)."
    return Picture(pictures.grid(np.asarray(rows)), caption)


def _reconstructions(model, sample) -> Picture:
    shown = sample[:16]
    rows = np.stack([shown.numpy(), model.reconstruct(shown)["images"].numpy()])
    return Picture(pictures.grid(rows), "Above: real images. Below: their reconstructions.")


def _squared_error(model, images):
    return tf.reduce_mean(tf.square(model.reconstruct(images)["images"] - images), axis=[1, 2, 3])


def _accuracies(model, codes: dict, images: pipelines.Images) -> dict[str, float]:
    """Plain and balanced, of every head that has labels."""
    result = {}
    for number, head in enumerate(model.config.heads):
        predicted = np.argmax(_of_head(model, codes["probabilities"], head), axis=1)
        labels = _column(images, number)
        known, suffix = labels >= 0, _suffix(model, head)
        if known.any():
            result[f"accuracy{suffix}"] = float(np.mean(predicted[known] == labels[known]))
            result[f"balanced_accuracy{suffix}"] = balanced_accuracy(predicted[known], labels[known])
    return result


def _of_head(model, probabilities: np.ndarray, head: str) -> np.ndarray:
    """The part of the observed code that is one head's, [n, classes]."""
    heads = list(model.config.heads)
    start = sum(model.config.heads[name] for name in heads[: heads.index(head)])
    return probabilities[:, start : start + model.config.heads[head]]


def _column(images: pipelines.Images, number: int) -> np.ndarray:
    return images.labels.reshape(len(images), -1)[:, number]


def _names(model, images: pipelines.Images, head: str) -> list[str]:
    """What the classes of a head are called, in label order: by their numbers where they have no names."""
    known = images.class_names.get(head, ())
    return [known[label] if label < len(known) else str(label) for label in range(model.config.heads[head])]


def _suffix(model, head: str) -> str:
    return "" if len(model.config.heads) == 1 else f"_{head}"
