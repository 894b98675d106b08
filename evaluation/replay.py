"""What is measured and drawn of a replay model: accuracies over a stream, and how well it imagines."""

import base64
import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from .. import pipelines
from . import continual, generator, moments, page, pictures
from .codes import over
from .contract import EvaluationData, Headline, Picture
from .reference_classifier import ReferenceClassifier

HEADLINES = {
    "average_accuracy": Headline(
        "average test accuracy after the last task",
        "near that of training on all tasks at once (recipe joint); without any method (none) it is lowest",
        share=True,
        better="higher",
    ),
    "forgetting": Headline(
        "forgetting (best before the last task minus final, mean over earlier tasks)",
        "near 0 %; a network that keeps nothing loses nearly all that it knew",
        share=True,
        better="lower",
    ),
    "generated_recognized": Headline(
        "imagined images recognized as the requested class",
        "near judge_accuracy: what is replayed then teaches the right class",
        share=True,
        better="higher",
    ),
    "recall": Headline(
        "of the real images' variety that imagined ones cover",
        "near 100 %; a low share means that few kinds of images are imagined again and again",
        share=True,
        better="higher",
    ),
    "reconstruction": Headline(
        "mean reconstruction error a unit", "the lower the better, among runs on the same data", better="lower"
    ),
}
OPTIONS: dict[str, str] = {}
_MADE = 2000
_LIKELIHOOD_IMAGES = 500


def quick(model, images: pipelines.Images) -> dict[str, float]:
    """Nothing: a stream is measured after each of its tasks."""
    del model, images
    return {}


def evaluate(model, data: EvaluationData) -> dict[str, float]:
    """All numbers of the family.

    Args:
      model: a Replay model.
      data: streams; training images fit the reference classifier, the facts are the `continual.History` written while
        training.

    Returns:
      name -> number: those of `continual.summary`; "accuracy_task_<k>"; with a generator, on test images of all
      tasks met, "reconstruction" (nats or half squared error a unit), "log_likelihood" (importance-weighted, 100
      samples, nats an image) and, for streams whose images can be looked at, "judge_accuracy",
      "generated_recognized" (the reference classifier sees the requested class), "precision", "recall" and "frechet"
      in the classifier's features.
    """
    train, test, history = data.train, data.test, data.facts or continual.History()
    matrix = history.accuracy or [continual.Accuracies(model, test).row(int(model.tasks_seen.numpy()))]
    # Of a run that is not finished: the tasks learned so far.
    met = len(test) if len(matrix) == 1 else len(matrix)
    square = [row[:met] for row in matrix]
    initial = history.initial
    result = {"tasks": met, **continual.summary(square, initial[:met] if initial else None)}
    result |= {f"accuracy_task_{k + 1}": value for k, value in enumerate(square[-1][:20]) if value is not None}
    if not model.config.generator:
        return result
    inputs, labels, tasks = _represented(model, test, met)
    result["reconstruction"] = _reconstruction(model, test, met)
    some = np.random.default_rng(0).permutation(len(inputs))[:_LIKELIHOOD_IMAGES]
    likelihoods = [
        generator.log_likelihood(model, inputs[some][tasks[some] == k], labels[some][tasks[some] == k], k)
        for k in np.unique(tasks[some])
    ]
    result["log_likelihood"] = float(np.mean(np.concatenate(likelihoods)))
    if test.settings.kind == "split" and test.settings.scenario != "domain":
        result |= _against_reference(model, train, test, met)
    return result


def _represented(model, stream: pipelines.Stream, met: int, limit: int = 1000) -> tuple:
    """(inputs, labels, task of each row) of up to `limit` test images a task."""
    inputs, labels, tasks = [], [], []
    for number, images in enumerate(stream.tasks[:met]):
        batch = pipelines.drawn(images, limit)
        inputs.append(model.represent(batch["image"]).numpy())
        labels.append(batch["label"].numpy())
        tasks.append(np.full(len(labels[-1]), number))
    return np.concatenate(inputs), np.concatenate(labels), np.concatenate(tasks)


