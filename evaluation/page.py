"""What a page in a browser shows of a model: panels as data, and what is measured for them.

A page knows no family. It knows the panels of this file; an evaluation puts together those that suit its model, and
names the functions (`models.contract.Explores`) that each of them runs.
"""

import base64
import dataclasses
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from .. import pipelines
from . import pictures
from .contract import Evaluation, EvaluationData

# Pictures on a page to choose from, and how many bytes they may take.
_SHOWN, _SHOWN_BYTES = 32, 400_000
# Codes from which a latent is moved to see what it says, and the share of the strongest below which it is not in use.
_MOVED, _IN_USE = 12, 0.02
_SPREAD = 3.0  # Deviations either way that a slider reaches.


@dataclasses.dataclass(frozen=True)
class Heads:
    """Classes that are part of a code, or are only seen.

    Attributes:
      output: of the function that encodes, probabilities of all heads side by side; "" where nothing is classified.
      input: of the function that decodes; "" where pictures do not depend on classes.
      names: head -> names of its classes.
      usable: head -> which of its classes may be chosen; all of them where it is left out.
    """

    output: str
    input: str
    names: Mapping[str, Sequence[str]]
    usable: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class CodePanel:
    """Pictures to a code and back: sliders of latents, classes, drawing, mixing.

    Attributes:
      encode: function of one picture.
      images: its input.
      output: its output that holds the latents; "" where there are none.
      decode: function of a code; "" where nothing can be drawn.
      input: its input that takes the latents.
      picture: its output.
      heads: classes, or None.
      units: a slider each, from `units`, the one that says most first.
      rest: where latents stand at rest, [latents].
      priors: Gaussians that random latents are drawn from, all alike often: {"mean": [latents]} with "deviation":
        [latents] or "scale": [latents, latents], lower triangular, and "label" where it is one of a class of the first
        head.
      what: of a latent, in a word or two.
    """

    encode: str
    images: str = "images"
    output: str = ""
    decode: str = ""
    input: str = ""
    picture: str = "images"
    heads: Heads | None = None
    units: Sequence[Mapping[str, Any]] = ()
    rest: Sequence[float] = ()
    priors: Sequence[Mapping[str, Any]] = ()
    what: str = "latent"
    kind: str = "code"


@dataclasses.dataclass(frozen=True)
class ImaginePanel:
    """Pictures of a class, drawn from the priors of the page's `CodePanel`, and what is seen in them.

    Attributes:
      named: whether a class can be asked for.
      count: pictures at a time.
    """

    named: bool
    count: int = 12
    kind: str = "imagine"


@dataclasses.dataclass(frozen=True)
class TimesPanel:
    """What was drawn and measured after each task, with a slider over time; what the model of then imagines now.

    Attributes:
      moments: {"name", "png" (base64, "" where nothing was drawn), "caption", "accuracy": {task: share}} each; where
        the model of that moment can imagine also "function", of the model or of `Page.moments`, "met": classes met by
        then, and the "priors" of then, as of the page's `CodePanel`.
      names: of all classes; priors with a "label" are of one of them.
      count: pictures of a class at a time.
    """

    moments: Sequence[Mapping[str, Any]]
    names: Sequence[str] = ()
    count: int = 8
    kind: str = "times"

    def held(self, functions: Collection[str], left_out: Mapping[str, str]) -> "TimesPanel":
        """The panel of a page that has these functions: where one is missing the picture stands, and says "why"."""
        moments = []
        for moment in self.moments:
            function = moment.get("function", "")
            if function in functions:
                moments.append({**moment, "png": "", "caption": ""})
                continue
            drawn = {key: value for key, value in moment.items() if key not in ("function", "priors", "met")}
            why = left_out.get(function, "its model was not kept") if moment["png"] else ""
            moments.append({**drawn, "why": why})
        return dataclasses.replace(self, moments=moments)


