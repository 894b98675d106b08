"""What somebody types first, as the documents show it."""

import pathlib
import re

import numpy as np
import reverie

ROOT = pathlib.Path(reverie.__file__).parent


def _first_block(path: str) -> str:
    """The first block of Python in a document."""
    found = re.search(r"^```python\n(.*?)^```$", (ROOT / path).read_text(encoding="utf-8"), re.M | re.S)
    assert found, f"{path} has no Python"
    return found[1]


def test_fifteen_lines_train_look_export_encode_and_load_again(tmp_path, monkeypatch):
    lines = _first_block("docs/python.md")
    assert len([line for line in lines.splitlines() if line]) <= 15
    monkeypatch.chdir(tmp_path)
    found: dict = {}
    exec(compile(lines, "docs/python.md", "exec"), found)
    folder = tmp_path / "runs" / "first"
    assert found["numbers"]["accuracy"] > 0.6  # A third is chance.
    assert found["page"].read_text().count("<img") >= len(list((folder / "pictures").glob("*.png"))) > 0
    assert (folder / "export" / "xcov" / "1" / "saved_model.pb").is_file()
    assert found["codes"]["features"].shape == (200, 2) and found["codes"]["probabilities"].shape == (200, 3)
    assert found["imagined"].shape == (16, 8, 8, 1)
    exported = reverie.load(found["version"])
    for name, value in found["later"].encode(found["images"]).items():
        np.testing.assert_array_equal(value, found["codes"][name])
        np.testing.assert_allclose(exported.encode(found["images"])[name], value, atol=1e-5)
    assert exported.decode(**found["codes"]).shape == (200, 8, 8, 1)
