"""The examples in docstrings do what they say."""

import doctest
import importlib
import pathlib
import pkgutil

import pytest
from reverie import pipelines
from reverie.pipelines.sources import registry

NAMES = [
    module.name
    for module in pkgutil.walk_packages([str(pathlib.Path(pipelines.__file__).parent)], "reverie.pipelines.")
    if not module.name.endswith(".beam")  # Needs Apache Beam.
]


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name, monkeypatch):
    monkeypatch.setattr(registry, "_REGISTERED", {})
    assert doctest.testmod(importlib.import_module(name)).failed == 0
