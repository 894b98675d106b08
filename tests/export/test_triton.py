"""The real Triton server, out of the package nvidia-pytriton, serves a version over KServe V2.

It needs an environment of its own, whose Python the environment variable REVERIE_TRITON_PYTHON names; how to make one
stands in examples/serving/triton_server.py.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import reverie
from reverie.export import examples
from reverie.export.endpoints import endpoints
from reverie.pipelines import served_files

from ..cluster import free_ports

ROOT, HERE = pathlib.Path(reverie.__file__).parent, pathlib.Path(__file__).parent
SERVER = ROOT / "examples" / "serving" / "triton_server.py"
TOKEN = "test"
KINDS = {"float32": "FP32", "int32": "INT32"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def interpreter() -> str:
    python = os.environ.get("REVERIE_TRITON_PYTHON")
    if python is None:
        pytest.skip("REVERIE_TRITON_PYTHON names no Python that has nvidia-pytriton and TensorFlow")
    found = subprocess.run([python, "-c", "import pytriton, tritonclient.grpc, tensorflow"], check=False)
    if found.returncode:
        pytest.skip(f"{python} lacks nvidia-pytriton, tritonclient or TensorFlow")
    return python


@pytest.fixture(scope="module")
def server(interpreter, published, tmp_path_factory):
    """(HTTP address, gRPC address) of a server of the tiny version; requests wait half a second to be joined."""
    http, grpc = (address.rpartition(":")[2] for address in free_ports(2))
    log = tmp_path_factory.mktemp("triton") / "log"
    # Nothing of this environment: the other one has versions of its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["TRITON_TOKEN"] = TOKEN
    command = [interpreter, str(SERVER), str(published), f"--http={http}", f"--grpc={grpc}", "--delay=500000"]
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment)
    try:
        deadline = time.monotonic() + 240
        while "serving xcov at" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.2)
        yield f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def asked(trained_model, published) -> dict:
    """Triton model -> (request, what Keras answers), in the shapes of Triton."""

    shape, found = trained_model.config.image_shape, {}

    def from_bytes(contents):
        return served_files.served_images(contents, shape, "stretch", 10_000)

    for name, signature in endpoints(trained_model, from_bytes).items():
        request = examples.read(published)[name]
        answer = {key: np.asarray(value) for key, value in signature.function(**request).items()}
        found[f"xcov_{name}"] = tuple(_with_sides(values, signature.batchable) for values in (request, answer))
    return found


def _post(address: str, model: str, inputs: dict) -> dict:
    """The outputs of a model over HTTP, as KServe V2 has it: nothing but JSON."""
    sent = [{"name": name, "shape": list(value.shape), "datatype": KINDS[value.dtype.name],
             "data": value.reshape(-1).tolist()} for name, value in inputs.items()]  # fmt: skip
    body = json.dumps({"inputs": sent}).encode()
    request = urllib.request.Request(f"{address}/v2/models/{model}/infer", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        content = json.load(reply)
    types = {said: kind for kind, said in KINDS.items()}
    return {
        output["name"]: np.array(output["data"], types[output["datatype"]]).reshape(output["shape"])
        for output in content["outputs"]
    }


def _with_sides(values: dict, batchable: bool) -> dict:
    """As Triton has them, which knows no tensor without a dimension, with batching none without one beside the rows."""
    least = 2 if batchable else 1
    return {
        name: np.reshape(value, np.shape(value) + (1,) * (least - np.ndim(value))) for name, value in values.items()
    }


def _assert_equal(found: dict, expected: dict, model: str) -> None:
    assert set(found) == set(expected), model
    for name, value in expected.items():
        assert found[name].shape == value.shape and found[name].dtype == value.dtype, f"{model}: {name}"
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=f"{model}: {name}")


def test_every_signature_answers_over_http_as_keras_does(server, asked):
    for model, (request, expected) in asked.items():
        if "image_bytes" not in request:  # Files are no JSON; they go over gRPC.
            _assert_equal(_post(server[0], model, request), expected, model)


def test_every_signature_answers_over_grpc_as_keras_does(server, asked, interpreter, tmp_path):
    arrays = {
        f"{model}/{name}": value.astype("S") if value.dtype == object else value
        for model, (request, _) in asked.items()
        for name, value in request.items()
    }
    np.savez(tmp_path / "requests.npz", **arrays)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [interpreter, str(HERE / "triton_client.py"), server[1], "requests.npz", "answers.npz"]
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    answers = dict(np.load(tmp_path / "answers.npz"))
    for model, (_, expected) in asked.items():
        found = {key.rpartition("/")[2]: value for key, value in answers.items() if key.startswith(f"{model}/")}
        _assert_equal(found, expected, model)


def test_requests_that_triton_joins_are_answered_as_each_alone(server, trained_model):
    each = endpoints(trained_model)["generate_each"].function
    requests = [
        {"seeds": np.array([[1, k], [k, 2]], np.int32), "label": np.array([[k % 3], [-1]], np.int32)} for k in range(4)
    ]
    before = _statistics(server[0], "xcov_generate_each")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda request: _post(server[0], "xcov_generate_each", request), requests))
    for request, answer in zip(requests, answers, strict=True):
        alone = each(seeds=request["seeds"], label=request["label"][:, 0])
        _assert_equal(answer, _with_sides({k: v.numpy() for k, v in alone.items()}, batchable=True), "generate_each")
    after = _statistics(server[0], "xcov_generate_each")
    # Triton's own count: eight rows, in fewer runs than there were requests.
    assert after["inference_count"] - before["inference_count"] == 8
    assert after["execution_count"] - before["execution_count"] < 4


def _statistics(address: str, model: str) -> dict:
    request = urllib.request.Request(f"{address}/v2/models/{model}/stats", headers={"triton-access-token": TOKEN})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)["model_stats"][0]


def test_what_the_graph_refuses_is_told_in_its_sentence(server, asked):
    request, _ = asked["xcov_encode"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        _post(server[0], "xcov_encode", {"images": request["images"] + 5.0})
    assert "images: expected values from 0 to 1" in caught.value.read().decode()
