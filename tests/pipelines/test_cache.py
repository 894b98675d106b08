"""Decoded pictures kept between runs: the same pixels without a decoder, and never half of them."""

import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
from reverie import cli, pipelines
from reverie.errors import StorageError, UserError
from reverie.experiments.reading import naming_damage
from reverie.pipelines import cache, files, originals

from ..cluster import ROOT

COUNT = 23


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pictures in two classes, one of them damaged, in parts of five."""
    monkeypatch.setattr(cache, "_PART_BYTES", 5 * 8 * 8 * 3)
    for number in range(COUNT):
        place = tmp_path / "set" / f"class {number % 2}" / f"{number:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, [8, 8, 3], np.uint8)
        PIL.Image.fromarray(pixels).save(place)
    damaged = tmp_path / "set" / "class 0" / "04.png"
    damaged.write_bytes(damaged.read_bytes()[:70])
    return tmp_path


def _read(folder, **settings):
    settings = {"image_shape": (8, 8, 3), "max_bad_fraction": 0.5, "cache": str(folder / "cache"), **settings}
    return pipelines.read(f"folder:{folder / 'set'}", **{"test_fraction": 0.0, **settings})


@pytest.fixture
def decoded(monkeypatch):
    """The files that were decoded, in the order that they were asked for."""
    seen, whole = [], files.check_file

    def check_file(path, channels, request):
        seen.append(os.path.basename(path))
        return whole(path, channels, request)

    monkeypatch.setattr(files, "check_file", check_file)
    return seen


@pytest.mark.parametrize("memory_gib", [4.0, 0.0])
def test_a_second_reading_decodes_nothing_and_gives_the_same(folder, decoded, memory_gib):
    plain = _read(folder, cache="")
    first, decoded[:] = _read(folder), []
    again = _read(folder, memory_gib=memory_gib)
    assert not decoded and len(again) == COUNT - 1
    for found in (first, again):
        assert found.digest == plain.digest and found.skipped == plain.skipped and found.remarks == plain.remarks
        assert found.keys.tolist() == plain.keys.tolist() and found.found_shapes == plain.found_shapes
        one, other = (next(iter(pipelines.batches(images, 22, seed=4))) for images in (found, plain))
        np.testing.assert_array_equal(one["image"], other["image"])
        np.testing.assert_array_equal(one["label"], other["label"])
    assert (again.pixels is None) == (memory_gib == 0.0) == (again.kept is not None)


def test_a_set_over_memory_is_split_and_taken_from_without_being_loaded(folder):
    sets = {memory: _read(folder, memory_gib=memory, test_fraction=0.3) for memory in (0.0, 4.0)}
    taken = {memory: images.take(np.array([9, 2, 2, 11])) for memory, images in sets.items()}
    one, other = (next(iter(pipelines.in_order(images, 9)))["image"] for images in taken.values())
    assert taken[0.0].pixels is None and isinstance(taken[0.0].kept, cache.KeptPixels)
    np.testing.assert_array_equal(one, other)


def test_a_cache_that_is_deleted_while_it_is_streamed_from_is_streamed_to_the_end(folder):
    streamed = _read(folder, memory_gib=0.0)
    for path in (folder / "cache").iterdir():
        path.unlink()
    found = next(iter(pipelines.in_order(streamed, 30)))["image"]
    np.testing.assert_array_equal(found, next(iter(pipelines.in_order(_read(folder, cache=""), 30)))["image"])


def test_a_file_that_goes_while_it_is_streamed_is_named_in_a_line(folder):
    streamed = _read(folder, memory_gib=0.0, cache="")
    (folder / "set" / "class 1" / "21.png").unlink()
    source = f"folder:{folder / 'set'}"
    with (
        pytest.raises(UserError, match=r"can no longer be read \(.*21\.png\): cannot be opened$"),
        naming_damage(source),
    ):
        list(pipelines.in_order(streamed, 30))


def test_only_files_that_changed_are_decoded_again(folder, decoded):
    _read(folder)
    path = folder / "set" / "class 1" / "21.png"
    PIL.Image.new("RGB", (8, 8), "red").save(path)
    decoded.clear()
    found = _read(folder)
    assert 1 <= len(decoded) <= 5 and "21.png" in decoded
    row = found.keys.tolist().index("class 1/21.png")
    assert found.pixels[row].reshape(-1, 3).tolist() == [[255, 0, 0]] * 64


@pytest.mark.parametrize("setting", [{"resize": "crop"}, {"image_shape": (8, 8, 1)}, {"background": "black"}])
def test_other_settings_have_another_cache(folder, decoded, setting):
    _read(folder)
    decoded.clear()
    _read(folder, **setting)
    assert len(decoded) == COUNT


def _cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def _flip(path: pathlib.Path) -> None:
    """Of a note it changes what it says of a file, and leaves it JSON."""
    content = path.read_bytes()
    place = content.index(b"8x8") if path.suffix == ".json" else 7
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])


@pytest.mark.parametrize("harm", [_cut, _flip, pathlib.Path.unlink])
@pytest.mark.parametrize("ending", ["pixels", "json"])
def test_a_part_that_is_not_whole_is_made_anew(folder, decoded, harm, ending):
    before = _read(folder)
    harm(sorted((folder / "cache").glob(f"*.{ending}"))[1])
    decoded.clear()
    after = _read(folder)
    np.testing.assert_array_equal(before.pixels, after.pixels)
    assert 1 <= len(decoded) <= 5
    decoded.clear()
    _read(folder)
    assert not decoded


@pytest.mark.fault("a cache of decoded pictures cut off in writing", "the parts that were whole", "nothing", 0)
def test_a_killed_reading_is_taken_up_at_the_part_that_it_died_in(folder, decoded):
    """A process that dies in its third part, between the pixels and the note, as a power cut would have it."""
    script = (
        "import os, sys\nfrom reverie import pipelines\nfrom reverie.pipelines import cache\n"
        "cache._PART_BYTES, whole, notes = 5 * 8 * 8 * 3, cache.whole_file, []\n"
        "def whole_file(path):\n"
        "    if path.suffix == '.json':\n        notes.append(path)\n"
        "        if len(notes) == 3: os.kill(os.getpid(), 9)\n"
        "    return whole(path)\n"
        "cache.whole_file = whole_file\n"
        "pipelines.read(sys.argv[1], image_shape=(8, 8, 3), max_bad_fraction=0.5, test_fraction=0.0, cache=sys.argv[2])"
    )
    command = [sys.executable, "-c", script, f"folder:{folder / 'set'}", str(folder / "cache")]
    assert subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == -signal.SIGKILL
    assert len(list((folder / "cache").glob("*.json"))) == 2
    found = _read(folder)
    assert len(decoded) == COUNT - 10
    np.testing.assert_array_equal(found.pixels, _read(folder, cache="").pixels)


@pytest.mark.thorough
def test_two_processes_that_fill_one_cache_share_the_work(folder, monkeypatch):
    script = (
        "import sys\nfrom reverie import pipelines\nfrom reverie.pipelines import cache\n"
        "cache._PART_BYTES = 5 * 8 * 8 * 3\n"
        "print(pipelines.read(sys.argv[1], image_shape=(8, 8, 3), max_bad_fraction=0.5, test_fraction=0.0, "
        "cache=sys.argv[2]).pixels.sum())"
    )
    command = [sys.executable, "-c", script, f"folder:{folder / 'set'}", str(folder / "cache")]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert said == {str(_read(folder, cache="").pixels.sum())}
    assert len(list((folder / "cache").glob("*.pixels"))) == 5


def test_a_full_disk_and_a_folder_that_cannot_be_are_lines(folder, monkeypatch, capsys):
    (folder / "file").write_text("")
    with pytest.raises(UserError, match=r"data.cache is .*file.*, which cannot be written"):
        _read(folder, cache=str(folder / "file"))
    with pytest.raises(UserError, match="data.cache is gs://shelf/cache; expected a folder of this machine"):
        _read(folder, cache="gs://shelf/cache")

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", lambda self, content: full(self))
    with pytest.raises(StorageError, match="could not be written: No space left on device"):
        _read(folder)
    monkeypatch.undo()
    assert len(_read(folder)) == COUNT - 1


def test_check_and_encode_take_the_same_cache(folder, capsys):
    command = ["reverie", "data", "check", f"folder:{folder / 'set'}", "--image_shape=8,8,3"]
    assert cli.main([*command, f"--cache={folder / 'cache'}", "--max_bad_fraction=0.5"]) == 0
    assert list((folder / "cache").glob("*.json"))


def test_pictures_are_looked_at_one_by_one_from_the_cache_too(folder):
    in_memory, kept = _read(folder), _read(folder, memory_gib=0.0)
    assert kept.kept is not None
    rows = [0, 7, COUNT - 2]
    found = originals.visit(kept, rows, lambda _, picture: picture)
    np.testing.assert_array_equal(np.stack(list(found)), in_memory.pixels[rows])
