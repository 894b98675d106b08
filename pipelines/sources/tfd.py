"""The Toronto Face Database (by request from its authors; put the .mat file in a folder of its own)."""

import pathlib

import numpy as np

from ...errors import UserError
from ..image_set import UNLABELED, Images, from_arrays
from .contract import SPLITS, Option, Request, Source

EXPRESSIONS = ("anger", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_FOLD_CODES = {"train": (1,), "validation": (2,), "test": (3,)}


class Tfd(Source):
    """`tfd:DIR`, the folder with `TFD_48x48.mat`; its official folds say what is in which split."""

    kind = "tfd"
    summary = "Toronto Face Database, `TFD_48x48.mat`"
    forms = ("tfd:DIR",)
    options = {"fold": Option(0, "TFD's official fold.")}

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return SPLITS

    def read(self, place: str, split: str, request: Request) -> Images:
        return read_tfd(place, split, request.options["fold"])


SOURCES = (Tfd(),)


def read_tfd(folder: str, split: str, fold: int = 0, unlabeled: bool = True, size: int = 48) -> Images:
    """Reads `TFD_48x48.mat` (or 96).

    In the file, `labs_ex` is 1..7 with -1 for no expression label, and `folds` says for each of five official
    folds 0 unlabeled, 1 training, 2 validation, 3 test.

    Args:
      folder: where the .mat file lies.
      split: "train", "validation" or "test".
      fold: 0..4, the official fold.
      unlabeled: whether "train" also takes the faces without an expression, with label -1.
      size: 48 or 96.

    Raises:
      UserError: no such file, missing fields, no such fold.
    """
    path = pathlib.Path(folder) / f"TFD_{size}x{size}.mat"
    if not path.is_file():
        raise UserError(f"no such file: {path} (TFD is handed out by its authors; put the .mat file in that folder)")
    import scipy.io  # Slow to load, and for this source alone.

    try:
        content = scipy.io.loadmat(path, variable_names=["images", "labs_ex", "folds"])
    except Exception as error:  # loadmat raises half a dozen types on damaged files.
        raise UserError(f"{path}: not a readable MATLAB file ({error})") from None
    missing = {"images", "labs_ex", "folds"} - set(content)
    if missing:
        raise UserError(f"{path}: lacks the field(s) {sorted(missing)}")
    folds = content["folds"]
    if not 0 <= fold < folds.shape[1]:
        raise UserError(f"{path}: fold {fold} does not exist; expected 0..{folds.shape[1] - 1}")
    codes = (*_FOLD_CODES[split], 0) if split == "train" and unlabeled else _FOLD_CODES[split]
    rows = np.isin(folds[:, fold], codes)
    raw = content["labs_ex"].reshape(-1).astype(np.int32)
    # Mask before shifting to zero-based classes: -1 means unlabeled before and after.
    labels = np.where(raw >= 1, raw - 1, UNLABELED)
    return from_arrays(f"{path}:{split}", content["images"][rows], labels[rows], class_names={"label": EXPRESSIONS})
