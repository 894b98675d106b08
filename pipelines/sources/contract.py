"""What a source of data is: everything that the rest of the package may know of one.

A source is a class in a file of its own. `folder:my/pictures` names it by its kind, `folder`; what stands behind the
colon is its place. This file imports neither TensorFlow nor any reader, so that settings can be listed at no cost.
"""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ...errors import UserError
from ..budget import Budget
from ..picture import USUAL_LOOK, Look

if TYPE_CHECKING:
    from ..image_set import Images

SPLITS = ("train", "validation", "test")
# What splits are called by people, in small letters; the usual name first.
SPLIT_NAMES = {"train": ("train", "training"), "validation": ("validation", "valid", "val"), "test": ("test",)}
# How images are held out of "train"; see `holdout.carve`.
HOLDOUTS = ("stratified", "independent")
RESIZE_MODES = ("none", "stretch", "crop")


class Option(NamedTuple):
    """One setting of the config section `data`.

    Attributes:
      default: its value where nothing is said; its type is the setting's type.
      meaning: one line.
    """

    default: Any
    meaning: str


@dataclasses.dataclass(frozen=True)
class Request:
    """How a source is asked for its images.

    Attributes:
      image_shape: (height, width, channels) wanted; None takes the images' own.
      resize: "none", "stretch" or "crop"; see `decoding.fit`.
      look: what files look like where they leave it open: the background, the significant bits.
      budget: what is accepted of files.
      validation_fraction, test_fraction: shares, 0 to 0.5, held out of "train" for a split that a source lacks.
      holdout_seed: which images those are.
      holdout: "stratified" or "independent"; see `holdout.carve`.
      windows: how many windows of the training pictures are cut, 0 for none; see `windows.cut`.
      window_least: the least side of a window, as a share of the largest that fits its picture, above 0 to 1.
      without_faces: whether training pictures in which a face is detected are left out.
      own_size: whether files keep the size that they have, and are decoded later: what windows are cut from.
      cache: folder in which decoded files are kept for the next reading, "" for none; see `cache`.
      options: the source's own settings, each of them, by name.

    Raises:
      UserError: a value outside these.
    """

    image_shape: tuple[int, int, int] | None = None
    resize: str = "none"
    look: Look = USUAL_LOOK
    budget: Budget = dataclasses.field(default_factory=Budget)
    validation_fraction: float = 0.0
    test_fraction: float = 0.1
    holdout_seed: int = 0
    holdout: str = "stratified"
    windows: int = 0
    window_least: float = 0.5
    without_faces: bool = False
    own_size: bool = False
    cache: str = ""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if self.image_shape is not None:
            sides = tuple(self.image_shape)
            if len(sides) != 3 or min(sides) < 1 or sides[2] not in (1, 3):
                raise UserError(f"data.image_shape is {sides}; expected (height, width, channels) with 1 or 3 channels")
            if sides[0] * sides[1] > self.budget.max_pixels:
                raise UserError(f"data.image_shape is {sides}; that is over data.max_pixels={self.budget.max_pixels}")
        if self.resize not in RESIZE_MODES:
            raise UserError(f"data.resize is '{self.resize}'; expected one of {', '.join(RESIZE_MODES)}")
        if self.holdout not in HOLDOUTS:
            raise UserError(f"data.holdout is '{self.holdout}'; expected one of {', '.join(HOLDOUTS)}")
        for name in ("validation_fraction", "test_fraction"):
            fraction = getattr(self, name)
            if not 0.0 <= fraction <= 0.5:
                raise UserError(f"data.{name} is {fraction:g}; expected 0 to 0.5")
        if self.windows < 0:
            raise UserError(f"data.windows is {self.windows}; expected how many to cut, or 0 for whole pictures")
        if not 0.0 < self.window_least <= 1.0:
            raise UserError(f"data.window_least is {self.window_least:g}; expected above 0, to 1")

    def fraction(self, split: str) -> float:
        """The share to hold out for "validation" or "test"."""
        return {"validation": self.validation_fraction, "test": self.test_fraction}[split]


class Source(Protocol):
    """A kind of data. Subclass it and define `kind`, `summary`, `splits` and `read`; the rest has defaults.

    Attributes:
      kind: what stands before the colon: a word without one.
      summary: one line, for tables.
      forms: how the source is written, for tables; () is "kind:PATH". A form without a colon says that the kind alone
        will do.
      options: settings of its own, name -> `Option`. They become settings of the config section `data`, and reach
        `splits` and `read` as `request.options`.
      needs_shape: whether it cannot be read without an image shape, as files of many sizes cannot.
      without_train: what to do about a place without a train split, for a message.

    Example:
      >>> import numpy as np
      >>> from reverie.pipelines import Source, from_arrays, read, register_source
      >>> class Squares(Source):
      ...     kind, summary, forms = "squares", "white squares on black, drawn", ("squares:COUNT",)
      ...
      ...     def splits(self, place, request):
      ...         return ("train",)
      ...
      ...     def read(self, place, split, request):
      ...         images = np.zeros([int(place), 8, 8], np.uint8)
      ...         images[:, 2:6, 2:6] = 255
      ...         return from_arrays(f"squares:{place}", images, None)
      >>> register_source(Squares())
      >>> len(read("squares:100", test_fraction=0.0))
      100
    """

    kind: str
    summary: str
    forms: tuple[str, ...] = ()
    options: Mapping[str, Option] = {}
    needs_shape: bool = False
    without_train: str = "name one of them train, or give another source"

    def damage(self, place: str) -> str:
        """Which of its files is damaged and how, in a line; "" where none is, or where that cannot be told.

        Asked only where reading failed in the middle of something.
        """
        del place
        return ""

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        """The splits that the source brings itself.

        Those that it does not name are held out of "train" by `holdout.carve`. A source that divides itself (by
        person, by file) names every split that it gives, and reads the shares from `request`.

        Raises:
          UserError: nothing usable at that place.
        """
        ...

    def read(self, place: str, split: str, request: Request) -> "Images":
        """The images of one of its splits; "train" includes what will be held out of it.

        Raises:
          UserError: nothing usable at that place.
        """
        ...

    def recognizes(self, path: str) -> bool:
        """Whether a path without a kind is of this source."""
        return False
