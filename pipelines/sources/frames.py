"""Frames of videos, extracted by `reverie data frames` into shards that are streamed from disk."""

import numpy as np

from ..image_set import UNLABELED, Images
from .contract import Request, Source


class Frames(Source):
    """`frames:DIR`, the folder of a finished extraction; whole shards are held out, so no video is in two splits."""

    kind = "frames"
    summary = "frames of videos, extracted by `reverie data frames`"
    forms = ("frames:DIR",)

    def damage(self, place: str) -> str:
        from ..frames import shards  # Loads TensorFlow.

        return shards.damage(place)

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return tuple(_shards(place, request))

    def read(self, place: str, split: str, request: Request) -> Images:
        shards = _shards(place, request)[split]
        labels = np.broadcast_to(np.int32(UNLABELED), [len(shards)])
        return Images(name=place, shape=shards.shape, labels=labels, shards=shards, resize=shards.resize)


SOURCES = (Frames(),)


def _shards(place: str, request: Request) -> dict:
    from ..frames import stream  # Loads TensorFlow, which a list of the sources does not need.

    fractions = {"validation": request.validation_fraction, "test": request.test_fraction}
    return stream.splits(place, fractions, request.holdout_seed, request.image_shape, request.resize)
