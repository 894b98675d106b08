"""Signatures that draw, in the form that a server may batch: a seed a row instead of one a request.

A server that joins requests (TensorFlow Serving's batching, Triton's dynamic batching) lays their rows one below the
other. `generate(count, seed)` has no rows, and its one seed draws for all images together: joined with another request
it would answer neither. `generate_each(seeds)` makes one image a row, and what comes of a row is a function of that row
alone: that of `generate` with a count of 1 and the row's seed. The network still runs once for all rows.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from ..models.signature import Signature

SUFFIX = "_each"


def by_rows(signatures: Mapping[str, Signature]) -> dict[str, Signature]:
    """NAME_each for every signature that draws.

    Args:
      signatures: of a model.

    Returns:
      One for each of those that take a `count` and a `seed`, and rows beside them or nothing. Its inputs are `seeds`,
      int32 [n, 2], and the others, [n, ...]; its outputs are those of the signature, a row each.

    Example:
      >>> def noise(count, seed):
      ...     return {"noise": tf.random.stateless_normal([count, 3], seed, alg="philox")}
      >>> specs = {"count": tf.TensorSpec([], tf.int32), "seed": tf.TensorSpec([2], tf.int32)}
      >>> request = {"count": np.int32(1), "seed": np.array([1, 2], np.int32)}
      >>> each = by_rows({"noise": Signature(noise, specs, lambda images: request)})["noise_each"]
      >>> each.function(seeds=tf.constant([[5, 6], [7, 8], [5, 6]]))["noise"].shape
      TensorShape([3, 3])
    """
    return {f"{name}{SUFFIX}": _by_rows(name, signature) for name, signature in signatures.items() if _draws(signature)}


def _draws(signature: Signature) -> bool:
    others = [spec.shape for name, spec in signature.inputs.items() if name not in ("count", "seed")]
    return {"count", "seed"} <= set(signature.inputs) and all(shape.rank and shape[0] is None for shape in others)


def _by_rows(name: str, signature: Signature) -> Signature:
    others = [key for key in signature.inputs if key not in ("count", "seed")]
    specs = {
        "seeds": tf.TensorSpec([None, 2], tf.int32, name="seeds"),
        **{key: signature.inputs[key] for key in others},
    }

    def row(inputs: dict) -> dict:
        asked = {key: inputs[key][None] for key in others}
        answer = signature.function(count=tf.constant(1), seed=inputs["seeds"], **asked)
        return {key: value[0] for key, value in answer.items()}

    @tf.autograph.experimental.do_not_convert
    def rows(inputs: dict) -> dict:
        logger, level = tf.get_logger(), tf.get_logger().level
        logger.setLevel("ERROR")  # That draws are made row by row is what is wanted.
        try:
            return tf.vectorized_map(row, inputs)
        finally:
            logger.setLevel(level)

    traced = tf.function(rows, input_signature=[specs])  # Once, for the export and for what it is compared with.

    def examples(images: np.ndarray) -> dict[str, np.ndarray]:
        request, count = signature.examples(images), len(images)
        seeds = np.stack([np.full(count, request["seed"][0]), request["seed"][1] + np.arange(count)], axis=1)
        return {
            "seeds": seeds.astype(np.int32),
            **{key: np.resize(request[key], (count, *np.shape(request[key])[1:])) for key in others},
        }

    return Signature(
        lambda **inputs: traced(inputs),
        specs,
        examples,
        signature.ranges,
        signature.amplification,
        meaning=f"a row each what `{name}` gives for a count of 1 and the row's seed",
        sums=signature.sums,
    )
