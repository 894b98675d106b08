"""From a source string to sets of images: `folder:my/pictures` to one `Images` a split.

A source brings splits of its own, or they are held out of its "train" here, the same way for all. Which kinds there
are, and what they can be told, is in `sources/`; `sources_table()` lists them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import UserError
from .holdout import carve
from .image_set import Images
from .picture import in_channels
from .settings import request_for
from .sources.contract import SPLITS, Request, Source
from .sources.registry import find_source, parse_source


def read(source: str, split: str = "train", **settings: Any) -> Images:
    """Reads one split of a source into an indexable set.

    Args:
      source: `kind:place` or a path; `sources_table()` lists the kinds.
      split: "train", "validation" or "test".
      **settings: any of `data_settings()`, as `image_shape=(64, 64, 3)`.

    Raises:
      UserError: anything about the source or the settings that cannot be used; no such split.

    Example:
      >>> digits = read("mnist_sample", "test")
      >>> len(digits), digits.shape
      (1000, (28, 28, 1))
    """
    sets = read_splits(source, (split,), **settings)
    if split not in sets:
        raise UserError(f"{source}: has no {split} split, and none is held out (data.{split}_fraction is 0)")
    return sets[split]


def read_splits(source: str, splits: Sequence[str] = SPLITS, **settings: Any) -> dict[str, Images]:
    """Reads several splits of a source, touching each file once.

    A source that has no such split of its own gives it up from "train": `validation_fraction` (0 by default) and
    `test_fraction` (0.1) of the images, chosen by `holdout_seed` and what each image is known by.

    Args:
      source: `kind:place` or a path; `sources_table()` lists the kinds.
      splits: of "train", "validation" and "test".
      **settings: any of `data_settings()`. Those with a meaning for other sources alone are passed over;
        `image_shape` takes the images' own where it is not said (files need it).

    Returns:
      split -> `Images`; without the splits that the source has not and nothing is held out for.

    Raises:
      UserError: anything about the source or the settings that cannot be used.

    Example:
      >>> sets = read_splits("mnist_sample", validation_fraction=0.2)
      >>> sorted(sets)
      ['test', 'train', 'validation']
    """
    for split in splits:
        if split not in SPLITS:
            raise UserError(f"split is '{split}'; expected one of {', '.join(SPLITS)}")
    reader, place, request = _asked(source, settings)
    if request.image_shape is None and reader.needs_shape:
        raise UserError(f"{source}: set data.image_shape, for example (64, 64, 3)")
    own = reader.splits(place, request)
    sets = {split: reader.read(place, split, request) for split in splits if split in own and split != "train"}
    # Nothing is held out for a split that the source brings itself.
    held = {split: 0.0 if split in own else request.fraction(split) for split in ("validation", "test")}
    carved = [split for split in splits if split not in sets and (split == "train" or held[split])]
    if "train" not in own:
        if "train" in splits:
            raise UserError(f"{source}: has no train split, only {', '.join(own) or 'none'}; {reader.without_train}")
        carved = []
    if carved:
        sets |= _carved(reader, place, request, carved, held)
    found = {split: sets[split] for split in splits if split in sets and len(sets[split])}
    if request.image_shape is None:
        return found
    return {split: _fitted(images, request.image_shape, request.resize) for split, images in found.items()}


def _carved(
    reader: Source, place: str, request: Request, splits: Sequence[str], held: Mapping[str, float]
) -> dict[str, Images]:
    """Splits out of a source's "train"; the training split as its own settings want it."""
    rule = {**held, "seed": request.holdout_seed, "how": request.holdout}
    if "train" not in splits or not request.windows:
        parts = carve(reader.read(place, "train", request), splits, **rule)
        if request.without_faces and "train" in parts:
            from . import faces

            whole = parts["train"]
            kept = faces.without(whole)
            remarks = {**whole.remarks, faces.LEFT_OUT: len(whole) - len(kept)}
            parts["train"] = dataclasses.replace(kept, remarks=remarks)
        return parts
    from . import windows

    if request.image_shape is not None:
        windows.check_memory(request.windows, request.image_shape, request.budget.memory_gib)
    # Windows are cut from pictures at the size that they have; what is held out is as it would be without windows.
    parts, own = {}, reader.read(place, "train", dataclasses.replace(request, own_size=True))
    others = tuple(split for split, share in held.items() if share)
    if others:
        whole = reader.read(place, "train", request)
        parts = carve(dataclasses.replace(whole, keys=_known_by(whole)), others, **rule)
        taken = {key for part in parts.values() for key in _known_by(part).tolist()}
        own = own.take(np.flatnonzero([key not in taken for key in _known_by(own).tolist()]))
        if whole.keys is None:
            parts = {split: dataclasses.replace(part, keys=None) for split, part in parts.items()}
    parts["train"] = windows.cut(
        own, request.windows, request.window_least, request.image_shape or own.shape, request.holdout_seed,
        request.budget.memory_gib, request.without_faces,
    )  # fmt: skip
    return {split: parts[split] for split in splits}


