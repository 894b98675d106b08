import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines import streams
from reverie.pipelines.image_set import from_arrays
from reverie.pipelines.streams import StreamSettings

from ..conftest import tiny_arrays


def _sets(classes: int = 6, count: int = 120):
    """Images whose first pixel is their original label, and whose last tells training from test."""
    sets = {}
    for number, split in enumerate(("train", "test")):
        labels = np.arange(count) % classes
        images = np.random.default_rng(number).integers(0, 200, (count, 4, 5, 1)).astype(np.uint8)
        images[:, 0, 0, 0], images[:, 3, 4, 0] = labels, 250 + number
        sets[split] = from_arrays("tiny", images, labels)
    return sets


def _all(images) -> tuple:
    batches = list(pipelines.in_order(images, 50))
    pixels = np.concatenate([np.round(b["image"].numpy() * 255) for b in batches])
    return pixels, np.concatenate([b["label"].numpy() for b in batches])


@settings(deadline=None, max_examples=40)
@given(
    tasks=st.integers(1, 4), per_task=st.integers(1, 3), extra=st.integers(0, 2), seed=st.integers(0, 99),
    scenario=st.sampled_from(["task", "domain", "class"]), order=st.sampled_from(["natural", "seed", "paper"]),
)  # fmt: skip
def test_every_class_is_in_exactly_one_task_and_no_test_image_in_training(
    tasks, per_task, extra, seed, scenario, order
):
    classes = tasks * per_task + extra
    made = streams.build(StreamSettings("split", scenario, tasks, per_task, order), seed, _sets(classes, 12 * classes))
    met = []
    for split, mark in (("train", 250), ("test", 251)):
        seen = []
        for number, images in enumerate(made[split].tasks):
            pixels, labels = _all(images)
            original = pixels[:, 0, 0, 0].astype(int)
            assert np.all(pixels[:, 3, 4, 0] == mark)
            # All rows of a class are in its task, under one label, which says the place in the order.
            places = labels if scenario != "domain" else labels + number * per_task
            assert np.array_equal(np.array(made[split].class_order)[places], original)
            assert np.all(places // per_task == number) and len(labels) == 12 * per_task
            seen += sorted(set(original.tolist()))
        assert len(seen) == len(set(seen)) == tasks * per_task
        met.append(made[split].class_order)
    assert met[0] == met[1]


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("task", [[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]]),
        ("class", [[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]),
        ("domain", [[1, 1], [1, 1], [1, 1]]),
    ],
)
def test_active_units_are_those_of_the_scenario(scenario, expected):
    settings = StreamSettings("split", scenario, 3, 2)
    assert [settings.active(task).astype(int).tolist() for task in range(3)] == expected
    assert settings.outputs == len(expected[0]) and settings.blocks == (3 if scenario == "task" else 1)


def test_orders_are_natural_for_the_paper_s_low_seeds_and_shuffled_for_others():
    made = [streams.build(StreamSettings("split", "class", 3, 2), seed, _sets())["train"] for seed in (0, 9, 10, 12)]
    orders = [stream.class_order for stream in made]
    assert orders[0] == orders[1] == (0, 1, 2, 3, 4, 5)
    assert orders[2] != orders[3] and sorted(orders[2]) == [0, 1, 2, 3, 4, 5] != list(orders[2])
    asked = streams.build(StreamSettings("split", "class", 2, 2, (5, 0, 3, 1)), 0, _sets())["train"]
    assert asked.class_order == (5, 0, 3, 1) and set(_all(asked.tasks[1])[0][:, 0, 0, 0]) == {3.0, 1.0}


@pytest.mark.parametrize("scenario", ["domain", "class"])
def test_permuted_tasks_move_the_same_pixels_by_one_permutation_each_and_share_their_memory(scenario):
    sets = _sets()
    made = streams.build(StreamSettings("permuted", scenario, 3, 6, "paper", 1), 0, sets)
    train, test = made["train"], made["test"]
    padded = np.pad(sets["train"].pixels, ((0, 0), (1, 1), (1, 1), (0, 0)))
    assert train.tasks[0].shape == (6, 7, 1) == test.base.shape
    tables = []
    for number, images in enumerate(train.tasks):
        pixels, labels = _all(images)
        table = images.permutations[0]
        assert sorted(table.tolist()) == list(range(42))
        np.testing.assert_array_equal(pixels.reshape(-1, 42), padded.reshape(-1, 42)[:, table])
        np.testing.assert_array_equal(labels, np.arange(120) % 6 + (0 if scenario == "domain" else 6 * number))
        np.testing.assert_array_equal(table, test.tasks[number].permutations[0])
        assert images.content is train.tasks[0].content
        tables.append(tuple(table))
    # The paper's low seeds leave the first task's pixels where they are.
    assert tables[0] == tuple(range(42)) and len(set(tables)) == 3


