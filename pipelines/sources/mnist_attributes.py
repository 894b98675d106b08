"""MNIST with attributes: digits in two scales, three orientations and four places (Vedantam et al. 2018, MNIST-A).

    Vedantam, Fischer, Huang and Murphy, "Generative Models of Visually Grounded Imagination", arXiv 1705.10762

Every digit of MNIST is drawn several times on 64 x 64 pixels, black and white, each time with attributes of its own:

| attribute | values | drawn from |
|---|---|---|
| scale | small, big | normal, mean 0.6 or 0.9, deviation 0.1, between 0.4 and 1 |
| digit | zero to nine | MNIST's label |
| orientation | counterclockwise, upright, clockwise | normal, mean 45 degrees, deviation 10; upright exactly 0 |
| location | top-left, top-right, bottom-left, bottom-right | normal about four places, deviation 4 pixels |

The places are the centers of the quarters, pushed outwards by 4 pixels each way. Locations are cut off where the
digit's frame, turned and scaled, would leave the picture. All of it is a pure function of the seed, the
digit's number and the variant's.
"""

import dataclasses
import functools
import itertools
import zlib
from typing import NamedTuple

import numpy as np

from ...errors import UserError
from ..hashed import uniform
from ..image_set import HOST, Images
from .contract import SPLITS, Option, Request, Source
from .registry import find_source, parse_source

ATTRIBUTES = {
    "scale": ("small", "big"),
    "digit": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "orientation": ("counterclockwise", "upright", "clockwise"),
    "location": ("top-left", "top-right", "bottom-left", "bottom-right"),
}
NUISANCES = ("size", "angle", "x", "y")  # Of which attributes say no more than the range.
COMBINATIONS = ("iid", "held_out")

_DIGIT_SIDE, _SIDE = 28, 64
_SCALES, _SCALE_SPREAD, _SCALE_RANGE = (0.6, 0.9), 0.1, (0.4, 1.0)
_ANGLES, _ANGLE_SPREAD, _ANGLE_RANGE = (45.0, 0.0, -45.0), 10.0, (-90.0, 90.0)
_NEAR, _FAR, _PLACE_SPREAD = _SIDE / 4 - _SIDE / 16, 3 * _SIDE / 4 + _SIDE / 16, _SIDE / 16
_VALIDATION = 1 / 12  # Of the training digits, the last: 5,000 of 60,000.
_HELD_OUT = {"train": 0.85, "validation": 0.05, "test": 0.10}  # Shares of the combinations.
# What a variant is drawn by is its digit's number and, above these bits, which of the digit's variants it is.
_DIGIT_BITS, _MOST_VARIANTS = 20, 1000


class MnistAttributes(Source):
    """`mnist_attributes:DIGITS`, where DIGITS is any source of MNIST's digits: an .npz file, `idx:DIR`, `tfds:mnist`.

    Without a place it draws the digits that ship with the package. With `combinations` "iid" training digits are drawn
    for the splits "train" and "validation", test digits for "test". With "held_out" all digits are drawn, and the
    splits share no combination of the four attributes: of all 240, 204 are for training, 12 for validation and 24 for
    test, those first whose names have the least hash. Training images have other ones of all 240 beside them
    (`Images.complete`), for a classifier that judges.
    """

    kind = "mnist_attributes"
    summary = "MNIST's digits in two scales, three orientations and four places: four named attributes"
    forms = ("mnist_attributes", "mnist_attributes:DIGITS")
    options = {
        "combinations": Option(
            "iid", "Of mnist_attributes: iid (every split shows all combinations) or held_out (no two share one)."
        ),
        "variants": Option(10, "Of mnist_attributes: how many times each digit is drawn for training."),
        "test_variants": Option(10, "Of mnist_attributes: how many times each is drawn for validation and test."),
        "variants_seed": Option(0, "Of mnist_attributes: other attributes of each digit, other held-out combinations."),
    }

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return SPLITS

    def read(self, place: str, split: str, request: Request) -> Images:
        how, *counts, seed = (request.options[name] for name in self.options)
        if how not in COMBINATIONS:
            raise UserError(f"data.combinations is '{how}'; expected one of {', '.join(COMBINATIONS)}")
        for name, count in zip(("variants", "test_variants"), counts, strict=True):
            if not 1 <= count <= _MOST_VARIANTS:
                raise UserError(f"data.{name} is {count}; expected 1 to {_MOST_VARIANTS}")
        if not 0 <= seed < 2**32:
            raise UserError(f"data.variants_seed is {seed}; expected 0 to {2**32 - 1}")
        digits = _digits(place, request)
        train, tested = counts
        name = f"mnist_attributes:{place or 'mnist_sample'}:{split}"
        found = _variants(name, digits, seed, digits.rows(how, split), range(train if split == "train" else tested))
        if how == "iid":
            return found
        kept = found.take(np.flatnonzero(np.isin(_combination(found.labels), held_out(seed)[split])))
        if split != "train":
            return kept
        # Variants of all combinations that are in no split.
        others = range(max(train, tested), max(train, tested) + train)
        return dataclasses.replace(kept, complete=_variants(f"{name}:complete", digits, seed, slice(None), others))


