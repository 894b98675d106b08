"""The page reads words as Python does: its own parser in Node, beside `Vocabulary.parse_expression`."""

import json
import pathlib
import shutil
import subprocess

import pytest
import reverie
from reverie.errors import UserError
from reverie.pipelines.expressions import OPERATORS, Composed

from ..pipelines.test_symbols import scenes

CODE = pathlib.Path(reverie.__file__).parent / "export" / "page" / "src" / "vocabulary.js"
READ = (
    "Red hat on a white wall",
    "the wall is white and the hat is red",
    "white wall AND red hat",
    "(white wall AND red hat) IGNORE red hat IN COMMON (white wall, blue floor)",
    "white wall AND (red hat IGNORE (hat AND blue floor))",
    "WHITE WALL, hat.",
    "red-hat on a white_wall",
)
REFUSED = (
    "red", "", "white wall AND", "AND hat", "(white wall", "white wall)", "()", "(white wall) hat", "ceiling",
    "white wall, red wall", "a the", "hat AND IGNORE hat",
)  # fmt: skip


def plain(expression):
    """As the page has it."""
    if not isinstance(expression, Composed):
        return {"symbol": dict(expression)}
    return {"first": plain(expression.first), "operator": expression.operator, "second": plain(expression.second)}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """text -> what the page makes of it."""
    node = shutil.which("node")
    if not node:
        pytest.skip("needs node")
    vocabulary = scenes()
    said = [
        {
            "name": attribute.name,
            "values": attribute.values,
            "noun": attribute.noun,
            "phrases": [vocabulary.phrase({attribute.name: value}) for value in attribute.values],
        }
        for attribute in vocabulary.attributes
    ]
    given = json.dumps([said, OPERATORS, vocabulary.fillers, READ + REFUSED])
    script = tmp_path_factory.mktemp("page") / "read.mjs"
    script.write_text(f"""
import {{ makeVocabulary }} from {json.dumps(CODE.resolve().as_uri())};
const [attributes, operators, fillers, texts] = {given};
const words = makeVocabulary(attributes, operators, fillers);
const read = (text) => {{
  try {{
    const found = words.parseExpression(text);
    return {{ found, again: words.parseExpression(words.textOf(found)) }};
  }} catch (error) {{
    return {{ wrong: error.message }};
  }}
}};
console.log(JSON.stringify(Object.fromEntries(texts.map((text) => [text, read(text)]))));
""")
    return json.loads(subprocess.run([node, script], check=True, capture_output=True, text=True, timeout=60).stdout)


@pytest.mark.parametrize("text", READ)
def test_the_page_reads_what_python_reads(answers, text):
    assert answers[text]["found"] == plain(scenes().parse_expression(text))
    assert answers[text]["again"] == answers[text]["found"]


@pytest.mark.parametrize("text", REFUSED)
def test_the_page_refuses_what_python_refuses(answers, text):
    assert answers[text].get("wrong")
    with pytest.raises(UserError):
        scenes().parse_expression(text)
