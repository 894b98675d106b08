"""Nothing but the registries knows a family's name, its settings' sections, or what its models can do."""

import ast
import pathlib

import pytest
import reverie
from reverie import models

ROOT = pathlib.Path(reverie.__file__).parent
FOLDERS = ("cli", "configs", "evaluation", "experiments", "export", "layers", "models", "pipelines", "training")
# Where the questions are answered: the table of families, the contract, and the table of kinds of run.
REGISTRIES = ("models/registry.py", "models/contract.py", "experiments/kinds.py")
# Not `train` and `data`, which every config has; a split is called train too.
SECTIONS = {"optimizer", "schedule", "model", "stream", "continual", "words", "stages", "transfer"}


def _name(node: ast.AST) -> str:
    """The last name of `a.b.c`, `a["c"]` or `c`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return _name(node.slice) or _name(node.value)
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return node.id if isinstance(node, ast.Name) else ""


def questions(source: str) -> list[str]:
    """Lines of a file that ask what only a registry may know."""
    found = []
    for node in ast.walk(ast.parse(source)):
        asked = False
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
                if isinstance(operator, ast.In | ast.NotIn):
                    text = left.value if isinstance(left, ast.Constant) else None
                    asked |= isinstance(text, str) and (text in SECTIONS or _name(right) in ("config", "model"))
                elif isinstance(operator, ast.Eq | ast.NotEq):
                    texts = [side.value for side in (left, right) if isinstance(side, ast.Constant)]
                    asked |= any(text in models.families() for text in texts)
                    asked |= bool(texts) and "family" in (_name(left), _name(right))
        elif isinstance(node, ast.Call):
            name = _name(node.func)
            first = _name(node.args[0]) if node.args else ""
            asked |= name == "hasattr" and first in ("model", "net", "network", "family", "evaluation")
            asked |= name == "getattr" and first in ("model", "family", "evaluation") and len(node.args) > 2
            owner = _name(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            asked |= name == "get" and owner == "config" and first in SECTIONS
        if asked:
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_only_registries_ask_for_families_sections_and_abilities(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        if str(path.relative_to(ROOT)) not in REGISTRIES:
            assert questions(path.read_text()) == [], path


@pytest.mark.parametrize(
    "line",
    [
        "if family == 'xcov': pass",
        "x = 1 if config.model.family != 'replay' else 2",
        "if 'stream' in config: pass",
        "if 'heads' in config.model: pass",
        "ok = 'stages' not in new",
        "if hasattr(model, 'calibrate'): pass",
        "f = getattr(self.model, 'parts', None)",
        "s = config.get('transfer')",
    ],
)
def test_each_of_these_questions_would_be_noticed(line):
    assert questions(line)


def test_what_is_no_such_question_is_let_through():
    assert questions("if name in models.families(): pass\nif x == 'crop': pass\nhasattr(value, 'items')") == []
