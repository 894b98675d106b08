"""The examples for a device and for a client of a server do what they say, in processes of their own."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import reverie
from reverie.export.lite import LiteModel

from .. import serving

EXAMPLES = pathlib.Path(reverie.__file__).parent / "examples"
# A process in which TensorFlow, Keras and reverie are not to be had.
_WITHOUT = """
import runpy, sys
for name in ("tensorflow", "keras", "tf_keras", "reverie"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("variant", ["float32", "int8"])
@pytest.mark.thorough
def test_the_example_for_a_device_needs_no_tensorflow_and_gives_the_numbers_of_the_file(
    variant, published, real_images, tmp_path
):
    pixels = np.round(real_images[0, :, :, 0] * 255).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "picture.png")
    script = EXAMPLES / "device" / "encode.py"
    command = [sys.executable, "-c", _WITHOUT, script, published, tmp_path / "picture.png", f"--variant={variant}"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    expected = LiteModel(published / "lite" / f"encode_{variant}.tflite").call(images=real_images[:1])
    for name, values in expected.items():
        np.testing.assert_allclose(said[name], values[0], atol=1e-6)


def test_a_client_of_ten_lines_gets_pictures_of_a_class(published):
    script = EXAMPLES / "serving" / "rest_client.py"
    assert len([line for line in script.read_text().splitlines() if line and not line.startswith('"""')]) <= 12
    with serving.serving(published.parent, "xcov") as (_, rest):
        command = [sys.executable, str(script), rest, "xcov", "2"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "4 pictures of 8 x 8 pixels of class 2"
