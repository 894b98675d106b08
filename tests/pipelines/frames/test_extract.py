"""The extraction job: same bytes however it is run, broken off or spread; counts that add up."""

import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from reverie import cli, paths
from reverie.errors import StorageError, UserError
from reverie.pipelines.frames import extract, pool, shards, video

from tests import clips


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Twelve videos, each in another brightness pattern so that no two are near-duplicates."""
    folder = tmp_path_factory.mktemp("films")
    for number in range(12):
        rng = np.random.default_rng(number)
        scene = rng.integers(20, 236, (8, 8, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        clips.write(folder / f"{number:02d}.mp4", frames=6, draw=lambda n, scene=scene: np.roll(scene, 11 * n, axis=1))
    return folder


def _job(films, out, **options):
    settings = {"size": 32, "frames": 2, **options.pop("video", {})}
    defaults = {"videos_per_shard": 3, "workers": 2, "max_bad_fraction": 0.0}
    return extract.Job((str(films),), str(out), video.VideoSettings(**settings), **{**defaults, **options})


def _digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(pathlib.Path(folder).glob("*"))}


def _records(folder):
    for path in sorted(pathlib.Path(folder).glob("*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield tf.train.Example.FromString(record).features.feature


def test_counts_add_up_and_any_number_of_workers_gives_the_same_bytes(films, tmp_path):
    manifest = extract.run(_job(films, tmp_path / "two"))
    extract.run(_job(films, tmp_path / "one", workers=1))
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")
    assert manifest["videos"] == 12 and len(manifest["shards"]) == 4
    records = list(_records(tmp_path / "two"))
    assert len(records) == manifest["frames"] == sum(shard["frames"] for shard in manifest["shards"])
    assert manifest["frames"] + manifest["near_duplicates"] + manifest["near_black"] <= 24
    numbers = [record["number"].int64_list.value[0] for record in records]
    assert numbers == sorted(numbers) and set(numbers) == set(range(12))
    image = tf.io.decode_jpeg(records[0]["image"].bytes_list.value[0])
    assert tuple(image.shape) == (32, 32, 3)
    assert shards.verify(str(tmp_path / "two")) == manifest["frames"]


@pytest.mark.parametrize(
    "how",
    [signal.SIGKILL, *(pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGINT))],
)
@pytest.mark.thorough
def test_a_job_stopped_anywhere_goes_on_to_the_same_bytes(films, tmp_path, how):
    extract.run(_job(films, tmp_path / "whole"))
    out = tmp_path / "stopped"
    command = [sys.executable, "-m", "reverie", "data", "frames", f"--videos={films}", f"--out={out}", "--size=32",
               "--frames_per_video=2", "--videos_per_shard=3", "--workers=2", "--max_bad_fraction=0"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (out / "frames-00000-of-00004.json").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(random.random() * 0.02)
    process.send_signal(how)
    assert process.wait(60) in (-how, 128 + how, 0)
    extract.run(_job(films, out))
    assert _digests(out) == _digests(tmp_path / "whole")


def test_a_damaged_or_noteless_shard_is_made_again(films, tmp_path):
    extract.run(_job(films, tmp_path))
    before = _digests(tmp_path)
    (tmp_path / "frames-00001-of-00004.json").unlink()
    shard = tmp_path / "frames-00002-of-00004.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-7])
    with pytest.raises(UserError, match="frames-00002.*not the file"):
        shards.verify(str(tmp_path))
    extract.run(_job(films, tmp_path))
    assert _digests(tmp_path) == before


def test_another_job_in_the_folder_is_refused(films, tmp_path):
    extract.run(_job(films, tmp_path / "out"))
    with pytest.raises(UserError, match="size is 48, was 32"):
        extract.run(_job(films, tmp_path / "out", video={"size": 48}))
    with pytest.raises(UserError, match="videos_per_shard"):
        extract.run(_job(films, tmp_path / "out", videos_per_shard=5))
    (films / "extra.mp4").write_bytes(b"")
    try:
        with pytest.raises(UserError, match="other files"):
            extract.run(_job(films, tmp_path / "out"))
    finally:
        (films / "extra.mp4").unlink()


def test_bad_files_are_counted_by_reason_named_and_bounded(tmp_path):
    expected = clips.odd_files(tmp_path / "odd")
    bad = {path: reason for path, reason in expected.items() if reason}
    job = _job(tmp_path / "odd", tmp_path / "out", video={"frames": 1}, max_bad_fraction=0.99, distance=-1)
    manifest = extract.run(job)
    # What is no video at all is counted, and named as no fault of the collection.
    faults = {reason for reason in bad.values() if not reason.startswith("not a video (")}
    assert sum(manifest["reasons"].values()) == len(bad) and set(manifest["reasons"]) == set(bad.values())
    assert {reason for _, reason in manifest["first"]} == faults
    assert all(expected[path] == reason for path, reason in manifest["first"])
    assert manifest["frames"] == len(expected) - len(bad)
    assert manifest["decoded_whole"] >= 1  # The file without a duration.
    with pytest.raises(UserError, match=r"3 of 9 videos gave no frame.*max_bad_fraction=0.2 of 12"):
        extract.run(_job(tmp_path / "odd", tmp_path / "out2", video={"frames": 1}, max_bad_fraction=0.2, workers=1))
    # What was done stays: with a larger budget the same folder is resumed.
    assert extract.run(_job(tmp_path / "odd", tmp_path / "out2", video={"frames": 1}, max_bad_fraction=0.99))["frames"]


def test_near_black_and_near_duplicate_frames_are_left_out_and_counted(tmp_path):
    (tmp_path / "v").mkdir()
    clips.write(tmp_path / "v" / "black.mp4", draw=lambda n: np.zeros([32, 32, 3], np.uint8))
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    for name in ("one", "same"):
        clips.write(tmp_path / "v" / f"{name}.mp4", draw=lambda n: scene)
    manifest = extract.run(_job(tmp_path / "v", tmp_path / "out", video={"frames": 1}))
    counts = {key: manifest[key] for key in ("frames", "near_black", "near_duplicates")}
    assert counts == {"frames": 1, "near_black": 1, "near_duplicates": 1}


@pytest.mark.fault(
    "a video that hangs or crashes its decoder",
    "all other videos",
    "the file and the reason, counted",
    0,
)
def test_a_decoder_that_hangs_or_crashes_costs_its_own_file_only(films, tmp_path, monkeypatch):
    script = tmp_path / "worker.py"
    script.write_text(
        "import os, time\n"
        "from reverie.pipelines.frames import video, worker\n"
        "whole = video.sample\n"
        "def sample(path, settings):\n"
        "    time.sleep(60 if '01' in path[-6:] else 0)\n"
        "    os._exit(9) if '04' in path[-6:] else None\n"
        "    if '06' in path[-6:]: print('chatter'); raise MemoryError\n"
        "    return whole(path, settings)\n"
        "video.sample = sample\n"
        "worker.main()\n"
    )
    monkeypatch.setattr(pool, "COMMAND", [sys.executable, str(script)])
    began = time.monotonic()
    manifest = extract.run(_job(films, tmp_path / "out", seconds=2.0, max_bad_fraction=0.5))
    assert time.monotonic() - began < 30.0
    assert manifest["reasons"] == {"timed out": 1, "decoder crashed": 1, "decoder failed (MemoryError)": 1}
    assert [path[-6:] for path, _ in manifest["first"]] == ["01.mp4", "04.mp4", "06.mp4"]
    numbers = {record["number"].int64_list.value[0] for record in _records(tmp_path / "out")}
    assert numbers == set(range(12)) - {1, 4, 6}


@pytest.mark.fault(
    "a decoding process killed from outside",
    "the video: it is decoded again",
    "nothing",
    0,
)
def test_a_decoder_that_is_ended_from_outside_costs_no_file(films, tmp_path, monkeypatch):
    """The first process that meets film 4 is killed, as by a system out of memory; the second one decodes it."""
    script, met = tmp_path / "worker.py", tmp_path / "met"
    script.write_text(
        "import os, pathlib\n"
        "from reverie.pipelines.frames import video, worker\n"
        "whole = video.sample\n"
        "def sample(path, settings):\n"
        f"    met = pathlib.Path({str(met)!r})\n"
        "    if '04' in path[-6:] and not met.exists():\n"
        "        met.touch()\n"
        "        os.kill(os.getpid(), 9)\n"
        "    return whole(path, settings)\n"
        "video.sample = sample\n"
        "worker.main()\n"
    )
    extract.run(_job(films, tmp_path / "whole"))
    monkeypatch.setattr(pool, "COMMAND", [sys.executable, str(script)])
    assert extract.run(_job(films, tmp_path / "out"))["reasons"] == {}
    assert met.exists() and _digests(tmp_path / "out") == _digests(tmp_path / "whole")


def test_names_that_look_like_patterns_or_lists_are_found_and_every_file_once(films, tmp_path):
    source = next(path for path in sorted(films.iterdir()))
    names = ("Talk [abc], part 1.mp4", "a:b.mp4", "line\nbreak.mp4", "star*.mp4")
    for name in names:
        (tmp_path / name).write_bytes(source.read_bytes())
    listed = ",".join(str(tmp_path / name) for name in names)
    assert extract.find(tuple(paths.split_list(listed))) == sorted(str(tmp_path / name) for name in names)
    with open(os.fsencode(tmp_path) + b"/caf\xe9.mp4", "wb") as stream:  # A name that is not UTF-8.
        stream.write(source.read_bytes())
    names = (*names, os.fsdecode(b"caf\xe9.mp4"))
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere")
    assert len(extract.find((str(tmp_path),))) == len(names) + 1
    assert len(extract.find((f"{tmp_path}/**",))) == len(names) + 1
    manifest = extract.run(_job(tmp_path, tmp_path.parent / "out", max_bad_fraction=0.5, distance=-1))
    assert manifest["videos"] == len(names) + 1 and manifest["frames"] > 0
    # The list that is kept has a line a name, whatever is in it: a second call finds the same job.
    assert extract.run(_job(tmp_path, tmp_path.parent / "out", max_bad_fraction=0.5, distance=-1)) == manifest


def test_what_a_downloader_leaves_beside_videos_is_counted_apart(films, tmp_path):
    for path in films.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    PIL.Image.new("RGB", (64, 64)).save(tmp_path / "thumbnail.jpg")
    PIL.Image.new("RGB", (64, 64)).save(tmp_path / "cover.webp")
    (tmp_path / "info.json").write_text('{"title": "talk"}')
    (tmp_path / "subtitles.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    manifest = extract.run(_job(tmp_path, tmp_path.parent / "apart", max_bad_fraction=0.0, distance=-1))
    assert manifest["reasons"] == {"not a video (a picture)": 2, "not a video (text)": 2}
    assert manifest["first"] == []


def test_a_folder_that_cannot_be_written_is_a_storage_error(films, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        extract.run(_job(films, tmp_path / "file" / "out"))


def test_the_command_line_tells_of_every_mistake_in_one_line(films, tmp_path, capsys):
    def fails(*arguments, message):
        assert cli.main(["reverie", "data", *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error and len(error.strip().splitlines()) == 1, error

    fails("frames", "--out=x", message="--videos must be given")
    fails("frames", f"--videos={tmp_path}/*.mp4", f"--out={tmp_path}/x", message="nothing matches")
    fails("frames", f"--videos={films}", "--out=x", "--mode=fast", message="mode")
    fails("frames", f"--videos={films}", "--out=x", "--size=2", message="size is 2")
    fails("verify", str(films), message="reverie data frames")
    fails("frame", message="expected: reverie data")
    assert cli.main(["reverie", "data", "frames", "--help"]) == 0
    assert "BIASED" in capsys.readouterr().out


def test_the_command_line_extracts_and_verifies(films, tmp_path, capsys):
    arguments = [f"--videos={films}/*.mp4", f"--out={tmp_path}", "--size=32", "--format=png", "--workers=1"]
    assert cli.main(["reverie", "data", "frames", *arguments]) == 0
    assert cli.main(["reverie", "data", "verify", str(tmp_path)]) == 0
    assert "all checksums agree" in capsys.readouterr().out
    assert json.loads((tmp_path / "manifest.json").read_text())["settings"]["format"] == "png"


def test_beam_gives_the_same_shards(films, tmp_path):
    pytest.importorskip("apache_beam")
    from reverie.pipelines.frames import beam

    one = extract.run(_job(films, tmp_path / "one"))
    other = beam.run(_job(films, tmp_path / "other"))
    assert one == other and _digests(tmp_path / "one") == _digests(tmp_path / "other")


def test_without_beam_the_runner_names_the_extra(films, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "apache_beam.options.pipeline_options", None)
    assert (
        cli.main(["reverie", "data", "frames", f"--videos={films}", f"--out={tmp_path}", "--runner=DirectRunner"]) == 2
    )
    assert "pip install 'reverie[beam" in capsys.readouterr().err
