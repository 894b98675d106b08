"""Limits that travel inside the graph, so that a server holds them without any code of ours.

Without them a client can ask for ten billion images, and a wrong shape surfaces as a Reshape error deep in
the model. Each failure is an InvalidArgument with one plain sentence.
"""

import tensorflow as tf


def guarded(inputs: dict, specs: dict, ranges: dict, max_batch: int) -> dict:
    """Returns the same tensors behind checks of shape, batch size, finiteness and range.

    Args:
      inputs: name -> tensor.
      specs: name -> TensorSpec; dimension 0 None is the batch.
      ranges: name -> (least, greatest), see `models.Signature`.
      max_batch: greatest number of rows, and greatest `count`.
    """
    return {name: _checked(name, value, specs[name], ranges.get(name), max_batch) for name, value in inputs.items()}


def _checked(name: str, value, spec: tf.TensorSpec, limits, max_batch: int):
    checks = []
    if spec.shape.rank:
        # The static shape is forgotten first: where a graph claims to know a shape, checks of it are folded
        # away, while a server still feeds whatever it was sent.
        value = tf.raw_ops.PlaceholderWithDefault(input=value, shape=tf.TensorShape([None] * spec.shape.rank))
        found = tf.shape(value)
        for axis, size in enumerate(spec.shape):
            if size is not None:
                message = f"{name}: axis {axis} must be {size}, shape must be {_shown(spec)}"
                checks.append(tf.debugging.assert_equal(found[axis], size, message))
            elif axis == 0:
                message = f"{name}: 1 to {max_batch} rows a request"
                checks.append(tf.debugging.assert_positive(found[0], message))
                checks.append(tf.debugging.assert_less_equal(found[0], max_batch, message))
    if name == "count":
        message = f"count: expected 1 to {max_batch}"
        checks.append(tf.debugging.assert_positive(value, message))
        checks.append(tf.debugging.assert_less_equal(value, max_batch, message))
    if spec.dtype.is_floating:
        finite = tf.reduce_all(tf.math.is_finite(value))
        checks.append(tf.debugging.Assert(finite, [f"{name}: every value must be a finite number"]))
    if limits is not None:
        message = f"{name}: expected values from {limits[0]} to {limits[1]}"
        checks.append(tf.debugging.assert_greater_equal(value, tf.constant(limits[0], spec.dtype), message))
        checks.append(tf.debugging.assert_less_equal(value, tf.constant(limits[1], spec.dtype), message))
    with tf.control_dependencies([check for check in checks if check is not None]):
        return tf.ensure_shape(tf.identity(value), spec.shape)


def _shown(spec: tf.TensorSpec) -> str:
    return "[" + ", ".join("n" if size is None else str(size) for size in spec.shape) + "]"


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
        checks.append(tf.debugging.Assert(fits, [f"{name}: expected 1 or `count` rows, got", rows]))
    return checks
