"""What a run writes down while it trains: metrics.jsonl, TensorBoard events, and the progress bar."""

import json
import math
import os
import pathlib
import sys
import time

import numpy as np
import tensorflow as tf
from absl import logging
from tqdm.auto import tqdm

from ..errors import first_line
from ..paths import plain_name
from ..progress import bar_can_be_shown, time_left
from ..stored import read_steps, whole_file
from .steps import Runner


class Records:
    """Metrics of one run, as JSON lines and as TensorBoard events.

    Arguments:
      folder: the run folder; writes `metrics.jsonl` and `events/`.
      from_step: the step the run starts at; lines beyond it (of a run that died after its last checkpoint)
        are dropped, so that every step stands in the file once. Lines that say nothing are dropped too, with a
        warning.
    """

    def __init__(self, folder: str | os.PathLike, from_step: int = 0):
        self.path = pathlib.Path(folder) / "metrics.jsonl"
        self._failed = False
        _drop_lines_after(self.path, from_step)
        self._events = tf.summary.create_file_writer(plain_name(str(pathlib.Path(folder) / "events")))

    def scalars(self, step: int, phase: str, values: dict) -> None:
        """Appends {"step", "phase", "time", **values} and the same as TensorBoard scalars."""
        line = {"step": step, "phase": phase, "time": round(time.time(), 3)}
        line |= {name: _number(value) for name, value in values.items()}
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
            with self._events.as_default(step=step):
                for name, value in values.items():
                    tf.summary.scalar(f"{phase}/{name}", value)
            self._events.flush()
            self._failed = False
        except (OSError, tf.errors.OpError) as error:
            if not self._failed:  # Once: training continues, and a full disk would repeat this at every line.
                logging.warning("metrics of step %d could not be written: %s", step, first_line(error))
            self._failed = True

    def pictures(self, step: int, phase: str, pictures: dict) -> None:
        """Writes uint8 [height, width, 1 or 3] pictures as TensorBoard images."""
        with self._events.as_default(step=step):
            for name, picture in pictures.items():
                tf.summary.image(f"{phase}/{name}", np.asarray(picture)[None])
        self._events.flush()

    def close(self) -> None:
        """Closes the file of events."""
        self._events.close()


def read_metrics(folder: str | os.PathLike) -> list[dict]:
    """The lines of a run's metrics.jsonl as dicts; what is none (torn by a crash while writing) is left out."""
    return read_steps(pathlib.Path(folder) / "metrics.jsonl")[1]


def _drop_lines_after(path: pathlib.Path, step: int) -> None:
    texts, said, bad = read_steps(path)
    kept = [text for text, line in zip(texts, said, strict=True) if line["step"] <= step]
    if bad:
        logging.warning("%s: %d lines were no objects with a step, and are dropped", path, bad)
    if bad or len(kept) < len(texts):
        with whole_file(path) as place:
            place.write_text("".join(f"{text}\n" for text in kept), encoding="utf-8")


def _number(value: float) -> float | str:
    value = float(value)
    return value if math.isfinite(value) else str(value)


class Progress:
    """A bar in a terminal or a notebook; on anything else, as in a log file, a line a minute.

    Arguments:
      title: shown in front.
      total, done: steps.
      batch_size: images a step, for the rate.
      quiet_seconds: least time between two lines where there is no bar.
    """

    def __init__(self, title: str, total: int, done: int, batch_size: int, quiet_seconds: float = 60.0):
        self._batch_size, self._quiet_seconds = batch_size, quiet_seconds
        self._start, self._first, self._last_line = time.monotonic(), done, time.monotonic()
        self._done, self._total, self._title = done, total, title
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=title,
            unit="step",
            disable=not bar_can_be_shown(),
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n}/{total} [{elapsed}<{remaining}{postfix}]",
        )

    def update(self, steps: int, loss: float) -> None:
        """Moves on by `steps`."""
        self._done += steps
        elapsed = time.monotonic() - self._start
        rate = (self._done - self._first) / max(elapsed, 1e-9)
        images = f"{rate * self._batch_size:,.0f} images/s"
        if not self._bar.disable:
            self._bar.set_postfix_str(f"loss {loss:.4f}, {images}", refresh=False)
            self._bar.update(steps)
        elif time.monotonic() - self._last_line >= self._quiet_seconds or self._done == self._total:
            self._last_line = time.monotonic()
            left = time_left((self._total - self._done) / max(rate, 1e-9))
            print(
                f"{self._title}: step {self._done}/{self._total}, loss {loss:.4f}, {images}, {left}",
                file=sys.stderr,
                flush=True,
            )

    def close(self) -> None:
        """Ends the bar."""
        self._bar.close()


class Window:
    """Mean of the losses since the last log line."""

    def __init__(self):
        self._sums, self._steps = {}, 0

    def add(self, values: dict, count: int) -> None:
        """Adds the means of `count` steps."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value) * count
        self._steps += count

    def take(self) -> dict:
        """The mean of every loss since the last call."""
        means = {name: value / self._steps for name, value in self._sums.items()}
        self.__init__()
        return means


class Throughput:
    """Images and seconds of all calls; the first call of each graph, which traces, is left out of the rate."""

    def __init__(self):
        self._images, self._seconds, self._began = 0, 0.0, time.monotonic()
        self._seen, self._skipped = set(), {}

    def add(self, images: int, seconds: float, runner: Runner) -> None:
        """Adds one call of a runner's graph."""
        self._skipped[id(runner)] = runner.skipped
        if runner.graph not in self._seen:
            self._seen.add(runner.graph)
            return
        self._images += images
        self._seconds += seconds

    @property
    def skipped(self) -> int:
        """Steps of all runners whose update was not applied."""
        return sum(self._skipped.values())

    def rate(self) -> float:
        """Images per second, 0 while unknown."""
        return self._images / self._seconds if self._seconds else 0.0

    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began
