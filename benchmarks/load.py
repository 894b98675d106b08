"""A server of exported versions under load: right and malformed requests mixed, over gRPC and REST at once.

    reverie train --config=xcov_demo --workdir=runs/demo && reverie export --workdir=runs/demo
    python benchmarks/load.py runs/demo/export/xcov/1 --requests=10000 --malformed=1000

Every version has a server process of its own on loopback: the stand-in of the tests (`tests/serving.py`), which runs
the graph as TensorFlow Serving's session does. Half of the connections speak gRPC, half REST. A right request is one
of the version's own examples with fewer rows or another seed, and its answer must be that of the graph in this
process. A malformed one has one fault: of a tensor (shape, rank, type, range, sum, NaN, count), of its name or its
signature, or of the bytes on the wire; it must be refused with INVALID_ARGUMENT or 400. What is sent is drawn from
the seed. Exit code 1 if an answer was wrong, anything malformed was not refused, or a server died.
"""

import argparse
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import queue
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import grpc
import numpy as np
import tensorflow as tf
from reverie.export import GraphModel, examples
from reverie.models import Signature
from reverie.models.signature import first_rows
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.contracts.request_cases import broken
from tests.serving import serving

PROTOCOLS = ("grpc", "rest")
_VARIANTS = 6  # Of the right request of every signature.
_MOST_NUMBERS = 2**18  # Of a malformed request: one of too many large images would time the network.
_TOLERANCE = 1e-5  # As of serve-check, in units of the larger of 1 and the greatest number of the answer.
_TIMEOUT = 60.0


class Sent(NamedTuple):
    """A request as it goes over the wire, and what must come back: outputs by name, or None for a refusal."""

    server: int
    protocol: str
    body: bytes
    expected: dict[str, np.ndarray] | None
    kind: str
    widening: float = 1.0


class Got(NamedTuple):
    """What came back: "right", "refused", or what was wrong about it, and the milliseconds it took."""

    sent: Sent
    outcome: str
    milliseconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="+", help="folders of published versions")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--malformed", type=int, default=1_000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", action="store_true", help="be the server of one version, until standard input ends")
    options = parser.parse_args()
    if options.serve:
        serve(pathlib.Path(options.versions[0]))
        return
    found = load(options.versions, options.requests, options.malformed, options.connections, options.seed)
    print(json.dumps(found, indent=2))
    sys.exit(1 if found["wrong"] or found["not_refused"] or found["servers_that_died"] else 0)


def serve(version: pathlib.Path) -> None:
    """Serves the folder above a version, and says where, as a line of JSON."""
    with serving(version.parent, version.parent.name) as addresses:
        print(json.dumps(addresses), flush=True)
        sys.stdin.read()


def load(versions: list, requests: int, malformed: int, connections: int = 8, seed: int = 0) -> dict[str, Any]:
    """One run: what was sent, what went wrong, latencies and the servers' memory.

    Args:
      versions: folders of published versions, the newest of their models.
      requests, malformed: how many of either.
      connections: half of them speak gRPC, half REST.
      seed: of all draws.
    """
    folders, draws = [pathlib.Path(version).resolve() for version in versions], np.random.default_rng(seed)
    right = [list(_right(number, folder, draws)) for number, folder in enumerate(folders)]
    wrong = [list(_malformed(number, folder, draws)) for number, folder in enumerate(folders)]
    everything = [sent for one in right for sent in one]
    # Every signature of every version on either protocol as often as any other, and likewise every malformed request.
    chosen = _evenly(everything, requests, draws) + _evenly([sent for one in wrong for sent in one], malformed, draws)
    draws.shuffle(chosen)
    with contextlib.ExitStack() as opened:
        servers = [opened.enter_context(_server(folder)) for folder in folders]
        processes, addresses = [server[0] for server in servers], [server[1] for server in servers]
        names = [folder.parent.name for folder in folders]
        _send([sent for _ in range(2) for sent in everything], connections, addresses, names)  # Warm, not counted.
        before, began = [_megabytes(process.pid) for process in processes], time.perf_counter()
        halfway = len(chosen) // 2
        got = _send(chosen[:halfway], connections, addresses, names)
        between = [_megabytes(process.pid) for process in processes]
        got += _send(chosen[halfway:], connections, addresses, names)
        seconds = time.perf_counter() - began
        died = [name for name, process in zip(names, processes, strict=True) if process.poll() is not None]
        after = [_megabytes(process.pid) for process in processes if process.poll() is None]
    failed = [answer for answer in got if answer.outcome != ("refused" if answer.sent.expected is None else "right")]
    return {
        "versions": [str(folder) for folder in folders],
        "signatures": sum(len(examples.read(folder)) for folder in folders),
        "requests": requests,
        "malformed": malformed,
        "kinds_of_malformed": len({answer.sent.kind for answer in got if answer.sent.expected is None}),
        "connections": connections,
        "seed": seed,
        "seconds": round(seconds, 1),
        "requests_per_second": round(len(got) / seconds, 1),
        "milliseconds": {protocol: _percentiles(got, protocol) for protocol in PROTOCOLS},
        "wrong": _listed([answer for answer in failed if answer.sent.expected is not None]),
        "not_refused": _listed([answer for answer in failed if answer.sent.expected is None]),
        "servers_that_died": died,
        "server_megabytes": {"before": before, "halfway": between, "after": after},
    }


