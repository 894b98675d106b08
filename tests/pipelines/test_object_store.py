"""Pictures and frames that are not on this machine: TensorFlow's own ram://, and Google's store, emulated."""

import io
import os
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from reverie import cli, paths, pipelines
from reverie.errors import UserError
from reverie.pipelines.frames import extract, shards, video

from .. import clips
from ..cluster import ROOT
from ..store import BUCKET, Store

HOW = {"image_shape": (8, 8, 3), "test_fraction": 0.0}


def _png(number: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, [8, 8, 3], np.uint8)
    PIL.Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _fill(folder: str) -> None:
    """Six pictures in two class folders, and what else lies about."""
    for name in ("cat", "dog"):
        tf.io.gfile.makedirs(f"{folder}/{name}")
    for number in range(6):
        with tf.io.gfile.GFile(f"{folder}/{'cat' if number < 2 else 'dog'}/{number}.png", "wb") as file:
            file.write(_png(number))
    for name in ("cat/.hidden.png", "dog/notes.txt"):
        with tf.io.gfile.GFile(f"{folder}/{name}", "w") as file:
            file.write("no picture")


def _films(folder) -> str:
    folder.mkdir()
    for number in range(6):
        scene = np.random.default_rng(number).integers(20, 236, (8, 8, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        clips.write(folder / f"{number}.mp4", frames=4, draw=lambda n, scene=scene: np.roll(scene, 11 * n, axis=1))
    return str(folder)


@pytest.mark.parametrize("memory_gib", [4.0, 0.0])
def test_a_remote_folder_is_read_and_streamed_as_a_local_one(tmp_path, memory_gib):
    remote = f"ram://pictures{memory_gib:.0f}"
    _fill(remote)
    _fill(str(tmp_path))
    found = [pipelines.read(f"folder:{place}", memory_gib=memory_gib, **HOW) for place in (remote, str(tmp_path))]
    one, other = (next(iter(pipelines.in_order(images, 10))) for images in found)
    np.testing.assert_array_equal(one["image"], other["image"])
    assert one["label"].numpy().tolist() == [0, 0, 1, 1, 1, 1] and found[0].class_names == {"label": ("cat", "dog")}
    # Known by the same names and sizes, so a run goes on when its pictures have moved to a store.
    assert found[0].digest == found[1].digest and found[0].remarks == found[1].remarks


def test_a_remote_file_that_is_damaged_or_gone_is_counted_by_its_reason():
    _fill("ram://damaged")
    with tf.io.gfile.GFile("ram://damaged/dog/9.png", "wb") as file:
        file.write(_png(9)[:60])
    images = pipelines.read("folder:ram://damaged", max_bad_fraction=0.5, **HOW)
    assert images.skipped.reasons == {"corrupt": 1} and images.skipped.first == ("ram://damaged/dog/9.png: corrupt",)
    with pytest.raises(FileNotFoundError):
        paths.remote_content("ram://damaged/gone.png")


def test_split_folders_of_a_store_are_splits_and_its_tables_are_refused():
    _fill("ram://split/train")
    _fill("ram://split/test")
    sets = pipelines.read_splits("folder:ram://split", **HOW)
    assert {split: len(images) for split, images in sets.items()} == {"train": 6, "test": 6}
    with tf.io.gfile.GFile("ram://split/train/metadata.csv", "w") as file:
        file.write("file_name,hat\ncat/0.png,yes\n")
    with pytest.raises(UserError, match=r"metadata\.csv: tables are read from this machine only"):
        pipelines.read("folder:ram://split", **HOW)


def test_frames_are_extracted_to_a_store_verified_and_streamed_from_it(tmp_path):
    job = extract.Job((_films(tmp_path / "films"),), "ram://frames", video.VideoSettings(size=8),
                      videos_per_shard=2, workers=1, distance=-1)  # fmt: skip
    manifest = extract.run(job)
    assert shards.verify("ram://frames") == manifest["frames"] == 6
    assert extract.run(job) == manifest  # Taken up where it ended, by its notes.
    images = pipelines.read("frames:ram://frames", **HOW)
    rows = np.concatenate([batch["index"].numpy() for batch in pipelines.in_order(images, 4)])
    assert rows.tolist() == list(range(6))
    assert next(iter(pipelines.batches(images, 6, seed=0)))["image"].shape == (6, 8, 8, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--config=xcov_demo", "--workdir=gs://shelf/run"), "workdir is gs://shelf/run; expected a folder"),
        (("evaluate", "--workdir=gs://shelf/run"), "workdir is gs://shelf/run; expected a folder"),
        (("data", "check", "folder:s3://shelf/pictures"), "scheme 's3' not implemented"),
        (("data", "check", "frames:s3://shelf/frames"), "scheme 's3' not implemented"),
        (("data", "check", "folder:ram://nowhere"), "no such folder: ram://nowhere"),
        (("data", "check", "npz:gs://shelf/set.npz"), "no such file: gs://shelf/set.npz"),
        (("data", "check", "idx:gs://shelf/mnist"), "gs://shelf/mnist"),
        (("data", "check", "table:gs://shelf/table.csv"), "gs://shelf/table.csv"),
    ],
)
def test_what_cannot_be_on_a_store_is_refused_in_a_line(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["reverie", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())  # Above all no folder "gs:".


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("store")) as found:
        yield found


def _reverie(store, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "reverie", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=300,
        env={**os.environ, **store.environment},
    )  # fmt: skip


@pytest.mark.slow
def test_frames_go_to_googles_store_and_a_run_trains_on_them_there(store, tmp_path):
    films, out = _films(tmp_path / "films"), f"gs://{BUCKET}/frames"
    command = ("data", "frames", f"--videos={films}", f"--out={out}", "--size=32",
               "--videos_per_shard=2", "--max_distance=-1", "--workers=1")  # fmt: skip
    done = _reverie(store, *command)
    assert done.returncode == 0 and "6 frames in 3 shards" in done.stdout, done.stderr
    verified = _reverie(store, "data", "verify", out)
    assert verified.returncode == 0 and "all checksums agree, 6 frames" in verified.stdout, verified.stderr
    trained = _reverie(
        store, "train", "--config=sparse_demo", f"--config.data.source=frames:{out}", f"--workdir={tmp_path / 'run'}",
        "--config.data.image_shape=32,32,3", "--config.model.image_shape=32,32,3", "--config.train.steps=3",
        "--config.train.epochs=0", "--config.train.batch_size=2", "--config.data.test_fraction=0.4",
        "--config.train.picture_every=0",
    )  # fmt: skip
    assert trained.returncode == 0 and "trained: step 3" in trained.stdout, trained.stderr
    assert any("frames-00001-of-00003.tfrecord" in request for request in store.requests if request[:4] == "GET ")


@pytest.mark.slow
def test_a_folder_of_googles_store_is_checked_and_what_is_not_there_is_a_line(store, tmp_path):
    _fill(str(tmp_path))
    copy = (
        "import sys, tensorflow as tf\nfor place, _, names in tf.io.gfile.walk(sys.argv[1]):\n  for name in names:\n"
        "    tf.io.gfile.copy(f'{place}/{name}', sys.argv[2] + f'{place}/{name}'[len(sys.argv[1]):])"
    )
    environment = {**os.environ, **store.environment}
    place = f"gs://{BUCKET}/pictures"
    subprocess.run([sys.executable, "-c", copy, str(tmp_path), place], check=True, env=environment, timeout=120)
    here, there = (_reverie(store, "data", "check", f"folder:{folder}") for folder in (tmp_path, place))
    assert there.returncode == 0 and "6 images" in there.stdout, there.stderr
    assert there.stdout.replace(place, "DIR") == here.stdout.replace(str(tmp_path), "DIR")
    for source in (f"folder:gs://{BUCKET}/nothing", f"frames:gs://{BUCKET}/nothing", "folder:gs://nobodys/pictures"):
        refused = _reverie(store, "data", "check", source)
        assert refused.returncode == 2 and len(refused.stderr.strip().splitlines()) == 1, refused.stderr
