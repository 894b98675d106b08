"""Serves a published version through Triton Inference Server, over KServe V2: HTTP and gRPC.

It runs in an environment of its own; reverie is not in it:

    python -m venv triton
    triton/bin/pip install nvidia-pytriton 'tensorflow==2.21.*'
    triton/bin/python examples/serving/triton_server.py runs/a/export/xcov/1

A signature is a model of its own, named MODEL_SIGNATURE: xcov_encode, xcov_generate_each. Those that a server may batch
(`batchable` in metadata.json) have Triton's dynamic batching; the others take one request at a time. Triton knows no
tensor without a dimension, with batching none without one beside the rows: `count` and `task` are sent as [1], and what
is a number a row, as `label`, goes to and comes from a model with batching as [n, 1].

Asking for statistics, loading and stopping models needs a token in the header `triton-access-token`: that of the
environment variable TRITON_TOKEN, else one that nobody knows.
"""

import argparse
import functools
import json
import os
import pathlib
import signal
import sys
import sysconfig
import threading

# Triton's own process runs this Python too and looks for its library by this variable.
_LIBRARIES = "LD_LIBRARY_PATH"


def main() -> None:
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", type=pathlib.Path, help="folder of the version (holding saved_model.pb)")
    parser.add_argument("--http", type=int, default=8000, help="port of KServe V2 over HTTP")
    parser.add_argument("--grpc", type=int, default=8001, help="port of KServe V2 over gRPC")
    parser.add_argument("--address", default="127.0.0.1", help="that both listen at")
    parser.add_argument("--delay", type=int, default=1000, help="microseconds that a request waits to be joined")
    parser.add_argument("--workspace", help="folder for Triton's own files; a temporary one by default")
    options = parser.parse_args()
    if sysconfig.get_config_var("LIBDIR") not in os.environ.get(_LIBRARIES, "").split(":"):
        known = [sysconfig.get_config_var("LIBDIR"), os.environ.get(_LIBRARIES)]
        os.environ[_LIBRARIES] = ":".join(filter(None, known))
        os.execv(sys.executable, [sys.executable, *sys.argv])
    serve(options)


def serve(options: argparse.Namespace) -> None:
    """Loads the version, gives every signature to Triton, and waits for SIGTERM or Ctrl-C."""
    import tensorflow as tf
    from pytriton.triton import Triton, TritonConfig, TritonSecurityConfig

    facts = json.loads((options.version / "metadata.json").read_text(encoding="utf-8"))
    name = options.version.resolve().parent.name
    loaded = tf.saved_model.load(str(options.version))
    config = TritonConfig(
        http_address=options.address, grpc_address=options.address, http_port=options.http, grpc_port=options.grpc,
        allow_metrics=False, exit_timeout_secs=5,
    )  # fmt: skip
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    security = TritonSecurityConfig(access_token=os.environ.get("TRITON_TOKEN"))
    with Triton(config=config, workspace=options.workspace, security_config=security) as triton:
        for signature, detail in facts["signatures"].items():
            bind(triton, f"{name}_{signature}", loaded.signatures[signature], detail, facts["max_batch"], options.delay)
        triton.run()
        print(f"serving {name} at {options.address}: HTTP {options.http}, gRPC {options.grpc}", flush=True)
        stop.wait()


def bind(triton, name: str, function, detail: dict, max_batch: int, delay: int) -> None:
    """Gives one signature to Triton.

    Args:
      triton: the server.
      name: of the Triton model.
      function: the loaded signature.
      detail: its entry of metadata.json: inputs, outputs, whether requests may be joined.
      max_batch: most rows that it takes.
      delay: microseconds that a request waits for others.
    """
    from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor

    joins = detail["batchable"]

    def tensors(specs: dict) -> list:
        # With batching Triton puts the rows in front by itself.
        shapes = {key: (spec["shape"][1:] if joins else spec["shape"]) or [1] for key, spec in specs.items()}
        return [Tensor(name=key, dtype=_type(specs[key]["dtype"]), shape=tuple(shape)) for key, shape in shapes.items()]

    batcher = DynamicBatcher(max_queue_delay_microseconds=delay)
    triton.bind(
        model_name=name,
        infer_func=functools.partial(joined if joins else alone, function, detail["inputs"]),
        inputs=tensors(detail["inputs"]),
        outputs=tensors(detail["outputs"]),
        config=ModelConfig(batching=joins, max_batch_size=max_batch, batcher=batcher),
        strict=False,
    )


def joined(function, specs: dict, requests: list) -> list:
    """Answers requests together: their rows one below the other."""
    import numpy as np

    sizes = [len(next(iter(request.values()))) for request in requests]
    rows = {key: np.concatenate([request[key] for request in requests]) for key in specs}
    answer, ends = _call(function, specs, rows), np.cumsum(sizes)
    answer = {key: value if value.ndim > 1 else value[:, None] for key, value in answer.items()}
    return [
        {key: value[end - size : end] for key, value in answer.items()} for size, end in zip(sizes, ends, strict=True)
    ]


def alone(function, specs: dict, requests: list) -> list:
    """Answers requests one by one."""
    return [_call(function, specs, dict(request.items())) for request in requests]


def _call(function, specs: dict, inputs: dict) -> dict:
    import tensorflow as tf
    from pytriton.exceptions import PyTritonInvalidOperationError

    values = {
        key: tf.constant(inputs[key].tolist() if spec["dtype"] == "string" else inputs[key], spec["dtype"])
        for key, spec in specs.items()
    }
    # A number came as [1], one a row as [n, 1]; whatever else has another shape is for the graph to refuse.
    values = {
        key: tf.reshape(value, specs[key]["shape"]) if len(specs[key]["shape"]) < 2 else value
        for key, value in values.items()
    }
    try:
        return {key: value.numpy() for key, value in function(**values).items()}
    except tf.errors.InvalidArgumentError as error:  # What the graph refuses, it says in a sentence.
        raise PyTritonInvalidOperationError(str(error.message)) from None


def _type(name: str):
    import numpy as np

    return np.bytes_ if name == "string" else np.dtype(name).type


if __name__ == "__main__":
    main()
