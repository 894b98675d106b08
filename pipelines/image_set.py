"""`Images`: what every source gives. Labeled pictures that can be asked for by index."""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UserError
from .picture import USUAL_LOOK, Look

if TYPE_CHECKING:
    import tensorflow as tf

    from .cache import KeptPixels
    from .frames.stream import FrameShards
    from .windows import Cut

UNLABELED = -1
# Where whole sets lie, on a machine with GPUs too: what a step needs of them is moved by its stream.
HOST = "CPU:0"
# What there is one of for every picture.
COLUMNS = ("labels", "pixels", "encoded", "paths", "kept", "keys", "sizes", "nuisances")


@dataclasses.dataclass(frozen=True)
class Skipped:
    """Files that a reader could not use.

    Attributes:
      total: number of candidate files looked at, good ones included.
      reasons: reason -> number of files.
      first: up to ten "path: reason" lines.
    """

    total: int = 0
    reasons: dict[str, int] = dataclasses.field(default_factory=dict)
    first: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return sum(self.reasons.values())

    def summary(self) -> str:
        reasons = ", ".join(f"{reason}: {n}" for reason, n in sorted(self.reasons.items()))
        return f"{self.count} of {self.total} files skipped ({reasons}); first: {'; '.join(self.first)}"


@dataclasses.dataclass(frozen=True)
class Images:
    """A set of pictures held in memory, as pixels or as encoded files.

    Exactly one of `pixels`, `encoded`, `paths`, `kept`, `shards` and `drawn` is set.

    Attributes:
      name: where the pictures came from, for messages and reports.
      shape: (height, width, channels) of every picture that a consumer will see.
      labels: int32 [n], or [n, heads] for several label columns; -1 marks an unlabeled row.
      pixels: uint8 [n, height, width, channels], or float32 in [0, 1] of that shape.
      encoded: object array [n] of PNG/JPEG/BMP bytes, decoded while streaming.
      paths: string array [n] of image files, read and decoded while streaming.
      kept: `cache.KeptPixels`, decoded pictures read from the disk while streaming.
      drawn: (labels, nuisances) -> uint8 [b, height, width, channels], pictures drawn while streaming.
      shards: `frames.stream.FrameShards`, read as a stream; such a set has no order to pick pictures from.
      keys: string [n], what each picture is known by from one reading to the next; None is its row's number.
      resize: how encoded pictures are brought to `shape`; see `decoding.fit`.
      look: what encoded pictures look like where their files leave it open.
      sizes: int64 [n] or None, of files their bytes: with the keys, what the set's digest goes by.
      found_shapes: "height x width" of files as they were -> how many.
      remarks: what was done or noticed while reading -> to how many files.
      head_names: the label columns' names, in order.
      class_names: per head, the class names in label order (empty where unknown).
      skipped: what the reader left out.
      nuisances: float32 [n, k] or None, what varies in the pictures and is no label.
      nuisance_names: of its columns; those without a name only tell `drawn` what to draw.
      cut: `windows.Cut` where the pictures are windows of others, whose labels, keys and sizes they have; or None.
      complete: other pictures of the same kind, or None. Where a set leaves combinations of labels out on purpose,
        these show them too: what a separate classifier learns from, which has to know all of them.
      permutations: int32 [tables, height * width] or None. With them the set is the pictures once for each
        table, in order, each with its pixels taken from the places that the table says; `labels` has
        tables * pictures rows then.

    Example:
      >>> squares = np.zeros([2, 8, 8, 1], np.uint8)
      >>> images = Images("two black squares", (8, 8, 1), np.array([0, 1], np.int32), pixels=squares)
      >>> len(images.take([1]))
      1
    """

    name: str
    shape: tuple[int, int, int]
    labels: np.ndarray
    pixels: np.ndarray | None = None
    encoded: np.ndarray | None = None
    paths: np.ndarray | None = None
    kept: "KeptPixels | None" = None
    shards: "FrameShards | None" = None
    drawn: Callable | None = None
    keys: np.ndarray | None = None
    resize: str = "none"
    look: Look = USUAL_LOOK
    sizes: np.ndarray | None = None
    found_shapes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    remarks: Mapping[str, int] = dataclasses.field(default_factory=dict)
    head_names: tuple[str, ...] = ("label",)
    class_names: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    skipped: Skipped = Skipped()
    nuisances: np.ndarray | None = None
    nuisance_names: tuple[str, ...] = ()
    cut: "Cut | None" = None
    complete: "Images | None" = None
    permutations: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @functools.cached_property
    def content(self) -> "tf.Tensor":
        """Pixels, encoded files or paths as one tensor on the host, made once: every stream over the set shares it."""
        import tensorflow as tf  # Here, so that sources can be listed without it.

        with tf.device(HOST):
            if self.paths is not None:  # Names need not be UTF-8.
                return tf.constant([os.fsencode(path) for path in self.paths.tolist()])
            return tf.convert_to_tensor(self.encoded if self.pixels is None else self.pixels)

    def take(self, indices: np.ndarray) -> "Images":
        """The pictures at some rows.

        Args:
          indices: int [k].

        Returns:
          k pictures in the order of `indices`, with their labels, keys and nuisances.
        """

        def pick(column):
            return None if column is None else column[indices]

        return dataclasses.replace(self, **{name: pick(getattr(self, name)) for name in COLUMNS})

    @functools.cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that other pictures, labels or orders do not have.

        Files are told apart by name and size, so that a set has the same digest whether it is kept as pixels or
        decoded while streaming; arrays by their content.
        """
        content = hashlib.sha256(repr((len(self), tuple(self.shape), tuple(self.head_names))).encode())
        content.update(np.ascontiguousarray(self.labels).data)
        if self.cut is not None:
            content.update(self.cut.rule.encode())
        if self.keys is not None and self.sizes is not None:
            content.update("\0".join(self.keys.tolist()).encode("utf-8", "surrogateescape"))
            content.update(np.ascontiguousarray(self.sizes).data)
        elif self.pixels is not None:
            content.update(np.ascontiguousarray(self.pixels).data)
        elif self.encoded is not None:
            for file in self.encoded.tolist():
                content.update(hashlib.sha256(file).digest())
        elif self.shards is not None:
            content.update(self.shards.digest.encode())
        else:
            content.update(np.ascontiguousarray(self.nuisances).data)
        return content.hexdigest()[:16]


def from_arrays(name: str, images, labels, **fields: Any) -> Images:
    """Checks a pair of arrays and wraps them.

    Args:
      name: for messages.
      images: uint8 in 0..255 or floating in [0, 1], [n, height, width] or [n, height, width, channels].
      labels: class numbers [n]; one-hot rows [n, classes]; columns [n, heads], whose names are in `fields` or
        become label_0, label_1, ...; or None for none at all.
      **fields: passed on to `Images`.

    Raises:
      UserError: wrong rank, type or range, unequal lengths, non-finite pixels.

    Example:
      >>> images = from_arrays("blank", np.zeros([3, 8, 8], np.uint8), [0, 1, 1])
      >>> len(images), images.shape
      (3, (8, 8, 1))
    """
    images = _array(f"{name}: images", images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        alpha = "; put transparent pixels on a background first" if images.ndim == 4 and images.shape[-1] == 4 else ""
        raise UserError(
            f"{name}: images have shape {images.shape}; expected [n, height, width] or "
            f"[n, height, width, 1 or 3]{alpha}"
        )
    if not len(images):
        raise UserError(f"{name}: holds no images")
    if not min(images.shape):
        raise UserError(f"{name}: images have shape {images.shape}; expected at least one pixel")
    if images.dtype != np.uint8:
        images = _unit_floats(name, images) if np.issubdtype(images.dtype, np.floating) else as_bytes(name, images)
    labels = np.full(len(images), UNLABELED, np.int32) if labels is None else _array(f"{name}: labels", labels)
    labels = _class_numbers(name, labels, len(images), fields)
    return Images(name=name, shape=images.shape[1:], labels=labels, pixels=images, **fields)


def _array(what: str, values) -> np.ndarray:
    try:
        return np.asarray(values)
    except (ValueError, TypeError):  # Rows of several lengths.
        raise UserError(f"{what} are rows of several shapes; expected an array") from None


def _class_numbers(name: str, labels: np.ndarray, rows: int, fields: dict) -> np.ndarray:
    """int32 [n] or [n, heads]; names the columns in `fields` where there are several without names."""
    if labels.ndim not in (1, 2) or not labels.size:
        raise UserError(f"{name}: labels have shape {labels.shape}; expected [{rows}], one class number an image")
    if len(labels) != rows:
        raise UserError(f"{name}: {rows} images but {len(labels)} labels")
    if labels.dtype == bool:
        labels = labels.astype(np.int32)
    whole = np.issubdtype(labels.dtype, np.integer) or (
        np.issubdtype(labels.dtype, np.floating)
        and np.all(np.isfinite(labels))
        and np.array_equal(labels, np.round(labels))
    )
    if not whole:
        raise UserError(f"{name}: labels are of type {labels.dtype}; expected integers, one class number an image")
    check_range(f"{name}: labels", labels)
    if labels.ndim == 2 and labels.shape[-1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and "head_names" not in fields:
        classes = one_hot_classes(labels)
        if classes is None:
            fields["head_names"] = tuple(f"label_{column}" for column in range(labels.shape[1]))
        else:
            labels = classes
    return labels.astype(np.int32)


def one_hot_classes(labels: np.ndarray) -> np.ndarray | None:
    """The class numbers of one-hot rows, or None where the rows are something else.

    Args:
      labels: numbers [n, columns].

    Example:
      >>> one_hot_classes(np.array([[0, 1], [1, 0]]))
      array([1, 0], dtype=int32)
    """
    if labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "biuf":
        return None
    if not np.all((labels == 0) | (labels == 1)) or not np.all(labels.sum(axis=1) == 1):
        return None
    return labels.argmax(axis=1).astype(np.int32)


def check_range(what: str, labels: np.ndarray) -> None:
    """Refuses whole numbers that are no class numbers, before they wrap around.

    Args:
      what: for the message.
      labels: integers, or floats that are whole numbers.

    Raises:
      UserError: one beyond -1 .. 2^31 - 1.
    """
    if labels.size and (int(labels.max()) > np.iinfo(np.int32).max or int(labels.min()) < UNLABELED):
        worst = int(labels.max()) if int(labels.max()) > np.iinfo(np.int32).max else int(labels.min())
        raise UserError(f"{what}: one of them is {worst}; expected class numbers 0, 1, 2, ... (-1: unlabeled)")


def as_bytes(name: str, images: np.ndarray) -> np.ndarray:
    """Whole numbers 0 to 255 of any type, or truth values (black and white), as uint8.

    Raises:
      UserError: numbers of another kind, or beyond 0 to 255; the message begins with `name`.

    Example:
      >>> as_bytes("set", np.array([0, 255]))
      array([  0, 255], dtype=uint8)
    """
    if images.dtype == bool:
        return images.astype(np.uint8) * 255
    if not np.issubdtype(images.dtype, np.integer):
        raise UserError(f"{name}: images are of type {images.dtype}; expected uint8 (0..255) or floats in [0, 1]")
    low, high = int(images.min()), int(images.max())
    if low < 0 or high > 255:
        raise UserError(
            f"{name}: pixels of type {images.dtype} range over [{low}, {high}]; expected 0 to 255 as uint8 "
            "(divide deeper ones down)"
        )
    return images.astype(np.uint8)


def _unit_floats(name: str, images: np.ndarray) -> np.ndarray:
    bad = ~np.isfinite(images)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        raise UserError(
            f"{name}: {int(bad.sum())} pixels are not finite numbers (first in image {row}, {images[bad][0]}); "
            "remove or repair those images"
        )
    low, high = float(images.min()), float(images.max())
    if low < 0.0 or high > 1.0:
        raise UserError(
            f"{name}: floating-point pixels range over [{low:g}, {high:g}]; expected [0, 1] "
            "(divide by 255, or store uint8)"
        )
    return images.astype(np.float32)


def _sizes(images: Images) -> dict[str, int]:
    """Label column -> how many classes it has."""
    columns = images.labels.reshape(len(images), -1).T
    return {
        head: max(2, len(images.class_names.get(head, ())), int(column.max()) + 1)
        for head, column in zip(images.head_names, columns, strict=False)
    }


def for_heads(images: Images, heads: Mapping[str, int]) -> Images:
    """The set with one label column a head of the model, in the model's order; refuses labels beyond it.

    Columns are matched by name; a set with a single label column serves a model with a single head of any name.

    Args:
      images: the set.
      heads: head name -> number of classes.

    Raises:
      UserError: a head without a column, or a label outside -1..classes-1.

    Example:
      >>> images = from_arrays("blank", np.zeros([2, 8, 8], np.uint8), [0, 1])
      >>> for_heads(images, {"digit": 2}).head_names
      ('digit',)
    """
    columns = images.labels.reshape(len(images), -1)
    if len(heads) == 1 and columns.shape[1] == 1:
        picked = columns
    else:
        missing = [head for head in heads if head not in images.head_names]
        if missing:
            raise UserError(
                f"{images.name}: has the label column(s) {', '.join(images.head_names)}, but the model's head(s) "
                f'{", ".join(missing)} need one each; set --config.model.heads="{_sizes(images)}", or some of them'
            )
        picked = columns[:, [images.head_names.index(head) for head in heads]]
    for column, (head, classes) in zip(picked.T, heads.items(), strict=True):
        if classes < 1:
            raise UserError(
                f"model.heads.{head} is {classes}; expected the number of classes, of which {images.name} has "
                f"{column.max() + 1}"
            )
        wrong = np.flatnonzero((column < UNLABELED) | (column >= classes))
        if wrong.size:
            raise UserError(
                f"{images.name}: label {column[wrong[0]]} of image {wrong[0]} is out of range for head '{head}': "
                f"expected 0..{classes - 1}, or -1 for unlabeled ({wrong.size} such labels); the data has "
                f"{len(np.unique(column[column >= 0]))} classes, the largest label is {column.max()}: set "
                f"--config.model.heads.{head}={column.max() + 1}, or number the labels anew"
            )
    names = images.class_names
    if columns.shape[1] == 1:  # A single column serves a head of any name.
        names = dict(zip(heads, names.values(), strict=False))
    labels = picked[:, 0] if len(heads) == 1 else picked
    return dataclasses.replace(images, labels=labels, head_names=tuple(heads), class_names=names)
