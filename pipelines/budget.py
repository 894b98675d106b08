"""`Budget`: what is accepted of files that come from outside."""

import dataclasses
import math

from ..errors import UserError


@dataclasses.dataclass(frozen=True)
class Budget:
    """Limits on each file and on how many may be unusable.

    Attributes:
      max_pixels: largest width * height, read from the header before anything is decoded.
      max_file_mib: largest file, in MiB.
      max_bad_fraction: share of unusable files above which the job stops.
      memory_gib: decoded sets up to this size are kept as pixels; larger ones are decoded while streaming.
    """

    max_pixels: int = 40_000_000
    max_file_mib: float = 64.0
    max_bad_fraction: float = 0.01
    memory_gib: float = 4.0

    def __post_init__(self):
        for name, most in (("max_pixels", math.inf), ("max_file_mib", math.inf), ("memory_gib", math.inf),
                           ("max_bad_fraction", 1.0)):  # fmt: skip
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise UserError(f"data.{name} is {value:g}; expected 0 {'to 1' if most == 1.0 else 'or more'}")


USUAL_BUDGET = Budget()
