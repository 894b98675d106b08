"""Exported files, used like a run: a published version's SavedModel, or an encoder's LiteRT file."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import UserError
from ..export import GraphModel, LiteModel
from ..export.graph_loader import reason
from ..models import limits
from ..stored import read_object
from . import arguments
from .endpoints import Endpoints, names_of_heads

# What a run answers, and exported files do not.
_OF_RUNS = ("config", "evaluate", "export", "family", "kind", "model", "outcome", "report", "step")


class NotExportedError(UserError, AttributeError):
    """A verb or fact of a run that was asked of exported files, which hold none."""


class _Files(Endpoints):
    """What exported files have in common: they are asked for endpoints, and nothing else."""

    def __getattr__(self, name: str):
        if name in _OF_RUNS:
            raise NotExportedError(
                f"{self}: a published version is asked for endpoints only ({', '.join(self.endpoints)}); its run "
                f"folder has '{name}': reverie.load(RUN_FOLDER).{name}"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class Exported(_Files):
    """A published version, run by the graph loader: no Keras, none of the package's model code.

    Arguments:
      folder: of the version (holding saved_model.pb).

    Raises:
      UserError: no SavedModel there.

    Example:
      reverie.load("runs/a/export/xcov/1").encode(images)
    """

    def __init__(self, folder):
        self.folder = arguments.path("path", folder)
        self._graph = GraphModel(folder)

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(sorted(self._graph.signatures))

    @functools.cached_property
    def metadata(self) -> dict[str, Any]:
        """What metadata.json says of the version."""
        return read_object(self.folder / "metadata.json")

    @property
    def class_names(self) -> Mapping[str, Sequence[str]]:
        # Of several heads in the order of the model's outputs; versions of earlier releases lack those without names.
        heads = self.metadata.get("config", {}).get("model", {}).get("heads") or {}
        return names_of_heads(self.metadata.get("class_names", {}), sorted(heads))

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
        # As the version's metadata says them; the graph holds them where it does not.
        known = self.metadata.get("signatures", {}).get(endpoint, {})
        limits.check(endpoint, inputs, known.get("limits", {}), known.get("sums", {}))
        try:
            return self._graph.call(endpoint, **inputs)
        except tf.errors.InvalidArgumentError as error:
            said = reason(error)
            name = re.split(r"\W", said, maxsplit=1)[0]
            given = f" ({name} is {arguments.shown(inputs[name].tolist())})" if name in inputs else ""
            raise UserError(f"{endpoint}: the model refused: {said.rstrip('.')}{given}") from None

    @property
    def _most(self) -> tuple[int, str]:
        most, why = super()._most
        built_in = self.metadata.get("max_batch", most)
        return (
            (built_in, ", the version's max_batch; ask again with another seed for more")
            if built_in < most
            else (most, why)
        )


class ExportedEncoder(_Files):
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