# ---- what is sent


def _right(number: int, folder: pathlib.Path, draws: np.random.Generator) -> Iterator[Sent]:
    metadata, graph = _metadata(folder), GraphModel(folder)
    for name, inputs in examples.read(folder).items():
        rows = [len(value) for key, value in inputs.items() if np.ndim(value) and key != "seed"]
        for _ in range(_VARIANTS):
            request = first_rows(inputs, int(draws.integers(1, min(rows, default=1) + 1)))
            if "seed" in request:
                request = {**request, "seed": draws.integers(-(2**31), 2**31, 2).astype(np.int32)}
            expected = graph.call(name, **request)
            for protocol in PROTOCOLS:
                yield Sent(
                    number,
                    protocol,
                    _packed(protocol, folder.parent.name, name, request),
                    expected,
                    name,
                    float(metadata["signatures"][name]["amplification"]),
                )
    graph.close()


def _malformed(number: int, folder: pathlib.Path, draws: np.random.Generator) -> Iterator[Sent]:
    metadata, model = _metadata(folder), folder.parent.name
    for name, inputs in examples.read(folder).items():
        detail = metadata["signatures"][name]
        specs = {
            key: tf.TensorSpec([None if side < 0 else side for side in entry["shape"]], entry["dtype"], name=key)
            for key, entry in detail["inputs"].items()
        }
        signature = Signature(lambda **_: {}, specs, lambda images: {}, ranges=detail["limits"], sums=detail["sums"])
        faults = [] if "image_bytes" in specs else list(broken(signature, inputs, metadata["max_batch"]))
        for request, said in faults:
            if sum(np.size(value) for value in request.values()) <= _MOST_NUMBERS:
                for protocol in PROTOCOLS:
                    yield Sent(number, protocol, _packed(protocol, model, name, request), None, said)
        for kind, request in _odd(inputs, draws):
            for protocol in PROTOCOLS:
                yield Sent(number, protocol, _packed(protocol, model, name, request), None, kind)
        for protocol in PROTOCOLS:
            yield Sent(number, protocol, _packed(protocol, model, "dream", inputs), None, "unknown signature")
        whole = _packed("rest", model, name, inputs)
        for kind, body in _torn(name, inputs, whole, draws):
            yield Sent(number, "rest", body, None, kind)
        if faults:  # Of text, fewer values than the shape says are a way to repeat the last.
            yield Sent(number, "grpc", _cut_tensor(model, name, inputs), None, "fewer bytes than its shape")


def _odd(inputs: dict, draws: np.random.Generator) -> Iterator[tuple[str, dict]]:
    """Faults of names and of types."""
    key = str(draws.choice(list(inputs)))
    rest = {name: value for name, value in inputs.items() if name != key}
    yield "an input missing", rest
    yield "an input too many", {**inputs, "extra": np.float32([1.0])}
    yield "an input misnamed", {**rest, f"{key}s": inputs[key]}
    yield (
        "text for numbers, or numbers for files",
        {
            **rest,
            key: np.float32([0.5]) if np.asarray(inputs[key]).dtype == object else np.array([b"text"], object),
        },
    )


