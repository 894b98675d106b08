"""Layers written in keras.ops alone give the same numbers on TensorFlow, JAX and PyTorch.

Where this interpreter has no JAX or PyTorch, the environment variable REVERIE_BACKENDS_PYTHON may name one that has
(with Keras and NumPy; TensorFlow is not needed there).
"""

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import reverie
from reverie.layers import LAYERS

from tests.contracts import layer_checks

ROOT, HERE = pathlib.Path(reverie.__file__).parent, pathlib.Path(__file__).parent
EVERYWHERE = sorted(name for name, record in LAYERS.items() if record.backends)


def _interpreter(backend: str) -> str:
    """A Python that has the backend; skips the test where there is none."""
    if importlib.util.find_spec(backend) is not None:
        return sys.executable
    other = os.environ.get("REVERIE_BACKENDS_PYTHON")
    if other is None:
        pytest.skip(f"{backend} is not installed, and REVERIE_BACKENDS_PYTHON names no Python that has it")
    found = subprocess.run([other, "-c", f"import {backend}"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"{backend} is not installed in {other} either")
    return other


def _environment(backend: str, folder: pathlib.Path) -> dict:
    """Variables of a process that computes on `backend` and finds the package in `folder`."""
    return {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(folder),
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="module")
def numbers_on(tmp_path_factory):
    """A function from a backend to the numbers of all layers on it; one process for each backend."""
    folder, known = tmp_path_factory.mktemp("backends"), {}
    (folder / "reverie").symlink_to(ROOT)
    weights = {
        f"{name}/{number}": value
        for name in EVERYWHERE
        for number, value in enumerate(layer_checks.built(LAYERS[name]).get_weights())
    }
    np.savez(folder / "weights.npz", **weights)

    def numbers(backend: str) -> dict:
        if backend not in known:
            command = [_interpreter(backend), str(HERE / "backend_numbers.py"), "weights.npz", f"{backend}.npz"]
            environment = _environment(backend, folder)
            result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
            known[backend] = dict(np.load(folder / f"{backend}.npz"))
        return known[backend]

    return numbers


@pytest.mark.contract("layers", "equal on {backend}", row="name")
@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_outputs_and_gradients_are_those_of_tensorflow(name, backend, numbers_on):
    found, expected = numbers_on(backend), numbers_on("tensorflow")
    assert set(found) == set(expected)
    keys = [key for key in expected if key.startswith(f"{name}/")]
    assert any("/output/" in key for key in keys) and any("/gradient/" in key for key in keys)
    for key in keys:
        bound = 1e-5 if "/output/" in key else 1e-4
        np.testing.assert_allclose(found[key], expected[key], rtol=bound, atol=bound, err_msg=f"{key} on {backend}")


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_layers_are_imported_where_there_is_no_tensorflow(backend, tmp_path):
    interpreter = _interpreter(backend)
    (tmp_path / "reverie").symlink_to(ROOT)
    code = (
        "import sys; blocked = ('tensorflow', 'tensorflow_probability', 'ml_collections')\n"
        "sys.modules.update(dict.fromkeys(blocked))\n"
        "from reverie.layers import LocallyConnected2D, to_hsv\n"
        "assert not any(sys.modules.get(name) for name in blocked)\n"
    )
    environment = _environment(backend, tmp_path)
    result = subprocess.run([interpreter, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
