import numpy as np
import pytest
import scipy.io
from reverie import pipelines
from reverie.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """Ten faces in TFD's form; image k is all k."""
    folds = np.zeros([10, 5], np.uint8)
    folds[:, 0] = [1, 1, 1, 1, 2, 2, 3, 3, 0, 0]
    folds[:, 1] = [3, 3, 2, 1, 1, 1, 1, 1, 0, 0]
    content = {
        "images": np.arange(10, dtype=np.uint8)[:, None, None] * np.ones([1, 48, 48], np.uint8),
        "labs_ex": np.array([1, 2, 7, 4, 5, 6, 7, 1, -1, -1])[:, None],
        "labs_id": np.arange(10)[:, None],
        "folds": folds,
    }
    scipy.io.savemat(tmp_path / "TFD_48x48.mat", content)
    return tmp_path


def _faces(folder, split, **options):
    images = pipelines.read(f"tfd:{folder}", split, **options)
    return images.pixels[:, 0, 0, 0].tolist(), images.labels.tolist()


def test_labels_start_at_zero_and_unlabeled_stays_minus_one(folder):
    assert _faces(folder, "train") == ([0, 1, 2, 3, 8, 9], [0, 1, 6, 3, -1, -1])


def test_the_official_folds_are_kept(folder):
    assert _faces(folder, "validation") == ([4, 5], [4, 5])
    assert _faces(folder, "test") == ([6, 7], [6, 0])
    assert _faces(folder, "test", fold=1) == ([0, 1], [0, 1])
    with pytest.raises(UserError, match=r"fold 5 does not exist; expected 0\.\.4"):
        _faces(folder, "train", fold=5)


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(UserError, match="TFD_48x48.mat"):
        pipelines.read(f"tfd:{tmp_path}")
    (tmp_path / "TFD_48x48.mat").write_bytes(b"not matlab")
    with pytest.raises(UserError, match="not a readable MATLAB file"):
        pipelines.read(f"tfd:{tmp_path}")
    scipy.io.savemat(tmp_path / "TFD_48x48.mat", {"images": np.zeros([1, 48, 48], np.uint8)})
    with pytest.raises(UserError, match=r"lacks the field\(s\) \['folds', 'labs_ex'\]"):
        pipelines.read(f"tfd:{tmp_path}")
