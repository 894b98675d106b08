"""Files and modules that register families, sources, methods or layers from outside the package.

They are loaded where somebody names them (`--plugins`, the variable REVERIE_PLUGINS) and where an installed package
announces them (entry points of the group `reverie.plugins`). A run folder never loads code by itself.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import pathlib
import sys
from collections.abc import Sequence

from ..errors import UserError, first_line

VARIABLE = "REVERIE_PLUGINS"
GROUP = "reverie.plugins"
_LOADED: set[str] = set()


def load(named: list[str] | tuple[str, ...] = ()) -> None:
    """Loads plugins, each once a process.

    Args:
      named: paths of Python files, or names of importable modules; those of REVERIE_PLUGINS and of installed packages
        come on top.

    Raises:
      UserError: no such file or module, or it raises or exits while it is loaded.
    """
    for entry in importlib.metadata.entry_points(group=GROUP):
        _once(entry.value, entry.load)
    variable = [name for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    for name in [*variable, *named]:
        if name.endswith(".py"):
            path = pathlib.Path(name).resolve()
            _once(str(path), lambda path=path: _load_file(path))
        else:
            _once(name, lambda name=name: importlib.import_module(name))


def environment(named: Sequence[str]) -> dict[str, str]:
    """What a child process needs in its environment to load the same plugins."""
    variable = [name for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    paths = [str(pathlib.Path(name).resolve()) if name.endswith(".py") else name for name in named]
    found = list(dict.fromkeys([*variable, *paths]))
    return {VARIABLE: os.pathsep.join(found)} if found else {}


def _once(key: str, action) -> None:
    if key in _LOADED:
        return
    try:
        action()
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # Somebody's file may raise anything, or leave.
        raise UserError(f"plugin {key} cannot be loaded: {type(error).__name__}: {first_line(error)}") from error
    _LOADED.add(key)


def _load_file(path: pathlib.Path) -> None:
    if not path.is_file():
        raise UserError(f"no such plugin file: {path}")
    # Under its own name, so that its neighbors import this very module; a module of that name that lies elsewhere is
    # another one.
    name = path.stem
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return
    if known is not None or importlib.util.find_spec(name) is not None:
        name = f"{name}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))  # Its neighbors are its to import.
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.parent))
