"""The leading directions in which a class changes images: "eigen-emotions", where the classes are expressions."""

from typing import NamedTuple

import numpy as np

from . import pictures


class Directions(NamedTuple):
    """How images change with one class.

    Attributes:
      mean: float [h, w, c], the change common to all images.
      components: float [k, h, w, c], each of length one: principal components of what is left of the changes.
      shares: float [k], the share of all squared change (the common one included) that lies along each.
      common: that share of the common change.
    """

    mean: np.ndarray
    components: np.ndarray
    shares: np.ndarray
    common: float


def directions(changed: np.ndarray, resting: np.ndarray, count: int = 4) -> Directions:
    """Mean and principal components of the differences between images and the same images at rest.

    Args:
      changed: float [n, h, w, c], images with the class.
      resting: float [n, h, w, c], the same without it, row by row.
      count: components at most; there are no more than n.

    Returns:
      The directions, the strongest first. The sign of a component is free: its largest pixel is positive.

    Example:
      >>> rest = np.zeros([4, 2, 2, 1])
      >>> found = directions(rest + np.float64([1, 2, 3, 4])[:, None, None, None], rest, 1)
      >>> found.mean[0, 0, 0], found.shares.round(3)
      (np.float64(2.5), array([0.167]))
    """
    differences = (np.asarray(changed, np.float64) - np.asarray(resting, np.float64)).reshape(len(changed), -1)
    mean = differences.mean(axis=0)
    total = max(np.sum(differences**2), 1e-30)
    _, lengths, rows = np.linalg.svd(differences - mean, full_matrices=False)
    rows = rows[:count]
    rows *= np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])[:, None]
    shape = changed.shape[1:]
    return Directions(
        mean.reshape(shape),
        rows.reshape(-1, *shape),
        lengths[:count] ** 2 / total,
        float(len(differences) * np.sum(mean**2) / total),
    )


def sheet(resting: np.ndarray, changed: dict[str, np.ndarray], count: int = 4) -> np.ndarray:
    """A row a class: the average image with it, the common change, then the components of the rest.

    Changes are drawn on middle gray, each to its own scale, with the share of the squared change above it.

    Args:
      resting: float [n, h, w, c], images at rest.
      changed: class name -> the same images with that class.
      count: components a class, fewer than n.

    Returns:
      uint8 [height, width, 3].
    """
    rows, names = [], []
    for name, images in changed.items():
        found = directions(images, resting, count)
        rows.append([images.mean(axis=0), *(_on_gray(change) for change in (found.mean, *found.components))])
        shares = ", ".join(f"{share:.0%}" for share in (found.common, *found.shares))
        names.append(f"{name}: {shares}")
    return pictures.labeled_rows(np.asarray(rows), names)


def _on_gray(change: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * change / max(np.abs(change).max(), 1e-12)
