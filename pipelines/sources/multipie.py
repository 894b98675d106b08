"""CMU Multi-PIE (licensed; bring your own copy): labels from file names, splits by subject."""

import pathlib
import re
from typing import NamedTuple

import numpy as np

from ...errors import UserError
from ...paths import walk
from ..files import read_files
from ..holdout import group_split, group_splits
from ..image_set import Images
from ..picture import EXTENSIONS
from .contract import Request, Source

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


class MultiPie(Source):
    """`multipie:DIR`: every image below it whose name parses and whose camera is one of the thirteen.

    Label columns are pose (camera, by yaw) and light. No subject is in two splits.
    """

    kind = "multipie"
    summary = "CMU Multi-PIE, labels from file names"
    forms = ("multipie:DIR",)
    needs_shape = True

    def splits(self, place: str, request: Request) -> tuple[str, ...]:
        return group_splits(request)

    def read(self, place: str, split: str, request: Request) -> Images:
        root = pathlib.Path(place)
        if not root.is_dir():
            raise UserError(f"no such folder: {place}")
        files = [root / file for file in walk(place).files]
        found = [(path, parse_name(path.name)) for path in files if path.suffix.lower() in EXTENSIONS]
        named = [(path, name) for path, name in found if name and name.camera in CAMERAS and name.light in LIGHTS]
        if not named:
            raise UserError(
                f"{place}: no file named like 001_01_01_051_06.png (subject_session_recording_camera_light)"
            )
        chosen = [(path, name) for path, name in named if group_split(name.subject, request) == split]
        if not chosen:
            raise UserError(f"{place}: no subject falls into the {split} split")
        paths = [str(path) for path, _ in chosen]
        labels = [[CAMERAS.index(name.camera), LIGHTS.index(name.light)] for _, name in chosen]
        names = {"pose": tuple(f"{CAMERA_YAW[camera]:+d}" for camera in CAMERAS), "light": LIGHTS}
        fields = {"head_names": HEADS, "class_names": names}
        return read_files(f"{place}:{split}", place, paths, np.asarray(labels, np.int32), request, **fields)


SOURCES = (MultiPie(),)


class FileName(NamedTuple):
    """What a file's name says: subject, session, recording (expression), camera and light, each as written."""

    subject: str
    session: str
    recording: str
    camera: str
    light: str


def parse_name(name: str) -> FileName | None:
    """The parts of a file's name, or None if it is none of Multi-PIE's.

    Example:
      >>> parse_name("001_01_01_051_06_crop_128.png").camera
      '051'
    """
    match = _NAME.match(name)
    return FileName(**match.groupdict()) if match else None
