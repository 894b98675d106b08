"""Test images of a concept: which show it, who is on them, and which of them choose and which judge."""

import dataclasses
import re

import numpy as np

from .. import pipelines
from ..errors import UserError
from .detectors import Split, halves

_HALVINGS = 10
# Some pictures may be alike by chance, as black ones; more of them are the same set twice.
_ALIKE = 0.01


@dataclasses.dataclass(frozen=True)
class ConceptImages:
    """Images of a concept and of other things.

    Attributes:
      images: float32 [n, side, side, channels] in [0, 1].
      labels: int [n], 1 for the concept and 0 for everything else.
      groups: int [n], which images are of the same person, clip or other thing that must not be on both sides; None
        where every image is by itself.
      splits: which images choose and which judge.
      shown: bool [n], which images a chosen unit may be shown on: those that judge, where they are a set of their own.
    """

    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None
    splits: tuple[Split, ...]
    shown: np.ndarray

    @property
    def apart(self) -> bool:
        """Whether the images that judge are a set of their own."""
        return len(self.splits) == 1

    @property
    def guess(self) -> float:
        """The accuracy of always giving the more frequent answer."""
        share = float(np.mean(self.labels[self.shown]))
        return max(share, 1.0 - share)


@dataclasses.dataclass(frozen=True)
class Concept:
    """Where the test images of a concept are.

    Attributes:
      name: as in the report; pictures are named after it.
      source: a data source with label 1 for the concept and 0 for everything else.
      report: another such source, to judge on what is chosen on the first; "" takes halves of the first by turns.
      groups: who is on an image: the name of a label column, or a regular expression whose first group (or whole
        match) in the file's name says it; "" leaves every image by itself.

    Raises:
      UserError: a name that a file cannot have; the same source twice.

    Example:
      >>> Concept("faces", "folder:choose", "folder:report", r"(person\\d+)").report
      'folder:report'
    """

    name: str
    source: str
    report: str = ""
    groups: str = ""

    def __post_init__(self):
        if not re.fullmatch(r"\w[\w .-]*", self.name):
            raise UserError(f"concept is named '{self.name}'; expected letters, digits, blanks, '.', '-' or '_'")
        if self.report == self.source:
            raise UserError(
                f"report of {self.name} is {self.report}, which is its concept too; expected other images, or no report"
            )

    def read(self, side: int, channels: int, seed: int = 0) -> ConceptImages:
        """Reads the images at one size.

        Args:
          side, channels: of the images wanted.
          seed: keys the halvings.

        Raises:
          UserError: labels other than 0 and 1, fewer than two images or groups of either, groups that are not
            there, a group or more than a few images in both sources, images that are not uint8.
        """
        chosen = _read(self.name, self.source, self.groups, side, channels)
        if not self.report:
            groups = None if chosen.groups is None else np.unique(chosen.groups, return_inverse=True)[1]
            try:
                splits = tuple(halves(chosen.labels, seed + k, groups) for k in range(_HALVINGS))
            except UserError as error:
                rule = f" (groups are '{self.groups}')" if self.groups else ""
                raise UserError(f"concept {self.name}: in {self.source} {error}{rule}") from None
            everywhere = np.ones(len(chosen.labels), bool)
            return ConceptImages(chosen.images, chosen.labels, groups, splits, everywhere)
        judged = _read(self.name, self.report, self.groups, side, channels)
        alike = len({image.tobytes() for image in chosen.images} & {image.tobytes() for image in judged.images})
        if alike > _ALIKE * len(judged.images):
            raise UserError(
                f"concept {self.name}: {alike} images of {self.report} are also in {self.source}; expected others to "
                "judge on than those that choose"
            )
        groups = None
        if chosen.groups is not None and judged.groups is not None:
            both = sorted(set(chosen.groups.tolist()) & set(judged.groups.tolist()))
            if both:
                raise UserError(
                    f"concept {self.name}: the group {both[0]} is in {self.source} and in {self.report}; expected "
                    "groups (people, clips) that are in one of them only"
                )
            groups = np.unique(np.concatenate([chosen.groups, judged.groups]), return_inverse=True)[1]
        selecting = np.arange(len(chosen.labels) + len(judged.labels)) < len(chosen.labels)
        return ConceptImages(
            np.concatenate([chosen.images, judged.images]),
            np.concatenate([chosen.labels, judged.labels]),
            groups,
            (Split(selecting, ~selecting),),
            ~selecting,
        )


