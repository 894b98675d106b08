import gzip
import struct

import numpy as np
import pytest
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines.arrays import read_idx_file


def idx_bytes(array: np.ndarray) -> bytes:
    """IDX as its description says: two zero bytes, type 8 (unsigned byte), rank, sides, data."""
    return struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def digits():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (5, 28, 28), dtype=np.uint8), rng.integers(0, 10, 5, dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read_raw_and_compressed(tmp_path, digits, suffix):
    for prefix in ("train", "t10k"):
        for array, name in zip(digits, ("images-idx3-ubyte", "labels-idx1-ubyte"), strict=True):
            content = idx_bytes(array)
            (tmp_path / f"{prefix}-{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    for split in ("train", "test"):
        images = pipelines.read(f"idx:{tmp_path}", split)
        np.testing.assert_array_equal(images.pixels[..., 0], digits[0])
        np.testing.assert_array_equal(images.labels, digits[1])


def test_damaged_idx_files_are_refused(tmp_path, digits):
    path = tmp_path / "train-images-idx3-ubyte"
    for content, message in [
        (idx_bytes(digits[0])[:-9], "header announces"),
        (b"", "not an IDX file"),
        (b"<html>not found</html>", "not an IDX file"),
    ]:
        path.write_bytes(content)
        with pytest.raises(UserError, match=message):
            read_idx_file(path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(digits[0]))[:-20])
    with pytest.raises(UserError, match="cannot be read"):
        read_idx_file(path)


def test_a_folder_without_idx_files_says_what_it_looked_for(tmp_path):
    with pytest.raises(UserError, match="no train-images-idx3-ubyte"):
        pipelines.read(f"idx:{tmp_path}")
    with pytest.raises(UserError, match="no such folder"):
        pipelines.read(f"idx:{tmp_path}/none")


def test_an_npz_without_labels_is_unlabelled(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=np.zeros([4, 2, 2], np.uint8))
    assert pipelines.read(str(tmp_path / "x.npz")).labels.tolist() == [-1] * 4


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 truncated"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(UserError, match="not a readable"):
        pipelines.read(str(tmp_path / "x.npz"))


def test_other_arrays_pickles_and_missing_files_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", pictures=np.zeros([4, 2, 2], np.uint8))
    with pytest.raises(UserError, match=r"holds the arrays \['pictures'\]; expected x_train"):
        pipelines.read(str(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", x_train=np.array([{"a": 1}], object))
    with pytest.raises(UserError, match="cannot be read"):
        pipelines.read(str(tmp_path / "b.npz"))
    with pytest.raises(UserError, match="no such file"):
        pipelines.read(str(tmp_path / "c.npz"))
