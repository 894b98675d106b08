"""The examples in docstrings do what they say, and every public name has one."""

import doctest
import importlib
import pathlib

import pytest
import reverie

ROOT = pathlib.Path(reverie.__file__).parent
# Those of layers and pipelines are run in tests of their own.
FOLDERS = ("cli", "configs", "evaluation", "experiments", "export", "models", "training")
WITH_EXAMPLES = sorted(
    ".".join(("reverie", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_print_what_they_say(name):
    module = importlib.import_module(name)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(module, optionflags=flags).failed == 0


def test_every_public_name_has_an_example():
    errors = {name for name in reverie.__all__ if name.endswith("Error")}
    for name in set(reverie.__all__) - errors - {"__version__"}:
        assert "Example:" in (getattr(reverie, name).__doc__ or ""), name
