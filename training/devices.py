"""The GPUs of a machine, shared out to processes that train one run each.

How much of a GPU's memory a process takes is said in one place for all of them, the package's `__init__.py`.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

# What CUDA reads: the GPUs that a process sees, as numbers or names.
VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible(environment: Mapping[str, str]) -> list[str]:
    """The GPUs that this process sees, each as `VISIBLE` would name it alone.

    Args:
      environment: of the process.

    Returns:
      Numbers or, where the environment says which GPUs are seen, what it calls them; empty without a GPU.

    Example:
      >>> visible({"CUDA_VISIBLE_DEVICES": ""})
      []
    """
    count = len(tf.config.list_physical_devices("GPU"))
    if VISIBLE not in environment:
        return [str(number) for number in range(count)]
    names = (name.strip() for name in environment[VISIBLE].split(","))
    # As CUDA reads the list, to the first entry that is no GPU.
    return list(itertools.takewhile(lambda name: name not in ("", "-1"), names))[:count]


def least_used(gpus: Sequence[str], taken: Iterable[str]) -> str:
    """The GPU on which the fewest run, the first of several; "" where there is none.

    Args:
      gpus: from `visible`.
      taken: the GPU of every process that runs.

    Example:
      >>> least_used(["0", "1"], ["0", "1", "0"])
      '1'
    """
    counts = list(taken)
    return min(gpus, key=counts.count, default="")
