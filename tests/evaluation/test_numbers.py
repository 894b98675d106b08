"""Numbers of a run folder."""

import json

from reverie.evaluation.numbers import read_numbers


def test_numbers_of_earlier_versions_are_read_under_todays_names(tmp_path):
    written = {"accuracy": 0.9, "clamped_recognised_parity": 0.8, "generated_recognised": 0.7}
    (tmp_path / "evaluation.json").write_text(json.dumps(written))
    assert read_numbers(tmp_path) == {"accuracy": 0.9, "clamped_recognized_parity": 0.8, "generated_recognized": 0.7}


def test_todays_numbers_are_read_as_they_are(tmp_path):
    written = {"step": 60, "generated_recognized": 0.7}
    (tmp_path / "evaluation.json").write_text(json.dumps(written))
    assert read_numbers(tmp_path) == written


def test_a_run_that_was_not_evaluated_has_no_numbers(tmp_path):
    assert read_numbers(tmp_path) == {}
