"""The page's guidance of concepts says what the package's says; needs node alone."""

import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from reverie.models import guidance

MODULE = pathlib.Path(guidance.__file__).parents[1] / "export" / "page" / "src" / "guidance.js"


@pytest.mark.parametrize("times", [1.0, 5.0])
def test_a_page_means_a_concept_as_much_as_the_package_does(times):
    node = shutil.which("node")
    if not node:
        pytest.skip("needs node")
    code = {"mean": [0.8, -1.2, 0.4, -0.1, 0.3], "log_variance": [-2.5, -0.1, 0.0, 0.3, -1e-6]}
    asked = f"guided({json.dumps(code)}, {times})"
    script = f"import {{ guided }} from '{MODULE.as_uri()}'; console.log(JSON.stringify({asked}))"
    done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    mean, log_variance = guidance.guided(tuple(tf.constant([part]) for part in code.values()), times)
    np.testing.assert_allclose(found["mean"], mean[0], rtol=1e-5)
    np.testing.assert_allclose(found["deviation"], np.exp(0.5 * log_variance[0]), rtol=1e-5)
