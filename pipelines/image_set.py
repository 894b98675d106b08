"""`Images`: what every source gives. Labeled pictures that can be asked for by index."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

UNLABELED = -1


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

    Exactly one of `pixels`, `encoded`, `paths`, `shards` and `drawn` is set.

    Attributes:
      name: where the pictures came from, for messages and reports.
      shape: (height, width, channels) of every picture that a consumer will see.
      labels: int32 [n], or [n, heads] for several label columns; -1 marks an unlabeled row.
      pixels: uint8 [n, height, width, channels], or float32 in [0, 1] of that shape.
      encoded: object array [n] of PNG/JPEG/BMP bytes, decoded while streaming.
      paths: string array [n] of image files, read and decoded while streaming.
      drawn: (labels, nuisances) -> uint8 [b, height, width, channels], pictures drawn while streaming.
      shards: `frames.stream.FrameShards`, read as a stream; such a set has no order to pick pictures from.
      keys: string [n], what each picture is known by from one reading to the next; None is its row's number.
      resize: how encoded pictures are brought to `shape`; see `decoding.decode`.
      head_names: the label columns' names, in order.
      class_names: per head, the class names in label order (empty where unknown).
      skipped: what the reader left out.
      nuisances: float32 [n, k] or None, what varies in the pictures and is no label.
      nuisance_names: of its columns.
      permutations: int32 [tables, height * width] or None. With them the set is the pictures once for each
        table, in order, each with its pixels taken from the places that the table says; `labels` has
        tables * pictures rows then.
    """

    name: str
    shape: tuple[int, int, int]
    labels: np.ndarray
    pixels: np.ndarray | None = None
    encoded: np.ndarray | None = None
    paths: np.ndarray | None = None
    shards: object | None = None
    drawn: Callable | None = None
    keys: np.ndarray | None = None
    resize: str = "none"
    head_names: tuple[str, ...] = ("label",)
    class_names: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    skipped: Skipped = Skipped()
    nuisances: np.ndarray | None = None
    nuisance_names: tuple[str, ...] = ()
    permutations: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @functools.cached_property
    def content(self) -> "tf.Tensor":
        """Pixels, encoded files or paths as one tensor, made once: every stream over the set shares it."""
        import tensorflow as tf  # Here, so that sources can be listed without it.

        return tf.convert_to_tensor(next(part for part in (self.pixels, self.encoded, self.paths) if part is not None))

    def take(self, indices: np.ndarray) -> "Images":
        """The pictures at some rows.

        Args:
          indices: int [k].

        Returns:
          k pictures in the order of `indices`, with their labels, keys and nuisances.
        """

        def pick(column):
            return None if column is None else column[indices]

        columns = ("labels", "pixels", "encoded", "paths", "keys", "nuisances")
        return dataclasses.replace(self, **{name: pick(getattr(self, name)) for name in columns})


def from_arrays(name: str, images, labels, **fields: Any) -> Images:
    """Checks a pair of arrays and wraps them.

    Args:
      name: for messages.
      images: uint8 in 0..255 or floating in [0, 1], [n, height, width] or [n, height, width, channels].
      labels: integers [n] or [n, heads], or None for none at all.
      **fields: passed on to `Images`.

    Raises:
      UserError: wrong rank, type or range, unequal lengths, non-finite pixels.

    Example:
      >>> images = from_arrays("blank", np.zeros([3, 8, 8], np.uint8), [0, 1, 1])
      >>> len(images), images.shape
      (3, (8, 8, 1))
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise UserError(
            f"{name}: images have shape {images.shape}; expected [n, height, width] or [n, height, width, 1 or 3]"
        )
    if not len(images):
        raise UserError(f"{name}: holds no images")
    if images.dtype != np.uint8:
        images = _unit_floats(name, images)
    labels = np.full(len(images), UNLABELED, np.int32) if labels is None else np.asarray(labels)
    if len(labels) != len(images):
        raise UserError(f"{name}: {len(images)} images but {len(labels)} labels")
    whole = np.issubdtype(labels.dtype, np.integer) or (
        np.issubdtype(labels.dtype, np.floating) and np.array_equal(labels, np.round(labels))
    )
    if not whole:
        raise UserError(f"{name}: labels are of type {labels.dtype}; expected integers")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    return Images(name=name, shape=images.shape[1:], labels=labels.astype(np.int32), pixels=images, **fields)


def _unit_floats(name: str, images: np.ndarray) -> np.ndarray:
    if not np.issubdtype(images.dtype, np.floating):
        raise UserError(f"{name}: images are of type {images.dtype}; expected uint8 (0..255) or floats in [0, 1]")
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
                f"{', '.join(missing)} need one each; set --config.model.heads to match"
            )
        picked = columns[:, [images.head_names.index(head) for head in heads]]
    for column, (head, classes) in zip(picked.T, heads.items(), strict=True):
        wrong = np.flatnonzero((column < UNLABELED) | (column >= classes))
        if wrong.size:
            raise UserError(
                f"{images.name}: label {column[wrong[0]]} of image {wrong[0]} is out of range for head '{head}': "
                f"expected 0..{classes - 1}, or -1 for unlabeled ({wrong.size} such labels)"
            )
    names = dict(zip(heads, images.class_names.values(), strict=False)) if len(heads) == 1 else images.class_names
    labels = picked[:, 0] if len(heads) == 1 else picked
    return dataclasses.replace(images, labels=labels, head_names=tuple(heads), class_names=names)
