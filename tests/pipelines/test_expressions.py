"""Expressions: brackets, operators from left to right, and errors that point at their place."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reverie.errors import UserError
from reverie.pipelines.expressions import OPERATORS, Composed, folded
from reverie.pipelines.symbols import Attribute, Vocabulary, combine, comes_to

from .test_symbols import any_symbol, scenes

WALL, RED_HAT, HAT = {"wall_colour": "white"}, {"object_colour": "red", "object": "hat"}, {"object": "hat"}


def any_expression():
    return st.recursive(
        any_symbol().filter(bool),
        lambda side: st.builds(Composed, side, st.sampled_from(OPERATORS), side),
        max_leaves=12,
    )


@settings(max_examples=150, deadline=None)
@given(any_expression())
def test_an_expression_that_is_written_is_read_back_as_it_was(expression):
    vocabulary = scenes()
    text = vocabulary.text_of(expression)
    assert vocabulary.parse_expression(text) == expression
    assert vocabulary.parse_expression(f"(({text}))") == expression


@settings(max_examples=60, deadline=None)
@given(st.lists(any_symbol().filter(bool), min_size=1, max_size=6), st.data())
def test_without_brackets_operators_are_taken_from_left_to_right(symbols, data):
    vocabulary = scenes()
    text, expected = vocabulary.phrase(symbols[0]), symbols[0]
    for symbol in symbols[1:]:
        operator = data.draw(st.sampled_from(OPERATORS))
        text, expected = f"{text} {operator} {vocabulary.phrase(symbol)}", Composed(expected, operator, symbol)
    assert vocabulary.parse_expression(text) == expected


def test_brackets_change_what_is_composed_first():
    words = scenes()
    left = Composed(Composed(WALL, "AND", RED_HAT), "IGNORE", HAT)
    assert words.parse_expression("white wall AND red hat IGNORE hat") == left
    right = Composed(WALL, "AND", Composed(RED_HAT, "IGNORE", HAT))
    assert words.parse_expression("white wall AND (a red hat ignore the hat)") == right
    assert comes_to(left) == comes_to(right) == {**WALL, "object_colour": "red"}


def test_a_small_and_joins_words_and_a_large_one_composes():
    words = scenes()
    assert words.parse_expression("white wall and red hat") == {**WALL, **RED_HAT}
    assert words.parse_expression("white wall AND red hat") == Composed(WALL, "AND", RED_HAT)
    assert words.parse_expression("red hat in common hat") == Composed(RED_HAT, "IN COMMON", HAT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(white wall AND red hat", "at character 1, '(white wall AND red hat': this bracket is not closed"),
        ("white wall AND (red hat))", "at character 25, ')': this bracket closes none"),
        ("white wall AND", "at character 12, 'AND': AND has nothing behind it"),
        ("(white wall IGNORE) AND hat", "at character 13, 'IGNORE) AND hat': IGNORE has nothing behind it"),
        ("IGNORE hat", "at character 1, 'IGNORE hat': IGNORE has nothing before it"),
        ("white wall AND IGNORE hat", "at character 16, 'IGNORE hat': IGNORE follows AND; expected words between them"),
        ("white wall AND ()", "at character 17, ')': nothing stands between the brackets"),
        ("(white wall) red hat", "at character 14, 'red hat': expected AND, IN COMMON or IGNORE before this"),
        ("white wall (hat)", "at character 12, '(hat)': expected AND, IN COMMON or IGNORE before this"),
        ("white wall AND red ht", "at character 16: 'red ht' is not known; nearest: red hat"),
        ("white wall AND (hat IGNORE red)", "at character 28: 'red' may be said of wall, floor or object"),
        ("(" * 201 + "hat" + ")" * 201, "the expression has 403 words; expected at most 200"),
    ],
)
def test_an_error_points_at_its_place_in_a_line(text, message):
    with pytest.raises(UserError, match=re.escape(message)) as error:
        scenes().parse_expression(text)
    assert "\n" not in str(error.value)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="()ANDIGORE hatwlred,=", max_size=40))
def test_whatever_is_written_is_read_or_refused_in_a_line(text):
    vocabulary = scenes()
    refused = ""
    try:
        expression = vocabulary.parse_expression(text)
    except UserError as error:
        refused, expression = str(error), WALL
    assert "\n" not in refused
    assert vocabulary.parse_expression(vocabulary.text_of(expression)) == expression


def test_names_with_brackets_and_operators_in_them_stay_whole():
    size = Attribute("size", ("small (cm)", "large (m)"))
    words = Vocabulary((size, Attribute("label", ("stop AND go", "IGNORE"))))
    assert words.parse_expression("small (cm) AND stop AND go") == Composed(
        {"size": "small (cm)"}, "AND", {"label": "stop AND go"}
    )
    # One that is an operator says so, or that operator could not be used.
    assert words.phrase({"label": "IGNORE"}) == "label=IGNORE"
    for operator in ("AND", "IGNORE"):
        text = f"(large (m) {operator} label=IGNORE)"
        assert words.parse_expression(text) == Composed({"size": "large (m)"}, operator, {"label": "IGNORE"})


def test_what_an_expression_comes_to_is_worked_out_from_its_symbols_up():
    words = scenes()
    text = "(white wall AND red hat) IGNORE hat IN COMMON (red object, white wall, blue floor)"
    expected = combine(combine({**WALL, **RED_HAT}, "IGNORE", HAT), "IN COMMON", words.parse("red object, white wall"))
    assert comes_to(words.parse_expression(text)) == expected == {**WALL, "object_colour": "red"}
    assert folded(words.parse_expression(text), lambda _: 1, lambda first, _, second: first + second) == 4
