"""Files are written whole or not at all, whatever stops the writing."""

import errno
import os

import numpy as np
import pytest
from reverie.errors import StorageError
from reverie.experiments.encoding import Codes
from reverie.stored import whole_file


def _full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.fault("disk full in encode", "what was there before; nothing half-written", "one line", 5)
@pytest.mark.parametrize("before", [None, b"the codes of yesterday"])
def test_codes_that_do_not_fit_on_the_disk_leave_what_was_there(tmp_path, monkeypatch, before):
    path = tmp_path / "codes.npz"
    if before is not None:
        path.write_bytes(before)
    codes = Codes({"features": np.zeros([3, 2], np.float32)}, np.zeros([3], np.int32))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _full)  # Where a full disk is told at the latest.
        with pytest.raises(StorageError, match=r"codes.npz could not be written: No space left on device") as error:
            codes.save(path)
    assert error.value.exit_code == 5
    assert [entry.name for entry in tmp_path.iterdir()] == ([] if before is None else ["codes.npz"])
    assert before is None or path.read_bytes() == before
    codes.save(path)
    assert np.load(path)["features"].shape == (3, 2)


def test_a_file_whose_writing_is_broken_off_is_the_old_one(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")

    def broken_off():
        with whole_file(path) as place:
            place.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["run.json"]
    with whole_file(path) as place:
        place.write_text("new")
    assert path.read_text() == "new"
