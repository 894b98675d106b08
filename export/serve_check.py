"""Sends real requests to a TensorFlow Serving address, by gRPC and by REST, and checks the answers."""

import base64
import dataclasses
import io
import json
import time
import urllib.error
import urllib.request

import numpy as np
import PIL.Image
import tensorflow as tf

from ..errors import UserError
from .graph_loader import GraphModel

_TOLERANCE = 1e-5


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check: what was asked, whether the answer was right, and a number or a reason."""

    check: str
    passed: bool
    detail: str


def check(model: str, grpc: str = "", rest: str = "", saved_model: str = "", requests: int = 20, timeout: float = 10.0):
    """Checks a running server.

    Args:
      model: name the server has the model under.
      grpc: "host:port" of PredictionService, or "".
      rest: "http://host:port", or "".
      saved_model: folder of the version being served, to compare numbers with; or "".
      requests: how many timed `encode` requests.
      timeout: seconds a request may take.

    Returns:
      list of `Finding`.

    Raises:
      UserError: no address given, or nothing answers there.
    """
    if not grpc and not rest:
        raise UserError("serve-check needs --grpc=host:port or --rest=http://host:port")
    clients = []
    if grpc:
        clients.append(GrpcClient(grpc, model, timeout))
    if rest:
        clients.append(RestClient(rest, model, timeout))
    local = GraphModel(saved_model) if saved_model else None
    findings, answers = [], {}
    for client in clients:
        shape = client.image_shape()
        findings.append(Finding(f"{client.name}: model status", *client.status()))
        images = np.random.default_rng(0).random((4, *shape), np.float32)
        requests_made = {
            "encode": {"images": images},
            "reconstruct": {"images": images},
            "classify": {"images": images},
            "generate": {"count": np.int32(4), "seed": np.array([1, 2], np.int32), "label": np.zeros(1, np.int32)},
            "encode_bytes": {"image_bytes": np.array([_png(images[0])] * 2, object)},
        }
        for signature in sorted(set(requests_made) & set(client.signatures())):
            inputs = requests_made[signature]
            if signature == "generate":
                inputs = {**inputs, "label": np.zeros(client.label_shape(), np.int32)}
            answer = client.predict(signature, inputs)
            answers.setdefault(signature, {})[client.name] = answer
            findings.append(_against(f"{client.name}: {signature}", answer, local, signature, inputs))
        findings.append(_refusal(client, images))
        findings.append(_latency(client, images[:1], requests))
    if len(clients) == 2:
        for signature, by_client in answers.items():
            findings.append(_same(f"grpc and rest agree: {signature}", by_client["grpc"], by_client["rest"]))
    return findings


def _against(check_name: str, answer: dict, local, signature: str, inputs: dict) -> Finding:
    if local is None:
        finite = all(np.all(np.isfinite(value)) for value in answer.values())
        return Finding(check_name, finite, "finite answer" if finite else "answer is not finite")
    return _same(f"{check_name} equals the local SavedModel", answer, local.call(signature, **inputs))


def _same(check_name: str, one: dict, other: dict) -> Finding:
    if set(one) != set(other):
        return Finding(check_name, False, f"outputs {sorted(one)} and {sorted(other)}")
    worst = max(float(np.max(np.abs(one[key].astype(np.float64) - other[key]))) for key in one)
    scale = max(1.0, *(float(np.max(np.abs(value))) for value in other.values()))
    return Finding(check_name, worst <= _TOLERANCE * scale, f"greatest difference {worst:.2e}")


def _refusal(client, images) -> Finding:
    """A batch of NaN must be refused as an invalid argument, not answered."""
    try:
        client.predict("encode", {"images": np.full_like(images, np.nan)})
    except Refused as refused:
        return Finding(f"{client.name}: refuses NaN pixels", refused.invalid, str(refused)[:120])
    return Finding(f"{client.name}: refuses NaN pixels", False, "the server answered")


def _latency(client, images, requests: int) -> Finding:
    times = []
    for _ in range(max(requests, 1)):
        began = time.perf_counter()
        client.predict("encode", {"images": images})
        times.append(1000 * (time.perf_counter() - began))
    p50, p95 = np.percentile(times, [50, 95])
    return Finding(f"{client.name}: latency of encode, 1 image", True, f"p50 {p50:.2f} ms, p95 {p95:.2f} ms")


def _png(image: np.ndarray) -> bytes:
    pixels = np.round(image * 255).astype(np.uint8)
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(stream, "PNG")
    return stream.getvalue()


class Refused(Exception):
    """The server answered with an error; `invalid` says whether it blamed the request."""

    def __init__(self, message: str, invalid: bool):
        super().__init__(message)
        self.invalid = invalid


class _Client:
    """What both protocols share: signatures and shapes, from the server's own metadata."""

    _metadata: dict

    def signatures(self) -> list:
        return sorted(self._metadata)

    def image_shape(self) -> tuple:
        if "encode" not in self._metadata:
            raise UserError(f"{self.name}: the model has no signature 'encode', only {', '.join(self.signatures())}")
        return self._metadata["encode"]["images"][1:]

    def label_shape(self) -> tuple:
        return (1, *self._metadata["generate"].get("label", (-1,))[1:])


