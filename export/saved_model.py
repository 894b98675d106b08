"""Writes the SavedModel: named signatures, in-graph limits, readable by TensorFlow Serving."""

import pathlib
from collections.abc import Callable

import tensorflow as tf
from keras.export import ExportArchive

from .guards import guarded, same_count

DEFAULT_SIGNATURE = "encode"


def write(model, folder, max_batch: int, from_bytes: Callable | None = None) -> None:
    """Exports every signature of the model, `serving_default` (= encode), and `encode_bytes`.

    Only `ExportArchive` is used: a Keras 3 model held by a tf.Module exports without an error and then
    serves, and converts to LiteRT, with uninitialised weights.

    Args:
      model: answers the model protocol.
      folder: a new folder.
      max_batch: greatest number of images a request.
      from_bytes: string [n] -> float32 images [n, h, w, c]; None leaves `encode_bytes` out.
    """
    archive = ExportArchive()
    archive.track(model)
    signatures = model.signatures()
    for name, signature in signatures.items():
        _add(archive, name, signature.function, signature.inputs, signature.ranges, max_batch)
    default = signatures[DEFAULT_SIGNATURE]
    _add(archive, "serving_default", default.function, default.inputs, default.ranges, max_batch)
    if from_bytes is not None:
        # REST carries binary strings as base64 only for inputs whose name ends in _bytes.
        spec = {"image_bytes": tf.TensorSpec([None], tf.string, name="image_bytes")}
        _add(
            archive, "encode_bytes", lambda image_bytes: default.function(from_bytes(image_bytes)), spec, {}, max_batch
        )
    archive.write_out(str(folder), verbose=False)


def write_plain(model, folder, names: list) -> None:
    """Exports signatures without limits: what LiteRT converts (assertions have no operator there)."""
    archive = ExportArchive()
    archive.track(model)
    for name in names:
        signature = model.signatures()[name]
        archive.add_endpoint(name, _keyed(signature.function, signature.inputs), list(signature.inputs.values()))
    archive.write_out(str(pathlib.Path(folder)), verbose=False)


def _add(archive, name: str, function: Callable, specs: dict, ranges: dict, max_batch: int) -> None:
    def endpoint(**inputs):
        inputs = guarded(inputs, specs, ranges, max_batch)
        if "count" in inputs:
            columns = {
                key: value for key, value in inputs.items() if specs[key].shape.rank and specs[key].shape[0] is None
            }
            with tf.control_dependencies(same_count(inputs["count"], columns)):
                inputs["count"] = tf.identity(inputs["count"])
        return function(**inputs)

    archive.add_endpoint(name, _keyed(endpoint, specs), list(specs.values()))


def _keyed(function: Callable, specs: dict) -> Callable:
    """Positional arguments (which ExportArchive passes) to keyword arguments; outputs get their names."""
    names = list(specs)

    def positional(*values):
        outputs = function(**dict(zip(names, values, strict=True)))
        return {name: tf.identity(value, name=name) for name, value in outputs.items()}

    return positional
