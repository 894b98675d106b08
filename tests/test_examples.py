"""The examples in docstrings do what they say, and everything public has one."""

import doctest
import importlib
import pathlib

import pytest
import reverie
import reverie.layers
from reverie.layers import registry as layers
from reverie.models import registry as families
from reverie.pipelines.sources import registry as sources
from reverie.training.continual import registry as methods

ROOT = pathlib.Path(reverie.__file__).parent
FOLDERS = ("cli", "configs", "evaluation", "experiments", "export", "layers", "models", "pipelines", "training")
MODULES = sorted(
    ".".join(("reverie", *path.relative_to(ROOT).with_suffix("").parts))
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if ">>> " in path.read_text()
)
# Their names and one line say it all.
ERRORS = {"ClusterError", "NonFiniteError", "ParityError", "StorageError", "UserError"}


@pytest.fixture(autouse=True)
def forgets(monkeypatch):
    """What an example registers is gone after it."""
    for registry, table in ((layers, "LAYERS"), (families, "_FAMILIES"), (methods, "_METHODS")):
        monkeypatch.setattr(registry, table, dict(getattr(registry, table)))
    monkeypatch.setattr(sources, "_REGISTERED", {})


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted and not result.failed


@pytest.mark.parametrize("name", sorted(set(reverie.__all__) - ERRORS - {"__version__"}))
def test_every_name_of_the_library_has_an_example(name):
    assert "Example:\n" in getattr(reverie, name).__doc__


def test_every_public_layer_has_an_example_that_runs():
    without = {"LAYERS", "CallInput", "GaussianParameters", "RegisteredLayer"}
    for name in set(reverie.layers.__all__) - without:
        assert ">>> " in getattr(reverie.layers, name).__doc__, name
