import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reverie.errors import UserError
from reverie.pipelines.image_set import from_arrays
from reverie.pipelines.scenes.factors import ATTRIBUTES
from reverie.pipelines.symbols import (
    OPERATORS,
    Attribute,
    Vocabulary,
    attributes_of,
    combine,
    comes_to,
    held_out,
    holds_pair,
)


def scenes() -> Vocabulary:
    nouns = {"wall_colour": "wall", "floor_colour": "floor", "object_colour": "object", "object": ""}
    return Vocabulary(tuple(Attribute(name, values, nouns[name]) for name, values in ATTRIBUTES.items()))


def any_symbol():
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in ATTRIBUTES.items()})


@settings(max_examples=60, deadline=None)
@given(any_symbol())
def test_vectors_and_phrases_say_the_same_as_the_symbol(symbol):
    vocabulary = scenes()
    assert vocabulary.decode(vocabulary.encode(symbol)) == symbol
    assert vocabulary.encode(symbol).sum() == len(symbol)
    if symbol:
        assert vocabulary.parse(vocabulary.phrase(symbol)) == symbol
        assert vocabulary.parse(", ".join(f"{name}={value}" for name, value in symbol.items())) == symbol


def test_a_vector_has_its_ones_where_the_values_are():
    vocabulary = scenes()
    assert (vocabulary.size, vocabulary.sizes) == (51, (16, 16, 16, 3))
    khot = vocabulary.encode({"wall_colour": "orange", "object": "suitcase"})
    assert np.flatnonzero(khot).tolist() == [1, 50]
    np.testing.assert_array_equal(vocabulary.khot([[1, -1, -1, 2]])[0], khot)


def test_phrases_read_like_words():
    vocabulary = scenes()
    assert vocabulary.parse("white wall, red hat") == {"wall_colour": "white", "object_colour": "red", "object": "hat"}
    assert vocabulary.parse("red object") == {"object_colour": "red"}
    assert vocabulary.parse("hat") == {"object": "hat"}
    assert vocabulary.phrase({"object_colour": "red", "object": "hat", "wall_colour": "white"}) == "white wall, red hat"
    assert vocabulary.phrase({}) == "anything"
    assert vocabulary.example() == "red wall, red floor"


def test_anything_names_nothing_unless_the_data_has_the_word():
    vocabulary = scenes()
    for text in ("anything", " Anything "):
        assert vocabulary.parse(text) == {} and vocabulary.parse_expression(text) == {}
    assert comes_to(vocabulary.parse_expression("anything AND red hat")) == vocabulary.parse("red hat")
    with pytest.raises(UserError, match="'anything IN COMMON object=hat' leaves nothing"):
        comes_to(vocabulary.parse_expression("anything IN COMMON hat"))
    moods = Vocabulary([Attribute("mood", ("anything", "nothing"))])
    assert moods.parse("anything") == {"mood": "anything"}


