"""Limits that travel inside the graph, so that a server holds them without any code of ours.

Without them a client can ask for ten billion images, a wrong shape surfaces as a Reshape error deep in the model, and
pixels of 0 to 255 are answered with garbage. Each failure is an InvalidArgument with one plain sentence.
"""

import tensorflow as tf

from ..models import limits
from ..models.signature import Signature


def guarded(inputs: dict, signature: Signature, max_batch: int) -> dict:
    """Returns the same tensors behind checks of shape, batch size, finiteness and range.

    Args:
      inputs: name -> tensor.
      signature: says what each must be.
      max_batch: greatest number of rows, and greatest `count`.
    """
    return {name: _checked(name, value, signature, max_batch) for name, value in inputs.items()}


def _checked(name: str, value, signature: Signature, max_batch: int):
    spec = signature.inputs[name]
    value = _of_any_shape(value, spec)
    # One after the other: each takes for granted what those before it found, and what is said does not depend on which
    # of several faults is seen first.
    for checks in (_rank, _sides, _finite, _range, _sums):
        with tf.control_dependencies(checks(name, value, spec, signature, max_batch)):
            value = tf.identity(value)
    # Not `tf.ensure_shape`: what it says of the shape reaches back to the checks, and folds them away.
    sides = tf.shape(value)
    return tf.reshape(value, [sides[axis] if size is None else size for axis, size in enumerate(spec.shape)])


def _of_any_shape(value, spec: tf.TensorSpec):
    """The same tensor, its static shape forgotten.

    Where a graph claims to know a shape, checks of it are folded away, while a server still feeds whatever it was sent.
    Of shapes without an open side (`count`, `seed`) folding sees through a placeholder.
    """
    if spec.shape.is_fully_defined():
        return tf.io.parse_tensor(tf.io.serialize_tensor(value), spec.dtype)
    return tf.raw_ops.PlaceholderWithDefault(input=value, shape=tf.TensorShape(None))


def _rank(name, value, spec, signature, max_batch) -> list:
    del signature, max_batch
    # Not `tf.rank`, which is folded to what the signature says even where the shape is forgotten.
    fits = tf.equal(tf.size(tf.shape(value)), spec.shape.rank)
    return [_assert(fits, f"{name}: expected {limits.shape_of(spec.shape)}")]


def _sides(name, value, spec, signature, max_batch) -> list:
    """Rows of a request, and `count`, are bounded; all other sides are as the model was built."""
    del signature
    checks, found = [], tf.shape(value)
    for axis, size in enumerate(spec.shape):
        if size is not None:
            message = f"{name}: axis {axis} must be {size}, expected {limits.shape_of(spec.shape)}"
            checks.append(_assert(tf.equal(found[axis], size), message))
        elif axis == 0:
            fits = tf.logical_and(found[0] > 0, found[0] <= max_batch)
            checks.append(_assert(fits, f"{name}: expected 1 to {max_batch} rows a request"))
    if name == "count":
        fits = tf.logical_and(value > 0, value <= max_batch)
        checks.append(_assert(fits, f"count: expected 1 to {max_batch}"))
    return checks


def _finite(name, value, spec, signature, max_batch) -> list:
    del signature, max_batch
    if not spec.dtype.is_floating:
        return []
    return [_assert(tf.reduce_all(tf.math.is_finite(value)), f"{name}: {limits.FINITE}")]


def _range(name, value, spec, signature, max_batch) -> list:
    del max_batch
    if name not in signature.ranges:
        return []
    least, greatest = limits.admitted(signature.ranges[name], spec.dtype.is_floating)
    above = tf.reduce_all(value >= tf.constant(least, spec.dtype))
    below = tf.reduce_all(value <= tf.constant(greatest, spec.dtype))
    return [_assert(tf.logical_and(above, below), f"{name}: expected {limits.range_of(signature.ranges[name])}")]


def _sums(name, value, spec, signature, max_batch) -> list:
    del max_batch
    if name not in signature.sums:
        return []
    sizes = signature.sums[name]
    parts = tf.split(tf.reshape(value, [-1, sum(sizes)]), sizes, axis=-1)
    totals = tf.stack([tf.reduce_sum(part, axis=-1) for part in parts])
    fits = tf.reduce_all(tf.abs(totals - 1.0) <= limits.SUM_ROUNDING)
    return [_assert(fits, f"{name}: expected {limits.sum_of(sizes)}")]


def _assert(fits, sentence: str):
    """Not one of `tf.debugging.assert_*`: those add the operation's names and numbers to the sentence."""
    return tf.debugging.Assert(fits, [sentence])


def same_rows(columns) -> list:
    """Checks that inputs which belong to each other row by row have as many rows.

    Args:
      columns: name -> tensor with rows along axis 0.
    """
    (first, value), *others = columns.items()
    return [
        _assert(tf.equal(tf.shape(other)[0], tf.shape(value)[0]), f"{name}: expected as many rows as `{first}`")
        for name, other in others
    ]


def same_count(count, columns) -> list:
    """Checks that a per-image input has one row, or `count` rows.

    Args:
      count: int32 scalar.
      columns: name -> tensor with rows along axis 0.
    """
    checks = []
    for name, value in columns.items():
        rows = tf.shape(value)[0]
        fits = tf.logical_or(tf.equal(rows, 1), tf.equal(rows, count))
        checks.append(_assert(fits, f"{name}: expected 1 or `count` rows"))
    return checks
