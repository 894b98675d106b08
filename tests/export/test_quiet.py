"""What libraries print while they work is held back, and shown where it says what went wrong."""

import os
import sys

import pytest
from reverie.cli import main
from reverie.quiet import held_back


@pytest.fixture(autouse=True)
def _as_the_command_line_sets_it(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


def _noise(more: bytes = b""):
    os.write(2, b"INFO: from C++\n" + more)
    with os.fdopen(os.dup(2), "w") as stream:  # As sys.stderr is where nobody has replaced it.
        print("a bar |###|", file=stream)


def test_noise_is_held_back_and_what_follows_is_shown(capfd):
    with held_back():
        _noise()
    print("after", file=sys.stderr)
    assert capfd.readouterr().err == "after\n"


def test_everything_is_shown_where_the_work_fails(capfd):
    @held_back()
    def work():
        _noise()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work()
    said = capfd.readouterr().err
    assert "INFO: from C++" in said and "a bar" in said


@pytest.mark.parametrize(
    "line", [b"E0000 00:00:1 a.cc:3] bad", b"2026-01-02 03:04:05.678: E a/b.cc:3] bad", b"ERROR: bad", b"F1231 x] bad"]
)
def test_errors_are_shown_though_the_work_succeeds(capfd, line):
    with held_back():
        _noise(line + b"\n")
    assert capfd.readouterr().err.encode() == line + b"\n"


def test_nothing_is_held_back_where_tensorflow_is_told_to_show_everything(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with held_back():
        _noise()
    assert "INFO: from C++" in capfd.readouterr().err


@pytest.mark.thorough
def test_an_export_prints_where_it_is_and_nothing_else(trained_run, tmp_path, capfd):
    assert main(["reverie", "export", f"--workdir={trained_run}", f"--to={tmp_path}/to"]) == 0
    out, err = capfd.readouterr()
    assert out == f"{tmp_path}/to/xcov/1\n"
    assert [line for line in err.splitlines() if not line.startswith("WARNING:absl:left out: ")] == []