@pytest.mark.parametrize("kind", ["split", "permuted"])
def test_joint_training_sees_each_image_of_the_tasks_so_far_once_an_epoch(kind):
    settings = StreamSettings(kind, "class", 3, 2 if kind == "split" else 6)
    train = streams.build(settings, 12, _sets())["train"]
    together = train.upto(1)
    pixels, labels = _all(together)
    parts = [_all(images) for images in train.tasks[:2]]
    rows = {(p.tobytes(), int(y)) for part in parts for p, y in zip(*part, strict=True)}
    assert {(p.tobytes(), int(y)) for p, y in zip(pixels, labels, strict=True)} == rows
    assert len(together) == sum(len(images) for images in train.tasks[:2])
    shuffled = next(iter(pipelines.batches(together, len(together), seed=1)))
    assert {(p.tobytes(), int(y)) for p, y in zip(np.round(shuffled["image"].numpy() * 255), shuffled["label"].numpy(), strict=True)} == rows  # fmt: skip  # noqa: E501


def test_the_facts_tell_streams_apart():
    def build(seed, **settings):
        return streams.build(StreamSettings(**settings), seed, _sets())["train"].facts()["digest"]

    digests = {
        build(0, tasks=3), build(12, tasks=3), build(0, tasks=2), build(0, tasks=3, scenario="domain"),
        build(0, kind="permuted", tasks=2, classes_per_task=6), build(12, kind="permuted", tasks=2, classes_per_task=6),
    }  # fmt: skip
    assert len(digests) == 6 and build(0, tasks=3) in digests


class TestBadInputIsOneClearLine:
    def test_more_tasks_than_classes(self):
        with pytest.raises(UserError, match=r"4 tasks of 2 classes need 8 classes, but tiny has 6"):
            streams.build(StreamSettings("split", "class", 4, 2), 0, _sets())

    @pytest.mark.parametrize("order", [(0, 1, 2, 9), (0, 1, 1, 2), (0, 1)])
    def test_class_ids_outside_the_stream(self, order):
        with pytest.raises(UserError, match="expected 4 different labels of tiny, which has"):
            streams.build(StreamSettings("split", "class", 2, 2, order), 0, _sets())

    def test_missing_labels(self):
        images, labels = tiny_arrays()
        unlabeled = from_arrays("pictures", images, np.where(np.arange(60) < 4, -1, labels.astype(int)))
        with pytest.raises(UserError, match="pictures: 4 of 60 images have no label"):
            streams.build(StreamSettings("split", "class", 1, 2), 0, {"train": unlabeled})

    def test_several_label_columns(self):
        images, labels = tiny_arrays()
        both = from_arrays("faces", images, np.stack([labels, labels], axis=1))
        with pytest.raises(UserError, match="2 label columns"):
            streams.build(StreamSettings("split", "class", 1, 2), 0, {"train": both})

    def test_a_class_without_test_images(self):
        sets = _sets()
        sets["test"] = sets["test"].take(np.flatnonzero(sets["test"].labels != 3))
        with pytest.raises(UserError, match="task 2 has no test image of class 3"):
            streams.build(StreamSettings("split", "class", 3, 2), 0, sets)

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"kind": "rotated"}, "split, permuted"),
            ({"scenario": "online"}, "task, domain, class"),
            ({"tasks": 0}, "at least 1"),
            ({"order": "sorted"}, "natural, seed, paper"),
            ({"kind": "permuted", "order": (1, 2)}, "every task of a permuted stream"),
        ],
    )
    def test_settings(self, settings, said):
        with pytest.raises(UserError, match=said):
            StreamSettings(**settings)

    def test_a_permuted_stream_of_some_of_the_classes(self):
        with pytest.raises(UserError, match="set stream.classes_per_task=6"):
            streams.build(StreamSettings("permuted", "domain", 2, 2), 0, _sets())
