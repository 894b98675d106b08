"""A folder of images: flat, one folder a class, or `train/`, `validation/`, `test/` of either."""

import collections
import os

import numpy as np

from ...errors import UserError
from ...paths import Walk, composed, extensions, folders, is_remote, natural, walk
from ..files import read_files
from ..image_set import UNLABELED, Images
from ..picture import EXTENSIONS
from .contract import SPLIT_NAMES, Option, Request, Source
from .table import METADATA, read_metadata

_SPLIT_OF = {name: split for split, names in SPLIT_NAMES.items() for name in names}


class Folder(Source):
    """`folder:DIR`; also of an object store, as `folder:gs://bucket/pictures`.

    Folders named train, validation and test (in any case) are splits; other folders are classes, in natural order, and
    files beside no class folder are unlabeled. Links are followed. Hidden files are passed over, and files of other
    kinds counted by extension. A file `metadata.csv` beside the pictures names their labels, as Hugging Face has it.
    """

    kind = "folder"
    summary = "images, flat, one folder a class, or split folders of either (with metadata.csv: labels from it)"
    forms = ("folder:DIR",)
    needs_shape = True
    without_train = "name the folder to learn from train"
    options = {
        "split_folders": Option(
            "auto", "Whether folders named train, validation and test are splits: auto, yes, or no (they are classes)."
        )
    }

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return tuple(_split_folders(place, request)) or ("train",)

    def read(self, place: str, split: str, request: Request) -> Images:
        present = _split_folders(place, request)
        parts = {name: os.path.join(place, folder) for name, folder in present.items()} or {"train": place}
        root = parts[split]
        if os.path.isfile(os.path.join(root, METADATA)):
            return read_metadata(root, list(parts.values()), request)
        trees = {name: walk(folder) for name, folder in parts.items()}
        if is_remote(root) and METADATA in trees[split].files:
            raise UserError(f"{root}/{METADATA}: tables are read from this machine only; copy the folder here")
        classes = sorted({_class_of(file) for tree in trees.values() for file in _images(tree)} - {""}, key=natural)
        files = _images(trees[split])
        if not files:
            raise UserError(_nothing(root, trees[split]))
        numbers = {name: number for number, name in enumerate(classes)}
        labels = np.asarray([numbers.get(_class_of(file), UNLABELED) for file in files], np.int32)
        names = {"label": tuple(classes)} if classes else {}
        paths = [os.path.join(root, file) for file in files]
        return read_files(root, root, paths, labels, request, _noticed(root, trees[split]), class_names=names)

    def recognizes(self, path: str) -> bool:
        return os.path.isdir(path)


SOURCES = (Folder(),)


def _split_folders(place: str, request: Request) -> dict[str, str]:
    """Split -> the folder's own name; empty where there are none."""
    below = folders(place)
    rule = request.options["split_folders"]
    if rule not in ("auto", "yes", "no"):
        raise UserError(f"split_folders is '{rule}'; expected auto, yes or no")
    found = collections.defaultdict(list)
    for name in below:
        if name.casefold() in _SPLIT_OF:
            found[_SPLIT_OF[name.casefold()]].append(name)
    if rule == "no" or not found:
        return {}
    twice = next((names for names in found.values() if len(names) > 1), None)
    if twice:
        raise UserError(f"{place}: the folders {' and '.join(twice)} mean the same split; keep one of them")
    others = sorted(set(below) - {name for names in found.values() for name in names}, key=natural)
    others = [name for name in others if _images(walk(os.path.join(place, name)))]
    if rule == "auto" and others:
        named = ", ".join(name for names in found.values() for name in names)
        raise UserError(
            f"{place}: has {named}, which would be a split, beside the folder(s) {', '.join(others[:5])}; set "
            "--config.data.split_folders=no if all are classes, or =yes to leave out the others"
        )
    return {split: names[0] for split, names in found.items()}


def _images(tree: Walk) -> list[str]:
    return [file for file in tree.files if file.lower().endswith(EXTENSIONS)]


def _class_of(file: str) -> str:
    """The first folder of a path, its accents composed; "" of a file beside no folder."""
    folder, separator, _ = file.partition(os.sep)
    return composed(folder) if separator else ""


def _noticed(root: str, tree: Walk) -> dict[str, int]:
    """What lies there and gives no picture, for a person to see."""
    images = set(_images(tree))
    others = extensions(file for file in tree.files if file not in images)
    noticed = {f"passed over: {extension}": count for extension, count in others.items()}
    classes = {_class_of(file) for file in images}
    # A store has no empty folders.
    empty = [name for name in ([] if is_remote(root) else folders(root)) if composed(name) not in classes]
    noticed |= {f"folder without an image: {name}": 1 for name in empty[:10]}
    if tree.loops:
        noticed["link to what was already read"] = tree.loops
    if tree.unreadable:
        noticed["folder that may not be opened"] = len(tree.unreadable)
    return noticed


def _nothing(root: str, tree: Walk) -> str:
    there = ", ".join(f"{count} {extension}" for extension, count in extensions(tree.files).items())
    return (
        f"{root}: no image files there (looked for {', '.join(EXTENSIONS)}, also in sub-folders"
        f"{f'; there are {there}' if there else ''})"
    )
