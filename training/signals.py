"""Stopping on request: finish the step, save, leave with 128 + signal. A second signal leaves at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

# In the environment of a process that is to stop when the one that started it does, however that ends.
WITH_PARENT = "REVERIE_STOPS_WITH_PARENT"
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequest:
    """Whether a signal asked the run to stop; `number` is that signal, or None."""

    def __init__(self):
        self.number: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.number is not None:
            os._exit(128 + number)
        self.number = number


@contextlib.contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Listens for SIGTERM, SIGINT and SIGHUP inside the block (in the main thread; elsewhere it never triggers).

    A signal that the process was started to ignore stays ignored, as SIGHUP is under nohup.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    numbers = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, request) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_with_parent() -> None:
    """Where the environment says so: a SIGTERM to this process as soon as its standard input ends.

    That end is a pipe which the parent holds and never writes to; the system closes it when the parent dies, of
    SIGKILL too.
    """
    if os.environ.pop(WITH_PARENT, ""):
        threading.Thread(target=_end_with_input, daemon=True).start()


def _end_with_input() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
