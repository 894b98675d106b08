"""What must hold of the package as a whole: import direction, contents, style of names."""

import ast
import pathlib
import subprocess
import sys
import zipfile

import pytest
import reverie

ROOT = pathlib.Path(reverie.__file__).parent

# Folder -> folders of ours it may import from (errors, paths, progress, quiet and stored are open to all).
ALLOWED = {
    "pipelines": set(),
    "layers": set(),
    "models": {"layers"},
    "training": {"models", "layers", "pipelines"},
    "evaluation": {"models", "layers", "pipelines"},
    "export": {"models", "layers"},
    "configs": {"models", "pipelines", "training"},
    "experiments": {"configs", "evaluation", "export", "models", "pipelines", "training", "__version__"},
    # Beside runs, the command line prepares data.
    "cli": {"configs", "experiments", "pipelines", "__version__"},
}


def _imports(path: pathlib.Path) -> set:
    """Folders of the package that a file imports from."""
    found = set()
    depth = len(path.relative_to(ROOT).parts)  # As many dots lead to the package.
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "reverie":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("reverie."):
            found.add(node.module.split(".")[1])
    return found - {"errors", "paths", "progress", "quiet", "stored"}


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_run_only_along_the_arrows(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert _imports(path) - {folder} <= ALLOWED[folder], path


def test_files_have_one_subject():
    for path in ROOT.rglob("*.py"):
        first = path.relative_to(ROOT).parts[0]
        if first.startswith(".venv") or first == "build":
            continue
        assert path.name not in ("utils.py", "helpers.py", "common.py"), path


def test_no_folder_is_importable_by_its_bare_name(tmp_path):
    code = "import importlib.util as u, sys; sys.exit(any(u.find_spec(n) for n in ('layers', 'pipelines', 'training')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_nothing_loads_pickles_or_keras_files():
    forbidden = ("load_model(", "import pickle", "import dill", "allow_pickle=True")
    for folder in ALLOWED:
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if path.name == "cifar.py":  # CIFAR is distributed as pickles: read by names allowed one by one.
                assert "pickle.load" not in text and "def find_class" in text
                continue
            assert not any(word in text for word in forbidden), path


def test_every_config_states_its_command_and_can_be_made():
    import importlib

    for path in (ROOT / "configs").glob("*.py"):
        if path.stem in ("__init__", "defaults", "recipes"):
            continue
        module = importlib.import_module(f"reverie.configs.{path.stem}")
        assert f"reverie train --config={path.stem}" in module.__doc__
        assert module.get_config().model.family


@pytest.mark.slow
def test_a_wheel_installs_and_runs_in_a_clean_environment(tmp_path):
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    subprocess.run([sys.executable, "-m", "build", "-q", "--wheel", "-o", str(tmp_path), str(source)], check=True)
    wheel = next(tmp_path.glob("*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    assert "reverie/pipelines/data/mnist_sample.npz" in names and "reverie/NOTICE" in names
    assert not any(name.startswith(("tests/", "reverie/tests", "reverie/setup", "layers/")) for name in names)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    binary = tmp_path / "env" / "bin"
    subprocess.run([binary / "pip", "install", "-q", str(wheel)], check=True)
    subprocess.run([binary / "reverie", "doctor"], check=True, cwd=tmp_path)
    steps = ("--config.train.epochs=0.0", "--config.train.steps=5", "--workdir=run")
    subprocess.run([binary / "reverie", "train", *steps], check=True, cwd=tmp_path)
    # Without the extras, what needs them says so.
    result = subprocess.run(
        [binary / "reverie", "export", "--workdir=run"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert result.returncode == 2 and "pip install 'reverie[" in result.stderr
