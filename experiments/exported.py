"""Exported files, used like a run: a published version's SavedModel, or an encoder's LiteRT file."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import UserError
from ..export import GraphModel, LiteModel
from ..training import run_folder
from .endpoints import Endpoints


class Exported(Endpoints):
    """A published version, run by the graph loader: no Keras, none of the package's model code.

    Arguments:
      folder: of the version (holding saved_model.pb).

    Raises:
      UserError: no SavedModel there.

    Example:
      reverie.load("runs/a/export/xcov/1").encode(images)
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._graph = GraphModel(folder)

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(sorted(self._graph.signatures))

    @property
    def metadata(self) -> dict[str, Any]:
        """What metadata.json says of the version."""
        return run_folder.read_json(self.folder / "metadata.json")

    @property
    def class_names(self) -> Mapping[str, Sequence[str]]:
        return self.metadata.get("class_names", {})

    @property
    def attributes(self) -> Any:
        return self.metadata.get("config", {}).get("model", {}).get("attributes") or ()

    def _inputs(self, endpoint: str) -> Mapping[str, tuple]:
        if endpoint not in self._graph.signatures:
            raise UserError(f"{self.folder}: has no signature '{endpoint}', only {', '.join(self.endpoints)}")
        infos = self._graph.signatures[endpoint].inputs
        return {
            name: tuple(None if side.size < 0 else side.size for side in info.tensor_shape.dim)
            for name, info in infos.items()
        }

    def _call(self, endpoint: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self._inputs(endpoint)
        try:
            return self._graph.call(endpoint, **inputs)
        except tf.errors.InvalidArgumentError as error:
            reason = next((part for part in str(error).split("[") if "expected" in part), str(error))
            raise UserError(f"the model refused: {reason.strip().rstrip(']').strip()}") from None


class ExportedEncoder(Endpoints):
    """An encoder's LiteRT file, run by the LiteRT runtime alone.

    Arguments:
      path: the .tflite file.

    Raises:
      UserError: no such file, one of another endpoint, or the runtime is not installed.

    Example:
      reverie.load("runs/a/export/xcov/1/lite/encode_int8.tflite").encode(images)
    """

    def __init__(self, path):
        self._path = path
        self._lite = LiteModel(path)
        if self._lite.signature != "encode":
            raise UserError(f"{path}: holds '{self._lite.signature}'; give an encoder's file")

    def __str__(self) -> str:
        return str(self._path)

    @property
    def endpoints(self) -> tuple[str, ...]:
        return ("encode",)

    def _inputs(self, endpoint: str) -> Mapping[str, tuple]:
        if endpoint != "encode":
            raise UserError(f"{self._path}: has no signature '{endpoint}', only encode")
        return {name: (None, *map(int, detail["shape"][1:])) for name, detail in self._lite.inputs.items()}

    def _call(self, endpoint: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self._inputs(endpoint)
        return self._lite.call(**inputs)
