"""Windows of training images as linear filters: what a network must be better than (Le et al. 2012, section 4)."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from .. import pipelines, progress
from ..layers import Whitening
from .codes import some_images

_FILTERS = 20_000
_GROUP = 500  # Filters at a time.
_MOST_IMAGES, _MOST_NUMBERS = 10_000, 2**26  # That they are cut from.


class LinearFilters:
    """Random windows of training images, as large as a test image; an answer is the cosine of the two.

    Arguments:
      train: training images (`pipelines.Images`).
      side: of the windows.
      seed: keys them.
      whitened: whether windows and test images are whitened (ZCA, fitted to training images) or only brought to mean
        0 and deviation 1.

    Attributes:
      window: as of `neurons.OnePass`.
      count: how many there are: 20,000, or fewer where the images do not have so many.
    """

    def __init__(self, train: pipelines.Images, side: int, seed: int, whitened: bool):
        self.window = side
        height, width, channels = train.shape
        images = some_images(train, min(_MOST_IMAGES, _MOST_NUMBERS // (height * width * channels))).numpy()
        self._images = images
        # Of images of the windows' own size there are two windows each: itself, and its mirror image.
        places = 2 * len(images) * (height - side + 1) * (width - side + 1)
        self.count = min(_FILTERS, places)
        generator = np.random.default_rng(seed)
        numbers = generator.permutation(places)[: self.count] if places < 2**22 else generator.integers(
            0, places, self.count
        )  # fmt: skip
        self._places = np.unravel_index(numbers, (2, height - side + 1, width - side + 1, len(images)))
        kind = "zca" if whitened else "standardize"
        # Windows of nine pixels, or as many as there are.
        self._whitening = Whitening(kind, window=min(9, side - 1 + side % 2))
        self._whitening.build((None, side, side, channels))
        self._whitening.fit(self._cut(np.arange(min(self.count, 2000))))

    def blocks(self, images, every: int = 0, title: str = "linear filters") -> Iterator[tuple]:
        """What all filters answer.

        Args:
          images: float32 [n, side, side, channels] in [0, 1].
          every: unused: all are looked at.
          title: of the progress bar.

        Returns:
          (number of the first, float32 [n, filters]) of some filters at a time.
        """
        del every
        seen = self._unit(images)
        starts = range(0, self.count, _GROUP)
        for first in progress.shown(starts, title, unit="group"):
            group = np.arange(first, min(first + _GROUP, self.count))
            yield first, seen @ self._unit(self._cut(group)).T

    def place(self, block, unit: int) -> int:
        """The number of a filter of a block."""
        return block + unit

    def index(self, place: int) -> int:
        """The number of a filter."""
        return place

    def from_index(self, index: int) -> int:
        """The inverse of `index`."""
        return index

    def neuron(self, place: int) -> "LinearFilter":
        """The filter of a number."""
        return LinearFilter(self, self._unit(self._cut(np.array([place])))[0])

    def _cut(self, numbers: np.ndarray) -> np.ndarray:
        """The windows of some filters, float32 [k, side, side, channels] in [0, 1]."""
        mirrored, tops, lefts, which = (part[numbers] for part in self._places)
        side, windows = self.window, []
        for flip, top, left, k in zip(mirrored, tops, lefts, which, strict=True):
            window = self._images[k, top : top + side, left : left + side]
            windows.append(window[:, ::-1] if flip else window)
        return np.stack(windows)

    def _unit(self, images) -> np.ndarray:
        """Whitened, of length one, flat: float32 [n, numbers]."""
        parts = [self._whitening(tf.constant(images[k : k + 500])).numpy() for k in range(0, len(images), 500)]
        rows = np.concatenate(parts).reshape(len(images), -1)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


class LinearFilter:
    """One linear filter, as a `neurons.Neuron` is asked.

    Arguments:
      filters: that it is of.
      weights: float32 [numbers], of length one.
    """

    def __init__(self, filters: LinearFilters, weights: np.ndarray):
        self._filters, self.weights = filters, weights

    @property
    def picture(self) -> np.ndarray:
        """float32 [side, side, channels]: the filter itself, which is what it likes best."""
        side = self._filters.window
        return self.weights.reshape(side, side, -1)

    def responses(self, images) -> np.ndarray:
        """float32 [n], for float32 [n, side, side, channels] in [0, 1]."""
        return self._filters._unit(images) @ self.weights
