"""What a source of images was understood to be, for a person to read before anything is trained on it."""

import collections
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import pipelines
from ..errors import UserError
from ..paths import shown
from ..pipelines.sources.contract import RESIZE_MODES, SPLITS
from ..pipelines.sources.registry import find_source

# Values of an attribute that are listed one by one, and sizes likewise.
_LISTED = 40


def check_source(
    source: str,
    splits: Sequence[str] = (),
    shape: tuple[int, int, int] | None = None,
    faces: int = 0,
    **settings: Any,
) -> Iterator[str]:
    """Reads a source as training would, and says what it found, line by line.

    Args:
      source: as in `data.source`.
      splits: of the source; all that it has by default.
      shape: of the images wanted; without it files of any size count as good.
      faces: in how many images of each split, drawn at random, to look for a face; 0 for none.
      **settings: of `pipelines.read_splits`.

    Yields:
      Lines: the splits, sizes, classes with their counts, attributes with their values, what was passed over and why,
      the share of images with a face.

    Raises:
      UserError: nothing usable there; faces to be looked for in files of no stated shape, or without OpenCV.

    Example:
      >>> next(check_source("mnist_sample"))
      'source: mnist_sample (5,000 + 1,000 real digits that ship with the package)'
    """
    kind, _ = pipelines.parse_source(source)
    found = find_source(kind)
    yield f"source: {shown(source)} ({found.summary})"
    # Nothing is held out, and whatever is unusable is listed rather than refused.
    rules = {"validation_fraction": 0.0, "test_fraction": 0.0, "max_bad_fraction": 1.0, **settings}
    if rules.get("resize", RESIZE_MODES[0]) not in RESIZE_MODES:
        raise UserError(f"data.resize is '{rules['resize']}'; expected one of {', '.join(RESIZE_MODES)}")
    if shape is not None:
        rules["image_shape"] = shape
    elif found.needs_shape and (faces or settings.get("windows")):
        raise UserError(f"{source}: say of what shape the images are to be, as --image_shape=64,64,3")
    elif found.needs_shape:
        rules |= {"image_shape": (1, 1, 3), "resize": "stretch"}
    sets = pipelines.read_splits(source, tuple(splits) or SPLITS, **rules)
    missing = [split for split in splits if split not in sets]
    if missing:
        there = pipelines.read_splits(source, SPLITS, **rules)
        raise UserError(f"{source}: has no {missing[0]} split of its own; expected one of {', '.join(there)}")
    for split, images in sets.items():
        yield from _of_split(split, images)
        if faces:
            yield f"  {_faces(images, faces)}"
        usual = _sizes(sets["train"]) if "train" in sets else _sizes(images)
        other = {size: count for size, count in _sizes(images).items() if size not in usual}
        if other and settings.get("resize", RESIZE_MODES[0]) == RESIZE_MODES[0]:
            yield (
                f"  {split}: of another size than the training images, {_listed(other)}; "
                "training refuses that, unless data.resize brings all of them to one size"
            )
    if tuple(sets) == ("train",) and not splits:
        yield "no validation or test images of its own: training holds some out (data.test_fraction)"


def _faces(images: pipelines.Images, count: int) -> str:
    """The share of some of a set's images in which a face is detected, in words."""
    from ..pipelines import faces

    found = faces.share(images, count)
    return (
        f"a face detected in {found['with_face']:,} of {found['patches']:,}: "
        f"{100 * found['share']:.2f} +- {100 * found['standard_error']:.2f} %"
    )


def _sizes(images: pipelines.Images) -> Mapping[str, int]:
    """Size -> how many images: of files as they are, of arrays as all of them are."""
    return images.found_shapes or {"x".join(map(str, images.shape)): len(images)}


def _of_split(split: str, images: pipelines.Images) -> Iterator[str]:
    sizes = _sizes(images)
    listed = _listed(sizes) if len(sizes) > 1 else next(iter(sizes))
    if images.cut is None:
        yield f"{split}: {len(images):,} images of {listed}"
    else:
        yield f"{split}: {images.cut.summary()}, as {'x'.join(map(str, images.shape))}"
    columns = images.labels.reshape(len(images), -1)
    for head, column in zip(images.head_names, columns.T, strict=False):
        names = images.class_names.get(head, ())
        numbers, counts = np.unique(column[column >= 0], return_counts=True)
        known = {names[number] if number < len(names) else str(number): count
                 for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)}  # fmt: skip
        if numbers.size and numbers[-1] > 1000 + 10 * len(numbers):
            yield f"  {head}: labels go up to {numbers[-1]:,}; a model takes 0, 1, 2, ..., so number them anew"
        absent = [name for name in names if name not in known]
        unlabeled = int((column < 0).sum())
        if known:
            line = f"  {head}: {len(known)} classes, label -> images: {_numbered(known, names)}"
            yield f"{line}, unlabeled {unlabeled:,}" if unlabeled else line
        else:
            yield f"  {head}: no labels"
        if absent:
            yield f"  {head}: without an image here: {', '.join(map(shown, absent[:_LISTED]))}"
    for remark, count in images.remarks.items():
        yield f"  {shown(remark)}: {count:,}"
    if images.skipped.count:
        yield f"  {images.skipped.summary()}"
    yield f"  digest: {images.digest}"


def _numbered(counts: dict[str, int], names: Sequence[str]) -> str:
    """ "0 cat 12, 1 dog 30": number, name where there is one, count."""
    numbered = {f"{list(names).index(name)} {shown(name)}" if names else name: n for name, n in counts.items()}
    return _listed(numbered)


def _listed(counts: Mapping[str, int]) -> str:
    most = collections.Counter(counts).most_common()
    items = list(counts.items()) if len(counts) <= _LISTED else most[:_LISTED]
    rest = len(counts) - len(items)
    return ", ".join(f"{name}: {count:,}" for name, count in items) + (f" and {rest:,} more" if rest else "")
