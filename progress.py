"""How far long work has come: a bar in a terminal or a notebook, and elsewhere, as in a log file, a line a minute."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm.auto import tqdm
from tqdm.notebook import tqdm_notebook

_Item = TypeVar("_Item")
_BAR_AFTER = 2.0  # Seconds; what is done by then needs no bar.
_LINE_EVERY = 60.0


class Progress:
    """A bar with rate and time left, for what takes over two seconds; where none can be shown, a line a minute.

    Arguments:
      title: what is done, shown in front.
      total: how much there is to do, None where nobody knows.
      unit: of which there are `total`, in the singular.
      done: as much is done already.

    Example:
      with Progress("files", total=3, unit="file") as progress:
          for path in paths:
              progress.update()
    """

    def __init__(self, title: str, total: int | None = None, unit: str = "step", done: int = 0):
        self._title, self._total, self._unit = title, total, unit
        self._done = self._first = done
        self._began = self._last = time.monotonic()
        self._bar = None
        if bar_can_be_shown():
            self._bar = tqdm(total=total, initial=done, desc=title, unit=unit, delay=_BAR_AFTER)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, count: int = 1) -> None:
        """Moves on by `count`; 0 says only that the work goes on."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif time.monotonic() - self._last >= _LINE_EVERY:
            self._last = time.monotonic()
            print(self._line(), file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Prints a line of its own, above the bar where there is one."""
        with contextlib.nullcontext() if self._bar is None else tqdm.external_write_mode(sys.stdout):
            print(text, flush=True)

    def close(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()

    def _line(self) -> str:
        of = "" if self._total is None else f"/{self._total:,}"
        parts = [f"{self._title}: {self._unit} {self._done:,}{of}"]
        if rate := (self._done - self._first) / max(time.monotonic() - self._began, 1e-9):
            parts.append(f"{rate:,.3g} {self._unit}/s" if rate >= 1 else f"{1 / rate:,.3g} s/{self._unit}")
            if self._total is not None:
                parts.append(time_left((self._total - self._done) / rate))
        return ", ".join(parts)


def shown(items: Iterable[_Item], title: str, total: int | None = None, unit: str = "step") -> Iterator[_Item]:
    """The items one by one, with progress; see `Progress`.

    Args:
      items: anything to go through.
      title: what is done.
      total: how many there are; by default `len(items)`, where there is one.
      unit: what an item is, in the singular.

    Example:
      >>> list(shown([1, 2], "numbers", unit="number"))
      [1, 2]
    """
    if total is None:
        with contextlib.suppress(TypeError):
            total = len(items)  # type: ignore[arg-type]
    with Progress(title, total, unit) as progress:
        for item in items:
            yield item
            progress.update()


def time_left(seconds: float) -> str:
    """As a line says it.

    Example:
      >>> time_left(61.2)
      '1:01 left'
    """
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02d} left"


def bar_can_be_shown() -> bool:
    """Whether there is a terminal, or a notebook with widgets."""
    # What tqdm.auto chose when it was imported tells a notebook that has widgets from all else.
    return sys.stderr.isatty() or issubclass(tqdm, tqdm_notebook)