@dataclasses.dataclass(frozen=True)
class WordsPanel:
    """Words to pictures and pictures to words.

    Attributes:
      attributes: {"name", "values", "noun", "phrases": how each value is said} each.
      encode, decode: functions of pictures and of latents; "words" of latents to probabilities, "concept" of symbols to
        Gaussians over latents, "compose" of two of those, "" where nothing is composed.
      operators: in words, in order.
      example: an expression.
      fillers: words that say nothing and are passed over.
      guidance: how many times over concepts are meant, see `models/guidance.py`.
      count: pictures at a time.
    """

    attributes: Sequence[Mapping[str, Any]]
    operators: Sequence[str]
    example: str
    fillers: Sequence[str] = ()
    encode: str = "encode"
    decode: str = "decode"
    words: str = "words"
    concept: str = "concept"
    compose: str = ""
    guidance: float = 1.0
    count: int = 10
    kind: str = "words"


@dataclasses.dataclass(frozen=True)
class NeuronsPanel:
    """Neurons stage by stage: what each likes, and its map of a picture.

    Attributes:
      maps: function of a picture whose outputs are the stages' maps.
      stages: {"name", "output", "rows", "columns", "maps", "shown": which maps, "means" and "deviations" of their
        answers to test pictures, "step" and "window" of a neuron in pixels, "filters": strip with one a map shown or
        None, "stimuli": strip with `top` a map shown, "liked": strip with what each likes best} each.
      top: pictures that excite each map most.
    """

    maps: str
    stages: Sequence[Mapping[str, Any]]
    top: int
    kind: str = "neurons"


@dataclasses.dataclass(frozen=True)
class Page:
    """What `reverie explore` shows of a run.

    Attributes:
      panels: dataclasses of this file, in order.
      pictures: test images to choose from, float [n, height, width, channels].
      labels: what each is called.
      ink: how drawn pictures lie in their frame (`ink`), or None where drawing by hand makes no sense.
      moments: function -> file of the model's weights at an earlier moment (`moments`) that the function runs on, the
        earliest first.
    """

    panels: Sequence[Any]
    pictures: np.ndarray
    labels: Sequence[str]
    ink: Mapping[str, Any] | None = None
    moments: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)

    def to_dict(self, functions: Collection[str] = (), left_out: Mapping[str, str] | None = None) -> dict[str, Any]:
        """As the page reads it: plain values, pictures as PNG.

        Args:
          functions: that the page has.
          left_out: functions of `moments` that it has not -> why.
        """
        images, labels = _that_fit(self.pictures, self.labels)
        panels = [
            panel.held(functions, left_out or {}) if isinstance(panel, TimesPanel) else panel for panel in self.panels
        ]
        return {
            "image": dict(zip(("height", "width", "channels"), self.pictures.shape[1:], strict=True)),
            "pictures": strip(images),
            "labels": list(labels),
            "ink": self.ink,
            "panels": [plain(dataclasses.asdict(panel)) for panel in panels],
        }


class PageEvaluation(Evaluation, Protocol):
    """Of a family with the capability EXPLORE."""

    def explore(self, model: Any, data: EvaluationData) -> Page:
        """What a page shows of the model; `data` as for `evaluate`."""
        ...


def shown(images: pipelines.Images, names: Sequence[str] = (), count: int = _SHOWN) -> tuple[np.ndarray, list[str]]:
    """Test images for a page, the first of each class ahead, and what they are called.

    Args:
      images: the test set.
      names: of the classes of the first label column.
      count: how many, fewer where there are fewer.

    Returns:
      (float32 [n, height, width, channels], names).
    """
    batch = pipelines.drawn(images, max(8 * count, 200))
    labels = batch["label"].numpy().reshape(len(batch["image"]), -1)[:, 0]
    _, first = np.unique(labels, return_index=True)
    order = [*first, *(row for row in range(len(labels)) if row not in set(first))][:count]
    said = [
        (names[label] if label < len(names) else str(label)) if (label := int(labels[row])) >= 0 else f"picture {k + 1}"
        for k, row in enumerate(order)
    ]
    return batch["image"].numpy()[order], said