def _known_by(images: Images) -> np.ndarray:
    """string [n]: the key of each picture of a whole set, its row's number where it has none."""
    return np.arange(len(images)).astype(str) if images.keys is None else images.keys


def damage(source: str) -> str:
    """Which file of a source is damaged and how, in a line; "" where none is, or where that cannot be told.

    For an error in the middle of reading; all of a source's files may be read for it.

    Args:
      source: as of `read`.
    """
    parsed = parse_source(source)
    return find_source(parsed.kind).damage(parsed.place)


def own_splits(source: str, **settings: Any) -> tuple[str, ...]:
    """The splits that a source brings itself; the others are held out of its "train".

    Args:
      source, **settings: see `read_splits`.

    Raises:
      UserError: as `read_splits`.

    Example:
      >>> own_splits("mnist_sample")
      ('train', 'test')
    """
    reader, place, request = _asked(source, settings)
    return tuple(reader.splits(place, request))


def _asked(source: str, settings: dict[str, Any]) -> tuple[Source, str, Request]:
    """(the reader of a source, the place that it reads, what is asked of it)."""
    kind, place = parse_source(source)
    reader = find_source(kind)
    return reader, place, request_for(reader, settings)


def _fitted(images: Images, shape: tuple[int, int, int], resize: str) -> Images:
    """Pixels already in memory, brought to the shape wanted; files are decoded to it while streaming."""
    if images.shape == shape:
        return images
    wanted, found = "x".join(map(str, shape)), "x".join(map(str, images.shape))
    if images.drawn is not None:
        raise UserError(
            f"{images.name}: pictures are drawn as {found}, but the model takes {wanted}; set "
            f"--config.data.image_shape and --config.model.image_shape to ({', '.join(map(str, images.shape))})"
        )
    if images.pixels is None:
        raise UserError(
            f"{images.name}: images are {found}, but the model takes {wanted}; set --config.data.image_shape, or raise "
            "--config.data.memory_gib so that they can be resized"
        )
    if images.pixels.dtype != np.uint8:
        raise UserError(
            f"{images.name}: images are {found} of {images.pixels.dtype}, but {wanted} is needed; expected images of "
            "that size, or of uint8, which alone are brought to another"
        )
    if resize == "none" and images.shape[:2] != shape[:2]:
        raise UserError(
            f"{images.name}: images are {found}, but the model takes {wanted}; "
            "set --config.data.resize=crop (or stretch), or --config.data.image_shape"
        )
    pixels = in_channels(images.pixels, shape[-1])
    if pixels.shape[1:3] != shape[:2]:
        from . import decoding  # Once something must be resized: it brings TensorFlow.

        pixels = np.stack(list(map(decoding.fitter(*shape[:2], resize), pixels)))
    return dataclasses.replace(images, pixels=pixels, shape=shape)
