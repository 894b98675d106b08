"""Whether a picture shows a face, by the detector of Le et al. 2012, section 4: OpenCV's Haar cascade.

It finds upright frontal faces of at least 24 pixels, misses profiles, and fires now and then at nothing: every share is
an estimate.
"""

import math
import threading
from collections.abc import Callable
from typing import TypedDict

import numpy as np

from ..errors import UserError
from .image_set import Images
from .picture import in_channels

# The detector's patches in the paper have 60 pixels a side: smaller pictures are brought to that. Photographs are
# looked at no larger than is needed for a face that fills a twentieth of them.
_LEAST, _MOST = 60, 480
_AT_ONCE = 64
LEFT_OUT = "left out, with a face"


class Share(TypedDict):
    """How many of `patches` pictures show a face, as a number and as a share with its standard error."""

    patches: int
    with_face: int
    share: float
    standard_error: float


def detector() -> Callable[[np.ndarray], bool]:
    """uint8 [h, w, 3] -> whether OpenCV's frontal face cascade fires.

    Raises:
      UserError: OpenCV is missing or too new (version 5 has no cascades).
    """
    try:
        import cv2.data

        cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    except (ImportError, AttributeError):
        raise UserError("finding faces needs OpenCV 4: pip install 'reverie[faces]'") from None
    alone = threading.Lock()  # A cascade keeps what it works on.

    def fires(image) -> bool:
        gray = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        with alone:
            return len(cascade.detectMultiScale(gray, 1.1, 5, minSize=(24, 24))) > 0

    return fires


def finder() -> Callable[[np.ndarray], bool]:
    """uint8 [h, w, 1 or 3] of any size -> whether the detector fires in it.

    A picture whose shorter side is below 60 pixels is enlarged to that first, one above 480 reduced.

    Raises:
      UserError: as `detector`.
    """
    fires = detector()
    import cv2

    def found(picture) -> bool:
        shorter = min(picture.shape[:2])
        side = min(max(shorter, _LEAST), _MOST)
        color = in_channels(picture, 3)
        if side != shorter:
            size = tuple(max(1, round(length * side / shorter)) for length in (picture.shape[1], picture.shape[0]))
            color = cv2.resize(color, size, interpolation=cv2.INTER_CUBIC if side > shorter else cv2.INTER_AREA)
        return fires(color)

    return found


def estimate(hits: int, looked_at: int) -> Share:
    """The share of so many hits, with the standard error of a share that was drawn."""
    rate = hits / looked_at
    error = math.sqrt(rate * (1 - rate) / looked_at)
    return {"patches": looked_at, "with_face": int(hits), "share": rate, "standard_error": error}


def share(images: Images, count: int, seed: int = 0) -> Share:
    """The share of a set's pictures in which the detector fires, as a model sees them.

    Args:
      images: the set.
      count: how many to look at, at most; they are drawn without repetition.
      seed: which ones.

    Raises:
      UserError: OpenCV missing.
    """
    from . import batching

    found = finder()
    count = min(count, len(images))
    size, hits, seen = min(_AT_ONCE, len(images)), 0, 0
    for batch in batching.batches(images, size, seed=seed).take(-(-count // size)):
        for picture in _bytes_of(batch)[: count - seen]:
            hits, seen = hits + found(picture), seen + 1
    return estimate(hits, seen)


def without(images: Images) -> Images:
    """The pictures of a set in which the detector does not fire, looked at as a model sees them.

    Raises:
      UserError: OpenCV missing; frames in shards, which are left out by a verb of their own; nothing left.
    """
    if images.shards is not None:
        raise UserError(
            f"{images.name}: frames are not left out while they are streamed; write those without a face with "
            f"`reverie data faces {images.name} --without_faces=DIR`, or set data.windows"
        )
    from . import batching

    found = finder()
    fires = [found(picture) for batch in batching.in_order(images, _AT_ONCE) for picture in _bytes_of(batch)]
    return images.take(left(images.name, np.asarray(fires, bool)))


def left(name: str, fires: np.ndarray) -> np.ndarray:
    """int64 rows in which the detector does not fire.

    Raises:
      UserError: it fires in all of them.
    """
    rows = np.flatnonzero(~fires)
    if not rows.size:
        raise UserError(
            f"{name}: the detector fires in all {len(fires)} pictures; nothing is left (data.without_faces)"
        )
    return rows


def _bytes_of(batch) -> np.ndarray:
    return np.round(batch["image"].numpy() * 255.0).astype(np.uint8)
