"""Asks a Triton server over gRPC; runs in the environment of Triton, which has its client and not reverie.

    python triton_client.py ADDRESS REQUESTS.npz ANSWERS.npz

The arrays are named MODEL/INPUT and, of the answers, MODEL/OUTPUT. An input that is no number is bytes.
"""

import collections
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import np_to_triton_dtype


def main(address: str, requests: str, answers: str) -> None:
    """Sends every request and writes every answer down."""
    client, models, found = triton.InferenceServerClient(address), collections.defaultdict(dict), {}
    with np.load(requests) as arrays:
        for key in arrays:
            model, _, name = key.rpartition("/")
            models[model][name] = arrays[key].astype(object) if arrays[key].dtype.kind == "S" else arrays[key]
    for model, inputs in models.items():
        sent = []
        for name, value in inputs.items():
            sent.append(triton.InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype)))
            sent[-1].set_data_from_numpy(value)
        answer = client.infer(model, sent)
        for output in answer.get_response().outputs:
            found[f"{model}/{output.name}"] = answer.as_numpy(output.name)
    np.savez(answers, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
