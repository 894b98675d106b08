"""The page reads words as Python does: its own parser in Node, beside `Vocabulary.parse_expression`."""

import json
import pathlib
import shutil
import subprocess

import pytest
import reverie
from reverie.errors import UserError
from reverie.pipelines.expressions import OPERATORS, Composed
from reverie.pipelines.symbols import Attribute, Vocabulary

from ..pipelines.test_phrases import clothes
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


def read_by_page(vocabulary, texts, folder: pathlib.Path) -> dict:
    """text -> what the page makes of it."""
    node = shutil.which("node")
    if not node:
        pytest.skip("needs node")
    said = [
        {
            "name": attribute.name,
            "values": attribute.values,
            "noun": attribute.noun,
            "phrases": [vocabulary.phrase({attribute.name: value}) for value in attribute.values],
        }
        for attribute in vocabulary.attributes
    ]
    given = json.dumps([said, OPERATORS, vocabulary.fillers, texts])
    script = folder / "read.mjs"
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


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    return read_by_page(scenes(), READ + REFUSED, tmp_path_factory.mktemp("page"))


def test_the_page_reads_back_whatever_a_value_is_called(tmp_path):
    words = Vocabulary((*clothes().attributes, Attribute("scale", ("1", "2.5"))))
    symbols = [{attribute.name: value} for attribute in words.attributes for value in attribute.values]
    texts = [*map(words.phrase, symbols), "top=red bottom=blue", "red top on blue bottom"]
    symbols += [{"top": "red", "bottom": "blue"}] * 2
    found = read_by_page(words, texts, tmp_path)
    assert [found[text].get("found") for text in texts] == [{"symbol": symbol} for symbol in symbols]


@pytest.mark.parametrize("text", READ)
def test_the_page_reads_what_python_reads(answers, text):
    assert answers[text]["found"] == plain(scenes().parse_expression(text))
    assert answers[text]["again"] == answers[text]["found"]


@pytest.mark.parametrize("text", REFUSED)
def test_the_page_refuses_what_python_refuses(answers, text):
    assert answers[text].get("wrong")
    with pytest.raises(UserError):
        scenes().parse_expression(text)
