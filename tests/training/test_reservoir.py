import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from reverie.training.continual.reservoir import Reservoir


@settings(deadline=None, max_examples=60)
@given(
    capacity=st.integers(1, 30),
    parts=st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=40), min_size=1, max_size=5),
    seed=st.integers(0, 10),
)
def test_it_never_exceeds_its_capacity_and_shares_it_evenly(capacity, parts, seed):
    rng, memory, offered = np.random.default_rng(seed), Reservoir(capacity), []
    for labels in parts:
        rows = np.array([[len(offered) + k, label] for k, label in enumerate(labels)])
        offered += labels
        memory.offer(rows, np.array(labels), rng.random(len(labels)))
    assert len(memory.labels) <= capacity
    assert np.array_equal(memory.rows[:, 1], memory.labels)
    assert len(set(memory.rows[:, 0].tolist())) == len(memory.labels)  # Nothing is stored twice.
    share = capacity // len(set(offered))
    for label in set(offered):
        kept = int(np.sum(memory.labels == label))
        assert kept <= max(share, 1)
        # A class with at least its share of rows, offered while the share was no larger, fills it.
        if share:
            assert kept == min(share, offered.count(label))


def test_every_row_of_a_class_has_the_same_chance_wherever_it_stood_in_the_stream():
    counts = np.zeros(60)
    for seed in range(3000):
        rng, memory = np.random.default_rng(seed), Reservoir(20)
        # Class 0 in three parts; class 1 comes with the last of them and halves the share.
        for start in (0, 20, 40):
            rows, labels = np.arange(start, start + 20)[:, None], np.zeros(20, int)
            if start == 40:
                rows, labels = np.concatenate([rows, np.full((30, 1), 99)]), np.concatenate([labels, np.ones(30, int)])
            memory.offer(rows, labels, rng.random(len(labels)))
        assert np.sum(memory.labels == 0) == 10
        counts[memory.rows[memory.labels == 0, 0]] += 1
    # Binomial(3000, 1/6): mean 500, deviation 20.4.
    assert np.all(np.abs(counts - 500) < 5 * 20.4)
    chi_squared = np.sum((counts - 500) ** 2 / (500 * 5 / 6))
    assert chi_squared < 60 + 5 * np.sqrt(120)
