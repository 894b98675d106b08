"""Sends real requests to a TensorFlow Serving address, by gRPC and by REST, and checks the answers.

Nothing here knows a family. With the folder of the version being served, requests are that version's own examples;
without it they are made from the names, types and shapes that the server states, and from what `encode` answered where
an input has the name of one of its outputs: a code to decode. Two inputs mean the same in every family: `count`, how
many rows to make, and `seed`.
"""

import contextlib
import dataclasses
import json
import pathlib
import time
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from .. import progress
from ..errors import UserError
from ..models.signature import first_rows
from . import examples
from .endpoints import DEFAULT_SIGNATURE, png
from .graph_loader import GraphModel, reason
from .serving_clients import GrpcClient, RequestError, RestClient

_TOLERANCE = 1e-5
_ROWS = (4, 1)  # Of a made request; one where the server admits no more.


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check: what was asked, whether the answer was right, and a number or a reason."""

    check: str
    passed: bool
    detail: str


def check(
    model: str, grpc: str = "", rest: str = "", saved_model: str = "", requests: int = 20, timeout: float = 10.0
) -> list[Finding]:
    """Checks a running server: status, every signature, a refusal that must come, and latency.

    Args:
      model: name the server has the model under.
      grpc: "host:port" of PredictionService, or "".
      rest: "http://host:port", or "".
      saved_model: folder of the version being served, to take requests from and to compare numbers with; or "".
      requests: how many timed `encode` requests.
      timeout: seconds a request may take.

    Returns:
      What was found, in the order of asking. A refusal or a broken answer is a finding that did not pass.

    Raises:
      UserError: no address given, nothing answers there, or `saved_model` holds none.
    """
    if not grpc and not rest:
        raise UserError("serve-check needs --grpc=host:port or --rest=http://host:port")
    with contextlib.ExitStack() as opened:
        clients = [
            kind(address, model, timeout) for kind, address in ((GrpcClient, grpc), (RestClient, rest)) if address
        ]
        for client in clients:
            opened.callback(client.close)
        local = _Local(saved_model) if saved_model else None
        if local:
            opened.callback(local.close)
        findings, answers = [], {}
        for client in clients:
            findings += _check_client(client, local, requests, answers)
        for signature, by_client in answers.items():
            if len(by_client) == 2:
                check_name = f"grpc and rest agree: {signature}"
                one, other = by_client.values()
                findings.append(_same(check_name, one, other, local.widening(signature) if local else 1.0))
    return findings


class _Local:
    """The version being served, as the graph loader runs it, with its example requests."""

    def __init__(self, folder: str):
        self.examples = examples.read(folder)
        self._graph = GraphModel(folder)
        self.signatures = self._graph.signatures
        try:
            metadata = json.loads((pathlib.Path(folder) / "metadata.json").read_text(encoding="utf-8"))
            self._widening = {key: float(value["amplification"]) for key, value in metadata["signatures"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._widening = {}  # A SavedModel without ours beside it.

    def widening(self, signature: str) -> float:
        """How many times a signature enlarges rounding, which differs from one processor to another."""
        return self._widening.get(signature, 1.0)

    def call(self, signature: str, inputs: Mapping) -> dict[str, np.ndarray]:
        return self._graph.call(signature, **inputs)

    def close(self) -> None:
        self._graph.close()


def _check_client(client, local: _Local | None, requests: int, answers: dict) -> list[Finding]:
    """All checks of one protocol; adds to `answers`: signature -> protocol -> outputs."""
    findings, default, codes = [_status(client)], None, {}
    names = {*client.signatures, *(local.signatures if local else ())}
    ordered = sorted(names, key=lambda name: (name != DEFAULT_SIGNATURE, name))
    for signature in progress.shown(ordered, f"asking by {client.name}", unit="endpoint"):
        check_name = f"{client.name}: {signature}" + (" equals the local SavedModel" if local else "")
        if signature not in client.signatures:
            findings.append(Finding(check_name, False, f"the server has {', '.join(sorted(client.signatures))}"))
            continue
        own = local.examples.get(signature) if local else None
        try:
            inputs, answer = _ask(client, signature, [own] if own else _made(client.signatures, signature, codes))
        except RequestError as error:
            findings.append(Finding(check_name, False, str(error)))
            continue
        answers.setdefault(signature, {})[client.name] = answer
        findings.append(_against(check_name, answer, local, signature, inputs))
        if signature == DEFAULT_SIGNATURE:
            default, codes = first_rows(inputs, 1), answer
    if default is None:
        return [*findings, Finding(f"{client.name}: latency of encode, 1 image", False, "encode gave no answer")]
    return [*findings, _refusal(client, default), _latency(client, default, requests)]


def _status(client) -> Finding:
    try:
        return Finding(f"{client.name}: model status", *client.status())
    except RequestError as error:
        return Finding(f"{client.name}: model status", False, str(error))


def _ask(client, signature: str, candidates) -> tuple[dict, dict]:
    """(inputs, outputs) of the first request that the server does not call invalid."""
    refusal = None
    for inputs in candidates:
        try:
            return inputs, client.predict(signature, inputs)
        except RequestError as error:
            if not error.invalid:
                raise
            refusal = refusal or error
    raise refusal or RequestError("no request can be made from the metadata that the server gives")


def _made(signatures: Mapping, signature: str, codes: Mapping) -> Iterator[dict[str, np.ndarray]]:
    """Requests from names, types, shapes and the answer of `encode`, the likeliest to be valid first.

    Floats are drawn from [0, 1], whole numbers are 0, files are PNG images. What a server calls invalid is tried
    with -1 for whole numbers (where it stands for "draw any"), with floats of 0 (which name nothing), with one row.
    """
    sent = []
    for rows in _ROWS:
        for random in (True, False):
            for whole in (0, -1):
                try:
                    inputs = {
                        name: _value(name, info, signatures, codes, rows, whole, random)
                        for name, info in sorted(signatures[signature].inputs.items())
                    }
                except (TypeError, ValueError, OverflowError):
                    continue  # Types that take no -1, or that nothing here can make.
                if not any(_equal(inputs, other) for other in sent):
                    sent.append(inputs)
                    yield inputs


def _value(name: str, info, signatures: Mapping, codes: Mapping, rows: int, whole: int, random: bool) -> np.ndarray:
    kind = tf.dtypes.as_dtype(info.dtype)
    shape = [rows if side.size < 0 else side.size for side in info.tensor_shape.dim]
    if name == "count":
        return np.asarray(rows, kind.as_numpy_dtype)
    if name == "seed":
        return np.resize(np.array([1, 2], kind.as_numpy_dtype), shape)
    if kind == tf.string:
        return np.full(shape, png(_image(signatures)), object)
    if name in codes and list(np.shape(codes[name][:rows])) == shape:
        return np.asarray(codes[name][:rows], kind.as_numpy_dtype)
    if kind.is_floating:
        values = np.random.default_rng(0).random(shape) if random else np.zeros(shape)
        return values.astype(kind.as_numpy_dtype)
    return np.full(shape, np.array(whole, kind.as_numpy_dtype))


def _image(signatures: Mapping) -> np.ndarray:
    """An image of the shape that the default signature takes; a small gray one where it takes none."""
    for info in signatures[DEFAULT_SIGNATURE].inputs.values() if DEFAULT_SIGNATURE in signatures else ():
        sides = [side.size for side in info.tensor_shape.dim]
        if len(sides) == 4 and min(sides[1:]) > 0:
            return np.random.default_rng(0).random(sides[1:])
    return np.full([8, 8, 1], 0.5)


def _equal(one: Mapping, other: Mapping) -> bool:
    return all(np.array_equal(value, other[name]) for name, value in one.items())


def _against(check_name: str, answer: dict, local: _Local | None, signature: str, inputs: dict) -> Finding:
    if local is None:
        numbers = [value for value in answer.values() if np.issubdtype(value.dtype, np.number)]
        finite = all(np.all(np.isfinite(value)) for value in numbers)
        return Finding(check_name, finite, "finite answer" if finite else "answer is not finite")
    try:
        expected = local.call(signature, inputs)
    except (UserError, ValueError, tf.errors.OpError) as error:
        return Finding(check_name, False, f"the local SavedModel refuses the request ({reason(error)})")
    return _same(check_name, answer, expected, local.widening(signature))


def _same(check_name: str, one: dict, other: dict, widening: float) -> Finding:
    """Whether two answers agree, in units of the larger of 1 and the greatest number in them."""
    if set(one) != set(other):
        return Finding(check_name, False, f"outputs {sorted(one)} and {sorted(other)}")
    worst, scale = 0.0, 1.0
    for key, value in one.items():
        if value.shape != other[key].shape:
            return Finding(check_name, False, f"{key} has shapes {value.shape} and {other[key].shape}")
        if not (np.issubdtype(value.dtype, np.number) and np.issubdtype(other[key].dtype, np.number)):
            if not np.array_equal(value, other[key]):
                return Finding(check_name, False, f"{key} differs")
            continue
        difference = np.abs(value.astype(np.float64) - other[key].astype(np.float64))
        # A maximum that NaN does not fall out of: NaN compares false with everything, and must fail.
        worst = np.maximum(worst, np.max(difference, initial=0.0))
        scale = max(scale, float(np.max(np.abs(other[key]), initial=0.0)))
    passed = bool(np.isfinite(worst) and worst <= _TOLERANCE * widening * scale)
    return Finding(check_name, passed, f"greatest difference {worst:.2e}")


def _refusal(client, inputs: dict) -> Finding:
    """A batch of NaN must be refused as an invalid argument, not answered."""
    check_name = f"{client.name}: refuses NaN pixels"
    broken = {
        name: np.full_like(value, np.nan) if np.issubdtype(value.dtype, np.floating) else value
        for name, value in inputs.items()
    }
    try:
        client.predict(DEFAULT_SIGNATURE, broken)
    except RequestError as error:
        return Finding(check_name, error.invalid, str(error)[:120])
    return Finding(check_name, False, "the server answered")


def _latency(client, inputs: dict, requests: int) -> Finding:
    check_name, times = f"{client.name}: latency of encode, 1 image", []
    for _ in progress.shown(range(max(requests, 1)), f"timing {client.name}", unit="request"):
        began = time.perf_counter()
        try:
            client.predict(DEFAULT_SIGNATURE, inputs)
        except RequestError as error:
            return Finding(check_name, False, str(error))
        times.append(1000 * (time.perf_counter() - began))
    p50, p95 = np.percentile(times, [50, 95])
    return Finding(check_name, True, f"p50 {p50:.2f} ms, p95 {p95:.2f} ms")
