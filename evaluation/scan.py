"""What the SCAN paper shows of its models, as numbers and pictures (Higgins et al. 2018); also of its rivals."""

import numpy as np
import tensorflow as tf

from .. import pipelines
from ..layers import divergence_by_latent
from ..pipelines import symbols as words
from ..pipelines.expressions import Composed
from . import concepts, disentanglement, page, pictures, vision
from . import symbols as imagination
from .codes import over, some_images
from .contract import RECONSTRUCTION, EvaluationData, Headline, Picture
from .reference_classifier import ReferenceClassifier

HEADLINES = {
    "symbols_to_images": Headline(
        "imagined pictures with every named attribute as asked",
        "near 100 %; the judge itself is right in judge_accuracy of the attributes of real pictures",
        share=True,
        better="higher",
    ),
    "images_to_symbols": Headline(
        "attributes of real pictures named rightly",
        "near judge_accuracy, what a classifier trained for it reaches",
        share=True,
        better="higher",
    ),
    "correctness": Headline(
        "named attributes that imagined pictures show, with one to four named",
        "near judge_accuracy",
        share=True,
        better="higher",
    ),
    "correctness_held_out": Headline(
        "named attributes that imagined pictures show, of values never shown together",
        "near correctness: then words are understood apart from each other",
        share=True,
        better="higher",
    ),
    "coverage": Headline(
        "how fully imagined pictures vary in what was not named",
        "ten pictures a symbol cannot reach 100 %: 77 % where an attribute has ten values, 98 % where it has two",
        share=True,
        better="higher",
    ),
    "operators_held_out": Headline(
        "compositions never shown together, imagined as asked",
        "near symbols_to_images: then composing is understood and not learned by heart",
        share=True,
        better="higher",
    ),
    "reconstruction": RECONSTRUCTION,
}
OPTIONS: dict[str, str] = {}
_CASES = 500  # Pictures imagined for each number.
_REFERENCE_STEPS, _REFERENCE_BATCH = 2500, 32
_REFERENCE_IMAGES = 50  # Of large sets a step more for every so many images.
_NAMED = 4  # Correctness and coverage are measured of symbols that name one attribute to so many.
_EACH = 10  # Pictures of each of these symbols.
_FEWEST = 20  # Symbols, of which a number says something.


def quick(model, images: pipelines.Images) -> dict[str, float]:
    """Error and divergence of vision, and how well words come to pictures: cheap enough to run while training."""
    named = _named(model, images)
    return {
        **vision.numbers(model, images, over(model.encode, images)),
        "images_to_symbols": float(named.per_attribute().mean()),
    }


def _named(model, images: pipelines.Images) -> imagination.Imagined:
    return imagination.recognize(lambda x: model.images_to_symbols(x)["label"], images)


