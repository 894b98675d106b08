"""Reader of a folder of images: flat, one folder a class, or `train/`, `validation/`, `test/` of either."""

import pathlib

import numpy as np

from ..errors import UserError
from .files import EXTENSIONS, Budget, read_files
from .source import UNLABELLED, Images

_SPLIT_FOLDERS = {"train": ("train", "training"), "validation": ("validation", "valid", "val"), "test": ("test",)}


def folder_splits(folder: str) -> tuple:
    """The split folders present; ("train",) for a folder without any.

    Raises:
      UserError: no such folder, or test images without training images.
    """
    present = tuple(_split_folders(folder))
    if present and "train" not in present:
        raise UserError(f"{folder}: has the split folder(s) {', '.join(present)} but no 'train'")
    return present or ("train",)


def read_folder(folder: str, split: str, shape: tuple, resize: str, budget: Budget) -> Images:
    """Reads the images below `folder`.

    Folders named train, validation and test are splits; other folders are classes, in sorted order, and
    files beside no class folder are unlabelled. Hidden files and other extensions are passed over.

    Raises:
      UserError: no such folder, no image in it, too many unusable files.
    """
    present = _split_folders(folder)
    root = present[split] if present else pathlib.Path(folder)
    classes = sorted({name for place in (present.values() or [root]) for name in _class_folders(place)})
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
    labels = np.asarray(
        [numbers[path.relative_to(root).parts[0]] if path.parent != root else UNLABELLED for path in paths], np.int32
    )
    names = {"label": tuple(classes)} if classes else {}
    return read_files(
        str(root), str(root), [str(path) for path in paths], labels, shape, resize, budget, class_names=names
    )


def _split_folders(folder: str) -> dict:
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise UserError(f"no such folder: {folder}")
    return {key: root / name for key, names in _SPLIT_FOLDERS.items() for name in names if (root / name).is_dir()}


def _class_folders(root: pathlib.Path) -> list:
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
