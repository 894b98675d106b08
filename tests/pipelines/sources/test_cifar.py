import os
import pickle

import numpy as np
import pytest
from reverie import pipelines
from reverie.errors import UserError


def _write(path, content):
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.fixture
def cifar10(tmp_path):
    """Files of the authors' form: bytes keys, rows of 1,024 red, then green, then blue pixels."""
    rng = np.random.default_rng(0)
    for number, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        data = rng.integers(0, 256, (4, 3072)).astype(np.uint8)
        data[0, :] = 0
        data[0, 1024 + 32 + 5] = 100 + number  # Green, second row, sixth column.
        _write(tmp_path / name, {b"data": data, b"labels": [number, 1, 2, 3], b"batch_label": b"x"})
    _write(tmp_path / "batches.meta", {b"label_names": [b"airplane", b"automobile"]})
    return tmp_path


def test_cifar10_files_become_images_in_height_width_channel_order(cifar10):
    train = pipelines.read(f"cifar10:{cifar10}", "train")
    assert train.pixels.shape == (20, 32, 32, 3) and train.labels.tolist()[::4] == [0, 1, 2, 3, 4]
    assert train.pixels[4, 1, 5].tolist() == [0, 101, 0] and train.pixels[4].sum() == 101
    assert train.class_names["label"] == ("airplane", "automobile")
    assert len(pipelines.read(f"cifar10:{cifar10}", "test")) == 4


def test_cifar100_takes_the_fine_labels(tmp_path):
    data = np.zeros((3, 3072), np.uint8)
    for name in ("train", "test"):
        _write(tmp_path / name, {b"data": data, b"fine_labels": [99, 7, 0], b"coarse_labels": [1, 1, 1]})
    assert pipelines.read(f"cifar100:{tmp_path}", "train").labels.tolist() == [99, 7, 0]


def test_a_pickle_that_would_run_something_is_refused_unrun(cifar10):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {cifar10}/ran",)

    _write(cifar10 / "data_batch_2", {b"data": Evil(), b"labels": []})
    with pytest.raises(UserError, match=r"data_batch_2: is not a CIFAR file \(asks for .*system"):
        pipelines.read(f"cifar10:{cifar10}", "train")
    assert not (cifar10 / "ran").exists()


@pytest.mark.parametrize(
    "content", [b"", b"<html>", pickle.dumps([1, 2]), pickle.dumps({b"data": [[1]], b"labels": [1]})]
)
def test_files_of_another_form_are_named(cifar10, content):
    (cifar10 / "data_batch_3").write_bytes(content)
    with pytest.raises(UserError, match="data_batch_3: is not a"):
        pipelines.read(f"cifar10:{cifar10}", "train")


def test_a_missing_file_is_named(cifar10):
    (cifar10 / "data_batch_5").unlink()
    with pytest.raises(UserError, match="data_batch_5 cannot be read"):
        pipelines.read(f"cifar10:{cifar10}", "train")
