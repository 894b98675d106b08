"""The verb `doctor`: versions, devices, and what is missing."""

from ..errors import UserError
from .command import Command

# Package -> the extra that brings it.
_EXTRAS = {
    "ai-edge-litert": "lite",
    "apache-beam": "beam",
    "av": "video",
    "imagehash": "video",
    "opencv-python-headless": "faces",
    "tensorflow-serving-api": "serving",
}


def _define(values, _):
    del values


def _run(values, _):
    del values
    import tensorflow as tf

    from .. import experiments

    facts = experiments.environment()
    versions = facts.pop("versions")
    for key, value in {**facts, "gpus": facts["gpus"] or "none"}.items():
        if value is not None:
            print(f"{key:24} {value}")
    for package, version in versions.items():
        extra = _EXTRAS.get(package)
        hint = f"  (pip install 'reverie[{extra}]')" if version == "not installed" and extra else ""
        print(f"{package:24} {version}{hint}")
    value = float(tf.reduce_sum(tf.linalg.matmul(tf.ones([64, 64]), tf.ones([64, 64]))))
    if value != 64.0**3:
        raise UserError(f"a 64x64 matrix product gave {value}, expected {64.0**3}; this TensorFlow install is broken")
    print(f"{'matrix product':24} ok")


COMMAND = Command("Prints versions, devices and what is missing.", _define, _run, usage="")
