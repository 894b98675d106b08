"""Pictures that look alike, found by their perceptual hashes without comparing every pair."""

import itertools


class NearDuplicates:
    """The 64-bit fingerprints seen so far, asked for neighbors within a Hamming distance.

    Two hashes that differ in at most d bits agree in at least one of d + 1 bands of bits, so only hashes that share
    a band are compared.

    Arguments:
      distance: most bits in which near-duplicates differ; below 0 nothing is a duplicate.

    Raises:
      ValueError: more than 16 bits, where bands are too narrow to tell anything.
    """

    def __init__(self, distance: int):
        if distance > 16:
            raise ValueError(f"distance is {distance}; expected at most 16 of 64 bits")
        self.distance = distance
        edges = [round(64 * k / (distance + 1)) for k in range(distance + 2)] if distance >= 0 else []
        self._bands = [(low, (1 << (high - low)) - 1) for low, high in itertools.pairwise(edges)]
        self._seen: list = [{} for _ in self._bands]

    def found(self, fingerprint: int) -> bool:
        """Whether one within the distance was added before."""
        for (low, mask), seen in zip(self._bands, self._seen, strict=True):
            for other in seen.get((fingerprint >> low) & mask, ()):
                if (fingerprint ^ other).bit_count() <= self.distance:
                    return True
        return False

    def add(self, fingerprint: int) -> None:
        for (low, mask), seen in zip(self._bands, self._seen, strict=True):
            seen.setdefault((fingerprint >> low) & mask, []).append(fingerprint)
