"""Example requests of a version: assets.extra/examples.json, one a signature, in the words of the REST API.

Each entry is the body of a request as it stands, `{"signature_name": ..., "inputs": {...}}`: whoever has the version
has a valid request of every signature, to send, to time, or to read names and shapes from.
"""

import base64
import json
import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from ..errors import UserError
from ..models.signature import first_rows
from .graph_loader import definitions

FILE = "assets.extra/examples.json"
ROWS = 3
_NUMBERS = 2**18  # Of one signature's images: large images come in fewer rows.


def write(folder, requests: Mapping[str, dict]) -> pathlib.Path:
    """Writes the example requests of a version.

    Args:
      folder: of the version.
      requests: signature -> inputs by name, numpy; the first `ROWS` rows are kept, fewer of large images.

    Returns:
      The file.
    """
    path = pathlib.Path(folder) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {}
    for signature, inputs in requests.items():
        row = max(int(np.prod(np.shape(value)[1:])) for value in inputs.values())
        content[signature] = body(signature, first_rows(inputs, max(1, min(ROWS, _NUMBERS // row))))
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")
    return path


def read(folder) -> dict[str, dict[str, np.ndarray]]:
    """The example requests of a version, in the types of its signatures.

    Args:
      folder: of the version.

    Returns:
      Signature -> inputs by name; empty for a version that was written without examples.

    Raises:
      UserError: no SavedModel there, or the file is damaged.
    """
    path = pathlib.Path(folder) / FILE
    if not path.is_file():
        return {}
    known = definitions(folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: {key: from_json(value, known[name].inputs[key].dtype) for key, value in entry["inputs"].items()}
            for name, entry in content.items()
            if name in known
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: its example requests cannot be read ({error}); export again") from None


def body(signature: str, inputs: Mapping[str, np.ndarray]) -> dict:
    """The REST body of a request; files in it are base64.

    Example:
      >>> body("generate", {"count": np.int32(2)})
      {'signature_name': 'generate', 'inputs': {'count': 2}}
    """
    return {"signature_name": signature, "inputs": {name: to_json(value) for name, value in inputs.items()}}


def to_json(value) -> object:
    """A numpy value as REST writes it: nested lists, and {"b64": ...} for bytes."""
    value = np.asarray(value)
    if value.dtype == object:
        return _nested(value.tolist(), lambda item: {"b64": base64.b64encode(item).decode()})
    if value.dtype == np.float32:  # As few digits as tell it from its neighbors.
        return _nested(value.astype(str).tolist(), float)
    return value.tolist()


def from_json(value, dtype: int | tf.DType) -> np.ndarray:
    """What `to_json` wrote, as numpy of a TensorFlow type; bytes are an object array.

    Raises:
      ValueError, TypeError, KeyError, OverflowError: the value has no such form.
    """
    kind = tf.dtypes.as_dtype(dtype)
    if kind == tf.string:
        return np.array(_nested(value, lambda item: base64.b64decode(item["b64"], validate=True)), object)
    return np.array(value, kind.as_numpy_dtype)


def _nested(value, convert):
    return [_nested(item, convert) for item in value] if isinstance(value, list) else convert(value)
