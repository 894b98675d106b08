"""What every source of data must hold, as functions: run your own source through them.

from tests.contracts import source_checks

def test_my_source_keeps_the_contract(tmp_path):
    source_checks.check_all(source_checks.Example("mine:" + make(tmp_path), {"image_shape": (8, 8, 1)}))
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from reverie import pipelines
from reverie.errors import UserError

BATCH = 4


@dataclasses.dataclass(frozen=True)
class Example:
    """Tiny data of one source.

    Attributes:
      source: its source string; at least eight training images.
      settings: what reading it takes.
      broken: source strings of the same kind that cannot be read: nothing there, empty, damaged, misspelled.
      with_bad_files: a source string of usable and unusable files, where the source reads a file an image.
      bad_files: how many of those are unusable.
    """

    source: str
    settings: dict = dataclasses.field(default_factory=dict)
    broken: tuple[str, ...] = ()
    with_bad_files: str = ""
    bad_files: int = 0


def check_all(example: Example) -> None:
    """Every check below."""
    check_splits(example)
    check_order(example)
    check_resumption(example)
    check_sharing(example)
    check_single_pass(example)
    check_refusals(example)
    check_bad_files(example)
    check_windows(example)


def check_splits(example: Example) -> None:
    """Training images of one stated shape, the same at every reading, their labels within the names."""
    images, again = _train(example), _train(example)
    assert len(images) == len(again) >= 8
    assert len(images.labels) == len(images) and images.labels.dtype == np.int32
    np.testing.assert_array_equal(images.labels, again.labels)
    columns = images.labels.reshape(len(images), -1)
    assert columns.shape[1] == len(images.head_names)
    for column, head in zip(columns.T, images.head_names, strict=True):
        assert column.min() >= pipelines.UNLABELED
        if head in images.class_names:
            assert column.max() < len(images.class_names[head])
    for one in pipelines.in_order(images, BATCH).take(1):
        assert one["image"].dtype == tf.float32 and one["image"].shape[1:] == images.shape
        assert one["image"].numpy().min() >= 0.0 and one["image"].numpy().max() <= 1.0


def check_order(example: Example) -> None:
    """The same seed gives the same order, another seed another one."""
    images = _train(example)
    first = _content(pipelines.batches(images, BATCH, seed=1), 6)
    _assert_same(first, _content(pipelines.batches(_train(example), BATCH, seed=1), 6))
    other = _content(pipelines.batches(images, BATCH, seed=2), 6)
    assert any(not np.array_equal(first[key], other[key]) for key in first)


def check_resumption(example: Example) -> None:
    """A stream that starts at step k gives what an unbroken one gives from there."""
    images = _train(example)
    unbroken = _content(pipelines.batches(images, BATCH, seed=3), 9)
    for step in (1, 4, 7):
        resumed = _content(pipelines.batches(images, BATCH, seed=3, start_step=step), 2)
        _assert_same(resumed, {key: part[step * BATCH : (step + 2) * BATCH] for key, part in unbroken.items()})


def check_sharing(example: Example) -> None:
    """Two input pipelines with a replica each share a batch without overlap, and make up the global one together.

    A source of shards is shared by shard: there, each pipeline has images of its own, and the two have all.
    """
    images = _train(example)
    parts = []
    for pipeline in range(2):
        context = tf.distribute.InputContext(2, pipeline, 2)
        parts.append(pipelines.batches(images, BATCH, seed=4, input_context=context, replicas=2))
    if images.shards is None:
        shares = [_content(part, 1) for part in parts]
        assert all(len(share["index"]) == BATCH // 2 for share in shares)
        assert not set(shares[0]["index"].tolist()) & set(shares[1]["index"].tolist())
        whole = _content(pipelines.batches(images, BATCH, seed=4), 1)
        _assert_same({key: np.concatenate([share[key] for share in shares]) for key in whole}, whole)
        return
    shares = [_images(part, len(images)) for part in parts]
    assert not shares[0] & shares[1]
    assert shares[0] | shares[1] == _images(pipelines.in_order(images, 1), len(images))


def check_single_pass(example: Example) -> None:
    """Evaluation visits every image once."""
    images = _train(example)
    sizes = [len(batch["index"]) for batch in pipelines.in_order(images, 3)]
    assert sum(sizes) == len(images) and set(sizes[:-1]) <= {3}


def check_refusals(example: Example) -> None:
    """What cannot be read is answered in one line."""
    for source in example.broken:
        with pytest.raises(UserError) as refused:
            pipelines.read(source, **example.settings)
        message = str(refused.value)
        assert message and "\n" not in message, source


def check_bad_files(example: Example) -> None:
    """Unusable files are counted, and more than the budget bears of them are refused."""
    if not example.with_bad_files:
        return
    images = pipelines.read(example.with_bad_files, **{**example.settings, "max_bad_fraction": 1.0})
    assert images.skipped.count == example.bad_files
    assert images.skipped.total == len(images) + example.bad_files
    with pytest.raises(UserError, match="max_bad_fraction"):
        pipelines.read(example.with_bad_files, **{**example.settings, "max_bad_fraction": 0.0})


def check_windows(example: Example) -> None:
    """Windows of its pictures are a training set that keeps the same contract, in memory, as many as were asked for."""
    shape = example.settings.get("image_shape") or _train(example).shape
    cut = dataclasses.replace(example, settings={**example.settings, "windows": 3 * BATCH, "image_shape": shape})
    images = _train(cut)
    assert len(images) == 3 * BATCH and images.pixels is not None and images.pixels.dtype == np.uint8
    np.testing.assert_array_equal(images.pixels, _train(cut).pixels)
    for check in (check_splits, check_order, check_resumption, check_sharing, check_single_pass):
        check(cut)


def _train(example: Example) -> pipelines.Images:
    return pipelines.read(example.source, "train", **example.settings)


def _content(batches: tf.data.Dataset, count: int) -> dict:
    """The first batches end to end, key -> array."""
    found = list(batches.take(count).as_numpy_iterator())
    return {key: np.concatenate([batch[key] for batch in found]) for key in found[0]}


def _images(batches: tf.data.Dataset, count: int) -> set:
    return {image.tobytes() for image in _content(batches, count)["image"]}


def _assert_same(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])
