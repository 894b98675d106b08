"""Whether a network has collapsed: codes that are the same for every image, one picture, or chance, for all of them.

A network whose units died trains to its last step with finite losses. What tells it apart is that its answers no longer
depend on the image, and that can be asked of every family through what its models answer (`models.Model`): `encode`,
and where they offer them `reconstruct` and `classify`. The same numbers are looked at while training, by `evaluate`,
and on the report page; the rules stand here and nowhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from .. import pipelines
from ..models import Model

_IMAGES = 200  # As many are looked at.
_AT_ONCE = 50
# Below these shares nothing depends on the image. A code that varies no more is rounding, after however few steps. The
# same picture for all images is also what a young decoder draws, and chance where a young classifier is, so these two
# are told after some steps only.
_SAME_CODE, _SAME_PICTURE, _YOUNG = 1e-4, 0.01, 1000
# Accuracy no further above chance than so many of its standard errors is chance, if measured on so many images.
_ERRORS_ABOVE, _LABELED = 2.0, 50
# How the names of the numbers begin.
_VARIES, _ABOVE = "varies_", "above_chance"
# A spread says how sure the code is beside it; it may well be the same for every image.
_SPREADS = ("log_variance",)


def some(images: pipelines.Images) -> pipelines.Images:
    """The images of a set that are looked at, as a set of their own in memory: drawn once, looked at often."""
    batch = pipelines.drawn(images, _IMAGES)
    pixels, labels = batch["image"].numpy(), batch["label"].numpy()
    return pipelines.Images(images.name, tuple(images.shape), labels, pixels=pixels)


def measure(model: Model, images: pipelines.Images) -> dict[str, float]:
    """How much a model's answers depend on the image.

    Args:
      model: of any family.
      images: of which up to 200 are looked at, drawn over the whole set.

    Returns:
      "varies_<code>" for each code of `encode`: the greatest deviation over the images that one of its units has, as a
      share of the code's root mean square; "varies_reconstruction": the deviation of a reconstruction's pixels over the
      images, as a share of that of the images; "above_chance", with several heads "above_chance_<head>": the mean
      over classes of the accuracy on each, less one over the number of classes, in standard errors. What the model does
      not answer, or the images cannot tell, is left out.

    Example:
      numbers = measure(run.model, images)
      told(numbers, run.step)
    """
    batch = pipelines.drawn(images, _IMAGES)
    shown, labels = batch["image"], batch["label"].numpy().reshape(len(batch["label"]), -1)
    if len(shown) < 2:
        return {}
    signatures, result = model.signatures(), {}
    for name, values in _answers(model.encode, shown).items():
        if name not in _SPREADS:
            result[f"{_VARIES}{name}"] = float(_deviation(values).max() / max(_size(values), 1e-12))
    if "reconstruct" in signatures and (spread := float(_deviation(shown.numpy()).mean())) > 0.0:
        made = _answers(signatures["reconstruct"].function, shown)["images"]
        # Of pictures that are far too bright, rounding alone is as large as what tells images apart.
        spread = max(spread, 0.01 * _size(made))
        result[f"{_VARIES}reconstruction"] = float(_deviation(made).mean()) / spread
    # A network that must be told more than the image (which task it belongs to) is not asked.
    if "classify" in signatures and set(signatures["classify"].inputs) == {"images"}:
        answers = _answers(signatures["classify"].function, shown)
        found = {name: values for name, values in answers.items() if name.endswith("label")}
        for (name, seen), truth in zip(found.items(), labels.T, strict=False):
            above = _above_chance(seen, truth)
            result |= {} if above is None else {f"{_ABOVE}{_head(name)}": above}
    return result


def told(numbers: Mapping[str, Any], step: int) -> list[str]:
    """What the numbers of `measure` say of a collapse, in words.

    Args:
      numbers: those of `measure`, others among them or not.
      step: the step that they were measured at.

    Returns:
      A sentence for each finding; none for a network that is well.

    Example:
      >>> told({"varies_features": 0.0}, 3000)
      ['collapsed: features of encode are the same for every image']
    """
    found = []
    for name, value in numbers.items():
        if name == f"{_VARIES}reconstruction":
            if value < _SAME_PICTURE and step >= _YOUNG:
                found.append("collapsed: all reconstructions are the same picture")
        elif name.startswith(_VARIES) and value < _SAME_CODE:
            found.append(f"collapsed: {name.removeprefix(_VARIES)} of encode are the same for every image")
        elif name.startswith(_ABOVE) and value < _ERRORS_ABOVE and step >= _YOUNG:
            head = name.removeprefix(_ABOVE).strip("_") or "the class"
            found.append(f"not learning: {head} is told no better than by chance")
    return found


def warn(found: Sequence[str], step: int, config: Mapping[str, Any]) -> None:
    """Says what `told` found, and what is likely to help."""
    logging.warning("after %d steps: %s; %s", step, "; ".join(found), remedy(config))


def measured(numbers: Mapping[str, Any]) -> bool:
    """Whether those of `measure` are among some numbers."""
    return any(name.startswith((_VARIES, _ABOVE)) for name in numbers)


def remedy(config: Mapping[str, Any]) -> str:
    """Which settings to change after a collapse: the rate of the run, those of its stages where it has some.

    Args:
      config: of the run, as nested dicts.

    Example:
      >>> remedy({"schedule": {"rate": 1.0}})
      'likely remedy: a lower learning rate, --config.schedule.rate=0.1 (now 1)'
    """
    rates = list(_rates(config, ""))
    own = [pair for pair in rates if pair[0] != "schedule.rate"] or rates
    lower = " ".join(f"--config.{key}={value / 10:g}" for key, value in own)
    now = ", ".join(f"{value:g}" for _, value in own)
    return f"likely remedy: a lower learning rate, {lower} (now {now})"


def _answers(function, images: tf.Tensor) -> dict[str, np.ndarray]:
    parts = [function(images[first : first + _AT_ONCE]) for first in range(0, len(images), _AT_ONCE)]
    return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}


def _deviation(values: np.ndarray) -> np.ndarray:
    return np.std(values, axis=0, dtype=np.float64)


def _size(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _above_chance(seen: np.ndarray, truth: np.ndarray) -> float | None:
    """Mean over classes of the accuracy on each, above one over their number, in standard errors."""
    classes, counts = np.unique(truth[truth >= 0], return_counts=True)
    if len(classes) < 2 or counts.sum() < _LABELED:
        return None
    chance = 1.0 / len(classes)
    accuracy = np.mean([np.mean(seen[truth == label] == label) for label in classes])
    error = np.sqrt(np.sum(chance * (1.0 - chance) / counts)) / len(classes)
    return float((accuracy - chance) / error)


def _head(output: str) -> str:
    head = output.removesuffix("label").strip("_")
    return f"_{head}" if head else ""


def _rates(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _rates(value, f"{prefix}{name}.")
        elif name == "rate" and config.get("steps", 1):  # A stage of no steps has no use for its rate.
            yield f"{prefix}{name}", float(value)
