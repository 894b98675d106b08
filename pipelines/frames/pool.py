"""Videos through killable processes, in order, with a time limit for each."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import queue
import select
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from ...errors import UserError
from . import worker
from .video import VideoSettings

# How long a fresh process may take to load its libraries.
_START_SECONDS = 120.0
# Answers that wait for an earlier, slower file: bounds what is held in memory.
_AHEAD = 8
COMMAND = [sys.executable, "-m", f"{__package__}.worker"]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of one video.

    Attributes:
      path: the file.
      frames: `worker.Frame`s in order of time.
      reason: why there are none, or "".
      whole: whether the file had to be decoded from its start.
    """

    path: str
    frames: tuple = ()
    reason: str = ""
    whole: bool = False


class Pool:
    """So many processes that decode; use it as a context manager.

    Arguments:
      workers: processes.
      settings: what they take of every video.
      seconds: limit for one file; its process is killed and replaced.

    Raises:
      UserError: the libraries for video are not installed.
    """

    def __init__(self, workers: int, settings: VideoSettings, seconds: float):
        check_installed()
        self._seconds, self._workers = seconds, workers
        self._decoders = [_Decoder(settings) for _ in range(workers)]
        self._idle: queue.SimpleQueue = queue.SimpleQueue()
        for decoder in self._decoders:
            self._idle.put(decoder)
        self._threads = concurrent.futures.ThreadPoolExecutor(workers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for decoder in self._decoders:
            decoder.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def map(self, paths: Iterable) -> Iterator:
        """`Answer`s in the order of `paths`, a few files ahead of what was asked for."""
        waiting = collections.deque()
        for path in paths:
            waiting.append(self._threads.submit(self._take, path))
            if len(waiting) >= self._workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _take(self, path: str) -> Answer:
        decoder = self._idle.get()
        try:
            return decoder.ask(path, self._seconds)
        finally:
            self._idle.put(decoder)


class _Decoder:
    """One decoding process, started at once and again after every file that it did not survive."""

    def __init__(self, settings: VideoSettings):
        self._settings, self._closed = settings, False
        self._start()

    def _start(self) -> None:
        self._process: Any = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        worker.send(self._process.stdin, dataclasses.asdict(self._settings))
        self._ready = False

    def ask(self, path: str, seconds: float, again: bool = False) -> Answer:
        if not self._ready:
            if not self._answers_within(_START_SECONDS) or worker.receive(self._process.stdout) is None:
                raise RuntimeError("a decoding process did not start: try python -m reverie.pipelines.frames.worker")
            self._ready = True
        try:
            worker.send(self._process.stdin, {"path": path})
            if not self._answers_within(seconds):
                self._replace()
                return Answer(path, reason="timed out")
            answer = worker.receive(self._process.stdout)
        except BrokenPipeError:
            answer = None
        if answer is None:
            self._replace()
            # A process that was ended from outside says nothing of the file; a file that ends two does.
            if not self._closed and not again:
                return self.ask(path, seconds, again=True)
            return Answer(path, reason="decoder crashed")
        message, parts = answer
        if "reason" in message:
            return Answer(path, reason=message["reason"])
        frames = (
            worker.Frame(shown, content, luma, fingerprint)
            for (shown, luma, fingerprint), content in zip(message["frames"], parts, strict=True)
        )
        return Answer(path, tuple(frames), whole=message["whole"])

    def _answers_within(self, seconds: float) -> bool:
        return bool(select.select([self._process.stdout], [], [], seconds)[0])

    def _replace(self) -> None:
        if not self._closed:
            self._stop()
            self._start()

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()

    def close(self) -> None:
        """Ends the process; a question in progress comes back as a crash."""
        self._closed = True
        self._process.kill()
        self._process.wait()


def check_installed() -> None:
    """Raises a UserError that names the extra if the libraries for video are missing."""
    try:
        import av  # noqa: F401
        import imagehash  # noqa: F401
    except ImportError as error:
        raise UserError(f"frames from videos need {error.name}: pip install 'reverie[video]'") from None
