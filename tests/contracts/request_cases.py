"""Requests that no server should answer, made from a signature: one fault each, and what must be said of it."""

from collections.abc import Iterator

import numpy as np
from reverie.models import Signature, limits
from reverie.models.signature import first_rows


def broken(signature: Signature, inputs: dict, max_batch: int) -> Iterator[tuple[dict, str]]:
    """Pairs of a request and the beginning of the sentence that it must be refused with.

    Args:
      signature: of an endpoint.
      inputs: a valid request.
      max_batch: of the version.
    """
    for name, spec in signature.inputs.items():
        for value, said in _broken(name, spec, np.asarray(inputs[name]), signature, max_batch):
            yield {**inputs, name: value}, f"{name}: expected {said}" if said[:4] != "axis" else f"{name}: {said}"
        if spec.dtype.is_floating:
            for value in (np.nan, np.inf, -np.inf):
                yield {**inputs, name: _with(inputs[name], value)}, f"{name}: every value must be a finite number"
    if "count" in inputs and (columns := [name for name in inputs if np.ndim(inputs[name]) and name != "seed"]):
        wrong = first_rows(inputs, 1) | {"count": np.int32(3), columns[0]: inputs[columns[0]][:2]}
        yield wrong, f"{columns[0]}: expected 1 or `count` rows"
    if signature.batchable:
        first, *others = signature.inputs
        for name in others:
            if len(inputs[name]) > 1:
                yield {**inputs, name: inputs[name][:1]}, f"{name}: expected as many rows as `{first}`"


def _broken(name, spec, value, signature, max_batch) -> Iterator[tuple]:
    shape = limits.shape_of(spec.shape)
    yield value[None], shape
    if value.ndim:
        yield value[0], shape
    for axis, side in enumerate(spec.shape):
        if side is not None:
            yield np.concatenate([value, value], axis=axis), f"axis {axis} must be {side}, expected {shape}"
        elif len(value) and name not in ("count", "seed"):
            yield value[:0], f"1 to {max_batch} rows a request"
            yield np.resize(value, (max_batch + 1, *value.shape[1:])), f"1 to {max_batch} rows a request"
    if name == "count":
        for count in (0, -1, max_batch + 1, 2**31 - 1):
            yield np.int32(count), f"1 to {max_batch}"
    if name in signature.ranges:
        least, greatest = signature.ranges[name]
        said = limits.range_of(signature.ranges[name])
        whole = not spec.dtype.is_floating
        top = np.max(greatest)
        for wrong in (least - 1, top + 1, -(2**31), 2**31 - 1) if whole else (least - 0.1, -3e38, 3e38):
            if whole or not np.isclose(np.float32(wrong), least):
                yield _with(value, wrong), said
    if name in signature.sums:
        for wrong in (np.zeros_like(value), 0.5 * value):
            yield wrong, limits.sum_of(signature.sums[name])


def _with(value, one) -> np.ndarray:
    """The same with one value replaced, the last."""
    changed = np.array(value)
    changed[(-1,) * changed.ndim] = one
    return changed
