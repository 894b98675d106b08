"""A folder of images: flat, one folder a class, or `train/`, `validation/`, `test/` of either."""

import pathlib

import numpy as np

from ...errors import UserError
from ..files import EXTENSIONS, read_files
from ..image_set import UNLABELED, Images
from .contract import Request, Source

# What a folder of a split may be called.
_SPLIT_FOLDERS = {"train": ("train", "training"), "validation": ("validation", "valid", "val"), "test": ("test",)}


class Folder(Source):
    """`folder:DIR`.

    Folders named train, validation and test are splits; other folders are classes, in sorted order, and files beside
    no class folder are unlabeled. Hidden files and other extensions are passed over.
    """

    kind = "folder"
    summary = "images, flat, one folder a class, or split folders of either"
    forms = ("folder:DIR",)
    needs_shape = True

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        present = tuple(_split_folders(place))
        if present and "train" not in present:
            raise UserError(f"{place}: has the split folder(s) {', '.join(present)} but no 'train'")
        return present or ("train",)

    def read(self, place: str, split: str, request: Request) -> Images:
        present = _split_folders(place)
        root = present[split] if present else pathlib.Path(place)
        classes = sorted({name for folder in (present.values() or [root]) for name in _class_folders(folder)})
        paths = sorted(
            path
            for path in root.rglob("*")
            if path.suffix.lower() in EXTENSIONS
            and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(root).parts)
        )
        if not paths:
            raise UserError(f"{root}: no image files there (looked for {', '.join(EXTENSIONS)}, also in sub-folders)")
        numbers = {name: number for number, name in enumerate(classes)}
        labels = [numbers[path.relative_to(root).parts[0]] if path.parent != root else UNLABELED for path in paths]
        names = {"label": tuple(classes)} if classes else {}
        files = [str(path) for path in paths]
        return read_files(str(root), str(root), files, np.asarray(labels, np.int32), request, class_names=names)

    def recognizes(self, path: str) -> bool:
        return pathlib.Path(path).is_dir()


SOURCES = (Folder(),)


def _split_folders(folder: str) -> dict[str, pathlib.Path]:
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise UserError(f"no such folder: {folder}")
    return {key: root / name for key, names in _SPLIT_FOLDERS.items() for name in names if (root / name).is_dir()}


def _class_folders(root: pathlib.Path) -> list[str]:
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
