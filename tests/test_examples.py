"""The examples in docstrings do what they say, and every public name has one."""

import doctest
import importlib
import pathlib

import pytest
import reverie
from reverie import layers
from reverie.pipelines.sources import registry as sources
from reverie.training.continual import registry as methods

ROOT = pathlib.Path(reverie.__file__).parent
FOLDERS = ("cli", "configs", "evaluation", "experiments", "export", "layers", "models", "pipelines", "training")
MODULES = sorted(
    "reverie." + ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
# Errors are raised by the package, and `__version__` is a string.
WITHOUT = {"ClusterError", "NonFiniteError", "ParityError", "StorageError", "UserError", "__version__"}


@pytest.fixture
def forgets(monkeypatch):
    """What an example registers is gone after it."""
    monkeypatch.setattr(sources, "_REGISTERED", {})
    monkeypatch.setattr(methods, "_METHODS", dict(methods._METHODS))
    kinds = importlib.import_module("reverie.experiments.kinds")  # The folder has a function of that name.
    monkeypatch.setattr(kinds, "_KINDS", dict(kinds._KINDS))


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name, forgets):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_the_examples_are_found():
    assert {"reverie.layers.local", "reverie.pipelines.reading", "reverie.models.xcov"} <= set(MODULES)


@pytest.mark.parametrize("name", sorted(set(reverie.__all__) - WITHOUT))
def test_every_public_name_has_an_example(name):
    assert "Example:" in (getattr(reverie, name).__doc__ or "")


def test_every_public_layer_has_an_example():
    without = {"LAYERS", "CallInput", "GaussianParameters", "RegisteredLayer"}
    for name in set(layers.__all__) - without:
        assert ">>> " in getattr(layers, name).__doc__, name
