"""Clients of TensorFlow Serving's two APIs, gRPC and REST, for one model on one server.

Names, types and shapes come from the server's own metadata. Any failed request, whether refused,
undelivered, or answered in another protocol, is one `RequestError`.
"""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import meta_graph_pb2

from ..errors import UserError, first_line
from . import examples
from .graph_loader import served


class RequestError(Exception):
    """A request without a usable answer; `invalid` says whether the server blamed the request."""

    def __init__(self, message: str, invalid: bool = False):
        super().__init__(" ".join(message.split())[:300])
        self.invalid = invalid


class Status(NamedTuple):
    """Whether a version is available, and the state of each in words."""

    available: bool
    detail: str


class GrpcClient:
    """PredictionService and ModelService of one model.

    Arguments:
      address: "host:port".
      model: its name on the server.
      timeout: seconds a request may take.

    Raises:
      UserError: the protocol is not installed, or nothing there knows the model.
    """

    name = "grpc"

    def __init__(self, address: str, model: str, timeout: float):
        try:
            import grpc
            from tensorflow_serving.apis import (
                get_model_metadata_pb2,
                model_service_pb2_grpc,
                prediction_service_pb2_grpc,
            )
        except ImportError:
            raise UserError("gRPC checks need TensorFlow Serving's protocol: pip install 'reverie[serving]'") from None
        self._error, self._invalid = grpc.RpcError, grpc.StatusCode.INVALID_ARGUMENT
        self._model, self._timeout = model, timeout
        self._channel = grpc.insecure_channel(
            address, [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
        )
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = model
        packed = get_model_metadata_pb2.SignatureDefMap()
        try:
            answer = self._call(self._prediction.GetModelMetadata, request)
            if not answer.metadata["signature_def"].Unpack(packed):
                raise RequestError("its metadata has no signatures")
        except RequestError as error:
            self.close()
            raise UserError(f"{address}: no answer for model '{model}' ({error})") from None
        self.signatures: dict[str, meta_graph_pb2.SignatureDef] = served(packed.signature_def)

    def status(self) -> Status:
        """Raises `RequestError` where the server does not say."""
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self._model
        entries = self._call(self._models.GetModelStatus, request).model_version_status
        name = get_model_status_pb2.ModelVersionStatus.State.Name
        return _status([(entry.version, name(entry.state)) for entry in entries])

    def predict(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name; raises `RequestError`."""
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        answer = self._call(self._prediction.Predict, request)
        try:
            return {key: tf.make_ndarray(value) for key, value in answer.outputs.items()}
        except (TypeError, ValueError) as error:
            raise RequestError(f"the answer is not a tensor ({first_line(error)})") from None

    def close(self) -> None:
        """Hangs up."""
        self._channel.close()

    def _call(self, method, request):
        try:
            return method(request, timeout=self._timeout)
        except self._error as error:
            invalid = error.code() == self._invalid
            raise RequestError(f"{error.code().name}: {error.details()}", invalid) from None


class RestClient:
    """The REST API of one model.

    Arguments:
      address: "http://host:port".
      model: its name on the server.
      timeout: seconds a request may take.

    Raises:
      UserError: nothing there knows the model.
    """

    name = "rest"

    def __init__(self, address: str, model: str, timeout: float):
        self._base = f"{address.rstrip('/')}/v1/models/{urllib.parse.quote(model, safe='')}"
        self._timeout = timeout
        # Straight to the address given: a proxy set for the outside world has no business here.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            content = self._fetch("/metadata", lambda body: body["metadata"]["signature_def"]["signature_def"].items())
            definitions = {
                name: json_format.ParseDict(definition, meta_graph_pb2.SignatureDef(), ignore_unknown_fields=True)
                for name, definition in content
                if not name.startswith("__")
            }
        except (RequestError, json_format.ParseError) as error:
            raise UserError(f"{address}: no answer for model '{model}' ({error})") from None
        self.signatures: dict[str, meta_graph_pb2.SignatureDef] = served(definitions)

    def status(self) -> Status:
        """Raises `RequestError` where the server does not say."""
        return self._fetch(
            "", lambda body: _status([(entry["version"], entry["state"]) for entry in body["model_version_status"]])
        )

    def predict(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name; raises `RequestError`."""
        names = list(self.signatures[signature].outputs)

        def outputs(body: dict) -> dict[str, np.ndarray]:
            # A single output comes without its name.
            found = {names[0]: body["outputs"]} if len(names) == 1 else body["outputs"]
            return {key: np.asarray(value) for key, value in found.items()}

        return self._fetch(":predict", outputs, json.dumps(examples.body(signature, inputs)).encode())

    def close(self) -> None:
        """Nothing is held open."""

    def _fetch(self, path: str, read, body: bytes | None = None):
        try:
            request = urllib.request.Request(self._base + path, body, {"Content-Type": "application/json"})
            with self._opener.open(request, timeout=self._timeout) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            raise RequestError(f"HTTP {error.code}: {text}", error.code == 400) from None
        except urllib.error.URLError as error:
            raise RequestError(str(error.reason)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RequestError(f"{type(error).__name__}: {first_line(error)}") from None
        try:
            return read(json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            shown = content[:60].decode(errors="replace")
            raise RequestError(f"not an answer of TensorFlow Serving ({type(error).__name__}): {shown}") from None


def _status(states: list[tuple]) -> Status:
    return Status(any(state == "AVAILABLE" for _, state in states), str(states))
