"""Memory of the host, and sharing GPUs. There need be none here: what TensorFlow lists is faked, and a second logical
CPU stands for one.
"""

import importlib
import mmap
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from reverie import pipelines
from reverie.pipelines import batching
from reverie.training import devices

compare = importlib.import_module("reverie.experiments.compare")  # The package has a function of that name.


@pytest.fixture
def with_gpus(monkeypatch):
    """Makes TensorFlow list so many GPUs."""

    def listed(count: int) -> None:
        real = tf.config.list_physical_devices
        found = [tf.config.PhysicalDevice(f"/physical_device:GPU:{number}", "GPU") for number in range(count)]
        fake = lambda kind=None: found if kind == "GPU" else real(kind)  # noqa: E731
        monkeypatch.setattr(tf.config, "list_physical_devices", fake)

    return listed


@pytest.mark.parametrize("given", [None, "false", "true"])
@pytest.mark.parametrize("name", ["TF_FORCE_GPU_ALLOW_GROWTH", "TF_CPU_ALLOCATOR_USE_BFC"])
def test_memory_grows_on_gpus_and_is_kept_on_the_host_unless_the_environment_says_otherwise(name, given):
    environment = {other: value for other, value in os.environ.items() if other != name}
    environment |= {name: given} if given else {}
    # The C library's own view, which is TensorFlow's, not what Python keeps of it.
    code = "import ctypes, reverie; f = ctypes.CDLL(None).getenv; f.restype = ctypes.c_char_p; "
    code += f"print(f(b'{name}').decode())"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == (given or "true")


def test_as_much_memory_of_the_host_may_be_taken_as_there_is():
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPU_BFC_MEM_LIMIT_IN_MB"}
    code = "import os, reverie; print(os.environ['TF_CPU_BFC_MEM_LIMIT_IN_MB'])"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    kibibytes = int(pathlib.Path("/proc/meminfo").read_text(encoding="ascii").split()[1])
    assert int(result.stdout) >= max(kibibytes // 1024, 2**16)


@pytest.mark.parametrize(
    "name", ["TF_FORCE_GPU_ALLOW_GROWTH", "TF_CPU_ALLOCATOR_USE_BFC", "TF_CPU_BFC_MEM_LIMIT_IN_MB"]
)
def test_this_tensorflow_still_reads_the_variable(name):
    def holds(library: pathlib.Path) -> bool:
        with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(name.encode()) >= 0

    assert any(holds(library) for library in pathlib.Path(tf.sysconfig.get_lib()).glob("libtensorflow_*.so.*"))


def test_memory_of_a_large_tensor_that_is_gone_is_used_again_and_not_mapped_anew():
    # 64 MiB, twice what the C library would ever keep. Of the pages of the second tensor hardly any is touched for the
    # first time.
    code = (
        "import resource, reverie, tensorflow as tf\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "make = tf.function(lambda: tf.fill([2**24], tf.random.uniform([])))\n"
        "make(); make(); before = faults()\n"
        "for _ in range(4): make()\n"
        "print(faults() - before)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 2**14  # Pages of 4 KiB in one such tensor: of four tensors, less than one.


@pytest.mark.parametrize(
    ("listed", "variable", "found"),
    [
        (0, None, []),
        (0, "0,1", []),
        (3, None, ["0", "1", "2"]),
        (2, "5, 3", ["5", "3"]),
        (1, "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", ["GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"]),
        (1, "4,-1,2", ["4"]),
        (0, "", []),
    ],
)
def test_gpus_are_those_that_this_process_may_see(with_gpus, listed, variable, found):
    with_gpus(listed)
    assert devices.visible({} if variable is None else {"CUDA_VISIBLE_DEVICES": variable}) == found


def _seen(folder, count: int, jobs: int) -> list[str]:
    """The GPUs that `count` runs of a comparison were given, in the order in which they were started."""
    # Each runs until all that run beside it have started, so that none is done before.
    code = "import os, time; print(os.environ.get('CUDA_VISIBLE_DEVICES'), flush=True); time.sleep(0.6)"
    commands = {("none", seed): [sys.executable, "-c", code] for seed in range(count)}
    failures, stopped = compare._run_all(commands, folder, jobs, {})
    assert failures == [] and not stopped
    return [(folder / "none" / f"seed_{seed}.log").read_text().strip() for seed in range(count)]


def test_runs_of_a_comparison_take_turns_over_the_gpus(with_gpus, tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with_gpus(2)
    assert _seen(tmp_path / "a", 4, 4) == ["0", "1", "0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,4,7")
    with_gpus(3)
    assert _seen(tmp_path / "b", 3, 3) == ["6", "4", "7"]
    # One after the other they are all alone, and so all on the first.
    assert _seen(tmp_path / "c", 2, 1) == ["6", "6"]
    with_gpus(0)
    assert _seen(tmp_path / "d", 1, 2) == ["6,4,7"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert _seen(tmp_path / "e", 1, 2) == ["None"]


def test_a_gpu_that_was_left_is_the_next_to_be_taken():
    gpus = ["0", "1", "2"]
    assert devices.least_used(gpus, ["0", "2"]) == "1"
    assert devices.least_used(gpus, []) == "0" and devices.least_used([], ["0"]) == ""


def test_data_sets_stay_in_the_memory_of_the_host():
    assert len(tf.config.list_logical_devices("CPU")) > 1  # One of them stands for a GPU.
    rng = np.random.default_rng(0)
    images = pipelines.from_arrays("noise", rng.integers(0, 256, (8, 4, 4, 1)).astype(np.uint8), np.arange(8) % 2)
    with tf.device("CPU:1"):
        assert tf.constant(1).device.endswith("CPU:1")  # So it would be taken to a GPU.
        stream, codes = pipelines.batches(images, 4), pipelines.rows({"code": np.zeros([5, 2], np.float32)}, 4)
        assert images.content.device.endswith("CPU:0")
    for dataset in (stream, codes, batching.in_order(images, 4)):
        held = _held(dataset)
        assert held and all(tensor.device.endswith("CPU:0") for tensor in held if tensor.dtype != tf.resource)


def _held(dataset: tf.data.Dataset) -> list[tf.Tensor]:
    """Every tensor of rows that the functions of a dataset hold."""
    found, waiting = [], [dataset]
    while waiting:
        one = waiting.pop()
        waiting += one._inputs()
        for function in one._functions():
            found += [tensor for tensor in function.function.captured_inputs if tensor.shape.rank]
    return found
