"""Runs a SavedModel through the graph loader, as TensorFlow Serving's C++ does: no Keras, none of our classes.

A SavedModel can answer correctly through `tf.saved_model.load` and still be broken in a server (a Keras 3
model wrapped in a tf.Module is), so this loader is what parity is measured with.
"""

import pathlib

import numpy as np
import tensorflow as tf

from ..errors import UserError


class GraphModel:
    """A loaded SavedModel.

    Arguments:
      folder: one version's folder (holding saved_model.pb).

    Raises:
      UserError: no SavedModel there.
    """

    def __init__(self, folder):
        if not (pathlib.Path(folder) / "saved_model.pb").is_file():
            raise UserError(f"{folder}: no SavedModel there (no saved_model.pb)")
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        logger, level = tf.get_logger(), tf.get_logger().level
        logger.setLevel("ERROR")  # The loader is marked deprecated for Python users; here it stands in for C++.
        try:
            with self._graph.as_default():
                loaded = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], str(folder))
        finally:
            logger.setLevel(level)
        self.signatures = dict(loaded.signature_def)
        self.signatures.pop("__saved_model_init_op", None)

    def call(self, signature: str, **inputs) -> dict:
        """Runs one signature.

        Args:
          signature: its name.
          **inputs: numpy arrays by input name.

        Returns:
          numpy arrays by output name.

        Raises:
          UserError: unknown signature or input name.
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
        fetches = {name: info.name for name, info in definition.outputs.items()}
        return self._session.run(fetches, feeds)

    def close(self) -> None:
        self._session.close()
