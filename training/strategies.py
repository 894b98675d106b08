"""Where a run's replicas live: `tf.distribute` strategies by name."""

import contextlib
import functools
import json
import os
import socket
import time
from collections.abc import Iterator

import tensorflow as tf

from ..errors import ClusterError, UserError, first_line

NAMES = ("auto", "one", "mirrored", "multi_worker", "ps", "tpu")
# The jobs that TF_CONFIG's cluster must have, and may have, by strategy.
_JOBS = {"ps": ({"chief", "worker", "ps"}, set()), "multi_worker": ({"worker"}, {"chief"})}
_MOST_REPLICAS = 256  # Of one machine.


def make_strategy(name: str = "auto", replicas: int = 0, timeout: float = 300.0) -> tf.distribute.Strategy:
    """A strategy for this machine.

    Call it before anything else touches TensorFlow: logical CPUs can only be made at the start.

    Args:
      name: "one" device, "mirrored" over all GPUs (or over logical CPUs where there is none), or "auto":
        mirrored with two or more GPUs, else one; "multi_worker" over the workers that TF_CONFIG describes, each a
        process with its GPUs, or its CPU; "ps" is asynchronous SGD over the cluster that TF_CONFIG describes,
        or over workers and parameter servers inside this process where there is no TF_CONFIG; "tpu" over the TPU that
        TPU_NAME or this machine has.
      replicas: how many replicas "mirrored" takes; 0 is all GPUs, or two logical CPUs. For "ps" inside this process
        the number of workers and of servers; 0 is two.
      timeout: seconds to wait for the other processes of a cluster, to come up and in every sum over all of them.

    Raises:
      UserError: unknown name, a number of replicas that cannot be, more of them than devices, a TF_CONFIG that says
        nothing usable, no TPU, or TensorFlow already started with fewer CPUs.
      ClusterError: the other processes of the cluster did not come up in time.
    """
    if name not in NAMES:
        raise UserError(f"strategy is '{name}'; expected one of {', '.join(NAMES)}")
    if not 0 <= replicas <= _MOST_REPLICAS:
        raise UserError(f"replicas is {replicas}; expected 0 (what the machine has) to {_MOST_REPLICAS}")
    if name == "ps":
        return _parameter_servers(replicas or 2, timeout)
    if name in ("multi_worker", "tpu") and replicas:
        raise UserError(f"replicas is {replicas}, but strategy '{name}' takes what its cluster has; leave it at 0")
    if name == "multi_worker":
        return _multi_worker(timeout)
    if name == "tpu":
        return _tpu()
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


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether several processes sum over their gradients in every step."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def serve_if_told() -> None:
    """In a process that TF_CONFIG makes a worker or a parameter server: serves, and never returns.

    Raises:
      UserError: TF_CONFIG is not what it should be.
    """
    task = _cluster("ps").get("task", {}).get("type")
    if task in ("worker", "ps"):
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        try:
            server = tf.distribute.Server(
                resolver.cluster_spec(), job_name=task, task_index=resolver.task_id, protocol="grpc", start=True
            )
        except tf.errors.OpError as error:  # The port is taken, or the host is not this one.
            raise UserError(f"TF_CONFIG: {task} {resolver.task_id} cannot be served: {first_line(error)}") from None
        server.join()


def _cluster(strategy: str) -> dict:
    """What TF_CONFIG says, checked for a strategy; {} without it."""
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
    needed, admitted = _JOBS[strategy]
    if not needed <= set(jobs) <= needed | admitted:
        raise UserError(
            f"TF_CONFIG's cluster is {json.dumps(given)}; strategy '{strategy}' needs "
            f"{', '.join(sorted(needed))}, each a list of host:port"
        )
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
def _multi_worker(timeout: float) -> tf.distribute.Strategy:
    """One strategy a process; all its collectives give up after the time limit."""
    said = _cluster("multi_worker")
    if not said.get("task"):
        raise UserError(
            "strategy 'multi_worker' needs TF_CONFIG in the environment of every worker, for example "
            '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
        )
    jobs, task = said["cluster"], said["task"]
    own = jobs[task["type"]][task["index"]]
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=timeout)
    with _listening(own):
        # TensorFlow's own rendezvous has no time limit that could be set, and lets nothing else run while it waits.
        _await([host for hosts in jobs.values() for host in hosts if host != own], timeout)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except (tf.errors.OpError, RuntimeError) as error:
        raise _cannot_be_served(own, first_line(error)) from None


@contextlib.contextmanager
def _listening(host: str) -> Iterator[None]:
    """Inside the block others find this process at its address; answers are not given there yet.

    Raises:
      UserError: the address is taken.
    """
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("", int(host.rpartition(":")[2])))
        except (OSError, ValueError, OverflowError) as error:
            raise _cannot_be_served(host, first_line(error)) from None
        door.listen(128)
        yield


def _cannot_be_served(host: str, why: str) -> UserError:
    return UserError(f"TF_CONFIG: this worker cannot be served at {host}: {why}")


def _await(hosts: list[str], timeout: float) -> None:
    """Waits until every process of a cluster listens: TensorFlow itself would wait for ever, or give up at once.

    Raises:
      ClusterError: names those that do not when the time is up.
    """
    deadline, silent = time.monotonic() + timeout, list(hosts)
    while silent:
        silent = [host for host in silent if not _listens(host)]
        if silent and time.monotonic() > deadline:
            raise _silent(silent, timeout)
        time.sleep(0.2 if silent else 0.0)


def _silent(hosts: list[str], timeout: float) -> ClusterError:
    return ClusterError(
        f"no answer from {', '.join(hosts)} within {timeout:g} s (train.cluster_timeout); start what is missing "
        "and the same commands again"
    )


def _listens(host: str) -> bool:
    name, _, port = host.rpartition(":")
    try:
        socket.create_connection((name, int(port)), timeout=2.0).close()
    except (OSError, ValueError):
        return False
    return True


@functools.cache
def _tpu() -> tf.distribute.Strategy:
    name, advice = os.environ.get("TPU_NAME", ""), (
        "it needs a TPU machine, the package tensorflow-tpu, and TPU_NAME where the TPU is not this machine's own"
    )  # fmt: skip
    if not name and not tf.config.list_physical_devices("TPU"):
        raise UserError(f"strategy 'tpu' found no TPU; {advice}")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name or "local")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise UserError(f"strategy 'tpu': {name or 'local'} is no TPU ({first_line(error)[:200]}); {advice}") from None
    return tf.distribute.TPUStrategy(resolver)


@functools.cache
def _parameter_servers(count: int, timeout: float) -> tf.distribute.Strategy:
    """One strategy a process, as its cluster."""
    said = _cluster("ps")
    if said:
        _await([host for job in ("ps", "worker") for host in said["cluster"][job]], timeout)
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
