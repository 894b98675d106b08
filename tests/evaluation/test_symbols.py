import numpy as np
import pytest
import tensorflow as tf
from reverie.evaluation import concepts
from reverie.evaluation.symbols import (
    Imagined,
    coverage,
    imagine,
    jensen_shannon,
    leak,
    sample_cases,
    sample_queries,
    sample_symbols,
    to_uniform,
)  # fmt: skip
from reverie.pipelines.symbols import combine, held_out, holds_pair

from ..pipelines.test_symbols import scenes


def test_accuracy_counts_pictures_in_which_all_that_was_asked_is_seen():
    asked = np.array([[1, -1], [1, 0], [-1, 2], [0, 0]])
    seen = np.array([[1, 2], [1, 1], [0, 2], [1, 0]])
    outcome = Imagined(asked, seen)
    assert outcome.accuracy == 0.5
    np.testing.assert_allclose(outcome.per_attribute(), [2 / 3, 2 / 3])


def test_diversity_is_the_divergence_from_uniform_of_what_was_left_open():
    assert to_uniform(np.tile([0, 1, 2, 3], 500), 4) == pytest.approx(0.0, abs=1e-9)
    assert to_uniform(np.zeros(4000, int), 4) == pytest.approx(np.log(4), abs=1e-3)
    half = to_uniform(np.tile([0, 1], 2000), 4)
    assert half == pytest.approx(np.log(2), abs=1e-3)
    # Uniform draws come out near nothing however few they are; without the correction sixteen values of 100 do not.
    rng = np.random.default_rng(0)
    assert np.mean([to_uniform(rng.integers(0, 16, 100), 16) for _ in range(200)]) < 0.03
    asked = np.array([[0, -1]] * 1000 + [[-1, 1]] * 1000)
    seen = np.stack([np.zeros(2000, int), np.tile([0, 1], 1000)], axis=-1)
    # The first attribute was left open in the second half, and came out as 0 every time.
    assert Imagined(asked, seen).diversity((2, 2)) == pytest.approx(np.log(2) / 2, abs=2e-3)


def test_symbols_are_parts_of_real_ones_of_every_size():
    labels = np.random.default_rng(0).integers(0, 3, (50, 4))
    asked = sample_symbols(scenes(), labels, 800, seed=0)
    real = {tuple(row) for row in labels}
    sizes = (asked >= 0).sum(axis=1)
    assert set(sizes) == {1, 2, 3, 4} and np.bincount(sizes)[1:].min() > 150
    for row in asked[:100]:
        assert any(all(a < 0 or a == b for a, b in zip(row, other, strict=True)) for other in real)


@pytest.mark.parametrize("operator", ["AND", "IN COMMON", "IGNORE"])
def test_cases_are_of_held_out_pairs_or_of_none(operator):
    vocabulary = scenes()
    table = held_out(vocabulary, 0.05, 0)
    for held in (False, True):
        cases = sample_cases(vocabulary, table, operator, 40, held)
        assert len(cases) == 40
        for first, name, second in cases:
            assert combine(first, name, second)
            parts = holds_pair(np.stack([vocabulary.encode(first), vocabulary.encode(second)]), table)
            whole = holds_pair(vocabulary.encode({**second, **first})[None], table)[0]
            if not held:
                assert not whole and not parts.any()
            elif operator == "AND":
                assert whole and not parts.any()
            else:
                assert parts[0]


def test_the_concept_graph_holds_every_part_and_joins_neighbors():
    levels, edges = concepts.lattice({"a": 1, "b": 2, "c": 3})
    assert [len(level) for level in levels] == [1, 3, 3, 1]
    assert len(edges) == 12 and all(len(greater) == len(lesser) + 1 for lesser, greater in edges)


def test_what_leaks_of_conflicting_values_is_counted_above_chance():
    # Eight pictures, one attribute of 4 values in conflict (0 against 1), one that both name alike, one of 2 values.
    first, second = np.tile([0, 2, 0], (8, 1)), np.tile([1, 2, 1], (8, 1))
    shown = np.zeros([8, 3], int)
    shown[:, 0] = [0, 1, 2, 3, 0, 1, 2, 3]
    none = Imagined(np.tile([-1, 2, -1], (8, 1)), shown)
    assert leak(none, first, second, (4, 4, 2)) == pytest.approx(0.0)
    shown[:, 0] = [0, 1, 0, 1, 0, 1, 2, 3]
    assert leak(none, first, second, (4, 4, 2)) == pytest.approx(0.5)
    assert leak(none, first, first, (4, 4, 2)) is None


def test_correctness_is_the_mean_share_of_the_named_attributes_that_are_seen():
    asked, seen = np.array([[1, -1, 2], [0, 1, 2]]), np.array([[1, 9, 0], [0, 0, 2]])
    assert Imagined(asked, seen).correctness == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_the_jensen_shannon_divergence_is_in_bits():
    # By hand, against the mean of both, (5/8, 3/8).
    by_hand = (0.75 * np.log2(6 / 5) + 0.25 * np.log2(2 / 3) + 0.5 * np.log2(4 / 5) + 0.5 * np.log2(4 / 3)) / 2
    assert jensen_shannon([3, 1], [0.5, 0.5]) == pytest.approx(by_hand, abs=1e-12)
    assert by_hand == pytest.approx(0.0488, abs=1e-4)
    assert jensen_shannon([1, 2], [10, 20]) == 0.0 and jensen_shannon([4, 0], [0, 7]) == 1.0