def _reconstruction(model, stream: pipelines.Stream, met: int) -> float:
    """Mean reconstruction error of all test images from the mean of z, gates of the true class open."""
    errors = []
    for number, images in enumerate(stream.tasks[:met]):
        for batch in pipelines.in_order(images, 500):
            inputs = model.represent(batch["image"])
            tasks = tf.fill(tf.shape(batch["label"]), number)
            mean, _ = model.posterior_of(inputs, model.activations(inputs, tasks)[0])
            decoded = model.decode_logits(mean, model.context(batch["label"], tasks))
            errors.append(model.reconstruction_error(inputs, decoded).numpy())
    return float(np.mean(np.concatenate(errors)))


def _against_reference(model, train: pipelines.Stream, test: pipelines.Stream, met: int) -> dict:
    known, real = _for_reference(model, train.upto(met - 1)), _for_reference(model, test.upto(met - 1))
    reference = ReferenceClassifier(known, {"label": model.config.classes}, clip=not model.config.internal)
    shown = pipelines.drawn(real, _MADE)["image"]
    made = model.generate(tf.constant(_MADE), tf.constant([0, 1]), tf.constant([-1]))
    result = {"judge_accuracy": reference.accuracy(real, "label")}
    if model.config.conditional:
        seen = reference.classes(made["images"], "label")
        result["generated_recognized"] = float(np.mean(seen == made["label"].numpy()))
    ours, theirs = reference.features(made["images"]), reference.features(shown)
    result["precision"], result["recall"] = generator.precision_recall(theirs, ours)
    result["frechet"] = generator.frechet_distance(theirs, ours)
    return result


def _for_reference(model, images: pipelines.Images) -> pipelines.Images:
    """The images, as feature maps where replay is internal."""
    if not model.config.internal:
        return images
    maps = over(lambda x: {"maps": tf.reshape(model.represent(x), [-1, *model.represented_shape])}, images)["maps"]
    return pipelines.Images(images.name, maps.shape[1:], images.labels, pixels=maps)


def draw(model, data: EvaluationData, numbers: dict) -> dict[str, Picture]:
    """All pictures of the family."""
    del numbers
    test, history = data.test, data.facts or continual.History()
    names = [f"task {number + 1}" for number in range(len(test))]
    result = continual.draw(history.accuracy, names) if history.accuracy else {}
    if not model.config.generator or model.config.internal:
        return result
    result |= imagined(model, test)
    shown = np.concatenate([pipelines.drawn(task, 4)["image"].numpy() for task in test.tasks[:4]])
    made = model.reconstruct(tf.constant(shown))["images"].numpy()
    back = _unpermuted(test, shown, 0), _unpermuted(test, made, 0)
    if test.settings.kind == "split":
        result["reconstructions"] = Picture(
            pictures.grid(np.stack(back)), "Above: test images. Below: reconstructions."
        )
    return result


def after_task(model, stream: pipelines.Stream) -> dict[str, Picture]:
    """What is drawn after each task of a stream: what the model imagines, where it does and can be looked at."""
    return imagined(model, stream) if model.config.generator and not model.config.internal else {}


def explore(model, data: EvaluationData) -> page.Page:
    """What a page shows: what is seen in pictures, latents where there are any, what each class looks like, and what
    was kept and forgotten from task to task."""
    stream, config = data.test, model.config
    functions = model.page_functions()
    met = np.flatnonzero(model.seen.numpy() > 0.0)
    names = _class_names(stream, config.classes)
    # Of permuted tasks the first; the others' pictures look like noise.
    known = stream.tasks[0] if stream.settings.kind == "permuted" else stream.upto(max(int(model.tasks_seen), 1) - 1)
    images, labels = page.shown(known, names)
    sample = pipelines.drawn(known, 500)["image"]
    seen = {name: value.numpy() for name, value in functions["perceive"].function(sample).items()}
    imagine = functions.get("imagine")
    by_class = imagine is not None and "probabilities" in imagine.inputs
    heads, told = None, "probabilities" in seen
    if told or by_class:
        usable = {"class": [int(label) for label in met]}
        ways = ("probabilities" if told else "", "probabilities" if by_class else "")
        heads = page.Heads(*ways, names={"class": names}, usable=usable)
    code = page.CodePanel(encode="perceive", heads=heads)
    panels: list = [code]
    if imagine is not None:

        def decode(means):
            classes = {"probabilities": tf.one_hot(met[np.arange(len(means)) % len(met)], config.classes)}
            classes = classes if by_class else {}
            return imagine.function(mean=tf.constant(means), **classes)["images"].numpy()

        code = page.CodePanel(
            encode="perceive",
            output="mean",
            decode="imagine",
            input="mean",
            heads=heads,
            units=page.units(decode, seen["mean"]),
            rest=seen["mean"].mean(axis=0),
            priors=_priors(config, moments.values_of(model.moment()), met),
        )
        panels = [code, page.ImaginePanel(named=config.conditional and heads is not None)]
    times, earlier = _times(model, data)
    if times:
        panels.append(page.TimesPanel(times, names))
    return page.Page(panels, images, labels, page.ink(sample.numpy()), earlier)


