"""Data that is handed over in Python: `give` keeps it and says under which source string it is to be had.

The string is made of the content, so the same data is the same source in every process that was given it.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import UserError
from ..image_set import COLUMNS, UNLABELED, Images, from_arrays, one_hot_classes
from ..label_columns import Column, numbered
from .contract import SPLITS, Request, Source
from .npz import find_arrays

_FORMS = (
    "(images, labels), images alone, {'x_train': ..., 'y_train': ...} (or train_images, images, ...), "
    "{'image': ..., 'label': ...}, "
    "{'train': ..., 'test': ...}, a tf.data.Dataset, or Images"
)

# Digest -> split -> set: all that this process has been given.
_TABLE: dict[str, dict[str, Images]] = {}


class Given(Source):
    """`given:DIGEST`, as `give` returns it."""

    kind = "given"
    summary = "arrays or a `tf.data.Dataset` handed over in Python with `pipelines.give`"
    forms = ("given:DIGEST",)

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return tuple(_found(place))

    def read(self, place: str, split: str, request: Request) -> Images:
        sets = _found(place)
        if split not in sets:
            raise UserError(f"data source given:{place}: has the split(s) {', '.join(sets)}, but no {split}")
        return sets[split]


SOURCES = (Given(),)


def give(
    data: Any,
    labels: Any = None,
    *,
    head_names: Sequence[str] | None = None,
    class_names: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
) -> str:
    """Keeps data for the length of this process, and returns the source string to read it by.

    Images are uint8 (0..255) or floats in [0, 1], [n, height, width] or [n, height, width, 1 or 3]. Labels are whole
    numbers [n] or [n, heads], or named columns: a dict name -> [n], or a pandas DataFrame. Columns of strings become
    named classes (sorted; None, NaN and "" are unlabeled). Arrays are copied unless they are read-only.

    Args:
      data: one of
        - `(images, labels)`, or images alone;
        - `{"image": images, "label": labels}`, or by split `{"x_train": ..., "y_train": ..., "x_test": ...}`;
        - `{"train": ..., "validation": ..., "test": ...}`, any of these, each in one of the other forms;
        - a finite `tf.data.Dataset` of dicts with "image" and optionally "label" (or of such pairs), batched or not;
        - `Images`.
      labels: of `data`, where that is images without labels.
      head_names: names of the label columns, where they have none; "label" by default.
      class_names: head -> names of its classes in label order (for a single head, the names alone), where labels are
        numbers.

    Returns:
      "given:" and 16 hexadecimal digits, made from the content.

    Raises:
      UserError: data of another form, or that cannot be trained on.

    Example:
      >>> from reverie.pipelines import read
      >>> pictures = np.zeros([4, 8, 8], np.uint8)
      >>> source = give(pictures, {"animal": ["cat", "dog", None, "cat"]})
      >>> images = read(source, test_fraction=0.0)
      >>> images.labels.tolist(), images.class_names
      ([0, 1, -1, 0], {'animal': ('cat', 'dog')})
    """
    head_names = (head_names,) if isinstance(head_names, str) else head_names
    parts = _by_split(data, labels)
    kept = {split: part for split, part in parts.items() if isinstance(part, Images)}
    pairs = {split: part for split, part in parts.items() if not isinstance(part, Images)}
    sets = {**kept, **_wrapped(pairs, head_names, class_names)}
    sets = {split: sets[split] for split in SPLITS if split in sets}
    digest = _digest(sets)
    if digest not in _TABLE:
        _TABLE[digest] = {
            split: dataclasses.replace(_protected(images), name=f"given:{digest}:{split}")
            for split, images in sets.items()
        }
    return f"given:{digest}"


def _found(place: str) -> dict[str, Images]:
    if place not in _TABLE:
        raise UserError(
            f"data source given:{place} was handed over in Python, and this process has not been; "
            "pass it again: reverie.load(folder, data=...)"
        )
    return _TABLE[place]


# ---- forms


class _Pair(NamedTuple):
    images: Any
    labels: Any  # None, an array, or named columns.


def _by_split(data: Any, labels: Any) -> dict[str, _Pair | Images]:
    if isinstance(data, Mapping):
        keys = set(data)
        arrays = find_arrays(map(str, keys))
        if keys and keys <= set(SPLITS):
            _no_more_labels(labels)
            return {split: _one(part, None) for split, part in data.items()}
        if arrays and "image" not in data:
            _no_more_labels(labels)
            return {
                split: _Pair(data[names.images], None if names.labels is None else data[names.labels])
                for split, names in arrays.items()
            }
        if "image" not in data:
            raise UserError(f"data has the keys {sorted(map(str, keys))}; expected {_FORMS}")
    return {"train": _one(data, labels)}


def _one(data: Any, labels: Any) -> _Pair | Images:
    if isinstance(data, Images):
        _no_more_labels(labels)
        if data.shards is not None or data.permutations is not None:
            raise UserError(f"{data.name}: is a stream without rows to hand over; pass its source string instead")
        return data
    if isinstance(data, Mapping):
        if "image" not in data:
            raise UserError(f"data has the keys {sorted(map(str, data))}; expected 'image' and 'label'")
        data = (data["image"], data.get("label"))
    elif _is_dataset(data):
        data = _collected(data)
    if isinstance(data, tuple):
        if len(data) != 2:
            raise UserError(f"data is a tuple of {len(data)}; expected {_FORMS}")
        images, own = data
        if own is not None:
            _no_more_labels(labels)
        return _Pair(images, labels if own is None else own)
    if isinstance(data, str) or data is None:
        raise UserError(f"data is {data!r}; expected {_FORMS}")
    return _Pair(data, labels)


def _no_more_labels(labels: Any) -> None:
    if labels is not None:
        raise UserError("labels are given twice: with the data and beside it; leave one of them out")


def _is_dataset(data: Any) -> bool:
    import tensorflow as tf

    return isinstance(data, tf.data.Dataset)


def _collected(dataset) -> _Pair:
    """A finite `tf.data.Dataset` as arrays."""
    import tensorflow as tf

    spec = dataset.element_spec
    if isinstance(spec, tuple) and len(spec) == 2:
        dataset = dataset.map(lambda image, label: {"image": image, "label": label})
        spec = dataset.element_spec
    if (
        not isinstance(spec, dict)
        or not isinstance(spec.get("image"), tf.TensorSpec)
        or spec["image"].shape.rank is None
    ):
        raise UserError(f"data is a tf.data.Dataset of {spec}; expected dicts with 'image' of known rank, and 'label'")
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise UserError("data is an endless tf.data.Dataset; expected one that ends (use .take)")
    wanted = {key: spec[key] for key in ("image", "label") if key in spec}
    rows = list(dataset.map(lambda row: {key: row[key] for key in wanted}).as_numpy_iterator())
    if not rows:
        raise UserError("data is a tf.data.Dataset that holds no images")
    shape = spec["image"].shape
    # [height, width, channels] of one image, or [n, height, width] of a batch: channels are 1 or 3.
    batched = shape.rank == 4 or (shape.rank == 3 and shape[-1] not in (None, 1, 3))
    sizes = sorted({row["image"].shape[batched:] for row in rows})
    if len(sizes) > 1:
        raise UserError(f"data has images of {sizes[0]} and of {sizes[1]}; expected one size")
    join = np.concatenate if batched else np.stack
    if "label" not in wanted:
        return _Pair(join([row["image"] for row in rows]), None)
    if isinstance(wanted["label"], dict):
        return _Pair(
            join([row["image"] for row in rows]),
            {name: join([row["label"][name] for row in rows]) for name in wanted["label"]},
        )
    return _Pair(join([row["image"] for row in rows]), join([np.asarray(row["label"]) for row in rows]))


# ---- labels


def _wrapped(pairs: dict[str, _Pair], head_names, class_names) -> dict[str, Images]:
    """`Images` of each split, their classes numbered alike."""
    columns = {split: _columns(pair.labels, head_names) for split, pair in pairs.items()}
    heads = next((tuple(found) for found in columns.values() if found), ())
    for split, found in columns.items():
        if found and tuple(found) != heads:
            raise UserError(f"data: {split} has the label column(s) {list(found)}, another split has {list(heads)}")
    if head_names is not None and heads and tuple(head_names) != heads:
        raise UserError(f"head_names is {tuple(head_names)}, but the labels have the column(s) {heads}")
    coded = {head: _together(head, {s: found[head] for s, found in columns.items() if found}) for head in heads}
    names = {head: next(iter(parts.values())).names for head, parts in coded.items()}
    names = {head: tuple(found) for head, found in {**names, **_named(class_names, heads)}.items() if found}
    fields = {"class_names": names, **({"head_names": heads} if heads else {})}
    sets = {}
    for split, pair in pairs.items():
        name, labels = f"data ({split})", None
        images = _array(name, pair.images)
        if columns[split]:
            found = [coded[head][split].labels for head in heads]
            lengths = {head: len(column) for head, column in zip(heads, found, strict=True)}
            if len(set(lengths.values())) > 1:
                raise UserError(f"{name}: label columns have the lengths {lengths}; expected one label an image each")
            labels = np.stack(found, axis=-1)
        elif heads:
            labels = np.full([len(images), len(heads)], UNLABELED, np.int32)
        sets[split] = from_arrays(name, images, labels, **fields)
    for head, found in names.items():
        largest = max(
            int(images.labels.reshape(len(images), -1)[:, heads.index(head)].max()) for images in sets.values()
        )
        if largest >= len(found):
            raise UserError(f"data: label {largest} of '{head}' has no name; class_names has {len(found)} of them")
    return sets


def _array(name: str, images: Any) -> np.ndarray:
    try:
        return np.atleast_1d(np.asarray(images))
    except (ValueError, TypeError):  # Lists of arrays of several shapes, and what is no array at all.
        raise UserError(f"{name}: images are no array of one size; expected [n, height, width, channels]") from None


def _columns(labels: Any, head_names) -> dict[str, Any]:
    """Head -> values [n]; {} where there are no labels."""
    if labels is None:
        return {}
    if isinstance(labels, Mapping):
        return {str(name): values for name, values in labels.items()}
    if hasattr(labels, "columns") and hasattr(labels, "to_dict"):  # A DataFrame, of pandas or the like.
        return {str(name): list(labels[name]) for name in labels.columns}
    # A list becomes no array of strings for the sake of one string in it.
    array = np.array(labels, dtype=object) if isinstance(labels, list | tuple) else np.asarray(labels)
    if array.ndim not in (1, 2):
        raise UserError(f"labels have shape {array.shape}; expected [n] or [n, heads]")
    if head_names is None or len(head_names) == 1:
        classes = one_hot_classes(np.asarray(labels))
        array = array if classes is None else classes
    if array.ndim == 1 or array.shape[1] == 1:
        (name,) = head_names if head_names is not None and len(head_names) == 1 else ("label",)
        return {name: array.reshape(-1)}
    names = tuple(head_names) if head_names is not None else tuple(f"label_{k}" for k in range(array.shape[1]))
    if len(names) != array.shape[1]:
        raise UserError(f"head_names is {names}, but the labels have {array.shape[1]} columns")
    return dict(zip(names, array.T, strict=True))


def _together(head: str, parts: dict[str, Any]) -> dict[str, Column]:
    """One column over all splits, so that every split numbers its values alike."""
    if all(isinstance(part, np.ndarray) and part.ndim == 1 and part.dtype.kind in "iu" for part in parts.values()):
        return {split: numbered(head, part) for split, part in parts.items()}
    values = {split: list(part) for split, part in parts.items()}
    whole = numbered(head, [value for part in values.values() for value in part])
    ends = np.cumsum([len(part) for part in values.values()])
    pieces = np.split(whole.labels, ends[:-1])
    return {split: Column(piece, whole.names) for split, piece in zip(values, pieces, strict=True)}


def _named(class_names, heads: tuple) -> dict[str, Sequence[str]]:
    if class_names is None:
        return {}
    if not isinstance(class_names, Mapping):
        if len(heads) != 1:
            raise UserError(f"class_names is a list, but the label columns are {heads}; expected a dict head -> names")
        return {heads[0]: class_names}
    unknown = [head for head in class_names if head not in heads]
    if unknown:
        raise UserError(f"class_names has '{unknown[0]}', but the label columns are {heads}")
    return dict(class_names)


# ---- content


def _digest(sets: dict[str, Images]) -> str:
    content = hashlib.sha256()
    for split, images in sets.items():
        plain = (split, images.shape, images.resize, images.head_names, sorted(images.class_names.items()))
        content.update(repr((*plain, images.nuisance_names)).encode())
        for name in COLUMNS:
            column = getattr(images, name)
            if column is None:
                continue
            content.update(f"{name}:{column.dtype.kind}:{column.shape}".encode())
            if column.dtype.kind in "OUS":
                for item in column.tolist():
                    item = item if isinstance(item, bytes) else str(item).encode()
                    content.update(len(item).to_bytes(8, "big") + item)
            else:
                content.update(np.ascontiguousarray(column).data)
        if images.drawn is not None:
            content.update(f"{images.drawn.__module__}.{images.drawn.__qualname__}".encode())
    return content.hexdigest()[:16]


def _protected(images: Images) -> Images:
    """The set with arrays of its own, which nobody can change afterwards."""
    fields = {}
    for name in COLUMNS:
        column = getattr(images, name)
        if column is not None and column.flags.writeable:
            fields[name] = column.copy()
            fields[name].flags.writeable = False
    return dataclasses.replace(images, **fields)