@dataclasses.dataclass(frozen=True)
class _Read:
    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None  # Strings [n].


def _read(name: str, source: str, rule: str, side: int, channels: int) -> _Read:
    whole = {"validation_fraction": 0.0, "test_fraction": 0.0}
    found = pipelines.read(source, "train", image_shape=(side, side, channels), resize="stretch", **whole)
    if found.pixels is not None and found.pixels.dtype != np.uint8:
        raise UserError(
            f"concept {name}: {source} has images of {found.pixels.dtype}; expected uint8, which are brought to the "
            "size of each neuron's window"
        )
    columns = dict(zip(found.head_names, np.asarray(found.labels).reshape(len(found), -1).T, strict=True))
    groups = _groups(name, source, found, columns, rule) if rule else None
    said = {column: labels for column, labels in columns.items() if column != rule}
    if len(said) > 1 and name in said:
        said = {name: said[name]}
    if len(said) != 1:
        raise UserError(
            f"concept {name}: {source} has the columns of labels {', '.join(columns)}; expected one for the concept, "
            "or one of the concept's name"
        )
    (labels,) = said.values()
    counts = {int(label): int(count) for label, count in zip(*np.unique(labels, return_counts=True), strict=True)}
    if set(counts) != {0, 1}:
        told = "no labels" if set(counts) == {-1} else f"the labels {', '.join(map(str, sorted(counts)[:5]))}"
        raise UserError(
            f"concept {name}: {source} has {told}; expected 1 for the concept and 0 for everything else "
            "(a folder with two subfolders, numbered from 0 in alphabetical order)"
        )
    names = next((names for column, names in found.class_names.items() if column in said), ())
    if len(names) == 2 and names[0].casefold() == name.casefold():
        raise UserError(
            f"concept {name}: {source} has label 0 for '{names[0]}' and 1 for '{names[1]}'; expected 1 for the "
            f"concept: call the folders 0_{names[1]} and 1_{names[0]}, or the concept {names[1]}"
        )
    if min(counts.values()) < 2:
        raise UserError(
            f"concept {name}: {source} has {counts[1]} image(s) of the concept and {counts[0]} of "
            "everything else; expected two or more of each: neurons are chosen on one half and judged on the other"
        )
    images = np.concatenate([batch["image"].numpy() for batch in pipelines.in_order(found, 1000)])
    return _Read(images, labels, groups)


def _groups(name: str, source: str, images: pipelines.Images, columns: dict, rule: str) -> np.ndarray:
    """What group every image is of, as a string; images of no known group are by themselves."""
    if rule in columns:
        names = dict(enumerate(images.class_names.get(rule, ())))
        return np.asarray(
            [
                str(names.get(int(label), int(label))) if label != pipelines.UNLABELED else f"{source} {row}"
                for row, label in enumerate(columns[rule])
            ]
        )
    if images.keys is None:
        raise UserError(
            f"groups of {name} is '{rule}', but {source} has no such column of labels, only {', '.join(columns)}, and "
            "no names of files"
        )
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise UserError(f"groups of {name} is '{rule}', which is no regular expression: {error}") from None
    found = []
    for key in images.keys.tolist():
        match = pattern.search(key)
        if match is None:
            raise UserError(
                f"groups of {name} is '{rule}', which is neither a column of labels ({', '.join(columns)}) nor found "
                f"in the file name {key}"
            )
        found.append(match.group(1) if pattern.groups and match.group(1) is not None else match.group())
    return np.asarray(found)
