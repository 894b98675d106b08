"""What the documents name is there: links, files, commands with their flags, configs, tests, public names."""

import ast
import difflib
import functools
import importlib
import json
import pathlib
import re
import shutil
import subprocess

import pytest
import reverie
from absl import flags
from reverie import cli, configs, layers, models, pipelines
from reverie.pipelines.sources import registry as sources_registry
from reverie.stored import flatten
from reverie.training import continual

ROOT = pathlib.Path(reverie.__file__).parent
DOCUMENTS = [ROOT / f"{name}.md" for name in ("README", "BUILD_NOTES", "CHANGELOG", "CONTRIBUTING")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
PLACES = "benchmarks|cli|configs|evaluation|experiments|export|layers|models|pipelines|tests|training"
documents = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def _anchor(title: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def _blocks(path: pathlib.Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


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


@documents
def test_commands_have_the_verbs_flags_and_keys_that_are_written(path):
    for block in _blocks(path, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = line.split(" #")[0].split(" -- ")[0].split()
            if words[:1] != ["reverie"]:
                continue
            assert words[1] in cli.VERBS, line
            values = flags.FlagValues()
            cli.command_of(words[1]).define(values, [words[1], "--help"])
            given = [word.removeprefix("--").partition("=") for word in words if word.startswith("--")]
            assert {name.split(".")[0] for name, _, _ in given} <= {*values, "plugins", "debug"}, line
            config = dict((name, value) for name, _, value in given).get("config", "xcov_demo")
            if config.split(":")[0] in configs.names():
                keys = {name.removeprefix("config.") for name, _, _ in given if name.startswith("config.")}
                assert keys <= _keys(config if ":" in config and keys else config.split(":")[0]), line


@functools.cache
def _keys(config: str) -> set[str]:
    """All settings of a config, dotted."""
    return set(flatten(json.loads(reverie.config(config).to_json_best_effort())))


@documents
def test_python_has_the_names_that_are_written(path):
    for block in _blocks(path, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reverie"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                owner = {"reverie": reverie, "run": reverie.Run}.get(node.value.id)
                assert owner is None or hasattr(owner, node.attr), ast.unparse(node)


def test_every_verb_and_every_config_is_in_some_document():
    everything = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    assert [verb for verb in cli.VERBS if f"reverie {verb}" not in everything] == []
    assert [name for name in configs.names() if f"`{name}`" not in everything] == []


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


def test_what_builds_the_site_is_the_extra_of_the_package():
    """The Makefile installs it without the package, so the two lists are written twice."""
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    extra = ast.literal_eval(re.search(r"^DOCS = (\[.*\])$", setup, re.MULTILINE)[1])
    rule = (ROOT / "Makefile").read_text(encoding="utf-8").partition("$(VENV)-docs/.installed: Makefile\n")[2]
    assert re.findall(r'"([^"]+)"', rule.partition("touch")[0]) == extra


def test_pages_of_the_site_are_there_and_loads_come_from_itself():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = re.findall(r"(?:: |- )([\w/]+\.md)$", text, re.MULTILINE)
    assert len(pages) > 40 and [page for page in pages if not (ROOT / "docs" / page).is_file()] == []
    assert "font: false" in text and "://" not in text


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "reference").glob("*.md")), ids=lambda page: page.stem)
def test_names_of_the_reference_are_there(page):
    for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_every_public_name_every_layer_source_and_method_is_in_the_reference():
    shown = {
        name.rpartition(".")[2]
        for page in (ROOT / "docs" / "reference").glob("*.md")
        for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    public = {name for name in reverie.__all__ if name != "__version__"}
    sources = [type(sources_registry.find_source(kind)) for kind in pipelines.source_kinds()]
    parts = [*sources, *continual.methods().values()]  # Other tests may have registered some of their own.
    classes = {part.__name__ for part in parts if part.__module__.startswith("reverie.")}
    assert public | {*layers.__all__} - {"LAYERS"} | classes <= shown


def test_sites_built_here_load_nothing_from_other_hosts():
    pages = sorted((ROOT / "site").rglob("*.html"))
    if not pages:
        pytest.skip("no site: `make docs` builds it")
    load = re.compile(r"<(?:script|img|iframe|source|link(?=[^>]*stylesheet))[^>]+(?:src|href)=[\"']?(?:https?:)?//")
    assert [page.name for page in pages if load.search(page.read_text(encoding="utf-8"))] == []


def test_the_site_is_searched_from_disk():
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None or not (ROOT / "site" / "index.html").is_file():
        pytest.skip("needs Chromium, and the site that `make docs` builds")
    page = (ROOT / "site" / "index.html").as_uri() + "?q=rehearse"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--timeout=15000", "--dump-dom", page]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    assert re.search(r"[1-9]\d* matching document", found)
