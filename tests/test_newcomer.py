"""A newcomer's notebook, as docs/python.md shows it, runs as it stands."""

import pathlib
import re

import reverie
from reverie.pipelines.sources import mnist_sample

ROOT = pathlib.Path(reverie.__file__).parent


def notebook() -> str:
    """The block of Python under the heading "A notebook"."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8").partition("## A notebook")[2]
    return re.search(r"```python\n(.*?)```", text, re.S)[1]


def test_fifteen_lines_train_on_arrays_look_at_pictures_export_and_encode(tmp_path, monkeypatch):
    source = notebook()
    assert len([line for line in source.splitlines() if line.strip()]) <= 15
    (tmp_path / "mnist.npz").symlink_to(mnist_sample.SAMPLE)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(source, "notebook", "exec"), names)
    assert names["codes"].shape == (100, 2) and names["made"].shape == (16, 28, 28, 1)
    assert names["page"].is_file() and names["version"].version == 1
    assert names["run"].evaluate is not None and (tmp_path / "runs/digits/pictures/swaps.png").is_file()
