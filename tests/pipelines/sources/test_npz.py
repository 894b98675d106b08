import numpy as np
import pytest
from reverie import pipelines
from reverie.errors import UserError


def test_an_npz_without_labels_is_unlabeled(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=np.zeros([4, 2, 2], np.uint8))
    assert pipelines.read(str(tmp_path / "x.npz"), test_fraction=0.0).labels.tolist() == [-1] * 4


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 truncated"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(UserError, match="not a readable"):
        pipelines.read(str(tmp_path / "x.npz"))


def test_other_arrays_pickles_and_missing_files_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", pictures=np.zeros([4, 2, 2], np.uint8), more=np.zeros(4))
    with pytest.raises(UserError, match="holds the arrays pictures, more; expected x_train"):
        pipelines.read(str(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", x_train=np.array([{"a": 1}], object))
    with pytest.raises(UserError, match="holds Python objects"):
        pipelines.read(str(tmp_path / "b.npz"))
    with pytest.raises(UserError, match="no such file"):
        pipelines.read(str(tmp_path / "c.npz"))