def test_coverage_compares_what_is_left_open_with_real_pictures_that_show_what_is_named():
    # With the first value the second attribute is always 0 in real pictures, with the other one as often as not.
    real = np.array([[0, 0]] * 4000 + [[1, 0], [1, 1]] * 2000)
    all_alike = Imagined(np.array([[0, -1]] * 4), np.array([[0, 0]] * 4))
    assert coverage(all_alike, 4, real, (2, 2)) == pytest.approx(1.0, abs=1e-3)
    half = Imagined(np.array([[1, -1]] * 4), np.array([[1, 0], [1, 1], [0, 0], [0, 1]]))
    assert coverage(half, 4, real, (2, 2)) == pytest.approx(1.0, abs=1e-3)
    # Three of four, and four of four, where two of four were true: a mean over symbols.
    seen = np.array([[1, 0]] * 3 + [[1, 1]] + [[1, 0]] * 4)
    one_sided = Imagined(np.array([[1, -1]] * 8), seen)
    by_hand = np.mean([1 - jensen_shannon([3, 1], [1, 1]), 1 - jensen_shannon([1, 0], [1, 1])])
    assert coverage(one_sided, 4, real, (2, 2)) == pytest.approx(by_hand, abs=1e-3)


def test_few_real_pictures_do_not_decide_what_is_to_be_covered():
    # One picture shows the first value; all others say that the second attribute is 1 as often as not.
    real = np.array([[0, 0]] + [[1, 0], [1, 1]] * 5000)
    made = Imagined(np.array([[0, -1]] * 2), np.array([[0, 0], [0, 1]]))
    # One and ten times (1/2, 1/2): 6 to 5.
    assert coverage(made, 2, real, (2, 2)) == pytest.approx(1 - jensen_shannon([1, 1], [6, 5]), abs=1e-5)


def test_ten_uniform_draws_cover_as_much_as_is_said():
    rng, real = np.random.default_rng(0), np.stack([np.zeros(10_000, int), np.arange(10_000) % 10], axis=-1)
    seen = np.stack([np.zeros(5000, int), rng.integers(0, 10, 5000)], axis=-1)
    made = Imagined(np.array([[0, -1]] * 5000), seen)
    assert coverage(made, 10, real, (2, 10)) == pytest.approx(0.77, abs=0.01)


def test_queries_name_so_many_attributes_and_are_told_apart_by_what_training_showed():
    vocabulary, rng = scenes(), np.random.default_rng(0)
    labels = np.stack([rng.integers(0, size, 500) for size in vocabulary.sizes], axis=-1)
    trained = labels[:100]
    table = held_out(vocabulary, 0.05, 0)
    for named in (1, 2, 4):
        queries = sample_queries(vocabulary, labels, trained, table, named, 60, seed=3)
        assert len(queries.shown) + len(queries.held_out)
        for symbols, shown in ((queries.shown, True), (queries.held_out, False)):
            assert len(symbols) <= 60 and ((symbols >= 0).sum(axis=1) == named).all()
            for symbol in symbols:
                seen = any(all(a < 0 or a == b for a, b in zip(symbol, row, strict=True)) for row in trained)
                paired = holds_pair(vocabulary.khot(symbol[None]), table)[0]
                assert (seen and not paired) == shown
    # Of pictures whose attributes are unknown in part, what is known is named.
    partly = np.where(np.arange(labels.shape[1]) == 1, -1, labels)
    assert (sample_queries(vocabulary, partly, trained, table, 2, 60, seed=0).held_out[:, 1] < 0).all()
    assert not len(sample_queries(vocabulary, partly, trained, table, labels.shape[1], 60, seed=0).shown)


class Painter:
    """Paints the symbol itself, and counts how often its graph is built."""

    traced = 0

    def symbols_to_images(self, symbols, count, seed):
        self.traced += 1
        noise = tf.random.stateless_uniform([count, 1], seed, maxval=0.1)
        return {"images": symbols + noise}


class Reader:
    """Reads a painted symbol: the value of every attribute, of those that name all."""

    def __init__(self, sizes):
        self.sizes = sizes

    def all_classes(self, images):
        parts = np.split(images.numpy(), np.cumsum(self.sizes)[:-1], axis=1)
        return np.stack([part.argmax(axis=1) for part in parts], axis=1)


def test_a_model_is_traced_once_for_all_that_is_asked_of_it_and_each_row_is_seen_once():
    vocabulary, painter = scenes(), Painter()
    reader = Reader(vocabulary.sizes)
    asked = np.random.default_rng(0).integers(0, min(vocabulary.sizes), (310, len(vocabulary.sizes))).astype(np.int32)
    for rows in (asked, asked[:20], asked[:250]):
        made = imagine(painter, reader, vocabulary, rows)
        np.testing.assert_array_equal(made.seen, rows)
    assert painter.traced == 1
