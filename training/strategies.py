"""Where a run's replicas live: `tf.distribute` strategies by name."""

import functools

import tensorflow as tf

from ..errors import UserError

NAMES = ("auto", "one", "mirrored")


def build(name: str = "auto", replicas: int = 0) -> tf.distribute.Strategy:
    """A strategy for this machine.

    Call it before anything else touches TensorFlow: logical CPUs can only be made at the start.

    Args:
      name: "one" device, "mirrored" over all GPUs (or over logical CPUs where there is none), or "auto":
        mirrored with two or more GPUs, else one.
      replicas: how many replicas "mirrored" takes; 0 is all GPUs, or two logical CPUs.

    Raises:
      UserError: unknown name, more replicas than devices, or TensorFlow already started with fewer CPUs.
    """
    if name not in NAMES:
        raise UserError(f"strategy is '{name}'; expected one of {', '.join(NAMES)}")
    gpus = tf.config.list_physical_devices("GPU")
    if name == "auto":
        name = "mirrored" if len(gpus) > 1 else "one"
    if name == "one":
        if replicas > 1:
            raise UserError(f"strategy 'one' has one replica, not {replicas}; use --strategy=mirrored")
        return tf.distribute.get_strategy()
    if gpus:
        if replicas > len(gpus):
            raise UserError(f"replicas is {replicas}, but this machine has {len(gpus)} GPU(s)")
        return _mirrored(tuple(f"GPU:{i}" for i in range(replicas or len(gpus))))
    return _mirrored(tuple(_logical_cpus(replicas or 2)))


@functools.cache
def _mirrored(devices: tuple) -> tf.distribute.Strategy:
    """One strategy a process: a second one would number its collectives from the start again and collide."""
    return tf.distribute.MirroredStrategy(list(devices))


def _logical_cpus(count: int) -> list:
    cpu = tf.config.list_physical_devices("CPU")[0]
    existing = tf.config.get_logical_device_configuration(cpu)
    if existing is None or len(existing) < count:
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
        except RuntimeError:
            raise UserError(
                f"mirrored over {count} CPUs: TensorFlow has already started with fewer; "
                "build the strategy before anything else"
            ) from None
    return [f"CPU:{i}" for i in range(count)]
