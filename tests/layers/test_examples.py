"""The examples in the docstrings of layers do what they say."""

import doctest
import importlib
import pkgutil

import pytest
import reverie.layers

MODULES = sorted(module.name for module in pkgutil.iter_modules(reverie.layers.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    module = importlib.import_module(f"reverie.layers.{name}")
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_every_public_name_has_an_example():
    without = {"LAYERS", "CallInput", "GaussianParameters", "RegisteredLayer"}
    for name in set(reverie.layers.__all__) - without:
        assert ">>> " in getattr(reverie.layers, name).__doc__, name
