"""CIFAR-10 and CIFAR-100 as their authors ship them: Python pickles, read without running what is in them."""

import io
import pathlib
import pickle

import numpy as np

from ...errors import UserError, first_line
from ..image_set import Images, from_arrays
from .contract import Request, Source

# file names of each split, the key of the labels, the meta file and its key of class names
_LAYOUTS = {
    "cifar10": (
        {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)},
        b"labels", "batches.meta", b"label_names",
    ),
    "cifar100": ({"train": ("train",), "test": ("test",)}, b"fine_labels", "meta", b"fine_label_names"),
}  # fmt: skip

# A pickle can name any function to call; these are all that CIFAR's files need.
_ALLOWED = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
}


class Cifar(Source):
    """`cifar10:DIR` or `cifar100:DIR`, a folder of the unpacked files.

    Arguments:
      kind: "cifar10", or "cifar100" with its fine labels.
    """

    summary = "the authors' Python files, unpacked"

    def __init__(self, kind: str):
        self.kind, self.forms = kind, (f"{kind}:DIR",)

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        files = _LAYOUTS[self.kind][0]
        return tuple(split for split in files if (pathlib.Path(place) / files[split][0]).exists()) or ("train",)

    def read(self, place: str, split: str, request: Request) -> Images:
        return read_cifar(self.kind, place, split)


SOURCES = (Cifar("cifar10"), Cifar("cifar100"))


def read_cifar(kind: str, folder: str, split: str) -> Images:
    """One split of `cifar-10-batches-py` or `cifar-100-python`.

    Args:
      kind: "cifar10" or "cifar100" (fine labels).
      folder: with the unpacked files.
      split: "train" or "test".

    Raises:
      UserError: files missing, damaged, or of another form.
    """
    files, label_key, meta, names_key = _LAYOUTS[kind]
    place = pathlib.Path(folder)
    parts, labels = [], []
    for name in files[split]:
        content = _load(place / name)
        data = content.get(b"data", content.get("data"))
        found = content.get(label_key, content.get(label_key.decode()))
        if data is None or found is None or np.ndim(data) != 2 or np.shape(data)[1] != 3072 or len(data) != len(found):
            raise UserError(
                f"{place / name}: is not a {kind} file (expected 'data' [n, 3072] and '{label_key.decode()}')"
            )
        parts.append(np.asarray(data, np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels.append(np.asarray(found))
    names = _load(place / meta).get(names_key, ()) if (place / meta).is_file() else ()
    shown = tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)
    pixels = np.ascontiguousarray(np.concatenate(parts))
    return from_arrays(
        f"{kind}:{folder}", pixels, np.concatenate(labels), class_names={"label": shown} if shown else {}
    )


class _Restricted(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"asks for {module}.{name}, which no CIFAR file needs")
        return super().find_class(module, name)


def _load(path: pathlib.Path) -> dict:
    try:
        content = _Restricted(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:  # Damaged pickles raise anything.
        raise UserError(f"{path}: is not a CIFAR file ({first_line(error)})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: is not a CIFAR file (holds a {type(content).__name__})")
    return content
