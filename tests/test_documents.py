"""What the documents name is there: links, files, configs, tests, public names."""

import difflib
import pathlib
import re

import pytest
import reverie
from reverie import configs, models, pipelines

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
    for name in re.findall(rf"`((?:{PLACES})/[a-z0-9_/.]*)`", path.read_text(encoding="utf-8")):
        assert (ROOT / name).exists() or (ROOT / f"{name}.py").exists(), name


@documents
def test_configs_that_commands_name_are_there(path):
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
