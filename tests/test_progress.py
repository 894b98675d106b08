"""Long work says how far it is: a bar where one can be shown, a line a minute in a log file."""

import io

import pytest
from reverie import progress


class _Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = _Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_log_file_gets_a_line_a_minute_with_rate_and_time_left_and_no_carriage_return(clock, capsys):
    with progress.Progress("reading", 400, "file") as shown:
        for _ in range(300):
            clock.now += 0.5
            shown.update()
    assert (
        capsys.readouterr().err
        == "reading: file 120/400, 2 file/s, 2:20 left\nreading: file 240/400, 2 file/s, 1:20 left\n"
    )


def test_work_done_within_a_minute_says_nothing_to_a_log_file(clock, capsys):
    for _ in progress.shown(range(100), "reading"):
        clock.now += 0.5
    assert capsys.readouterr().err == ""


def test_slow_work_says_seconds_a_piece_and_what_was_done_before_does_not_count_for_the_rate(clock, capsys):
    shown = progress.Progress("runs", 10, "run", done=4)
    clock.now += 120.0
    shown.update()
    shown.close()
    assert capsys.readouterr().err == "runs: run 5/10, 120 s/run, 10:00 left\n"


def test_work_of_unknown_length_and_work_that_only_goes_on_are_told_too(clock, capsys):
    shown = progress.Progress("waiting", unit="run")
    for _ in range(2):
        clock.now += 60.0
        shown.update(0)
    assert capsys.readouterr().err == "waiting: run 0\nwaiting: run 0\n"


def test_items_come_as_they_are_whatever_they_come_from():
    assert list(progress.shown(iter("abc"), "letters")) == list("abc")
    assert list(progress.shown([], "nothing")) == []


def test_a_terminal_gets_a_bar_with_rate_and_time_left_and_only_for_what_takes_long(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr", terminal)
    list(progress.shown(range(1000), "quick"))
    assert terminal.getvalue() == ""
    monkeypatch.setattr(progress, "_BAR_AFTER", 0.0)
    shown = progress.Progress("slow", 10, "file")
    shown.update(5)
    shown.say("a line of its own")
    shown._bar.refresh()
    shown.close()
    assert "slow:  50%" in terminal.getvalue() and "5/10 [" in terminal.getvalue() and "file/s]" in terminal.getvalue()


def test_a_line_of_its_own_goes_to_standard_output(capsys):
    progress.Progress("runs").say("1/2 done")
    assert capsys.readouterr().out == "1/2 done\n"
