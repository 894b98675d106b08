"""Neighbors by bands of bits against comparing every pair."""

import numpy as np
import PIL.Image
import pytest
from reverie.pipelines.frames import worker
from reverie.pipelines.frames.near_duplicates import NearDuplicates
from reverie.pipelines.frames.video import Picture, VideoSettings


@pytest.mark.parametrize("distance", [-1, 0, 1, 4, 10])
def test_finds_exactly_the_neighbors_within_the_distance(distance):
    rng = np.random.default_rng(distance + 1)
    known, duplicates = [], NearDuplicates(distance)
    for _ in range(400):
        value = int(rng.integers(0, 2**63))
        if known and rng.random() < 0.5:  # A neighbor of a known one, up to twice the distance away.
            value = known[int(rng.integers(len(known)))]
            for bit in rng.choice(64, int(rng.integers(0, 2 * max(distance, 1) + 1)), replace=False):
                value ^= 1 << int(bit)
        expected = any((value ^ other).bit_count() <= distance for other in known)
        assert duplicates.found(value) == expected
        duplicates.add(value)
        known.append(value)


def test_the_same_picture_brighter_or_recompressed_is_near_and_another_is_not():
    rng = np.random.default_rng(0)

    def blobs(seed):
        small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
        return np.asarray(PIL.Image.fromarray(small).resize((64, 64), PIL.Image.Resampling.BICUBIC))

    def fingerprint(image):
        return worker._frame(Picture(0.0, image), VideoSettings(size=64)).fingerprint

    one = blobs(1)
    altered = np.clip(one.astype(int) + 12 + rng.integers(-6, 7, one.shape), 0, 255).astype(np.uint8)
    assert (fingerprint(one) ^ fingerprint(altered)).bit_count() <= 4
    assert (fingerprint(one) ^ fingerprint(blobs(2))).bit_count() > 10


def test_a_distance_too_wide_for_bands_is_refused():
    with pytest.raises(ValueError, match="16"):
        NearDuplicates(17)
