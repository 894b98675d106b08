"""A bounded memory that keeps a uniform sample of what it was offered, class by class.

Every row that is offered draws a random key. Each class keeps the rows with its smallest keys, as many as its
equal share of the capacity: the rows with the smallest keys of a stream are a uniform sample of it, whatever its
length and order, and dropping the largest when a new class lowers the share leaves a uniform sample again.
"""

import numpy as np


class Reservoir:
    """Rows of arrays under a capacity.

    Arguments:
      capacity: most rows in all.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.rows: np.ndarray | None = None
        self.labels = np.zeros([0], np.int32)
        self.keys = np.zeros([0], np.float64)

    def offer(self, rows: np.ndarray, labels: np.ndarray, keys: np.ndarray) -> None:
        """Shows the memory some rows.

        Args:
          rows: [n, ...] of any type, the same shape and type each time.
          labels: int32 [n].
          keys: float64 [n], uniform random numbers, one a row.
        """
        known = set(self.labels.tolist()) | set(np.unique(labels).tolist())
        share = max(self.capacity // len(known), 1)
        # Only what can win a place is copied.
        kept = np.concatenate([_smallest(keys, np.flatnonzero(labels == label), share) for label in np.unique(labels)])
        merged = rows[kept] if self.rows is None else np.concatenate([self.rows, rows[kept]])
        all_labels = np.concatenate([self.labels, labels[kept].astype(np.int32)])
        all_keys = np.concatenate([self.keys, keys[kept]])
        chosen = [_smallest(all_keys, np.flatnonzero(all_labels == label), share) for label in sorted(known)]
        # More classes than places: the classes with the smallest keys stay.
        chosen = _smallest(all_keys, np.concatenate(chosen), self.capacity)
        self.rows, self.labels, self.keys = merged[chosen], all_labels[chosen], all_keys[chosen]


def _smallest(keys: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """Of `places`, the `count` whose keys are smallest, in rising order of place."""
    return np.sort(places[np.argsort(keys[places], kind="stable")[:count]])
