"""How far long work has come: a bar in a terminal or a notebook, and elsewhere, as in a log file, a line a minute."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm.auto import tqdm
from tqdm.notebook import tqdm_notebook

_Item = TypeVar("_Item")
_SECONDS = 60.0  # Between two lines.


class Progress:
    """A bar with rate and time left; where none can be shown, a line a minute.

    Work that is done within a minute says nothing to a log file.

    Arguments:
      title: what is done, shown in front.
      total: how much there is to do, None where nobody knows.
      unit: of which there are `total`, in the singular.
      done: as much is done already.
      seconds: between two lines, where there is no bar.

    Example:
      with Progress("files", total=3, unit="file") as progress:
          for path in paths:
              progress.update()
    """

    def __init__(
        self, title: str, total: int | None = None, unit: str = "step", done: int = 0, seconds: float = _SECONDS
    ):
        self._title, self._total, self._unit, self._seconds = title, total, unit, seconds
        self._done = self._first = done
        self._began = self._last = time.monotonic()
        self._bar = tqdm(total=total, initial=done, desc=title, unit=unit) if bar_can_be_shown() else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, count: int = 1, note: str = "") -> None:
        """Moves on by `count`; `note` is shown behind."""
        self._done += count
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last >= self._seconds:
            self._last = time.monotonic()
            print(self._line(note), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()

    def _line(self, note: str) -> str:
        rate = (self._done - self._first) / max(time.monotonic() - self._began, 1e-9)
        of = "" if self._total is None else f"/{self._total:,}"
        parts = [f"{self._title}: {self._unit} {self._done:,}{of}", *([note] if note else [])]
        parts.append(f"{rate:,.3g} {self._unit}/s" if rate >= 1 or not rate else f"{1 / rate:,.3g} s/{self._unit}")
        if self._total is not None and rate:
            minutes, seconds = divmod(round((self._total - self._done) / rate), 60)
            parts.append(f"{minutes}:{seconds:02d} left")
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


def bar_can_be_shown() -> bool:
    """Whether there is a terminal, or a notebook with widgets."""
    # What tqdm.auto chose when it was imported tells a notebook that has widgets from all else.
    return sys.stderr.isatty() or issubclass(tqdm, tqdm_notebook)
