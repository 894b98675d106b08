"""What the documents say is there: links, tests, commands, flags, names of Python and whole files of code."""

import ast
import functools
import inspect
import json
import pathlib
import re

import pytest
import reverie
from absl import flags
from reverie import cli
from reverie.configs import names as config_names
from reverie.pipelines.sources import registry as sources
from reverie.training import run_folder

from .contracts import test_extending as extending

ROOT = pathlib.Path(reverie.__file__).parent
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name != "contract_matrix.md"  # Made by a test run.
)


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _text(page), re.M | re.S)


def _anchors(page: pathlib.Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", _text(page)):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        found = (ROOT / page).parent / path if path else ROOT / page
        assert found.exists(), target
        assert not anchor or anchor in _anchors(found), target


@pytest.mark.parametrize("page", PAGES)
def test_commands_have_the_verbs_flags_and_configs_that_are_written(page):
    for block in _blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = line.split("#")[0].split()
            if words[:1] != ["reverie"]:
                continue
            assert words[1] in cli.VERBS, line
            values = flags.FlagValues()
            cli.command_of(words[1]).define(values, [words[1], "--help"])
            for name in re.findall(r" --([\w.]+)", " ".join(words).split(" -- ")[0]):
                assert name.split(".")[0] in {*values, "plugins", "debug", "help"}, line
            config = next((word[9:] for word in words if word.startswith("--config=")), "")
            if not config.endswith(".py"):
                assert not config or config.split(":")[0] in config_names(), line
                for key in re.findall(r" --config\.([\w.]+)=", " ".join(words)):
                    assert key in _keys(config or "xcov_demo"), line


@functools.cache
def _keys(config: str) -> set[str]:
    """All keys of a config, dotted; a recipe of a plugin has those of its base."""
    name = config.split(":")[0] if "toyhold" in config else config
    return set(run_folder.flatten(json.loads(reverie.config(name).to_json_best_effort())))


@pytest.mark.parametrize("page", PAGES)
def test_python_is_python_and_its_imports_are_there(page):
    for block in _blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reverie"):
                module = __import__(node.module, fromlist=["_"])
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                owner = {"reverie": reverie, "run": reverie.Run}.get(node.value.id)
                assert owner is None or hasattr(owner, node.attr), ast.unparse(node)


@pytest.mark.parametrize("page", PAGES)
def test_files_and_folders_of_the_package_that_are_named_exist(page):
    if page in ("CHANGELOG.md", "docs/extending.md"):
        return  # What was, and what is yet to be written.
    folders = "benchmarks|cli|configs|evaluation|experiments|export|layers|models|pipelines|tests|training"
    for name in re.findall(rf"`((?:{folders})/[\w/.]*)`", _text(page)):
        assert (ROOT / name).exists(), name


def test_pitfalls_name_tests_that_there_are():
    named = re.findall(r"`(tests/[\w/]+\.py)`: ([^|]+?) *\|", _text("docs/pitfalls.md"))
    assert len(named) > 20
    for path, sentences in named:
        tests = set(re.findall(r"def (test_\w+)", _text(path)))
        for sentence in sentences.split(";"):
            if "`" not in sentence:
                assert "_".join(["test", *re.findall(r"\w+", sentence.lower())]) in tests, (path, sentence)


@pytest.mark.parametrize("name", ["layer", "family", "config", "source", "method"])
def test_the_page_on_extending_shows_the_files_that_are_tested(name):
    (shown,) = re.findall(rf"^`toy_{name}\.py`:\n\n```python\n(.*?)^```$", _text("docs/extending.md"), re.M | re.S)
    shown, tested = (ast.parse(text) for text in (shown, inspect.cleandoc(getattr(extending, name.upper()))))
    documented = [(ast.get_docstring(tree) or "").split() for tree in (shown, tested)]
    assert documented[0] == documented[1]
    # In whatever order: what a file imports stands first on a page.
    one, other = (sorted(ast.unparse(node) for node in tree.body[1:]) for tree in (shown, tested))
    assert one == other


def test_the_readme_is_short_and_its_python_too():
    assert len(_text("README.md").splitlines()) < 200
    (example,) = _blocks("README.md", "python")
    assert len(example.splitlines()) <= 12


def test_every_verb_and_config_is_documented():
    everything = "".join(_text(page) for page in PAGES)
    assert [verb for verb in cli.VERBS if f"reverie {verb}" not in everything] == []
    assert [name for name in config_names() if f"`{name}`" not in everything and f"={name}" not in everything] == []


def test_the_table_of_sources_is_that_of_the_package(monkeypatch):
    monkeypatch.setattr(sources, "_REGISTERED", {})
    assert reverie.pipelines.sources_table() in _text("docs/images.md")
