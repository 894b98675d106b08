"""Reader of CMU Multi-PIE (licensed; bring your own copy): labels from file names, splits by subject."""

import pathlib
import re

import numpy as np

from ..errors import UserError
from .files import EXTENSIONS, Budget, read_files
from .holdout import split_of
from .source import Images

# SSS_NN_RR_CCC_LL: subject, session, recording (expression), camera, light; crops add a suffix of their own.
_NAME = re.compile(r"^(?P<subject>\d{3})_(?P<session>0[1-4])_(?P<recording>\d\d)_(?P<camera>\d{3})_(?P<light>\d\d)")

# Camera to yaw in degrees. The outer five come from memory of the data set's description rather than from
# a document at hand; the two raised cameras (081, 191) are left out, as is customary.
CAMERA_YAW = {
    "110": -90, "120": -75, "090": -60, "080": -45, "130": -30, "140": -15, "051": 0,
    "050": 15, "041": 30, "190": 45, "200": 60, "010": 75, "240": 90,
}  # fmt: skip
CAMERAS = tuple(CAMERA_YAW)
LIGHTS = tuple(f"{light:02d}" for light in range(20))
HEADS = ("pose", "light")


def parse_name(name: str) -> dict | None:
    """ "001_01_01_051_06_crop_128.png" -> subject, session, recording, camera and light, or None."""
    match = _NAME.match(name)
    return match.groupdict() if match else None


def read_multipie(
    folder: str,
    split: str,
    shape: tuple,
    resize: str,
    budget: Budget,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.2,
    holdout_seed: int = 0,
) -> Images:
    """Reads every image below `folder` whose name parses and whose camera is one of the thirteen.

    Label columns are pose (camera, by yaw) and light. No subject is in two splits.

    Raises:
      UserError: no such folder, no name that parses, too many unusable files.
    """
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise UserError(f"no such folder: {folder}")
    found = [(path, parse_name(path.name)) for path in sorted(root.rglob("*")) if path.suffix.lower() in EXTENSIONS]
    named = [
        (path, parts) for path, parts in found if parts and parts["camera"] in CAMERAS and parts["light"] in LIGHTS
    ]
    if not named:
        raise UserError(f"{folder}: no file named like 001_01_01_051_06.png (subject_session_recording_camera_light)")
    rows = [
        (str(path), CAMERAS.index(parts["camera"]), LIGHTS.index(parts["light"]))
        for path, parts in named
        if split_of(parts["subject"], holdout_seed, validation_fraction, test_fraction) == split
    ]
    if not rows:
        raise UserError(f"{folder}: no subject falls into the {split} split")
    labels = np.asarray([row[1:] for row in rows], np.int32)
    names = {"pose": tuple(f"{CAMERA_YAW[camera]:+d}" for camera in CAMERAS), "light": LIGHTS}
    return read_files(
        f"{folder}:{split}",
        folder,
        [row[0] for row in rows],
        labels,
        shape,
        resize,
        budget,
        head_names=HEADS,
        class_names=names,
    )
