"""Which split an image belongs to where its source does not say: a hash of what it is known by.

The hash gives every image a position between 0 and 1, which stays as others come and go. How positions become splits
is a setting:

- "stratified": of every class, the images of the lowest positions, as many as its share says, at least one of a class
  of two or more. A class that grows moves its boundary.
- "independent": every image whose position lies below the share. Images that are added never move another one; the
  shares hold only on average, and a small class may be left without any.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from .image_set import Images
from .sources.contract import SPLITS, Request

# With more kinds of rows than this share of all rows, there is nothing to stratify by.
_MOST_STRATA = 0.1


def position(key: str, seed: int) -> float:
    """Where a key lies between 0 and 1; another seed puts it elsewhere.

    Example:
      >>> 0.0 <= position("a/001.png", 0) < 1.0
      True
    """
    digest = hashlib.sha256(f"{seed}:{key}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def split_of(key: str, seed: int, validation: float, test: float) -> str:
    """The split of one key (a file's path below its folder, a row's number, a subject) by itself.

    Args:
      key: what the image is known by.
      seed: another seed gives another partition.
      validation, test: shares of the two; the rest is "train".

    Example:
      >>> split_of("a/001.png", 0, 0.0, 0.0)
      'train'
    """
    return SPLITS[_independent(np.asarray([position(key, seed)]), validation, test)[0]]


def group_splits(request: Request) -> tuple[str, ...]:
    """The splits of a source that divides itself, by person say, and so names all that it gives."""
    return ("train", *(split for split in ("validation", "test") if request.fraction(split)))


def group_split(key: str, request: Request) -> str:
    """The split in which everything of one group (of one person) is."""
    return split_of(key, request.holdout_seed, request.validation_fraction, request.test_fraction)


def carve(
    train: Images, splits: Sequence[str], validation: float, test: float, seed: int, how: str = "stratified"
) -> dict[str, Images]:
    """Disjoint parts that a training set is divided into.

    Args:
      train: the whole set; an image is known by its key, or by its row's number where it has none.
      splits: of "train", "validation" and "test", those that are wanted.
      validation, test, seed: see `split_of`.
      how: "stratified" or "independent"; see above.

    Returns:
      split -> its images.

    Example:
      >>> from reverie.pipelines import from_arrays
      >>> images = from_arrays("blank", np.zeros([40, 4, 4], np.uint8), [0] * 20 + [1] * 20)
      >>> carve(images, ["test"], 0.0, 0.1, seed=0)["test"].labels.tolist()
      [0, 0, 1, 1]
    """
    if not validation and not test and list(splits) == ["train"]:
        return {"train": train}
    keys = range(len(train)) if train.keys is None else train.keys
    positions = np.asarray([position(str(key), seed) for key in keys])
    if how == "stratified":
        places = _stratified(positions, _strata(train.labels), validation, test)
    else:
        places = _independent(positions, validation, test)
    return {split: train.take(np.flatnonzero(places == SPLITS.index(split))) for split in splits}


def _independent(positions: np.ndarray, validation: float, test: float) -> np.ndarray:
    """int [n]: the place in SPLITS of each, by its own position."""
    held = np.where(positions < test + validation, SPLITS.index("validation"), SPLITS.index("train"))
    return np.where(positions < test, SPLITS.index("test"), held)


def _strata(labels: np.ndarray) -> np.ndarray:
    """int [n]: what each row is to be represented for; all the same where rows have too little in common."""
    columns = labels.reshape(len(labels), -1)
    _, strata = np.unique(columns, axis=0, return_inverse=True)
    strata = strata.reshape(-1)
    few = columns.shape[1] == 1 or strata.max(initial=0) < _MOST_STRATA * len(labels)
    return strata if few else np.zeros(len(labels), np.int64)


def _stratified(positions: np.ndarray, strata: np.ndarray, validation: float, test: float) -> np.ndarray:
    """int [n]: as `_independent`, such that in every stratum the shares are met as closely as whole images can."""
    places = np.full(len(positions), SPLITS.index("train"))
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        ranked = rows[np.argsort(positions[rows], kind="stable")]
        in_test, in_validation = _counts(len(rows), validation, test)
        places[ranked[:in_test]] = SPLITS.index("test")
        places[ranked[in_test : in_test + in_validation]] = SPLITS.index("validation")
    return places


def _counts(size: int, validation: float, test: float) -> tuple[int, int]:
    """How many of a stratum are held out for test and for validation; one stays for training."""
    in_test = min(max(round(size * test), int(test > 0)), size - 1)
    in_validation = min(max(round(size * validation), int(validation > 0)), size - 1 - in_test)
    return in_test, in_validation
