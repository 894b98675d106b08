"""Where a run's replicas live: `tf.distribute` strategies by name."""

import functools
import json
import os
import socket

import tensorflow as tf

from ..errors import UserError, first_line

NAMES = ("auto", "one", "mirrored", "ps")
_MOST_REPLICAS = 256  # Of one machine.


def make_strategy(name: str = "auto", replicas: int = 0) -> tf.distribute.Strategy:
    """A strategy for this machine.

    Call it before anything else touches TensorFlow: logical CPUs can only be made at the start.

    Args:
      name: "one" device, "mirrored" over all GPUs (or over logical CPUs where there is none), or "auto":
        mirrored with two or more GPUs, else one; "ps" is asynchronous SGD over the cluster that TF_CONFIG describes,
        or over workers and parameter servers inside this process where there is no TF_CONFIG.
      replicas: how many replicas "mirrored" takes; 0 is all GPUs, or two logical CPUs. For "ps" inside this process
        the number of workers and of servers; 0 is two.

    Raises:
      UserError: unknown name, a number of replicas that cannot be, more of them than devices, a TF_CONFIG that says
        nothing usable, or TensorFlow already started with fewer CPUs.
    """
    if name not in NAMES:
        raise UserError(f"strategy is '{name}'; expected one of {', '.join(NAMES)}")
    if not 0 <= replicas <= _MOST_REPLICAS:
        raise UserError(f"replicas is {replicas}; expected 0 (what the machine has) to {_MOST_REPLICAS}")
    if name == "ps":
        return _parameter_servers(replicas or 2)
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


def is_asynchronous(strategy: tf.distribute.Strategy) -> bool:
    """Whether workers step without waiting for each other."""
    return isinstance(strategy, tf.distribute.ParameterServerStrategy)


def serve_if_told() -> None:
    """In a process that TF_CONFIG makes a worker or a parameter server: serves, and never returns.

    Raises:
      UserError: TF_CONFIG is not what it should be.
    """
    task = _cluster().get("task", {}).get("type")
    if task in ("worker", "ps"):
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        try:
            server = tf.distribute.Server(
                resolver.cluster_spec(), job_name=task, task_index=resolver.task_id, protocol="grpc", start=True
            )
        except tf.errors.OpError as error:  # The port is taken, or the host is not this one.
            raise UserError(f"TF_CONFIG: {task} {resolver.task_id} cannot be served: {first_line(error)}") from None
        server.join()


def _cluster() -> dict:
    """What TF_CONFIG says, checked; {} without it."""
    content = os.environ.get("TF_CONFIG", "")
    try:
        said = json.loads(content) if content else {}
    except ValueError as error:
        raise UserError(f"TF_CONFIG is not JSON ({error})") from None
    if not isinstance(said, dict):
        raise UserError(f"TF_CONFIG is {content!r}; expected an object with the entries cluster and task")
    if not said:
        return said
    given = said.get("cluster")
    jobs = given if isinstance(given, dict) and all(map(_is_hosts, given.values())) else {}
    if not {"worker", "ps", "chief"} <= set(jobs):
        raise UserError("TF_CONFIG's cluster needs the jobs chief, worker and ps, each a list of host:port")
    task = said.get("task", {})
    kind, index = (task.get("type"), task.get("index", 0)) if isinstance(task, dict) else (None, None)
    # Without a task this process is the one that coordinates.
    if task != {} and not (isinstance(kind, str) and kind in jobs and index in range(len(jobs[kind]))):
        raise UserError(
            f"TF_CONFIG's task is {json.dumps(task)}; expected a type of {', '.join(jobs)} and its index in that list, "
            "from 0"
        )
    return said


def _is_hosts(hosts: object) -> bool:
    """Whether this is a list of "host:port"."""
    return isinstance(hosts, list) and bool(hosts) and all(isinstance(host, str) and ":" in host for host in hosts)


@functools.cache
def _parameter_servers(count: int) -> tf.distribute.Strategy:
    """One strategy a process, as its cluster."""
    if _cluster():
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    else:
        ports = _free_ports(2 * count)
        jobs = {"worker": ports[:count], "ps": ports[count:]}
        spec = tf.train.ClusterSpec({job: [f"localhost:{port}" for port in own] for job, own in jobs.items()})
        options = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=max(4, count + 1))
        for job in jobs:
            for index in range(count):
                _SERVERS.append(tf.distribute.Server(spec, job, index, protocol="grpc", config=options))
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(spec, rpc_layer="grpc")
    return tf.distribute.ParameterServerStrategy(resolver)


def _free_ports(count: int) -> list:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


_SERVERS: list = []  # Those of this process live as long as it does.


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
                "make the strategy before anything else uses TensorFlow"
            ) from None
    return [f"CPU:{i}" for i in range(count)]