def evaluate(
    model,
    data: EvaluationData,
    reference: ReferenceClassifier | None = None,
    cases: int = _CASES,
    disentangled: bool = True,
) -> dict[str, float]:
    """All numbers of the family.

    Args:
      model: of the family scan, jmvae or telbo.
      data: its training images, or their `complete`, fit the classifier that judges (held-out combinations too, so that
        it can see them); its facts are `held_out`, pairs of values, and `stages`, what was trained or taken over.
      reference: that classifier, where there is one already.
      cases: pictures imagined for each number.
      disentangled: whether to score that, which takes a minute.

    Returns:
      name -> number: "reconstruction" (mean squared error a pixel), "kl", "active_latents"; "judge_accuracy" (of the
      classifier on real test pictures, mean over attributes; also by attribute); "symbols_to_images" (accuracy),
      "diversity_kl" (nats); "images_to_symbols" (mean over attributes; also by attribute, and "_all" for all of them
      right at once); "symbols_to_images_alone_*" of one attribute named alone and "symbols_to_images_full" of all that
      is known named; "and", "in_common", "ignore" with "_held_out", and with "_direct" what the composed symbol
      comes to without an operator; "in_common_leak", see `symbols.leak`; "disentanglement_*" of the true causes.
    """
    train, test, run = data.train, data.test, data.facts
    vocabulary = pipelines.Vocabulary.from_plain(model.config.attributes)
    codes = over(model.encode, test)
    result = {"test_images": len(test), "train_images": len(train), **vision.numbers(model, test, codes)}
    if disentangled:
        scores = disentanglement.all_scores(*vision.causes(codes["mean"], test))
        result |= {f"disentanglement_{name}": value for name, value in scores.items()}
    if "symbols" not in run.stages:
        return result
    reference = reference or attribute_classifier(train.complete or train, vocabulary)
    for name, outcome in (
        ("judge_accuracy", imagination.recognize(reference.all_classes, test)),
        ("images_to_symbols", named := _named(model, test)),
    ):
        result[name] = float(outcome.per_attribute().mean())
        result |= _by_attribute(name, outcome, vocabulary)
    result["images_to_symbols_all"] = named.accuracy
    asked = imagination.sample_symbols(vocabulary, named.asked, 4 * cases, seed=1)
    made = imagination.imagine(model, reference, vocabulary, asked)
    result["symbols_to_images"] = made.accuracy
    result |= _by_attribute("symbols_to_images", made, vocabulary)
    result |= _by_what_is_named(model, reference, vocabulary, named.asked[:cases])
    result["diversity_kl"] = made.diversity(vocabulary.sizes)
    result |= by_number_named(model, reference, vocabulary, train, test, run.held_out, 4 * cases // _EACH)
    if "operators" in run.stages:
        result |= _operators(model, reference, vocabulary, run.held_out, cases)
    return result


def attribute_classifier(train: pipelines.Images, vocabulary: pipelines.Vocabulary) -> ReferenceClassifier:
    """The classifier that says what imagined pictures show: a softmax an attribute, trained on real ones."""
    heads = dict(zip(vocabulary.names, vocabulary.sizes, strict=True))
    most = max(_REFERENCE_STEPS, len(train) // _REFERENCE_IMAGES)
    steps = min(most, max(200, 12 * len(train) // _REFERENCE_BATCH))
    return ReferenceClassifier(train, heads, steps, batch_size=_REFERENCE_BATCH)


def by_number_named(model, reference, vocabulary, train, test, table, count: int, seed: int = 1) -> dict:
    """Correctness and coverage of what is imagined from one, two, three and four named attributes.

    Symbols name attributes of test pictures. A symbol is held out if no training picture shows all that it names, or if
    it names a pair that training left out; see `symbols.sample_queries`.

    Args:
      model: with words, see `models.contract.Words`.
      reference: the classifier that says what pictures show.
      vocabulary: of the data.
      train, test: `pipelines.Images`. Both together, or `train.complete`, say how what is not named is distributed.
      table: bool [values, values], see `symbols.held_out`.
      count: symbols for each number; of each, ten pictures are imagined.
      seed: of symbols and pictures.

    Returns:
      "correctness_1" to "correctness_4" and, where something is left open, "coverage_1" to "coverage_4"; with
      "_held_out" of symbols that are held out; where there are symbols enough. "correctness", "coverage" and
      "correctness_held_out" are their means.
    """
    trained, tested = (images.labels.reshape(len(images), -1) for images in (train, test))
    real = np.concatenate([trained, tested]) if train.complete is None else train.complete.labels
    found: dict = {}
    for named in range(1, min(_NAMED, len(vocabulary.attributes)) + 1):
        queries = imagination.sample_queries(vocabulary, tested, trained, table, named, count, seed)
        for suffix, symbols in (("", queries.shown), ("_held_out", queries.held_out)):
            if len(symbols) >= min(_FEWEST, count):
                made = imagination.imagine(model, reference, vocabulary, np.repeat(symbols, _EACH, axis=0), seed)
                found[f"correctness_{named}{suffix}"] = made.correctness
                if named < len(vocabulary.attributes):
                    found[f"coverage_{named}{suffix}"] = imagination.coverage(made, _EACH, real, vocabulary.sizes)
    for name, suffix in (("correctness", ""), ("coverage", ""), ("correctness", "_held_out")):
        parts = [found[key] for n in range(1, _NAMED + 1) if (key := f"{name}_{n}{suffix}") in found]
        found |= {f"{name}{suffix}": float(np.mean(parts))} if parts else {}
    return found


def _operators(model, reference, vocabulary, table, cases: int) -> dict:
    result, of_held_out = {}, []
    for operator in words.OPERATORS:
        name = operator.lower().replace(" ", "_")
        for suffix, held in (("", False), ("_held_out", True)):
            found = imagination.sample_cases(vocabulary, table, operator, cases, held)
            if found:
                made = imagination.compose(model, reference, vocabulary, found)
                result[f"{name}{suffix}"] = made.accuracy
                result[f"{name}{suffix}_diversity_kl"] = made.diversity(vocabulary.sizes)
                direct = imagination.imagine(model, reference, vocabulary, made.asked)
                result[f"{name}{suffix}_direct"] = direct.accuracy
                if operator == "IN COMMON":
                    first, second = (np.stack([vocabulary.labels(case[place]) for case in found]) for place in (0, 2))
                    leak = imagination.leak(made, first, second, vocabulary.sizes)
                    result |= {} if leak is None else {f"{name}{suffix}_leak": leak}
                of_held_out += [made.accuracy] if held else []
    if of_held_out:
        result["operators_held_out"] = float(np.mean(of_held_out))
    return result


def _by_what_is_named(model, reference, vocabulary, labels) -> dict:
    """How often pictures are right where one attribute is named and all others are open, and where all are named."""
    result = {}
    for number, name in enumerate(vocabulary.names):
        alone = np.where(np.arange(labels.shape[1]) == number, labels, -1)[labels[:, number] >= 0]
        if len(alone):
            result[f"symbols_to_images_alone_{name}"] = imagination.imagine(
                model, reference, vocabulary, alone
            ).accuracy
    labels = labels[(labels >= 0).any(axis=1)]
    return {**result, "symbols_to_images_full": imagination.imagine(model, reference, vocabulary, labels).accuracy}


def _by_attribute(name: str, outcome, vocabulary) -> dict:
    return {f"{name}_{a}": float(v) for a, v in zip(vocabulary.names, outcome.per_attribute(), strict=True)}


# ---- a page


def explore(model, data: EvaluationData) -> page.Page:
    """What a page shows: a slider for every latent in use, and words to pictures and back where symbols are trained."""
    vocabulary = pipelines.Vocabulary.from_plain(model.config.attributes)
    stages = data.facts.stages if data.facts else ()
    labels = data.test.labels.reshape(len(data.test), -1)
    batch = pipelines.drawn(data.test, 300)
    codes = {name: value.numpy() for name, value in model.encode(batch["image"]).items()}
    kl = divergence_by_latent(codes["mean"], codes["log_variance"])

    def decode(means):
        return model.decode(tf.constant(means))["images"].numpy()

    latents = codes["mean"].shape[1]
    code = page.CodePanel(
        encode="encode",
        output="mean",
        decode="decode",
        input="mean",
        units=page.units(decode, codes["mean"], {k: f"{kl[k]:.2f} nats" for k in range(latents)}),
        rest=[0.0] * latents,
        priors=[{"mean": np.zeros(latents), "deviation": np.ones(latents)}],
    )
    panels: list = [code]
    if "symbols" in stages:
        composes = "operators" in stages and "compose" in model.page_functions()
        said = [
            {
                "name": attribute.name,
                "values": attribute.values,
                "noun": attribute.noun,
                "phrases": [vocabulary.phrase({attribute.name: value}) for value in attribute.values],
            }
            for attribute in vocabulary.attributes
        ]
        panels.append(
            page.WordsPanel(
                said,
                operators=words.OPERATORS if composes else (),
                example=_example(vocabulary, labels, composes),
                fillers=vocabulary.fillers,
                compose="compose" if composes else "",
                guidance=model.config.guidance,
            )
        )
    shown = batch["image"].numpy()[:24]
    names = [f"picture {number + 1}" for number in range(len(shown))]
    return page.Page(panels, shown, names)


def _example(vocabulary: pipelines.Vocabulary, labels: np.ndarray, composes: bool) -> str:
    """What a test picture shows, half by half."""
    known = [(a, a.values[n]) for a, n in zip(vocabulary.attributes, labels[0], strict=True) if n >= 0]
    parts = [vocabulary.phrase({a.name: value}) for a, value in known if not a.noun or a.noun not in vocabulary.names]
    return " AND ".join(parts[:2]) if composes and len(parts) > 1 else parts[0] if parts else vocabulary.example()


# ---- pictures


def draw(model, data: EvaluationData, numbers: dict) -> dict[str, Picture]:
    """All pictures of the family; without facts of the run, what vision alone can show."""
    del numbers
    images, run = data.test, data.facts
    sample = some_images(images, 1000)
    codes = {name: value.numpy() for name, value in model.encode(sample).items()}
    result = {"reconstructions": vision.reconstructions(model, sample), "traversals": vision.traversals(model, codes)}
    stages = run.stages if run else ()
    vocabulary = pipelines.Vocabulary.from_plain(model.config.attributes)
    if "symbols" in stages:
        result["imagined_from_symbols"] = _sheet(model, vocabulary, images)
        result["concepts"] = concepts.draw(model, vocabulary, _symbol_of(vocabulary, images, 0))
    if "operators" in stages:
        result["operators"] = _operator_sheet(model, vocabulary, run.held_out)
    return result


def _symbol_of(vocabulary, images, row: int) -> dict:
    labels = images.labels.reshape(len(images), -1)[row]
    return {a.name: a.values[n] for a, n in zip(vocabulary.attributes, labels, strict=True) if n >= 0}


def _sheet(model, vocabulary, images) -> Picture:
    """Rows of one picture's symbol, from its first value to all of them."""
    rows, names = [], []
    for number in range(2):
        items = list(_symbol_of(vocabulary, images, number).items())[:6]
        for size in range(1, len(items) + 1):
            symbol = dict(items[-size:] if number else items[:size])
            rows.append(imagination.imagined(model, vocabulary, symbol, 10, seed=number).images)
            names.append(vocabulary.phrase(symbol))
    return Picture(
        pictures.labeled_rows(np.stack(rows), names),
        "Imagined from words, a symbol a row. What the words leave open varies; what they name does not.",
    )


def _operator_sheet(model, vocabulary, table) -> Picture:
    rows, names = [], []
    for number, operator in enumerate(words.OPERATORS):
        for held in (False, True):
            cases = imagination.sample_cases(vocabulary, table, operator, 1, held, seed=number)
            if cases:
                (case,) = cases
                rows.append(imagination.imagined(model, vocabulary, Composed(*case), 10).images)
                first, second = vocabulary.phrase(case[0]), vocabulary.phrase(case[2])
                names.append(f"{first} {operator} {second}{' (held out)' if held else ''}")
    return Picture(
        pictures.labeled_rows(np.stack(rows), names),
        "Imagined from compositions, one a row. Held out: pairs of values that no training picture showed together.",
    )
