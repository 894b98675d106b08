"""Pictures of words that are looked at before they are shown, against every draw made and judged one by one."""

import numpy as np
import pytest
import tensorflow as tf
from reverie import models
from reverie.errors import UserError

WORDS = (("color", ("red", "blue", "green"), ""), ("object", ("hat", "ball"), ""))
SIZES = (3, 2)
SEED = (3, 4)


def model(family: str, **settings):
    """Made the same each time, with weights so large that every picture is another one."""
    vision = {"image_shape": (8, 8, 3), "channels": (4, 4), "hidden": 12, "latents": 4}
    section = {"family": family, "image_shape": (8, 8, 3), "attributes": WORDS, "vision": vision, **settings}
    if family == "scan":
        section["denoising"] = {"image_shape": (8, 8, 3), "channels": (4, 4)}
    made = models.build(section, 1)
    for variable in made.vision.trainable_variables:
        variable.assign(4.0 * variable)
    return made


def draws(made, named, attempts: int, count: int) -> list:
    """The pictures of each attempt."""
    mean, log_variance = made.concept(named)
    found = []
    for number in range(attempts):
        key = tf.random.experimental.stateless_fold_in(SEED, number, alg="philox") if number else tf.constant(SEED)
        normal = tf.random.stateless_normal([count, 4], key, alg="philox")
        found.append(made.picture(mean + tf.exp(0.5 * log_variance) * normal))
    return found


def judged(probabilities, named) -> tuple[bool, float]:
    """(whether all that is named is seen, logarithm of its probability) of one picture, in float64."""
    right, total, start = True, 0.0, 0
    for size in SIZES:
        part, of = probabilities[start : start + size], named[start : start + size]
        start += size
        if of.any():
            right &= part.argmax() == of.argmax()
            total += np.log(part[of.argmax()] / part.sum() + 1e-6)
    return right, total


@pytest.mark.parametrize("family", ["scan", "jmvae", "telbo"])
@pytest.mark.parametrize("named", [[0, 1, 0, 0, 1], [0, 0, 1, 0, 0]])
def test_the_first_picture_in_which_all_that_is_named_is_seen_is_kept_and_else_the_likeliest(family, named):
    once, often = model(family), model(family, attempts=4)
    symbol, count = tf.constant([named], tf.float32), 60
    made = often.symbols_to_images(symbol, count, SEED)["images"]
    tried, kept = draws(once, symbol, 4, count), []
    said = [np.float64(once.images_to_symbols(images)["probabilities"]) for images in tried]
    for row in range(count):
        found = [judged(probabilities[row], np.array(named)) for probabilities in said]
        rights = [place for place, (right, _) in enumerate(found) if right]
        kept.append(rights[0] if rights else int(np.argmax([likely for _, likely in found])))
    wanted = np.stack([tried[place][row] for row, place in enumerate(kept)])
    np.testing.assert_allclose(made, wanted, atol=1e-6)
    assert len(set(kept)) > 1


def test_one_attempt_and_a_symbol_that_names_nothing_are_as_ever():
    once, often = model("scan"), model("scan", attempts=4)
    for symbol, other in (([[0, 1, 0, 0, 1]], once), ([[0, 0, 0, 0, 0]], often)):
        symbol = tf.constant(symbol, tf.float32)
        plain = other.symbols_to_images(symbol, 7, SEED)["images"]
        np.testing.assert_array_equal(plain, draws(once, symbol, 1, 7)[0])


def test_a_composition_is_looked_at_for_what_most_of_its_draws_are_called():
    often = model("scan", attempts=4)
    often.symbols.values.bias.assign([-2.0, 1.0, -1.0, -2.0, 1.0])
    sides = (often.concept(tf.constant([row], tf.float32)) for row in ([0, 1, 0, 0, 0], [0, 0, 0, 0, 1]))
    code = often.combined(next(sides), tf.constant([0]), next(sides))
    mean, deviation = np.float64(code[0]), np.exp(0.5 * np.float64(code[1]))
    normal = np.float64(tf.random.stateless_normal([64, 4], [0, 0], alg="philox"))
    called = np.float64(often.in_words(tf.constant(mean + deviation * normal, tf.float32))["probabilities"]).mean(
        axis=0
    )
    said = (called > 0.4).astype(np.float32)[None]
    assert 0 < said.sum() < 5
    by_itself, told = (often.imagine(code, 9, SEED, *named)["images"] for named in ((), (said,)))
    np.testing.assert_array_equal(by_itself, told)
    assert np.abs(by_itself - often.imagine(code, 9, SEED, 1.0 - said)["images"]).max() > 1e-3


@pytest.mark.parametrize("family", ["jmvae", "telbo"])
def test_a_plain_concept_is_looked_at_for_what_it_says_where_nothing_is_named(family):
    often = model(family, attempts=4)
    code = often.concept(tf.constant([[0, 1, 0, 0, 1.0]]))
    np.testing.assert_array_equal(
        often.imagine(code, 9, SEED)["images"], often.imagine(code, 9, SEED, often.said(code))["images"]
    )


def test_a_symbol_that_is_nearly_whole_is_looked_for_as_a_whole_one():
    often = model("jmvae", attempts=4)
    code = often.concept(tf.constant([[0, 1, 0, 0, 1.0]]))
    nearly, whole = (tf.constant([[0, value, 0, 0, value]]) for value in (0.7, 1.0))
    np.testing.assert_array_equal(*(often.imagine(code, 30, SEED, named)["images"] for named in (nearly, whole)))


@pytest.mark.parametrize("attempts", [0, 17, -1])
def test_a_number_of_attempts_that_is_none_is_refused(attempts):
    with pytest.raises(UserError, match=f"attempts is {attempts}; expected 1 to 16"):
        model("jmvae", attempts=attempts)
