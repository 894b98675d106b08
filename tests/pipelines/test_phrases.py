"""Phrases as people say them: fillers, case, order, and what is asked about instead of guessed."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reverie.errors import UserError
from reverie.pipelines.phrases import FILLERS
from reverie.pipelines.scenes.factors import ATTRIBUTES
from reverie.pipelines.symbols import Attribute, Vocabulary

from .test_symbols import any_symbol, people, scenes

RED_HAT_WHITE_WALL = {"object_colour": "red", "object": "hat", "wall_colour": "white"}


@pytest.mark.parametrize(
    "text",
    [
        "Red hat on a white wall",
        "a white wall with a red hat",
        "THE WALL IS WHITE and the hat is red",
        "hat red, wall white",
        "red hat before the white wall.",
        "There is a red colored hat, the wall is white!",
    ],
)
def test_words_are_read_in_any_order_and_case_and_fillers_are_passed_over(text):
    assert scenes().parse(text) == RED_HAT_WHITE_WALL


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("a woman with dark hair", {"hair": "dark", "sex": "woman"}),
        ("a man without glasses", {"sex": "man", "glasses": "no"}),
        ("the fair woman has the glasses", {"hair": "fair", "sex": "woman", "glasses": "yes"}),
    ],
)
def test_faces_are_described_as_people_do(text, symbol):
    assert people().parse(text) == symbol


def test_names_with_underscores_are_said_with_blanks():
    faces = Vocabulary((Attribute("Black_Hair", ("no", "yes")), Attribute("Wearing_Hat", ("no", "yes"))))
    assert faces.parse("black hair, wearing hat") == {"Black_Hair": "yes", "Wearing_Hat": "yes"}
    assert faces.parse("black hair and not wearing a hat") == {"Black_Hair": "yes", "Wearing_Hat": "no"}


@pytest.mark.parametrize("text", ["top-left", "top left", "Top Left", "the top_left", "at the top-left."])
def test_hyphens_are_said_with_blanks_and_blanks_with_hyphens(text):
    places = Vocabulary((Attribute("place", ("top-left", "bottom right")), Attribute("shift", ("-1", "1"))))
    assert places.parse(text) == {"place": "top-left"}
    assert places.parse("bottom-right") == places.parse("bottom right") == {"place": "bottom right"}
    assert places.parse("shift=-1, top left") == {"shift": "-1", "place": "top-left"}
    assert places.parse("shift=1") == {"shift": "1"}
    with pytest.raises(UserError, match="'middle' in 'top-middle left' is not known|'top-middle'"):
        places.parse("top-middle left")


def test_a_filler_that_is_a_word_of_the_data_counts():
    lamps = Vocabulary((Attribute("lamp", ("on", "off")), Attribute("place", ("in the house", "in the garden"))))
    assert lamps.parse("the lamp is on, in the house") == {"lamp": "on", "place": "in the house"}
    assert lamps.parse("on and in the garden") == {"lamp": "on", "place": "in the garden"}


def test_a_word_that_fits_one_noun_alone_needs_no_noun():
    wall, thing = Attribute("wall_color", ("pink", "red"), "wall"), Attribute("hat_color", ("red", "blue"), "hat")
    words = Vocabulary((wall, thing))
    assert words.parse("pink") == {"wall_color": "pink"}
    assert words.parse("pink, blue hat") == {"wall_color": "pink", "hat_color": "blue"}
    with pytest.raises(UserError):  # It is not said of the wall only because no hat can be pink.
        words.parse("pink hat")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("red", "'red' may be said of wall, floor or object; say 'red wall', 'red floor' or 'red object'"),
        ("white wall, Red", "'Red' may be said of wall, floor or object; say 'red wall', 'red floor' or 'red object'"),
        ("hat on a white wall and red", "'red' in 'hat on a white wall and red' may be said of wall, floor or object"),
        ("red hat on a whit wall", "'whit' in 'red hat on a whit wall' is not known; nearest: white"),
        ("hat that is red on the wall", "'wall' in 'hat that is red on the wall' says nothing by itself; nearest: red"),
        ("the wall", "'the wall' says nothing as it stands; nearest: red wall"),
        ("not a red hat", "'not' in 'not a red hat' denies nothing: no attribute is yes or no; say what there is"),
        ("hat without red", "'without' in 'hat without red' denies nothing: no attribute is yes or no"),
        ("two hats", "'two' in 'two hats' is not known; expected one of amber, azure"),
        ("with the", "'with the' names nothing; say for example 'red wall, red floor'"),
        ("white wall and a red wall", "contradiction: wall_colour is both white and red"),
    ],
)
def test_what_leaves_open_what_is_meant_is_asked_about_in_a_line(text, message):
    with pytest.raises(UserError, match=re.escape(message)) as error:
        scenes().parse(text)
    assert "\n" not in str(error.value)


def spoken(vocabulary: Vocabulary, symbol: dict):
    """A symbol said in any order, in any case, with or without commas, with fillers between."""
    parts = vocabulary.phrase(symbol).split(", ")
    fillers = st.lists(st.sampled_from(sorted(FILLERS)), max_size=2).map(" ".join)

    @st.composite
    def strategy(draw) -> str:
        text = ""
        for place, part in enumerate(draw(st.permutations(parts))):
            cased = draw(st.sampled_from([str, str.upper, str.title]))(part)
            text += f"{draw(st.sampled_from([' ', ', '])) if place else ''}{draw(fillers)} {cased}"
        return text

    return strategy()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_symbol_said_in_any_way_is_that_symbol(data):
    vocabulary = scenes()
    symbol = data.draw(any_symbol().filter(bool))
    assert vocabulary.parse(data.draw(spoken(vocabulary, symbol))) == symbol


@settings(max_examples=60, deadline=None)
@given(any_symbol(), st.floats(0, 1))
def test_a_sentence_is_read_back_once_its_numbers_are_left_out(symbol, probability):
    vocabulary = scenes()
    text = vocabulary.sentence(symbol, dict.fromkeys(symbol, probability))
    words = re.sub(r" \(\d\.\d\d\)", "", text)
    assert vocabulary.parse(words) == symbol and (symbol or words == "anything")
    for shown in re.findall(r"\((.*?)\)", text):  # A word says one value, or a color and a thing.
        assert any(abs(float(shown) - probability**power) <= 0.005 + 1e-9 for power in (1, 2))


def test_a_sentence_says_how_sure_each_word_is():
    symbol = {"wall_colour": "orange", "floor_colour": "blue", "object_colour": "red", "object": "hat"}
    sure = {"wall_colour": 0.99, "floor_colour": 0.9, "object_colour": 0.98, "object": 0.5}
    assert scenes().sentence(symbol, sure) == "red hat (0.49) on an orange wall (0.99) and a blue floor (0.90)"
    assert scenes().sentence({"wall_colour": "red"}, {"wall_colour": 1.0}) == "a red wall (1.00)"
    assert people().sentence({"hair": "dark", "glasses": "no"}, {"hair": 0.7, "glasses": 0.6}) == (
        "dark (0.70), no glasses (0.60)"
    )


def test_every_word_of_every_phrase_is_known():
    vocabulary = scenes()
    assert all(vocabulary.parse(phrase) for phrase in vocabulary.phrases())
    assert {value for values in ATTRIBUTES.values() for value in values} <= {
        word for phrase in vocabulary.phrases() for word in phrase.split()
    }


def clothes() -> Vocabulary:
    """Values that several attributes have, or that hold what joins terms."""
    top, bottom = ("red", "blue", "pale, yellow", "bottom=red"), ("red", "blue", "r\u00f6t")
    return Vocabulary((Attribute("top", top), Attribute("bottom", bottom), Attribute("lamp", ("switched on", "off"))))


def test_however_a_value_is_said_it_is_read_back():
    words = clothes()
    for attribute in words.attributes:
        for value in attribute.values:
            assert words.parse(words.phrase({attribute.name: value})) == {attribute.name: value}
    both = {"top": "red", "bottom": "blue"}
    assert words.phrase(both) == "red top, blue bottom" and words.parse("red top, blue bottom") == both
    assert words.sentence(both, {"top": 0.5, "bottom": 0.25}) == "red top (0.50), blue bottom (0.25)"
    assert words.phrase({"top": "pale, yellow"}) == 'top="pale, yellow"'


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("top=red bottom=blue", {"top": "red", "bottom": "blue"}),
        ("top=red and bottom=blue", {"top": "red", "bottom": "blue"}),
        ("switched on and TOP=Red", {"lamp": "switched on", "top": "red"}),
        ("lamp=switched on top=red", {"lamp": "switched on", "top": "red"}),
        ('top="pale, yellow", bottom=red', {"top": "pale, yellow", "bottom": "red"}),
        ("top=bottom=red", {"top": "bottom=red"}),
        ("ro\u0308t bottom", {"bottom": "r\u00f6t"}),
    ],
)
def test_names_and_values_need_no_commas_and_may_be_quoted(text, symbol):
    assert clothes().parse(text) == symbol


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("red", "'red' may mean top=red or bottom=red; write name=value"),
        ("top=red top=blue", "contradiction: top is both red and blue in 'top=red top=blue'"),
        ("side=red top=blue", "no attribute 'side'"),
        ("top=green bottom=red", "top has no value 'green'; nearest: "),
    ],
)
def test_a_name_or_value_that_is_not_there_is_named(text, message):
    with pytest.raises(UserError, match=re.escape(message).replace("nearest: ", "(nearest: |expected one of )")):
        clothes().parse(text)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ((), "there are no attributes"),
        ((Attribute("shape", ("circle",)),), "attribute shape has one value, 'circle'; expected two or more"),
        ((Attribute("shape", ()),), "attribute shape has no values; expected two or more"),
    ],
)
def test_attributes_that_nothing_can_be_said_with_are_refused_by_name(attributes, message):
    with pytest.raises(UserError, match=re.escape(message)):
        Vocabulary(attributes)
