"""A small stand-in for TensorFlow Serving, for tests only: gRPC and REST over the graph loader, no Keras.

It proves our client and the exported graphs over the real protocol. It does not prove the real server's
batching, version policies or error texts.
"""

import base64
import concurrent.futures
import contextlib
import http.server
import json
import pathlib
import threading

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import any_pb2, json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


class Servable:
    """The newest integer version below a base folder, as the real server picks it."""

    def __init__(self, base, name: str):
        versions = [int(entry.name) for entry in pathlib.Path(base).iterdir() if entry.name.isdigit()]
        self.name, self.version = name, max(versions)
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        with self._graph.as_default():
            loaded = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], f"{base}/{self.version}")
        self.definitions = {key: value for key, value in loaded.signature_def.items() if key != "__saved_model_init_op"}
        self._callables: dict = {}

    def run(self, signature: str, inputs: dict) -> dict:
        """Feeds as the C++ session does: without Python's own check of shapes."""
        signature = signature or "serving_default"
        definition = self.definition(signature)
        if set(inputs) != set(definition.inputs):
            raise _invalid(f"expected inputs {sorted(definition.inputs)}, got {sorted(inputs)}")
        for name, value in inputs.items():
            kind = tf.dtypes.as_dtype(definition.inputs[name].dtype)
            if tf.dtypes.as_dtype("string" if value.dtype.kind in "OSU" else value.dtype) != kind:
                raise _invalid(f"{name} has type {value.dtype}, expected {kind.name}")
        if signature not in self._callables:
            options = _callable_options(definition)
            with self._graph.as_default():
                self._callables[signature] = self._session._make_callable_from_options(options)
        values = self._callables[signature](*(inputs[name] for name in sorted(definition.inputs)))
        return dict(zip(sorted(definition.outputs), values, strict=True))

    def definition(self, signature: str):
        """Of a signature by its name, "" for the default."""
        signature = signature or "serving_default"
        if signature not in self.definitions:
            raise _invalid(f'Serving signature key "{signature}" not found.')
        return self.definitions[signature]

    def close(self) -> None:
        self._session.close()


def _invalid(message: str) -> tf.errors.InvalidArgumentError:
    return tf.errors.InvalidArgumentError(None, None, message)


def _in_a_line(message: str) -> str:
    return " ".join(message.split())[:500]


def parsed(servable: Servable, content: bytes) -> tuple[str, dict]:
    """(signature, inputs) of a REST body.

    Raises:
      tf.errors.InvalidArgumentError: bad JSON or base64, unknown signature or input, a value that is no tensor.
    """
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"JSON Parse error: {error}") from None
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), dict):
        raise _invalid("Missing 'inputs' key")
    signature = body.get("signature_name", "serving_default")
    if not isinstance(signature, str):
        raise _invalid("'signature_name' key must be a string value.")
    known, inputs = servable.definition(signature).inputs, {}
    for key, value in body["inputs"].items():
        # Asked before it is read: a map of messages makes an entry of every name it is read by.
        if key not in known:
            raise _invalid(f"JSON object: has unexpected key: {key}")
        kind = tf.dtypes.as_dtype(known[key].dtype)
        try:
            if kind == tf.string:
                inputs[key] = np.array([base64.b64decode(item["b64"], validate=True) for item in value], object)
            else:
                inputs[key] = np.array(value, kind.as_numpy_dtype)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise _invalid(f"{key}: {error}") from None
    return signature, inputs


def _callable_options(definition):
    from tensorflow.core.protobuf import config_pb2

    options = config_pb2.CallableOptions()
    options.feed.extend(definition.inputs[name].name for name in sorted(definition.inputs))
    options.fetch.extend(definition.outputs[name].name for name in sorted(definition.outputs))
    return options


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, servable):
        self._servable = servable

    def Predict(self, request, context):
        if request.model_spec.name != self._servable.name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: {request.model_spec.name}")
        try:
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            outputs = self._servable.run(request.model_spec.signature_name, inputs)
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, _in_a_line(error.message))
        except (TypeError, ValueError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, _in_a_line(f"no tensor: {error}"))
        response = predict_pb2.PredictResponse()
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

    def GetModelMetadata(self, request, context):
        if request.model_spec.name != self._servable.name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: {request.model_spec.name}")
        packed = any_pb2.Any()
        packed.Pack(get_model_metadata_pb2.SignatureDefMap(signature_def=self._servable.definitions))
        return get_model_metadata_pb2.GetModelMetadataResponse(metadata={"signature_def": packed})


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, servable):
        self._servable = servable

    def GetModelStatus(self, request, context):
        entry = get_model_status_pb2.ModelVersionStatus(version=self._servable.version, state="AVAILABLE")
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=[entry])


def _rest_handler(servable):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # A connection serves many requests.
        disable_nagle_algorithm = True  # Or the body waits 40 ms for the headers to be acknowledged.

        def log_message(self, *arguments):
            pass

        def _answer(self, code: int, body: dict):
            content = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self):
            if self.path == f"/v1/models/{servable.name}":
                return self._answer(
                    200, {"model_version_status": [{"version": str(servable.version), "state": "AVAILABLE"}]}
                )
            if self.path != f"/v1/models/{servable.name}/metadata":
                return self._answer(404, {"error": "Malformed request"})
            message = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.definitions)
            content = json_format.MessageToDict(message, preserving_proto_field_name=True)
            return self._answer(200, {"metadata": {"signature_def": content}})

        def do_POST(self):
            length = self.headers.get("Content-Length") or "0"
            if not (length.isascii() and length.isdigit()):
                self.close_connection = True  # Nobody knows where the next request would begin.
                return self._answer(400, {"error": f"Content-Length is {length}, expected a number of bytes"})
            content = self.rfile.read(int(length))
            if self.path != f"/v1/models/{servable.name}:predict":
                return self._answer(404, {"error": "Malformed request"})
            try:
                outputs = servable.run(*parsed(servable, content))
            except tf.errors.InvalidArgumentError as error:
                return self._answer(400, {"error": _in_a_line(error.message)})
            values = {key: value.tolist() for key, value in outputs.items()}
            # As the real server: a single output comes without its name.
            return self._answer(200, {"outputs": values if len(values) > 1 else next(iter(values.values()))})

    return Handler


@contextlib.contextmanager
def serving(base, name: str):
    """Serves a base folder on free loopback ports; yields (grpc address, rest address)."""
    servable = Servable(base, name)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Prediction(servable), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Models(servable), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _rest_handler(servable))
    thread = threading.Thread(target=rest.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{port}", f"http://127.0.0.1:{rest.server_address[1]}"
    finally:
        server.stop(None)
        rest.shutdown()
        rest.server_close()
        servable.close()
