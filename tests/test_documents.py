"""What the documents say is there: links, files, tests, names and the code of the guide to extending."""

import difflib
import pathlib
import re
import sys

import pytest
import reverie
from reverie import layers, models, pipelines
from reverie.experiments import plugins
from reverie.training import continual

from .conftest import write_stream_npz
from .contracts import layer_checks, source_checks

ROOT = pathlib.Path(reverie.__file__).parent
DOCUMENTS = [ROOT / f"{name}.md" for name in ("README", "BUILD_NOTES", "CHANGELOG", "CONTRIBUTING")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
PLACES = "benchmarks|cli|configs|evaluation|experiments|export|layers|models|pipelines|tests|training"
documents = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def _anchor(title: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


@documents
def test_links_lead_to_files_and_headings(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        found = path.parent / name if name else path
        assert found.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in map(_anchor, titles), target


@documents
def test_files_of_the_package_that_are_named_are_there(path):
    for name in re.findall(rf"`((?:{PLACES})/[\w/.]*)`", path.read_text(encoding="utf-8")):
        assert (ROOT / name).exists() or (ROOT / f"{name}.py").exists(), name


@documents
def test_configs_that_commands_name_are_there(path):
    from reverie import configs

    for name in re.findall(r"--config=(\w+)(?![\w./])", path.read_text(encoding="utf-8")):
        assert name in configs.names() or (path.parent / f"{name}.py").exists(), name


def test_the_tests_that_pitfalls_name_are_there():
    """A row says `tests/file.py`: what its name says; what its name says."""
    rows = re.findall(r"`(tests/[\w/]+\.py)`: ([^|;`]+(?:; [^|;`]+)*)", (ROOT / "docs/pitfalls.md").read_text())
    assert len(rows) > 20
    for file, said in rows:
        names = [name.removeprefix("test_") for name in re.findall(r"def (test_\w+)", (ROOT / file).read_text())]
        for sentence in said.split("; "):
            slug = re.sub(r"[^a-z0-9]+", "_", sentence.replace("'", "").lower()).strip("_")
            near = difflib.get_close_matches(slug, names, 1)
            assert any(name.replace("_s_", "s_").startswith(slug) for name in names), f"{file}: {slug}; {near}"


def test_the_readme_is_short_and_lists_every_family_and_verb():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 200
    assert all(f"`{name}`" in text for name in models.families())


def test_the_guide_to_images_lists_every_source():
    text = (ROOT / "docs" / "images.md").read_text(encoding="utf-8")
    table = pipelines.sources_table().splitlines()[2:]
    for form in re.findall(r"`([^`]+)`", " ".join(line.split("|")[1] for line in table)):
        assert f"`{form}`" in text, form


def test_every_public_function_is_in_the_guide_to_the_library():
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert [name for name in reverie.__all__ if name.islower() and name not in text and name != "__version__"] == []


@pytest.fixture
def printed(tmp_path):
    """The files of docs/extending.md, in a folder of their own; what they register is gone again afterwards."""
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    for name, code in re.findall(r"^`(toy_\w+\.py)`\n\n```python\n(.*?)```", text, re.DOTALL | re.MULTILINE):
        (tmp_path / name).write_text(code)
    yield tmp_path
    sys.modules.pop("toy_layer", None)
    models.registry._FAMILIES.pop("toy", None)
    layers.LAYERS.pop("ToyScale", None)
    pipelines.sources.registry._REGISTERED.pop("toyrows", None)
    continual.registry._METHODS.pop("toyhold", None)


def test_the_files_of_the_guide_to_extending_run_as_printed(printed, tmp_path):
    plugins.load([str(printed / f"toy_{name}.py") for name in ("family", "source", "method")])
    layer_checks.check_layer(layers.LAYERS["ToyScale"], tmp_path)
    source_checks.check_all(source_checks.Example("toyrows:40", {}, broken=("toyrows:x", "toyrows:0")))
    run = reverie.train(printed / "toy_config.py", tmp_path / "run")
    assert run.evaluate()["reconstruction"] < 0.2 and run.endpoints == ("decode", "encode", "generate", "reconstruct")
    assert reverie.config("replay_split_mnist:bir+toyhold").continual.toyhold_strength == 1.0
    stream = reverie.train(
        "replay_split_mnist:toyhold",
        tmp_path / "stream",
        data=write_stream_npz(tmp_path / "stream.npz"),
        overrides={
            "data.image_shape": (12, 12, 1), "stream.tasks": 3, "model.hidden": (16, 16), "train.steps": 4,
            "train.batch_size": 12, "train.log_every": 2, "train.steps_per_call": 2,
        },
    )  # fmt: skip
    assert "penalty" in (stream.folder / "metrics.jsonl").read_text()
