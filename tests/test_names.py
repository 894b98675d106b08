"""Identifiers and file names are in American spelling."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("cli", "configs", "evaluation", "experiments", "export", "layers", "models", "pipelines", "training")
FOLDERS += ("benchmarks", "tests", "examples")

# Parts of words; an identifier is split at underscores and capitals first.
BRITISH = re.compile(
    r"(colour|grey|centre|neighbour|behaviour|favour|honour|flavour|labelled|labelling|modelled|modelling|cancelling|"
    r"travelling|signalled|catalogue|dialogue|licence|defence|artefact|judgement|fulfil$|analyse|programme$|theatre|"
    r"(?:author|binar|canonical|categor|character|custom|discret|equal|factor|familiar|final|general|"
    r"initial|linear|local|maxim|memor|minim|normal|optim|organ|orthogonal|parallel|parametr|penal|quant|random|"
    r"real|recogn|regular|serial|special|stabil|standard|summar|synchron|token|util|vector|visual)"
    r"is(?:e|es|ed|er|ers|ing|ation|ations)$)"
)
# The only British spellings that stay. Each is read or written from outside: a name changed is data lost.
EXCEPTIONS = {
    # Checkpoints of earlier versions have the anchor of a quadratic penalty under this name; a test writes one.
    ("tests/training/test_penalties.py", "centre"),
    # Checkpoints of earlier versions have normalization layers under names with an s; a test writes one.
    ("tests/layers/test_convolutional_features.py", "normalisation"),
}


def british(name: str) -> list[str]:
    """The words of an identifier that are spelled the British way, in lower case."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return [word.lower() for word in words if BRITISH.search(word.lower())]


def identifiers(source: str) -> set[str]:
    """Every name that a file defines or uses: names, attributes, arguments, functions, classes, imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.arg | ast.keyword):
            found.add(node.arg or "")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.update(part for part in (node.asname, *node.name.split(".")) if part)
    return found


def files() -> list[pathlib.Path]:
    """The package's Python files, its tests and benchmarks included."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted([*ROOT.glob("*.py"), *found])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("normalise", ["normalise"]),
        ("_labelled_rows", ["labelled"]),
        ("ColourSpace", ["colour"]),
        ("test_moves_about_the_centre", ["centre"]),
        ("OPTIMISERS", ["optimisers"]),
        ("normalize", []),
        ("raise_for_noise", []),
        ("precise_likewise_revise", []),
        ("centered", []),
        ("optimistic", []),
        ("exercise", []),
        ("realistic", []),
    ],
)
def test_british_words_are_found_in_identifiers_and_american_ones_are_not(name, expected):
    assert british(name) == expected


def test_identifiers_are_in_american_spelling():
    found = set()
    for path in files():
        place = path.relative_to(ROOT).as_posix()
        found |= {(place, word) for name in identifiers(path.read_text(encoding="utf-8")) for word in british(name)}
    assert found - EXCEPTIONS == set()


def test_every_exception_is_still_needed():
    found = set()
    for place, _ in EXCEPTIONS:
        names = identifiers((ROOT / place).read_text(encoding="utf-8"))
        found |= {(place, word) for name in names for word in british(name)}
    assert found >= EXCEPTIONS


def test_files_and_folders_are_named_in_american_spelling():
    found = [path for path in files() if british(str(path.relative_to(ROOT)))]
    assert found == []
