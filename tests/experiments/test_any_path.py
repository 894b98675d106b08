"""Every verb in folders whose names mean something to a shell, to TensorFlow, or to nobody's encoding."""

import os

import numpy as np
import PIL.Image
import pytest
from reverie.cli import main

from ..inputs.test_corpus import TINY, two_classes_npz


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("run [1], old?", marks=pytest.mark.thorough),
        pytest.param("a*b?:c\nd", marks=pytest.mark.slow),
        pytest.param(os.fsdecode(b"caf\xe9 $\\bad{x}$"), marks=pytest.mark.thorough, id="no UTF-8, no formula"),
    ],
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


@pytest.mark.thorough
def test_classes_of_any_name_are_evaluated_reported_and_compared(tmp_path):
    names = (os.fsdecode(b"caf\xe9"), r"$\bad{x}$", "_under", "l" * 120, "<script>alert(1)")
    generator = np.random.default_rng(0)
    for number, name in enumerate(names):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(12):
            pixels = generator.integers(0, 40, (8, 8), np.uint8) + 40 * number
            PIL.Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / name / f"{k}.png")
    runs = (r"$\bad{y}$", "_b")
    data = (f"--config.data.source=folder:{tmp_path}/data", "--config.model.heads.label=5")
    for run in runs:
        train = ["reverie", "train", f"--workdir={tmp_path}/{run}", *TINY, *data]
        assert main(train) == 0
        assert main(["reverie", "evaluate", f"--workdir={tmp_path}/{run}"]) == 0
    both = ",".join(f"{tmp_path}/{run}" for run in runs)
    assert main(["reverie", "report", f"--workdirs={both}", f"--out={tmp_path}/both.html"]) == 0
    page = (tmp_path / "_b" / "report.html").read_text(encoding="utf-8")
    assert "caf\ufffd" in page and "<script>alert(1)" not in page
