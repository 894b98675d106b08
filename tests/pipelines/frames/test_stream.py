"""Frames as a stream: every frame once an epoch, resumable at any step, and never a silently shorter epoch."""

import json
import pathlib
import re
import types

import numpy as np
import pytest
import reverie
import tensorflow as tf
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines.frames import shards, stream
from reverie.pipelines.frames.worker import Frame

COUNTS = (5, 3, 0, 7, 4, 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards of uneven size, one empty; every frame is a shade that is its number."""
    place = str(tmp_path_factory.mktemp("frames"))
    number, entries = 0, []
    for shard, count in enumerate(COUNTS):
        records = []
        for _ in range(count):
            image = np.full([8, 8, 3], 4 * number, np.uint8)
            frame = Frame(0.0, tf.io.encode_png(image).numpy(), 0.0, number)
            records.append(shards.record(f"{shard}.mp4", number, frame, 8))
            number += 1
        note = shards.write(place, shards.shard_name(shard, len(COUNTS)), records, shards.Tally(frames=count), [])
        entries.append({key: note[key] for key in ("file", "frames", "bytes", "sha256")})
    shards.write_json(place, "manifest.json", {"frames": number, "settings": {"size": 8}, "shards": entries})
    return place


@pytest.fixture(params=[2, 16])
def together(request, monkeypatch):
    """Groups of two shards, and all in one group."""
    monkeypatch.setattr(stream, "_TOGETHER", request.param)


def _whole(folder):
    return pipelines.read(f"frames:{folder}", "train", test_fraction=0.0)


def _take(images, count, **options):
    batches = pipelines.batches(images, 4, seed=5, **options).take(count)
    return np.concatenate([np.round(batch["image"][:, 0, 0, 0] * 255 / 4) for batch in batches]).astype(int)


def test_every_frame_comes_once_an_epoch_in_a_new_order(folder, together):
    images = _whole(folder)
    assert len(images) == 25 and images.shape == (8, 8, 3)
    numbers = _take(images, 25).reshape(4, 25)
    for epoch in numbers:
        assert sorted(epoch) == list(range(25))
    assert len({tuple(epoch) for epoch in numbers}) == 4


def test_step_k_of_a_stream_started_there_is_step_k_of_an_unbroken_one(folder, together):
    images = _whole(folder)
    unbroken = _take(images, 20)
    for first in (1, 3, 6, 7, 12, 13):
        np.testing.assert_array_equal(_take(images, 3, start_step=first), unbroken[4 * first : 4 * first + 12])


def test_in_order_is_the_order_of_the_shards(folder):
    numbers = [n for batch in pipelines.in_order(_whole(folder), 4) for n in batch["index"].numpy()]
    assert numbers == list(range(25))


def test_hosts_share_the_shards_out_without_overlap(folder):
    images, seen = _whole(folder), []
    for host in range(2):
        context = types.SimpleNamespace(num_input_pipelines=2, input_pipeline_id=host)
        own = images.shards.of_host(host, 2)
        batches = pipelines.batches(images, 4, seed=1, input_context=context, replicas=2)
        numbers = [n for batch in batches.take(len(own)) for n in batch["index"].numpy()]
        assert len(set(numbers)) == len(own)
        seen += sorted(set(numbers))
    assert sorted(seen) == list(range(25))
    with pytest.raises(UserError, match="cannot be read by 9 hosts"):
        images.shards.of_host(0, 9)


def test_splits_hold_out_whole_shards(folder, tmp_path):
    sets = pipelines.read("frames:" + folder, "train", validation_fraction=0.2, test_fraction=0.2).shards
    test = pipelines.read("frames:" + folder, "test", validation_fraction=0.2, test_fraction=0.2).shards
    validation = pipelines.read("frames:" + folder, "validation", validation_fraction=0.2, test_fraction=0.2).shards
    files = [*sets.files, *test.files, *validation.files]
    assert len(files) == len(set(files)) == 5  # The empty one is left out.
    found = shards.manifest(folder)
    shards.write_json(str(tmp_path), "manifest.json", {**found, "shards": found["shards"][:2]})
    with pytest.raises(UserError, match="2 shard.* too few"):
        pipelines.read(f"frames:{tmp_path}", "train", validation_fraction=0.1, test_fraction=0.1)


def test_a_truncated_shard_is_an_error_that_names_it(folder, tmp_path):
    for name in tf.io.gfile.listdir(folder):
        tf.io.gfile.copy(f"{folder}/{name}", f"{tmp_path}/{name}")
    victim = tmp_path / "frames-00003-of-00006.tfrecord"
    content = victim.read_bytes()
    half = content[: len(content) // 7 * 3]  # Seven records of one length: three are left, and no error of its own.
    victim.write_bytes(half)
    for batches in (pipelines.in_order(_whole(tmp_path), 4), pipelines.batches(_whole(tmp_path), 4, seed=1)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"frames-00003.*3 frames, but its manifest says 7"):
            for _ in batches.take(7):
                pass


def _copy(folder, place):
    for name in tf.io.gfile.listdir(folder):
        tf.io.gfile.copy(f"{folder}/{name}", f"{place}/{name}")
    return place / "frames-00003-of-00006.tfrecord"


def _crc(content: bytes) -> bytes:
    """The masked checksum of a TFRecord, from the polynomial of CRC-32C."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


@pytest.mark.fault(
    "a record that claims 2^62 bytes",
    "everything",
    "one line that names the shard",
    2,
)
@pytest.mark.parametrize("length", [2**62, 2**63 + 5, 2**64 - 1, 2**31, 0])
def test_a_length_that_no_memory_holds_is_refused_before_it_is_believed(folder, tmp_path, length):
    victim = _copy(folder, tmp_path)
    content = victim.read_bytes()
    assert content[8:12] == _crc(content[:8])  # So the header that is put in is one that TensorFlow believes.
    header = length.to_bytes(8, "little")
    victim.write_bytes(header + _crc(header) + content[12:])
    for batches in (pipelines.in_order(_whole(tmp_path), 4), pipelines.batches(_whole(tmp_path), 4, seed=1)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"frames-00003.*its records do not fill it"):
            for _ in batches.take(7):
                pass
    assert re.search("frames-00003.*not the file that the manifest describes", pipelines.damage(f"frames:{tmp_path}"))


@pytest.mark.fault(
    "a shard flipped, cut or gone",
    "the last checkpoint",
    "one line that names the shard",
    2,
)
@pytest.mark.parametrize(
    "fault", ["flipped", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("cut", "gone"))]
)
def test_training_on_a_damaged_shard_names_it(folder, tmp_path, fault):
    (tmp_path / "frames").mkdir()
    victim = _copy(folder, tmp_path / "frames")
    config = reverie.config("sparse_demo")
    config.data.update({"source": f"frames:{tmp_path}/frames", "image_shape": (8, 8, 3), "test_fraction": 0.0})
    config.model.update({"image_shape": (8, 8, 3), "field": 3, "pool": 2, "contrast": 3, "stages": 1})
    config.train.update({"steps": 20, "batch_size": 4})
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    if fault == "gone":
        victim.unlink()
    else:
        victim.write_bytes(content if fault == "flipped" else content[:-9])
    said = "missing" if fault == "gone" else "not the file that the manifest describes"
    with pytest.raises(UserError, match=f"frames-00003-of-00006.tfrecord: {said}"):
        reverie.train(config, tmp_path / "run")


