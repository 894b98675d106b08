import struct
import zlib

import numpy as np
import PIL.Image
import pytest
from reverie import pipelines
from reverie.errors import UserError

SHAPE = (8, 8, 1)


def save(path, value: int = 100, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full(size, value, np.uint8)).save(path)
    return path


def png_bomb(width: int, height: int) -> bytes:
    """A well-formed PNG of one-bit pixels, all zero: a few kilobytes that unpack to width * height."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 7) // 8 + 1) * height, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def read(folder, split="train", **options):
    return pipelines.read(f"folder:{folder}", split, image_shape=SHAPE, **{"test_fraction": 0.0, **options})


def test_a_flat_folder_is_unlabeled_and_class_folders_are_classes(tmp_path):
    save(tmp_path / "flat" / "a.png", 1)
    save(tmp_path / "flat" / "b.jpg", 2)
    assert read(tmp_path / "flat").labels.tolist() == [-1, -1]
    for name, value in (("cat", 10), ("dog", 20), ("ant", 30)):
        save(tmp_path / "classes" / name / "deep" / f"{name}.png", value)
    images = read(tmp_path / "classes")
    assert images.class_names == {"label": ("ant", "cat", "dog")}
    assert {int(p.mean()): int(label) for p, label in zip(images.pixels, images.labels, strict=True)} == {
        30: 0, 10: 1, 20: 2,
    }  # fmt: skip


def test_split_folders_are_splits_with_one_class_numbering(tmp_path):
    save(tmp_path / "train" / "cat" / "a.png")
    save(tmp_path / "train" / "dog" / "b.png")
    save(tmp_path / "test" / "dog" / "c.png")
    assert read(tmp_path, "train").labels.tolist() == [0, 1]
    assert read(tmp_path, "test").labels.tolist() == [1]
    with pytest.raises(UserError, match="no validation split"):
        read(tmp_path, "validation")
    (tmp_path / "train").rename(tmp_path / "other")
    assert read(tmp_path, "test", split_folders="yes").labels.tolist() == [0]
    with pytest.raises(UserError, match="no train split"):
        read(tmp_path, "train", split_folders="yes")


def test_unusable_files_are_counted_by_reason_and_the_rest_is_used(tmp_path):
    for number in range(12):
        save(tmp_path / f"good_{number:02d}.png", number)
    (tmp_path / "zero.png").touch()
    (tmp_path / "junk.png").write_bytes(b"<html>404</html>")
    whole = save(tmp_path / "corrupt.png").read_bytes()
    start = whole.index(b"IDAT") + 6  # Behind the header, so only decoding finds it.
    (tmp_path / "corrupt.png").write_bytes(whole[:start] + b"\xff\xff\xff\xff" + whole[start + 4 :])
    (tmp_path / "huge.png").write_bytes(png_bomb(20_000, 20_000))
    (tmp_path / "wrong.png").write_bytes(save(tmp_path / "other.png", size=(9, 8)).read_bytes())
    (tmp_path / "notes.txt").write_text("passed over")
    save(tmp_path / ".hidden" / "x.png")
    images = read(tmp_path, max_bad_fraction=0.5)
    assert len(images) == 12
    assert images.skipped.reasons == {
        "empty file": 1,
        "not an image of a known format": 1,
        "corrupt": 1,
        "over 40000000 pixels": 1,
        "not of size 8x8": 2,
    }
    assert len(images.skipped.first) == 6 and any("huge.png: over" in line for line in images.skipped.first)


def test_a_bomb_is_refused_from_its_header_without_being_unpacked(tmp_path):
    # 30,000 x 30,000 would unpack to 900 MB; the file has about 110 kB.
    save(tmp_path / "good.png")
    (tmp_path / "bomb.png").write_bytes(png_bomb(30_000, 30_000))
    assert (tmp_path / "bomb.png").stat().st_size < 300_000
    images = read(tmp_path, max_bad_fraction=0.5)
    assert list(images.skipped.reasons) == ["over 40000000 pixels"]


def test_too_many_bad_files_stop_the_job_naming_them(tmp_path):
    for number in range(10):
        save(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_bytes(b"bad")
    with pytest.raises(UserError, match=r"1 of 11 files skipped .*bad.png.*over data.max_bad_fraction=0.01"):
        read(tmp_path)


def test_an_empty_or_missing_folder_says_so(tmp_path):
    with pytest.raises(UserError, match="no image files there"):
        read(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        read(tmp_path / "none")
    (tmp_path / "a.png").touch()
    with pytest.raises(UserError, match="no usable image"):
        read(tmp_path, max_bad_fraction=1.0)


def test_streaming_gives_the_pixels_that_memory_gives(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(9):
        PIL.Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    kept = read(tmp_path, resize="crop")
    streamed = read(tmp_path, resize="crop", memory_gib=0.0)
    assert kept.pixels is not None and streamed.pixels is None
    for one, other in zip(pipelines.in_order(kept, 4), pipelines.in_order(streamed, 4), strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
    pair = [next(iter(pipelines.batches(images, 4, seed=1, start_step=3))) for images in (kept, streamed)]
    np.testing.assert_array_equal(pair[0]["image"], pair[1]["image"])


def test_crop_keeps_the_middle_and_stretch_keeps_everything(tmp_path):
    picture = np.zeros([8, 24], np.uint8)
    picture[:, 8:16] = 200
    PIL.Image.fromarray(picture).save(tmp_path / "wide.png")
    assert (read(tmp_path, resize="crop").pixels == 200).all()
    stretched = read(tmp_path, resize="stretch").pixels[0, 0, :, 0]
    assert stretched[0] == 0 and stretched[-1] == 0 and stretched[4] == 200


def test_every_class_is_held_out_by_the_same_share_and_none_is_left_without(tmp_path):
    for name, count in (("many", 40), ("few", 5), ("one", 1)):
        for number in range(count):
            save(tmp_path / name / f"{number}.png")
    parts = {split: read(tmp_path, split, test_fraction=0.2, validation_fraction=0.1) for split in
             ("train", "validation", "test")}  # fmt: skip
    counts = {split: np.bincount(images.labels, minlength=3).tolist() for split, images in parts.items()}
    # few, many, one: 0.2 of 5 and 40, and of a single image none.
    assert counts == {"test": [1, 8, 0], "validation": [1, 4, 0], "train": [3, 28, 1]}


def test_images_held_out_independently_never_move_as_others_are_added(tmp_path):
    def splits():
        shares = {"test_fraction": 0.3, "validation_fraction": 0.2, "holdout": "independent"}
        sets = {split: read(tmp_path, split, **shares) for split in ("train", "test")}
        return {split: set(images.keys.tolist()) for split, images in sets.items()}

    for number in range(0, 60, 2):
        save(tmp_path / f"{number:03d}.png")
    before = splits()
    for number in range(1, 60, 2):
        save(tmp_path / f"{number:03d}.png")
    after = splits()
    assert before["train"] <= after["train"] and before["test"] <= after["test"]
    assert not after["train"] & after["test"]