def _torn(name: str, inputs: dict, whole: bytes, draws: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Bodies of REST that are no request."""
    yield "no body", b""
    yield "bytes that are no text", draws.bytes(int(draws.integers(1, 200))) + b"\xff"
    yield "JSON cut short", whole[: int(draws.integers(1, len(whole)))]
    yield "JSON of a list", b"[1, 2]"
    yield "brackets without end", b"[" * 100_000
    yield "no inputs", json.dumps({"signature_name": name}).encode()
    yield "inputs that are none", json.dumps({"signature_name": name, "inputs": None}).encode()
    yield "a signature that is no name", json.dumps({"signature_name": [name], "inputs": {}}).encode()
    key = str(draws.choice(list(inputs)))
    for kind, value in (
        ("rows of several lengths", [[1], [1, 2]]),
        ("nothing for a value", None),
        ("an object for a value", {"b": 1}),
        ("no base64", [{"b64": "?"}]),
        ("a number beyond every type", 10**400),
    ):
        body = json.loads(whole)
        body["inputs"][key] = value
        yield kind, json.dumps(body).encode()


def _cut_tensor(model: str, signature: str, inputs: dict) -> bytes:
    request = predict_pb2.PredictRequest.FromString(_packed("grpc", model, signature, inputs))
    for tensor in request.inputs.values():
        tensor.tensor_shape.Clear()
        tensor.tensor_shape.dim.add(size=7)
        tensor.tensor_content = b"\x01"
    return request.SerializeToString()


def _packed(protocol: str, model: str, signature: str, inputs: dict) -> bytes:
    if protocol == "rest":
        return json.dumps(examples.body(signature, inputs)).encode()
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request.SerializeToString()


def _evenly(kinds: list[Sent], count: int, draws: np.random.Generator) -> list[Sent]:
    order = draws.permutation(len(kinds))
    return [kinds[order[place % len(kinds)]] for place in range(count)]


# ---- sending, and what comes back


def _send(chosen: list[Sent], connections: int, addresses: list, names: list[str]) -> list[Got]:
    """Sends all of it, each connection the next of its protocol as soon as it has an answer."""
    waiting: dict[str, queue.SimpleQueue] = {protocol: queue.SimpleQueue() for protocol in PROTOCOLS}
    for sent in chosen:
        waiting[sent.protocol].put(sent)

    def connection(number: int) -> list[Got]:
        protocol, got = PROTOCOLS[number % 2], []
        with contextlib.ExitStack() as opened:
            ask = (_grpc if protocol == "grpc" else _rest)(addresses, names, opened)
            while True:
                try:
                    sent = waiting[protocol].get_nowait()
                except queue.Empty:
                    return got
                began = time.perf_counter()
                try:
                    answer = ask(sent)
                except (OSError, http.client.HTTPException) as error:
                    answer = f"no answer ({type(error).__name__}: {error})"
                milliseconds = 1000 * (time.perf_counter() - began)
                got.append(Got(sent, _judged(sent, answer), milliseconds))

    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        return [answer for part in pool.map(connection, range(connections)) for answer in part]


def _judged(sent: Sent, answer) -> str:
    if isinstance(answer, str):
        return answer
    if sent.expected is None:
        return "answered"
    if set(answer) != set(sent.expected):
        return f"outputs {sorted(answer)}"
    for name, expected in sent.expected.items():
        value = np.asarray(answer[name])
        if value.shape != expected.shape:
            return f"{name} has shape {value.shape}, expected {expected.shape}"
        difference = np.max(np.abs(value.astype(np.float64) - expected), initial=0.0)
        if not difference <= _TOLERANCE * sent.widening * max(1.0, np.max(np.abs(expected), initial=0.0)):
            return f"{name} is off by {difference:.3g}"
    return "right"


def _grpc(addresses: list, names: list[str], opened: contextlib.ExitStack):
    # A pool of its own, or all channels of a process share one connection.
    settings = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    channels = [opened.enter_context(grpc.insecure_channel(address, settings)) for address, _ in addresses]
    stubs = [prediction_service_pb2_grpc.PredictionServiceStub(channel) for channel in channels]

    def ask(sent: Sent):
        try:
            answer = stubs[sent.server].Predict(predict_pb2.PredictRequest.FromString(sent.body), timeout=_TIMEOUT)
        except grpc.RpcError as error:
            refused = error.code() == grpc.StatusCode.INVALID_ARGUMENT
            return "refused" if refused else f"{error.code().name}: {error.details()}"
        return {key: tf.make_ndarray(value) for key, value in answer.outputs.items()}

    return ask


def _rest(addresses: list, names: list[str], opened: contextlib.ExitStack):
    places = [urllib.parse.urlsplit(address).netloc for _, address in addresses]
    clients = [http.client.HTTPConnection(place, timeout=_TIMEOUT) for place in places]
    for client in clients:
        opened.callback(client.close)

    def ask(sent: Sent):
        client, name = clients[sent.server], names[sent.server]
        try:
            client.request("POST", f"/v1/models/{name}:predict", sent.body, {"Content-Type": "application/json"})
            answer = client.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            client.close()  # The next request opens it anew.
            raise
        if answer.status != 200:
            return "refused" if answer.status == 400 else f"HTTP {answer.status}: {content[:200]!r}"
        outputs = json.loads(content)["outputs"]
        # A single output comes without its name.
        return outputs if len(sent.expected or "ab") > 1 else {next(iter(sent.expected or {})): outputs}

    return ask


# ---- servers


@contextlib.contextmanager
def _server(version: pathlib.Path) -> Iterator[tuple]:
    """(process, [gRPC address, REST address]) of a server of the version."""
    command = [sys.executable, str(pathlib.Path(__file__).resolve()), "--serve", str(version)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(timeout=30)


def _megabytes(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def _metadata(folder: pathlib.Path) -> dict[str, Any]:
    return json.loads((folder / "metadata.json").read_text(encoding="utf-8"))


def _percentiles(got: list[Got], protocol: str) -> dict[str, float]:
    times = [answer.milliseconds for answer in got if answer.sent.protocol == protocol and answer.sent.expected]
    return {f"p{share}": round(float(np.percentile(times, share)), 2) for share in (50, 99)} if times else {}


def _listed(answers: list[Got]) -> list[str]:
    return sorted({f"{answer.sent.protocol}, {answer.sent.kind}: {answer.outcome}" for answer in answers})


if __name__ == "__main__":
    main()