class GrpcClient(_Client):
    """PredictionService and ModelService of one model."""

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
        self._grpc, self._model, self._timeout = grpc, model, timeout
        channel = grpc.insecure_channel(
            address, [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
        )
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(channel)
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = model
        try:
            answer = self._prediction.GetModelMetadata(request, timeout=timeout)
        except grpc.RpcError as error:
            raise UserError(
                f"{address}: no answer for model '{model}' ({error.code().name}: {error.details()})"
            ) from None
        packed = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(packed)
        self._metadata = {
            name: {key: tuple(side.size for side in info.tensor_shape.dim) for key, info in definition.inputs.items()}
            for name, definition in packed.signature_def.items()
        }

    def status(self) -> tuple:
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self._model
        answer = self._models.GetModelStatus(request, timeout=self._timeout)
        states = [(entry.version, get_model_status_pb2.ModelVersionStatus.State.Name(entry.state)) for entry in
                  answer.model_version_status]  # fmt: skip
        return any(state == "AVAILABLE" for _, state in states), str(states)

    def predict(self, signature: str, inputs: dict) -> dict:
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        try:
            answer = self._prediction.Predict(request, timeout=self._timeout)
        except self._grpc.RpcError as error:
            invalid = error.code() == self._grpc.StatusCode.INVALID_ARGUMENT
            raise Refused(f"{error.code().name}: {error.details()}", invalid) from None
        return {key: tf.make_ndarray(value) for key, value in answer.outputs.items()}


class RestClient(_Client):
    """The REST API of one model."""

    name = "rest"

    def __init__(self, address: str, model: str, timeout: float):
        self._base = f"{address.rstrip('/')}/v1/models/{model}"
        self._timeout = timeout
        # Straight to the address given: a proxy set for the outside world has no business here.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            metadata = self._fetch("/metadata")
        except (Refused, OSError) as error:
            raise UserError(f"{address}: no answer for model '{model}' ({error})") from None
        definitions = metadata["metadata"]["signature_def"]["signature_def"]
        self._metadata = {
            name: {
                key: tuple(int(side["size"]) for side in info["tensor_shape"].get("dim", []))
                for key, info in definition.get("inputs", {}).items()
            }
            for name, definition in definitions.items()
        }

    def status(self) -> tuple:
        states = [(entry["version"], entry["state"]) for entry in self._fetch("")["model_version_status"]]
        return any(state == "AVAILABLE" for _, state in states), str(states)

    def predict(self, signature: str, inputs: dict) -> dict:
        body = {"signature_name": signature, "inputs": {key: _jsonable(value) for key, value in inputs.items()}}
        outputs = self._fetch(":predict", json.dumps(body).encode())["outputs"]
        if not isinstance(outputs, dict):  # A single output comes without its name.
            only = {"reconstruct": "images", "decode": "images"}[signature]
            outputs = {only: outputs}
        return {key: np.asarray(value) for key, value in outputs.items()}

    def _fetch(self, path: str, body: bytes | None = None) -> dict:
        request = urllib.request.Request(self._base + path, body, {"Content-Type": "application/json"})
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise Refused(f"HTTP {error.code}: {text}", error.code == 400) from None
        except urllib.error.URLError as error:
            raise OSError(str(error.reason)) from None


def _jsonable(value):
    value = np.asarray(value)
    if value.dtype == object:
        return [{"b64": base64.b64encode(item).decode()} for item in value.tolist()]
    return value.tolist()
