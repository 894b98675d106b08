"""Processes that train one model together over the loopback, each with its own TF_CONFIG."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def free_ports(count: int) -> list[str]:
    """So many addresses that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Workers:
    """So many workers of one command.

    Arguments:
      command: what each of them runs.
      count: how many there are.
      late: those that are not started yet.
    """

    def __init__(self, command: list[str], count: int, late: tuple[int, ...] = ()):
        self._command, self._hosts = command, free_ports(count)
        self.processes: dict[int, subprocess.Popen] = {}
        for index in range(count):
            if index not in late:
                self.start(index)

    def start(self, index: int) -> None:
        """Starts one of them."""
        content = {"cluster": {"worker": self._hosts}, "task": {"type": "worker", "index": index}}
        self.processes[index] = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
            env={**os.environ, "TF_CONFIG": json.dumps(content), "TF_NUM_INTRAOP_THREADS": "1"},
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.kill()
            process.wait()

    def send(self, index: int, number: int) -> None:
        """Sends a signal to one of them."""
        self.processes[index].send_signal(number)

    def kill(self, index: int) -> None:
        """Ends one of them as a lost machine ends."""
        self.send(index, signal.SIGKILL)
        self.processes[index].wait()

    def ends(self, seconds: float = 200.0) -> dict[int, tuple[int, str]]:
        """Worker -> (exit code, what it printed), once all that were started have ended."""
        said = {}
        deadline = time.monotonic() + seconds
        for index, process in self.processes.items():
            output, _ = process.communicate(timeout=max(1.0, deadline - time.monotonic()))
            said[index] = process.returncode, output
        return said


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of the tests, or the package."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def wait_for(path: pathlib.Path, seconds: float = 120.0) -> None:
    """Until a file is there.

    Raises:
      TimeoutError: it did not come.
    """
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} did not come")
        time.sleep(0.05)
