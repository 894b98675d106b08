"""Writes the SavedModel: named signatures, in-graph limits, readable by TensorFlow Serving."""

from collections.abc import Callable

import tensorflow as tf
from keras.export import ExportArchive

from ..models.signature import Signature
from ..paths import plain_name
from .guards import guarded, same_count, same_rows


def write(model, folder, signatures: dict[str, Signature], max_batch: int) -> None:
    """Exports endpoints of a model, each behind its limits.

    Only `ExportArchive` is used: a Keras 3 model held by a tf.Module exports without an error and then
    serves, and converts to LiteRT, with uninitialized weights.

    Args:
      model: answers the model protocol; its variables are saved.
      folder: a new folder.
      signatures: name on the server -> endpoint, see `endpoints.endpoints`.
      max_batch: greatest number of images a request.
    """
    archive = ExportArchive()
    archive.track(model)
    for name, signature in signatures.items():
        _add(archive, name, signature, max_batch)
    archive.write_out(plain_name(str(folder)), verbose=False)


def write_plain(model, folder, signatures: dict[str, Signature]) -> None:
    """Exports signatures without limits: what LiteRT converts (assertions have no operator there)."""
    archive = ExportArchive()
    archive.track(model)
    for name, signature in signatures.items():
        archive.add_endpoint(name, _keyed(signature.function, signature.inputs), list(signature.inputs.values()))
    archive.write_out(plain_name(str(folder)), verbose=False)


def _add(archive: ExportArchive, name: str, signature: Signature, max_batch: int) -> None:
    specs = signature.inputs

    def endpoint(**inputs):
        inputs = guarded(inputs, signature, max_batch)
        if "count" in inputs:
            columns = {
                key: value for key, value in inputs.items() if specs[key].shape.rank and specs[key].shape[0] is None
            }
            with tf.control_dependencies(same_count(inputs["count"], columns)):
                inputs["count"] = tf.identity(inputs["count"])
        elif signature.batchable:
            with tf.control_dependencies(same_rows(inputs)):
                inputs = {key: tf.identity(value) for key, value in inputs.items()}
        return signature.function(**inputs)

    archive.add_endpoint(name, _keyed(endpoint, specs), list(specs.values()))


def _keyed(function: Callable, specs: dict) -> Callable:
    """Positional arguments (which ExportArchive passes) to keyword arguments; outputs get their names."""
    names = list(specs)

    def positional(*values):
        outputs = function(**dict(zip(names, values, strict=True)))
        return {name: tf.identity(value, name=name) for name, value in outputs.items()}

    # Models are made of graph operators: there is no Python control flow to convert, and looking for it is slow.
    return tf.autograph.experimental.do_not_convert(positional)
