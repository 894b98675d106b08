"""Codes of a whole source of images, with what each image is known by."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import pipelines, progress
from ..stored import whole_file
from .outputs import output_file
from .reading import naming_damage
from .run import load

_IMAGES_AT_ONCE = 256


@dataclasses.dataclass(frozen=True)
class Codes:
    """Codes of images, a row each.

    Attributes:
      codes: name -> float32 [n, ...], as the family's `encode` names them.
      labels: int32 [n] or [n, heads], -1 where unlabeled.
      names: what each image is known by (its file's path below its folder), or None.
      class_names: label column -> names of its classes in label order, as the source has them.
      skipped: files of the source that gave no picture.
    """

    codes: dict[str, np.ndarray]
    labels: np.ndarray
    names: np.ndarray | None = None
    class_names: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    skipped: pipelines.Skipped = dataclasses.field(default_factory=pipelines.Skipped)

    def save(self, path: str | pathlib.Path) -> pathlib.Path:
        """Writes an .npz with the codes, "label" and, where there are names, "filename" and "class_names".

        With several label columns the names of their classes are in "class_names_COLUMN".

        Returns:
          The file, which ends in .npz; its folder is made.

        Raises:
          UserError: a path that cannot be written to.
          StorageError: the disk is full or the like; what was there before is intact.
        """
        place = output_file(path, ".npz")
        arrays: dict[str, Any] = {} if self.names is None else {"filename": self.names}
        for column, names in self.class_names.items():
            if names:
                arrays["class_names" if self.labels.ndim == 1 else f"class_names_{column}"] = np.asarray(names)
        arrays |= self.codes
        with whole_file(place) as temporary, temporary.open("wb") as stream:
            np.savez(stream, label=self.labels, **arrays)
        return place


def encode_source(
    model: str | pathlib.Path, source: str, split: str = "train", resize: str = "crop", **settings
) -> Codes:
    """Encodes every image of a source; files that give no picture are left out, and named in `skipped`.

    Args:
      model: as of `load`.
      source: of images, as in `data.source`.
      split: of the source.
      resize: how images are brought to the model's size: none, stretch or crop.
      **settings: of `pipelines.read_splits`.

    Raises:
      UserError: no model there, or a source that cannot be read.
    """
    loaded = load(model)
    # Whatever the source holds is encoded: nothing is held out here.
    whole = {"validation_fraction": 0.0, "test_fraction": 0.0, "max_bad_fraction": 1.0, **settings}
    images = pipelines.read(source, split, image_shape=loaded.image_shape, resize=resize, **whole)
    with naming_damage(source):
        batches, count = pipelines.in_order(images, _IMAGES_AT_ONCE), -(-len(images) // _IMAGES_AT_ONCE)
        said = progress.shown(batches, "encoding", count, unit="batch")
        parts = [loaded.encode(batch["image"].numpy()) for batch in said]
    codes = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Codes(codes, images.labels, images.keys, images.class_names, images.skipped)