@pytest.mark.parametrize("verb", ["evaluate", "export"])
@pytest.mark.thorough
def test_a_shard_damaged_after_training_is_named_by_what_reads_it_then(folder, tmp_path, verb):
    (tmp_path / "frames").mkdir()
    _copy(folder, tmp_path / "frames")
    config = reverie.config("sparse_demo")
    config.data.update({"source": f"frames:{tmp_path}/frames", "image_shape": (8, 8, 3), "test_fraction": 0.2})
    config.data.validation_fraction = 0.0
    config.model.update({"image_shape": (8, 8, 3), "field": 3, "pool": 2, "contrast": 3, "stages": 1})
    config.model.whitening = "standardize"
    config.train.update({"steps": 2, "batch_size": 4, "evaluate_every": 0, "picture_every": 0})
    run = reverie.train(config, tmp_path / "run")
    victims = pipelines.read(
        config.data.source, "test" if verb == "evaluate" else "train", test_fraction=0.2
    ).shards.files
    for victim in map(pathlib.Path, victims):
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    with pytest.raises(UserError, match="tfrecord: not the file that the manifest describes"):
        getattr(run, verb)()


@pytest.mark.fault(
    "an edited manifest",
    "everything",
    "one line from `data verify`",
    2,
)
def test_a_manifest_that_was_edited_is_noticed(folder, tmp_path):
    _copy(folder, tmp_path)
    assert shards.verify(str(tmp_path)) == sum(COUNTS)
    found = shards.manifest(str(tmp_path))

    def refused(change) -> str:
        edited = json.loads(json.dumps(found))
        change(edited)
        shards.write_json(str(tmp_path), "manifest.json", edited)
        with pytest.raises(UserError) as error:
            shards.verify(str(tmp_path))
        return str(error.value)

    assert "says 99 frames, but its shards are of 25" in refused(lambda edited: edited.update(frames=99))
    said = refused(lambda edited: edited["shards"][1].update(frames=4))
    assert "says 4 frames of frames-00001-of-00006.tfrecord, which holds 3" in said
    assert "not the file that the manifest" in refused(lambda edited: edited["shards"][1].update(sha256="0" * 64))


def test_pictures_are_brought_to_the_size_asked_for(folder):
    images = pipelines.read(f"frames:{folder}", "train", image_shape=(4, 4, 1), resize="crop", test_fraction=0.0)
    assert next(iter(pipelines.in_order(images, 2)))["image"].shape == (2, 4, 4, 1)


def test_an_unfinished_job_says_how_to_finish_it(tmp_path):
    with pytest.raises(UserError, match="reverie data frames"):
        pipelines.read(f"frames:{tmp_path}")
    (tmp_path / "job.json").write_text("{}")
    with pytest.raises(UserError, match="run the same command again"):
        pipelines.read(f"frames:{tmp_path}")
