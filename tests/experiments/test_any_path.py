"""Every verb in folders whose names mean something to a shell, to TensorFlow, or to nobody's encoding."""

import os

import numpy as np
import pytest
from reverie.cli import main

from ..inputs.test_corpus import TINY, two_classes_npz


@pytest.mark.parametrize(
    "name",
    [pytest.param("run [1], old?", marks=pytest.mark.thorough), pytest.param("a*b?:c\nd", marks=pytest.mark.slow)],
)
def test_every_verb_works_in_a_folder_of_any_name(name, tmp_path, capsys):
    folder = tmp_path / name
    source = two_classes_npz(folder)
    train = ["reverie", "train", f"--workdir={folder}/run", *TINY, f"--config.data.source={source}",
             "--config.model.heads.label=2"]  # fmt: skip
    assert main(train) == 0
    assert main(["reverie", "evaluate", f"--workdir={folder}/run"]) == 0
    assert main(["reverie", "export", f"--workdir={folder}/run", "--lite=float32"]) == 0
    version = f"{folder}/run/export/xcov/1"
    assert main(["reverie", "encode", f"--model={version}", f"--source={source}", f"--out={folder}/codes.npz"]) == 0
    encoder = f"{version}/lite/encode_float32.tflite"
    assert main(["reverie", "encode", f"--model={encoder}", f"--source={source}", f"--out={folder}/lite.npz"]) == 0
    card = (folder / "run" / "export" / "xcov" / "1" / "MODEL_CARD.md").read_text()
    assert "Classes of label: 0 cat, 1 dog." in card
    codes, lite = np.load(folder / "codes.npz"), np.load(folder / "lite.npz")
    np.testing.assert_allclose(codes["features"], lite["features"], atol=1e-4)
    assert codes["class_names"].tolist() == ["cat", "dog"]
    out = folder / "dogs.png"
    assert main(["reverie", "generate", f"--model={version}", "--label=dog,0", "--count=2", f"--out={out}"]) == 0
    assert out.is_file() and os.path.isfile(f"{folder}/run/report.html")
    assert main(["reverie", "generate", f"--model={version}", "--label=fox", f"--out={out}"]) == 2
    assert "label 'fox' is no class of this model" in capsys.readouterr().err
    # A second call finds the run, and has nothing left to do.
    assert main(train) == 0
