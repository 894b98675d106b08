"""Runs a SavedModel through the graph loader, as TensorFlow Serving's C++ does: no Keras, none of our classes.

A SavedModel can answer correctly through `tf.saved_model.load` and still be broken in a server (a Keras 3
model wrapped in a tf.Module is), so this loader is what parity is measured with.
"""

import pathlib

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from ..errors import UserError, first_line
from ..models import limits
from ..paths import plain_name

_FAILED = "assertion failed:"


class GraphModel:
    """A loaded SavedModel.

    Arguments:
      folder: one version's folder (holding saved_model.pb).

    Raises:
      UserError: no SavedModel there, or a damaged one.
    """

    def __init__(self, folder):
        _file(folder)
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        logger, level = tf.get_logger(), tf.get_logger().level
        logger.setLevel("ERROR")  # The loader is marked deprecated for Python users; here it stands in for C++.
        try:
            with self._graph.as_default():
                loaded = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], plain_name(str(folder)))
        except (tf.errors.OpError, DecodeError, OSError, RuntimeError, ValueError, KeyError) as error:
            self._session.close()
            raise UserError(f"{folder}: the SavedModel cannot be loaded ({first_line(error)[:200]})") from error
        finally:
            logger.setLevel(level)
        self.signatures = served(loaded.signature_def)

    def call(self, signature: str, **inputs) -> dict[str, np.ndarray]:
        """Runs one signature.

        Args:
          signature: its name.
          **inputs: numpy arrays by input name.

        Returns:
          numpy arrays by output name.

        Raises:
          UserError: unknown signature or input name, a shape that the signature does not take.
          tf.errors.InvalidArgumentError: a guard in the graph refused the inputs.
        """
        if signature not in self.signatures:
            raise UserError(f"no signature '{signature}'; the model has {', '.join(sorted(self.signatures))}")
        definition = self.signatures[signature]
        if set(inputs) != set(definition.inputs):
            raise UserError(f"{signature} takes {sorted(definition.inputs)}, not {sorted(inputs)}")
        feeds = {}
        for name, value in inputs.items():
            tensor = self._graph.get_tensor_by_name(definition.inputs[name].name)
            dtype = tensor.dtype.as_numpy_dtype if tensor.dtype != tf.string else object
            feeds[tensor] = np.asarray(value, dtype)
            # A server leaves this to the graph; a session in Python refuses it in words of its own.
            if not tensor.shape.is_compatible_with(feeds[tensor].shape):
                expected = limits.shape_of(tensor.shape.as_list())
                raise UserError(f"{signature}: {name} has shape {feeds[tensor].shape}; expected {expected}")
        fetches = {name: info.name for name, info in definition.outputs.items()}
        return self._session.run(fetches, feeds)

    def close(self) -> None:
        """Frees the session and its weights."""
        self._session.close()

    def __enter__(self) -> "GraphModel":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def definitions(folder) -> dict[str, meta_graph_pb2.SignatureDef]:
    """Signature -> names, types and shapes of what goes in and comes out, read without loading the graph.

    Args:
      folder: one version's folder.

    Raises:
      UserError: no SavedModel there, or a damaged one.
    """
    try:
        content = saved_model_pb2.SavedModel.FromString(_file(folder).read_bytes())
    except (DecodeError, OSError) as error:
        raise UserError(f"{folder}: the SavedModel cannot be read ({first_line(error)[:200]})") from error
    graphs = [graph for graph in content.meta_graphs if "serve" in graph.meta_info_def.tags]
    if not graphs:
        raise UserError(f"{folder}: the SavedModel has nothing to serve (no graph with the tag 'serve')")
    return served(graphs[0].signature_def)


def reason(error: Exception) -> str:
    """What a graph objected to, in a line: the first failed assertion, else the first line that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Graph execution error", "Detected at"))] or lines
    assertions = [_sentence(line[line.index(_FAILED) + len(_FAILED) :]) for line in lines if _FAILED in line]
    return (assertions or lines or [type(error).__name__])[0][:200]


def _sentence(text: str) -> str:
    """What stands in the first brackets of a failed assertion, brackets within it included."""
    depth, start = 0, text.find("[") + 1
    for place, character in enumerate(text):
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "]" and depth == 0:
            return text[start:place]
    return text[start:].strip()


def served(signature_defs) -> dict[str, meta_graph_pb2.SignatureDef]:
    """The signatures that answer requests: not those that TensorFlow keeps for itself."""
    return {name: definition for name, definition in signature_defs.items() if not name.startswith("__saved_model")}


def _file(folder) -> pathlib.Path:
    path = pathlib.Path(folder) / "saved_model.pb"
    if not path.is_file():
        raise UserError(f"{folder}: no SavedModel there (no saved_model.pb)")
    return path