def units(
    decode: Callable[[np.ndarray], np.ndarray], codes: np.ndarray, notes: Mapping[int, str] | None = None
) -> list[dict[str, Any]]:
    """A slider for every latent in use, the one that says most first.

    How much a latent says is how much the picture changes, root mean square over pixels, when the latent alone goes
    from one end of its measured spread to the other, from codes of real pictures.

    Args:
      decode: latents float32 [n, latents] -> pictures; row k goes with row k modulo `_MOVED` of `codes`.
      codes: of real pictures, float32 [m, latents].
      notes: latent -> what else is known of it.

    Returns:
      {"index", "low", "high", "says" (share of the strongest), "note"} each.
    """
    mean, deviation = codes.mean(axis=0), codes.std(axis=0)
    low, high = mean - _SPREAD * deviation, mean + _SPREAD * deviation
    start = codes[:_MOVED].astype(np.float32)
    says = np.zeros(codes.shape[1])
    for unit in np.flatnonzero(deviation > 1e-6):
        ends = []
        for value in (mean[unit] - deviation[unit], mean[unit] + deviation[unit]):
            moved = start.copy()
            moved[:, unit] = value
            ends.append(np.asarray(decode(moved)))
        says[unit] = float(np.sqrt(np.mean(np.square(ends[1] - ends[0]))))
    strongest = max(float(says.max(initial=0.0)), 1e-12)
    order = [int(unit) for unit in np.argsort(-says) if says[unit] > _IN_USE * strongest]
    return [
        {
            "index": unit,
            "low": float(low[unit]),
            "high": float(high[unit]),
            "says": says[unit] / strongest,
            "note": (notes or {}).get(unit, ""),
        }
        for unit in order
    ]


def titled(head: str) -> str:
    """A head's name as a page says it; of a single head without a name of its own it is the class."""
    return "class" if head == "label" else head


def ink(images: np.ndarray) -> dict[str, Any] | None:
    """How what is drawn lies in its frame, where pictures are light strokes on an empty ground.

    Args:
      images: float [n, height, width, channels].

    Returns:
      {"extent": the longer side of a drawing as a share of the frame's, "center": [down, across] of its mass as shares,
      "pen": width of a stroke in pixels}; None where pictures are no such drawings.
    """
    if images.shape[-1] != 1:
        return None
    flat = images[..., 0]
    edge = np.concatenate([flat[:, 0], flat[:, -1], flat[:, :, 0], flat[:, :, -1]], axis=1)
    if edge.mean() > 0.02 or flat.mean() > 0.4:
        return None
    height, width = flat.shape[1:]
    extents, centers, pens = [], [], []
    for picture in flat:
        rows, columns = np.flatnonzero((picture > 0.2).any(axis=1)), np.flatnonzero((picture > 0.2).any(axis=0))
        if not len(rows):
            continue
        extents.append(max(np.ptp(rows) + 1, np.ptp(columns) + 1) / max(height, width))
        mass = picture.sum()
        down, across = np.arange(height) + 0.5, np.arange(width) + 0.5
        centers.append([(picture.sum(1) @ down) / mass / height, (picture.sum(0) @ across) / mass / width])
        # Area over half the outline.
        inside = picture > 0.5
        outline = sum(np.sum(inside != np.roll(inside, 1, axis)) for axis in (0, 1))
        pens.append(2.5 * inside.sum() / max(outline, 1))
    if not extents:
        return None
    return {
        "extent": float(np.median(extents)),
        "center": [float(value) for value in np.mean(centers, axis=0)],
        "pen": float(np.median(pens)),
    }


def strip(images: np.ndarray) -> dict[str, Any]:
    """Pictures one below the other as a PNG: {"png": base64, "count"}."""
    pixels = np.round(np.clip(np.nan_to_num(images), 0.0, 1.0) * 255).astype(np.uint8)
    count, height, width, channels = pixels.shape
    content = pictures.to_png(pixels.reshape(count * height, width, channels))
    return {"png": base64.b64encode(content).decode(), "count": count, "height": height, "width": width}


def plain(value: Any) -> Any:
    """Arrays and NumPy numbers as JSON has them; floats with the digits of float32."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | tf.Tensor):
        return plain(np.asarray(value).tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.8g}")
    return int(value) if isinstance(value, np.integer) else value


def _that_fit(images: np.ndarray, labels: Sequence[str]) -> tuple[np.ndarray, Sequence[str]]:
    count = len(images)
    while count > 4 and len(strip(images[:count])["png"]) > _SHOWN_BYTES:
        count -= max(1, count // 4)
    return images[:count], labels[:count]