def test_subsets_are_every_part_but_the_empty_one():
    vocabulary = scenes()
    symbol = {"wall_colour": "white", "object": "hat", "floor_colour": "red"}
    parts = vocabulary.subsets(symbol)
    assert len(parts) == 7 and symbol in parts and {} not in parts
    assert all(part.items() <= symbol.items() for part in parts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("white wal", "'white wal' is not known; nearest: white wall"),
        ("white wall, red wall", "contradiction: wall_colour is both white and red"),
        ("", "names nothing; say for example"),
        ("white wall,,", "names nothing"),
        ("ceiling=white", "no attribute 'ceiling'"),
        ("wall_colour=whit", "wall_colour has no value 'whit'; nearest: white"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_a_line(text, message):
    with pytest.raises(UserError, match=message):
        scenes().parse(text)


def people() -> Vocabulary:
    return Vocabulary((
        Attribute("hair", ("dark", "fair", "red")), Attribute("sex", ("man", "woman")),
        Attribute("glasses", ("no", "yes")), Attribute("mood", ("Happy", "happy", "sad")),
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("dark woman", {"hair": "dark", "sex": "woman"}),
        ("Dark", {"hair": "dark"}),
        ("DARK Woman no glasses", {"hair": "dark", "sex": "woman", "glasses": "no"}),
        ("sad   woman, glasses", {"mood": "sad", "sex": "woman", "glasses": "yes"}),
        ("happy man", {"mood": "happy", "sex": "man"}),
        ("Hair=Dark", {"hair": "dark"}),
    ],
)
def test_adjectives_follow_one_another_and_case_does_not_matter(text, symbol):
    assert people().parse(text) == symbol


def test_an_adjective_is_said_of_the_noun_at_the_end():
    color, size = Attribute("object_color", ("red", "blue"), "object"), Attribute("size", ("big", "small"))
    words = Vocabulary((color, size, Attribute("object", ("hat", "ball", "beach ball"))))
    assert words.parse("Red big hat") == {"object_color": "red", "size": "big", "object": "hat"}
    assert words.parse("big blue beach ball") == {"object_color": "blue", "size": "big", "object": "beach ball"}
    assert scenes().parse("white wall red hat") == scenes().parse("white wall, red hat")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("HAPPY", "'HAPPY' may mean mood=Happy or mood=happy; write name=value"),
        ("dark fair woman", "contradiction: hair is both dark and fair in 'dark fair woman'"),
        ("dark wman", "'wman' in 'dark wman' is not known; nearest: woman, man"),
        ("HAIR=Dork", "hair has no value 'Dork'; nearest: dark"),
    ],
)
def test_words_that_leave_several_meanings_or_none_are_refused_with_what_to_write(text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        people().parse(text)


def test_vectors_that_contradict_themselves_are_refused():
    vocabulary = scenes()
    khot = vocabulary.encode({"wall_colour": "white"})
    khot[0] = 1.0
    with pytest.raises(UserError, match="contradiction: wall_colour is both red and white"):
        vocabulary.decode(khot)
    with pytest.raises(UserError, match="expected \\(51,\\)"):
        vocabulary.decode(khot[:-1])


def test_operations_on_the_paper_s_examples():
    white, red = {"wall_colour": "white"}, {"object_colour": "red"}
    both, other = {**white, **red}, {**white, "object_colour": "blue"}
    assert combine(white, "AND", red) == both
    assert combine(both, "IN COMMON", other) == white
    assert combine(both, "IGNORE", red) == white
    with pytest.raises(UserError, match="contradiction: object_colour is red in one and blue in the other") as error:
        combine(both, "AND", other)
    # What is composed is said as it may be written.
    assert "'(wall_colour=white, object_colour=red) AND (wall_colour=white, object_colour=blue)'" in str(error.value)
    with pytest.raises(UserError, match="'wall_colour=white IN COMMON object_colour=red' leaves nothing"):
        combine(white, "IN COMMON", red)
    with pytest.raises(UserError, match="expected something that the first names and the second does not"):
        combine(white, "IGNORE", white)
    with pytest.raises(UserError, match="expected one of AND, IN COMMON, IGNORE"):
        combine(white, "OR", red)


@settings(max_examples=60, deadline=None)
@given(any_symbol(), any_symbol())
def test_operations_are_those_of_sets(first, second):
    sets = {"IN COMMON": set.intersection, "IGNORE": set.difference, "AND": set.union}
    for operator in OPERATORS:
        expected = sets[operator](set(first.items()), set(second.items()))
        contradicts = operator == "AND" and len(dict(expected)) < len(expected)
        if contradicts or not expected:
            with pytest.raises(UserError):
                combine(first, operator, second)
        else:
            assert combine(first, operator, second) == dict(expected)


def test_every_two_attributes_give_up_their_share_of_pairs_and_the_seed_says_which():
    vocabulary = scenes()
    table = held_out(vocabulary, 0.05, 0)
    assert np.array_equal(table, table.T) and not table[:16, :16].any()
    assert table[:16, 16:32].sum() == round(0.05 * 256) and table[:16, 48:].sum() == round(0.05 * 48)
    assert np.array_equal(table, held_out(vocabulary, 0.05, 0))
    assert not np.array_equal(table, held_out(vocabulary, 0.05, 1))
    assert not held_out(vocabulary, 0.0, 0).any()
    wall, floor = np.argwhere(table[:16, 16:32])[0]
    rows = vocabulary.khot([[wall, floor, -1, -1], [wall, (floor + 1) % 16, 3, -1]])
    assert holds_pair(rows, table)[0] and not holds_pair(vocabulary.khot([[wall, -1, -1, -1]]), table)[0]
    with pytest.raises(UserError, match=r"words.held_out is 0.7"):
        held_out(vocabulary, 0.7, 0)


def test_attributes_come_from_the_labels_of_any_set():
    images = np.zeros([4, 8, 8, 1], np.uint8)
    labels = np.array([[0, 1], [2, 0], [1, -1], [0, 1]])
    names = {"class_names": {"glasses": ("no", "yes")}, "head_names": ("shape", "glasses")}
    vocabulary = Vocabulary(attributes_of(from_arrays("faces", images, labels, **names)))
    assert vocabulary.attributes[0].values == ("0", "1", "2")
    assert vocabulary.parse("glasses, shape=2") == {"glasses": "yes", "shape": "2"}
    assert vocabulary.phrase({"glasses": "no", "shape": "1"}) == "shape=1, no glasses"
    assert vocabulary.parse("no glasses") == {"glasses": "no"}
    assert Vocabulary.from_plain(vocabulary.plain()) == vocabulary
    with pytest.raises(UserError, match="has no attributes with values"):
        attributes_of(from_arrays("none", images, None))
