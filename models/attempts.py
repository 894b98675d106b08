"""Looking at what was imagined before it is shown: of several draws the first that is seen as what was asked.

A network that imagines can also see. What it draws at the edge of a class or a word, it may itself take for something
else, and then draws again; after the last attempt it shows what came closest. How varied the kept ones are suffers less
than where draws are pulled toward the middle (`guidance`), as each is still a draw.
"""

from collections.abc import Callable

import tensorflow as tf

# The graph grows with them, and more have changed nothing.
MOST = 16
# What fits as well as can be; a draw that only comes close has less.
FITS = 2.0


def check(attempts: int) -> None:
    """Refuses a number of attempts that is none.

    Raises:
      ValueError: what it is, and what is expected.
    """
    if not 1 <= attempts <= MOST:
        raise ValueError(f"attempts is {attempts}; expected 1 to {MOST}")


def best_of(attempts: int, drawn: Callable, fitting: Callable):
    """Of every row's draws the first that fits, or else the one that comes closest.

    They are made one after the other: memory does not grow with their number.

    Args:
      attempts: how many draws a row; at 1 none is looked at.
      drawn: number of the attempt -> rows, float32 [n, ...].
      fitting: rows -> float32 [n]: `FITS` where a row is seen as what was asked, else less, the closer the more.

    Returns:
      float32 [n, ...].

    Example:
      >>> rows = [tf.constant([[1.0], [5.0]]), tf.constant([[3.0], [4.0]])]
      >>> best_of(2, lambda number: rows[number], lambda row: -tf.abs(row[:, 0] - 3.0)).numpy().tolist()
      [[3.0], [4.0]]
    """
    shown = drawn(0)
    best = fitting(shown) if attempts > 1 else None
    for number in range(1, attempts):
        rows = drawn(number)
        fits = fitting(rows)
        better = fits > best
        shown = tf.where(tf.reshape(better, [-1, *[1] * (len(rows.shape) - 1)]), rows, shown)
        best = tf.maximum(fits, best)
    return shown
