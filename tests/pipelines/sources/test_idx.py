import gzip
import struct

import numpy as np
import pytest
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines.sources.idx import read_idx_file


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
