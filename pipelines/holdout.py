"""Which split an image belongs to where its source does not say: a hash of what it is known by.

A hash keeps an image in its split as others come and go, so that images added between training and evaluation
never move a training image into the test set. The price is that the shares hold only on average.
"""

import hashlib

import numpy as np

from .image_set import Images


def split_of(key: str, seed: int, validation: float, test: float) -> str:
    """The split of one key (a file's path below its folder, a row's number, a subject).

    Args:
      key: what the image is known by.
      seed: another seed gives another partition.
      validation, test: shares of the two; the rest is "train".

    Example:
      >>> split_of("a/001.png", 0, 0.0, 0.0)
      'train'
    """
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    position = int.from_bytes(digest[:6], "big") / 2**48
    if position < test:
        return "test"
    return "validation" if position < test + validation else "train"


def carve(train: Images, split: str, validation: float, test: float, seed: int) -> Images:
    """One of the disjoint parts that a training set is divided into.

    Args:
      train: the whole set; an image is known by its key, or by its row's number where it has none.
      split: "train", "validation" or "test".
      validation, test, seed: see `split_of`.
    """
    if not validation and not test and split == "train":
        return train
    keys = range(len(train)) if train.keys is None else train.keys
    rows = [row for row, key in enumerate(keys) if split_of(str(key), seed, validation, test) == split]
    return train.take(np.asarray(rows, np.int64))
