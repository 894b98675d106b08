"""The first lines that somebody runs, as they stand in docs/python.md."""

import pathlib
import re

import numpy as np
import pytest
import reverie

GUIDE = pathlib.Path(reverie.__file__).parent / "docs" / "python.md"


@pytest.mark.thorough
def test_the_first_run_of_the_guide_runs_as_printed(tmp_path, monkeypatch):
    code = re.search(r"## A notebook\n.*?```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    monkeypatch.chdir(tmp_path)
    said: dict = {}
    exec(code, said)
    assert (tmp_path / "runs/first/report.html").is_file() and (tmp_path / "runs/first/export/xcov/1").is_dir()
    assert said["pictures"].shape == (4, 12, 12, 1)
    assert said["codes"]["features"].shape == (300, 2)
    np.testing.assert_allclose(said["again"].encode(said["images"])["features"], said["codes"]["features"], atol=1e-5)
    # Test images are a held-out part of images of which a bright row shows the class.
    answers = said["again"].classify(said["images"])["label"]
    assert np.mean(answers == said["labels"]) > 0.9