def _class_names(stream: pipelines.Stream, classes: int) -> list[str]:
    """What the network's classes are called, by number those that the stream has no name for."""
    names = stream.output_names()
    return [names[label] if label < len(names) else str(label) for label in range(classes)]


def _priors(config, values: Mapping[str, np.ndarray], met: np.ndarray) -> list[dict]:
    """Gaussians that latents are drawn from: modes of the classes met, or the standard one; `values` of a moment."""
    if "means" not in values:
        return [{"mean": np.zeros(config.latents), "deviation": np.full(config.latents, config.temperature)}]
    means, deviations = values["means"], config.temperature * np.exp(0.5 * values["log_variances"])
    return [
        {"mean": means[label, mode], "deviation": deviations[label, mode], "label": int(label)}
        for label in met
        for mode in range(means.shape[1])
    ]


def _times(model, data: EvaluationData) -> tuple[list[dict], dict[str, pathlib.Path]]:
    """What was drawn, measured and kept after each task, and by name the functions that earlier models imagine with."""
    matrix = (data.facts or continual.History()).accuracy
    times, earlier = [], {}
    now = model.moment()
    present = moments.values_of(now) if now else {}
    # What was measured on validation images is not shown, but what was kept is.
    for number in range(len(matrix) or max(data.moments, default=1 if data.drawn else 0)):
        name = f"imagined_after_task_{number + 1:03d}"
        png = base64.b64encode(data.drawn[name].read_bytes()).decode() if name in data.drawn else ""
        row = matrix[number] if number < len(matrix) else []
        time = {
            "name": f"after task {number + 1}",
            "png": png,
            "caption": data.captions.get(name, ""),
            "accuracy": {f"task {k + 1}": value for k, value in enumerate(row) if value is not None},
        }
        if now and number + 1 in data.moments:
            path = data.moments[number + 1]
            values = moments.read(path, now)
            time["function"] = now.function
            if any(not np.array_equal(value, present[key]) for key, value in values.items()):
                time["function"] = f"{now.function}_after_task_{number + 1:03d}"
                earlier[time["function"]] = path
            time["met"] = met = np.flatnonzero(values["seen"] > 0.0)
            time["priors"] = _short(_priors(model.config, values, met))
        times.append(time)
    return times, earlier


def _short(priors: list[dict]) -> list[dict]:
    """With as many digits as a picture can tell: a page carries those of every moment."""
    return [{key: np.round(value, 4) if np.ndim(value) else value for key, value in one.items()} for one in priors]


def imagined(model, stream: pipelines.Stream, columns: int = 10) -> dict[str, Picture]:
    """{"imagined"}: a picture of what the model imagines now, one row a class it has met."""
    met = np.flatnonzero(model.seen.numpy() > 0.0)[:20]
    seed, count = tf.constant([7, 7]), tf.constant(columns)
    if model.config.conditional:
        rows = [
            model.generate(count, seed + k, tf.constant([int(label)]))["images"].numpy() for k, label in enumerate(met)
        ]
        names = stream.names()
        caption = "Rows: " + ", ".join(names[label] if label < len(names) else str(label) for label in met) + "."
    else:
        rows = [model.generate(count, seed + k, tf.constant([-1]))["images"].numpy() for k in range(5)]
        caption = "Drawn from the prior, which knows no classes."
    images = np.stack([_unpermuted(stream, row, 0) for row in rows])
    if stream.settings.kind == "permuted":
        caption += " Pixels put back in the order of the first task: images of other tasks look like noise."
    return {"imagined": Picture(pictures.grid(images), f"Imagined, never seen. {caption}")}


def _unpermuted(stream: pipelines.Stream, images: np.ndarray, task: int) -> np.ndarray:
    table = stream.tasks[task].permutations
    if table is None:
        return images
    flat = images.reshape(len(images), -1, images.shape[-1])
    back = np.empty_like(flat)
    back[:, table[0]] = flat
    return back.reshape(images.shape)