SOURCES = (MnistAttributes(),)


class Sample(NamedTuple):
    """What variants of digits look like.

    Attributes:
      labels: int32 [n, 4], value numbers in the order of `ATTRIBUTES`.
      poses: float32 [n, 4]: scale, angle in degrees counterclockwise, and the center's x and y in pixels.
    """

    labels: np.ndarray
    poses: np.ndarray


def _variants(name: str, digits: "_Digits", seed: int, rows: slice, variants: range) -> Images:
    """Some variants of some digits, to be drawn while streaming."""
    numbers = np.arange(len(digits.classes))[rows]
    row, variant = np.repeat(numbers, len(variants)), np.tile(variants, len(numbers))
    labels, poses = sample(seed, digits.classes[row], row, variant)
    return Images(
        name=name,
        shape=(_SIDE, _SIDE, 1),
        labels=labels,
        keys=np.char.add(np.char.add(row.astype(str), "."), variant.astype(str)),
        head_names=tuple(ATTRIBUTES),
        class_names=dict(ATTRIBUTES),
        nuisances=np.column_stack([poses, row, variant]).astype(np.float32),
        nuisance_names=NUISANCES,
        drawn=_Drawn(digits.pictures, seed),
    )


def sample(seed: int, classes: np.ndarray, row: np.ndarray, variant: np.ndarray) -> Sample:
    """The attributes of variants of digits; those of one do not depend on what else is asked for.

    Args:
      seed: another seed, other attributes.
      classes: int [n], which digits they are.
      row, variant: int [n], the digit's number and which of its variants.

    Example:
      >>> labels, poses = sample(0, np.array([7, 7]), np.array([12, 12]), np.array([0, 1]))
      >>> labels[:, 1].tolist()
      [7, 7]
    """
    numbers = np.asarray(row, np.int64) + (np.asarray(variant, np.int64) << _DIGIT_BITS)
    chances = [uniform(seed, numbers, column) for column in range(7)]
    sizes = [len(ATTRIBUTES[name]) for name in ("scale", "orientation", "location")]
    scale, orientation, location = (np.floor(u * n).astype(np.int32) for u, n in zip(chances, sizes, strict=False))
    size = _normal(chances[3], np.take(_SCALES, scale), _SCALE_SPREAD, *_SCALE_RANGE)
    angle = _normal(chances[4], np.take(_ANGLES, orientation), _ANGLE_SPREAD, *_ANGLE_RANGE)
    angle = np.where(orientation == ATTRIBUTES["orientation"].index("upright"), 0.0, angle)
    radians = np.radians(angle)
    # Half the side of the turned frame, which stays inside.
    half = size * _DIGIT_SIDE * (np.abs(np.cos(radians)) + np.abs(np.sin(radians))) / 2
    # The four places in order: right is odd, bottom is beyond the first two.
    x = _normal(chances[5], np.where(location % 2, _FAR, _NEAR), _PLACE_SPREAD, half, _SIDE - half)
    y = _normal(chances[6], np.where(location // 2, _FAR, _NEAR), _PLACE_SPREAD, half, _SIDE - half)
    labels = np.stack([scale, np.asarray(classes, np.int32), orientation, location], axis=-1)
    return Sample(labels.astype(np.int32), np.stack([size, angle, x, y], axis=-1).astype(np.float32))


def held_out(seed: int) -> dict[str, np.ndarray]:
    """Which combinations are for which split, int [k] each: numbers of `ATTRIBUTES`' combinations in their order.

    Args:
      seed: another seed, other combinations. Whether one is held out depends on its names and the seed alone.

    Example:
      >>> [len(part) for part in held_out(0).values()]
      [204, 12, 24]
    """
    names = [f"{seed}:{' '.join(values)}" for values in itertools.product(*ATTRIBUTES.values())]
    order = np.argsort([zlib.crc32(name.encode()) for name in names], kind="stable")
    test, validation = (round(_HELD_OUT[split] * len(names)) for split in ("test", "validation"))
    return {"train": order[test + validation :], "validation": order[test : test + validation], "test": order[:test]}


def _combination(labels: np.ndarray) -> np.ndarray:
    """The combination's number, int [n], of labels int [n, 4]."""
    return np.asarray(np.ravel_multi_index(tuple(labels.T), tuple(map(len, ATTRIBUTES.values()))))


def _normal(chance, mean, spread, low, high) -> np.ndarray:
    """Draws from normal distributions cut off at `low` and `high`, from numbers uniform in [0, 1)."""
    from scipy import special  # Here, so that sources can be listed without it.

    below, above = special.ndtr((low - mean) / spread), special.ndtr((high - mean) / spread)
    return np.clip(mean + spread * special.ndtri(below + chance * (above - below)), low, high)


class _Digits(NamedTuple):
    """Training digits, then test digits.

    Attributes:
      pictures: uint8 [n, 28, 28].
      classes: int32 [n].
      training: how many are for training.
    """

    pictures: np.ndarray
    classes: np.ndarray
    training: int

    def rows(self, how: str, split: str) -> slice:
        """Which are drawn for a split."""
        if how == "held_out":
            return slice(0, len(self.classes))
        validation = self.training - round(_VALIDATION * self.training)
        bounds = {"train": (0, validation), "validation": (validation, self.training)}
        return slice(*bounds.get(split, (self.training, len(self.classes))))


def _digits(place: str, request: Request) -> _Digits:
    """All digits of a source that has training and test digits."""
    kind, inner = parse_source(place or "mnist_sample")
    reader = find_source(kind)
    options = {name: option.default for name, option in reader.options.items()}
    asked = Request(image_shape=(_DIGIT_SIDE, _DIGIT_SIDE, 1), budget=request.budget, options=options)
    found = [split for split in ("train", "test") if split in reader.splits(inner, asked)]
    if len(found) < 2:
        raise UserError(f"{place}: has no {'test' if found else 'train'} digits; expected MNIST's two splits")
    parts = [reader.read(inner, split, asked) for split in found]
    pictures = []
    for part in parts:
        if part.labels.ndim != 1 or part.labels.min() < 0 or part.labels.max() >= len(ATTRIBUTES["digit"]):
            raise UserError(f"{place}: has other labels than the ten digits; expected MNIST, one of 0 to 9 a picture")
        if part.shape != (_DIGIT_SIDE, _DIGIT_SIDE, 1) or part.pixels is None or part.pixels.dtype != np.uint8:
            kind = "x".join(map(str, part.shape)) + ("" if part.pixels is None else f" {part.pixels.dtype}")
            raise UserError(f"{place}: images are {kind}; expected MNIST's in memory, 28x28x1 uint8")
        pictures.append(part.pixels[..., 0])
    pictures = np.concatenate(pictures)
    if len(pictures) > 1 << _DIGIT_BITS:
        raise UserError(f"{place}: holds {len(pictures)} digits; expected at most {1 << _DIGIT_BITS}")
    return _Digits(pictures, np.concatenate([part.labels for part in parts]), len(parts[0]))


class _Drawn:
    """What draws pictures while streaming; see `Images.drawn`."""

    def __init__(self, pictures: np.ndarray, seed: int):
        self._pictures, self._seed = pictures, seed

    @functools.cached_property
    def _on_host(self):
        import tensorflow as tf  # Here, so that sources can be listed without it.

        # Not in the graph of whatever stream asks first.
        with tf.init_scope(), tf.device(HOST):
            return tf.constant(self._pictures)

    def __call__(self, labels, nuisances):
        import tensorflow as tf

        from .. import placed_digits

        del labels
        row, variant = (tf.cast(nuisances[:, column], tf.int64) for column in (-2, -1))
        # Of each seed other points are white; from what `uniform` is keyed by it stays apart.
        keys = row + (variant + self._seed * _MOST_VARIANTS) * (1 << _DIGIT_BITS)
        shades = placed_digits.gray(tf.gather(self._on_host, row), nuisances[:, : len(NUISANCES)])
        return placed_digits.black_and_white(shades, keys)
