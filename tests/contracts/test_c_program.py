"""A program in C, with nothing but TensorFlow's library, answers every signature of every family as Keras does.

It is compiled here, against the library and the headers of the installed package: what a server written in C, C++, Go
or Rust would load.
"""

import io
import pathlib
import shutil
import struct
import subprocess

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from reverie.export import endpoints, examples, graph_loader, parity

from .family_cases import CASES, by_case

SOURCE = pathlib.Path(__file__).with_name("run_signatures.c")
LIBRARIES = ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")


@pytest.fixture(scope="session")
def program(tmp_path_factory) -> pathlib.Path:
    """The compiled program."""
    compiler = next((found for name in ("gcc", "cc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    place = pathlib.Path(tf.sysconfig.get_lib())
    headers = pathlib.Path(tf.sysconfig.get_include())
    missing = [name for name in LIBRARIES if not (place / name).is_file()]
    if missing or not (headers / "tensorflow" / "c" / "c_api.h").is_file():
        pytest.skip(f"this TensorFlow comes without {', '.join(missing) or 'c_api.h'}")
    made = tmp_path_factory.mktemp("c") / "run_signatures"
    options = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{headers}", f"-L{place}", f"-Wl,-rpath,{place}"]
    libraries = [f"-l:{name}" for name in LIBRARIES]
    subprocess.run([compiler, *options, str(SOURCE), "-o", str(made), *libraries], check=True)
    return made


@by_case(*CASES)
@pytest.mark.contract("families", "a C program agrees")
def test_a_c_program_gives_the_numbers_of_keras_for_every_signature(case, program, trained_runs, versions, tmp_path):
    folder, model = versions(case).folder, trained_runs[case].model
    definitions, requests = graph_loader.definitions(folder), examples.read(folder)
    words = [str(program), str(folder)]
    for name, inputs in requests.items():
        words += ["run", name]
        for key, info in definitions[name].inputs.items():
            file = tmp_path / f"{name}.{key}"
            file.write_bytes(_bytes(inputs[key]))
            shape = list(map(str, np.shape(inputs[key])))
            words += ["in", *info.name.split(":"), str(info.dtype), str(file), str(len(shape)), *shape]
        for key, info in definitions[name].outputs.items():
            words += ["out", key, *info.name.split(":")]
    answered = _read(subprocess.run(words, check=True, capture_output=True, text=True, timeout=300).stdout)
    signatures = endpoints.endpoints(model)
    assert set(answered) == set(requests) == {*signatures, "encode_bytes"}
    for name, answer in answered.items():
        signature, inputs = signatures.get(name, signatures["encode"]), requests[name]
        if name == "encode_bytes":
            inputs = {"images": np.stack([_pixels(content) for content in inputs["image_bytes"]])}
        expected = {key: np.asarray(value) for key, value in signature.function(**inputs).items()}
        assert set(answer) == set(expected), name
        for key, value in expected.items():
            bound = parity.SAVED_MODEL_BOUND * signature.amplification * max(1.0, float(np.max(np.abs(value))))
            np.testing.assert_allclose(answer[key].reshape(value.shape), value, rtol=0, atol=bound, err_msg=name)


def test_a_c_program_is_told_what_a_graph_refuses(program, versions, tmp_path):
    folder = versions("xcov").folder
    definition, request = graph_loader.definitions(folder)["encode"], examples.read(folder)["encode"]["images"]
    (tmp_path / "images").write_bytes(np.full_like(request, 300.0).tobytes())
    (info,) = definition.inputs.values()
    words = ["in", *info.name.split(":"), str(info.dtype), str(tmp_path / "images"), "4", *map(str, request.shape)]
    out = definition.outputs["features"].name.split(":")
    done = subprocess.run(
        [str(program), str(folder), "run", "encode", *words, "out", "features", *out], capture_output=True, text=True
    )
    assert done.returncode == 1 and "images: expected values from 0 to 1" in done.stderr


def _bytes(value) -> bytes:
    value = np.asarray(value)
    if value.dtype != object:
        return value.tobytes()
    return b"".join(struct.pack("=Q", len(item)) + item for item in value.reshape(-1))


def _read(printed: str) -> dict[str, dict[str, np.ndarray]]:
    """Signature -> output -> its values, in the shape that was printed."""
    answered: dict = {}
    for line in printed.splitlines():
        label, name, rank, *rest = line.split()
        shape = [int(side) for side in rest[: int(rank)]]
        values = np.array(rest[int(rank) :], np.float64)
        answered.setdefault(label, {})[name] = values.reshape(shape)
    return answered


def _pixels(content: bytes) -> np.ndarray:
    """An image file as float32 [height, width, channels] in [0, 1]."""
    pixels = np.asarray(PIL.Image.open(io.BytesIO(content)), np.float32) / 255.0
    return pixels if pixels.ndim == 3 else pixels[..., None]
