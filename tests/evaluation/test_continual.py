import numpy as np
import pytest
from reverie.evaluation import continual


def test_the_numbers_of_a_hand_made_matrix():
    matrix = [[0.9, 0.3, 0.2], [0.95, 0.8, 0.4], [0.5, 0.7, 0.85]]
    initial = [0.1, 0.15, 0.25]
    expected = {
        "average_accuracy": (0.5 + 0.7 + 0.85) / 3,
        "incremental_accuracy": (0.9 + (0.95 + 0.8) / 2 + (0.5 + 0.7 + 0.85) / 3) / 3,
        # Best before the last task: 0.95 and 0.8.
        "forgetting": ((0.95 - 0.5) + (0.8 - 0.7)) / 2,
        "backward_transfer": ((0.5 - 0.9) + (0.7 - 0.8)) / 2,
        # Just before learning: 0.3 for the second task, 0.4 for the third.
        "forward_transfer": ((0.3 - 0.15) + (0.4 - 0.25)) / 2,
    }
    assert continual.summary(matrix, initial) == pytest.approx(expected)
    assert set(expected) == set(continual.DEFINITIONS)


def test_forgetting_may_be_negative_and_the_last_row_does_not_count_as_best():
    assert continual.summary([[0.5, None], [0.7, 0.9]])["forgetting"] == pytest.approx(-0.2)


def test_what_was_not_measured_is_left_out():
    result = continual.summary([[0.9, None], [0.5, 0.7]], [None, None])
    assert "forward_transfer" not in result and result["average_accuracy"] == pytest.approx(0.6)
    assert set(continual.summary([[0.9, 0.8]])) == {"average_accuracy"}


def test_pictures_of_short_and_long_streams_are_drawn():
    for tasks in (3, 30):
        matrix = [[0.9 if i <= t else None for i in range(tasks)] for t in range(tasks)]
        drawn = continual.draw(matrix, [f"task {k + 1}" for k in range(tasks)])
        assert set(drawn) == {"accuracy_matrix", "accuracy_course"}
        for picture, caption in drawn.values():
            assert picture.dtype == np.uint8 and picture.shape[-1] == 3 and picture.std() > 5 and caption
