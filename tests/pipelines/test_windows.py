"""Windows of random size and place: what they show, how often each picture and clip gives one, what goes along."""

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines import decoding, windows
from reverie.pipelines.frames import shards
from reverie.pipelines.frames.worker import Frame
from reverie.pipelines.picture import in_channels

SHAPE = (8, 8, 1)
SIDE = 200


def _read(source, split="train", **settings):
    return pipelines.read(source, split, **{"image_shape": SHAPE, "test_fraction": 0.0, "windows": 24, **settings})


def _save(folder, pictures, size=(12, 16)):
    """Name -> shade, as one file each; returns the folder's source."""
    for name, shade in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.full(size, shade, np.uint8)).save(folder / name)
    return f"folder:{folder}"


def _shades(images):
    return images.pixels[:, 0, 0, 0].tolist()


@pytest.fixture(scope="module")
def ramp():
    """Windows of one picture whose red says the column and whose green says the row: which window each is, is seen."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    picture = np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    source = pipelines.give(picture[None])
    found = _read(source, image_shape=(10, 10, 3), windows=1600, window_least=0.25).pixels.astype(float)
    middle = found[:, 5, :, 0].mean(axis=1)
    slope = (found[:, 5, -1, 0] - found[:, 5, 0, 0]) / 9
    across, down = np.abs(slope) * 10, (found[:, -1, 5, 1] - found[:, 0, 5, 1]) / 9 * 10
    return {"mirrored": slope < 0, "width": across, "height": down, "left": middle + 0.5 - across / 2,
            "top": found[:, :, 5, 1].mean(axis=1) + 0.5 - down / 2}  # fmt: skip


def test_windows_are_squares_between_the_least_and_the_whole_side_and_log_uniform(ramp):
    np.testing.assert_allclose(ramp["width"], ramp["height"], atol=2.5)
    assert 49 <= ramp["width"].min() < 52 and 195 < ramp["width"].max() <= 201
    place = np.log(ramp["width"] / 50) / np.log(4)  # Uniform between 0 and 1.
    np.testing.assert_allclose(np.quantile(place, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.04)


def test_windows_lie_anywhere_in_their_picture(ramp):
    room = SIDE - ramp["width"]
    roomy = room > 40
    assert ramp["left"].min() > -2 and ramp["top"].min() > -2
    shares = [ramp[edge][roomy] / room[roomy] for edge in ("left", "top")]
    for share in shares:
        np.testing.assert_allclose(np.quantile(share, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.05)
    assert abs(np.corrcoef(*shares)[0, 1]) < 0.08


def test_half_of_the_windows_are_mirrored_whatever_they_show(ramp):
    assert ramp["mirrored"].sum() == 800
    for name in ("width", "left", "top"):
        assert abs(np.corrcoef(ramp["mirrored"], ramp[name])[0, 1]) < 0.08


def test_a_window_is_what_pillow_crops_mirrors_and_shrinks(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (16, 24), dtype=np.uint8)
    PIL.Image.fromarray(picture).save(tmp_path / "a.png")
    image = PIL.Image.open(tmp_path / "a.png")
    possible = []
    for left in range(9):
        part = image.crop((left, 0, left + 16, 16)).resize((8, 8), PIL.Image.Resampling.BOX)
        possible += [np.asarray(part, int), np.asarray(part, int)[:, ::-1]]
    found = _read(f"folder:{tmp_path}", window_least=1.0, windows=60).pixels[..., 0].astype(int)
    off = np.asarray([[np.abs(one - other).max() for other in possible] for one in found])
    assert (off.min(axis=1) <= 1).all()
    assert len(set(off.argmin(axis=1).tolist())) > 12  # Of 18.


def test_a_window_that_grows_is_bicubic():
    picture = np.random.default_rng(0).integers(60, 200, (8, 8, 3), dtype=np.uint8)
    found = windows.window(picture, windows.Place(0, 0, 8, 8, mirrored=False), (24, 24, 3)).astype(int)
    expected = tf.image.resize(picture, [24, 24], method="bicubic").numpy()
    np.testing.assert_allclose(found[6:-6, 6:-6], expected[6:-6, 6:-6], atol=1.5)  # Edges are extended differently.


@pytest.mark.parametrize("side", [40, 41, 53, 77, 96])
def test_a_window_shrinks_as_whole_pictures_do(side):
    picture = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    found = windows.window(picture, windows.Place(0, 0, side, side, mirrored=False), (40, 40, 3)).astype(int)
    np.testing.assert_allclose(found, decoding.fit(tf.constant(picture), 40, 40, "stretch").numpy(), atol=1)


def test_windows_have_the_proportions_wanted():
    for chance in np.random.default_rng(0).random((50, 4)):
        place = windows.placed(chance, (90, 300), (20, 40), 0.3)
        assert abs(2 * place.height - place.width) <= 2
        assert 0.3 * 90 - 1 <= place.height <= 90
        assert place.top + place.height <= 90 and place.left + place.width <= 300


def test_pictures_are_used_equally_often_and_all_of_them_before_any_comes_again(tmp_path):
    source = _save(tmp_path, {f"{shade}.png": shade for shade in range(7)})
    shades = _shades(_read(source, windows=24))
    assert sorted(np.bincount(shades).tolist()) == [3, 3, 3, 3, 4, 4, 4]
    turns = [shades[start : start + 7] for start in (0, 7, 14)]
    assert all(sorted(turn) == list(range(7)) for turn in turns) and len(set(map(tuple, turns))) > 1


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Frames of three videos, 6, 2 and 1 of them, over two shards; every frame is a shade that is its number."""
    place = str(tmp_path_factory.mktemp("frames"))
    entries, number = [], 0
    for shard, videos in enumerate(({"a.mp4": 6}, {"b.mp4": 2, "c.mp4": 1})):
        records = []
        for video, count in videos.items():
            for _ in range(count):
                content = tf.io.encode_png(np.full([16, 16, 3], 10 * number, np.uint8)).numpy()
                records.append(shards.record(video, number, Frame(0.0, content, 0.0, number), 16))
                number += 1
        note = shards.write(place, shards.shard_name(shard, 2), records, shards.Tally(frames=len(records)), [])
        entries.append({key: note[key] for key in ("file", "frames", "bytes", "sha256")})
    shards.write_json(place, "manifest.json", {"frames": number, "settings": {"size": 16}, "shards": entries})
    return place


def test_every_clip_has_an_equal_share_and_every_frame_an_equal_share_of_its_clip(clips):
    images = _read(f"frames:{clips}", windows=36)
    counts = np.bincount(np.asarray(_shades(images)) // 10, minlength=9).tolist()
    assert counts == [2] * 6 + [6] * 2 + [12]
    assert images.cut.summary() == "36 windows of 9 pictures (3 clips), squares of 8..16 pixels"
    numbers = [shade // 10 for shade in _shades(images)]
    assert images.keys.tolist() == [f"{'aaaaaabbc'[number]}.mp4#{number}" for number in numbers]


def test_windows_of_frames_take_no_frame_of_a_shard_that_is_held_out(clips):
    sets = pipelines.read_splits(
        f"frames:{clips}", image_shape=SHAPE, resize="crop", windows=20, test_fraction=0.5, validation_fraction=0.0
    )
    held = {round(float(batch["image"][0, 0, 0, 0]) * 255) for batch in pipelines.in_order(sets["test"], 1)}
    assert sets["test"].shards is not None and held and not held & set(_shades(sets["train"]))


def test_a_damaged_shard_is_named_before_windows_are_cut(clips, tmp_path):
    for file in sorted(tf.io.gfile.listdir(clips)):
        content = (tf.io.gfile.GFile(f"{clips}/{file}", "rb")).read()
        (tmp_path / file).write_bytes(content[:-20] if file.endswith("1-of-00002.tfrecord") else content)
    with pytest.raises(UserError, match=r"frames-00001-of-00002.tfrecord: not the file that the manifest describes"):
        _read(f"frames:{tmp_path}")


def test_a_window_has_its_pictures_label_and_key(tmp_path):
    source = _save(tmp_path, {"cat/1.png": 1, "cat/2.png": 2, "dog/3.png": 3, "dog/4.png": 4})
    images = _read(source, windows=10)
    names = {1: "cat/1.png", 2: "cat/2.png", 3: "dog/3.png", 4: "dog/4.png"}
    assert images.keys.tolist() == [names[shade] for shade in _shades(images)]
    assert images.labels.tolist() == [int(shade > 2) for shade in _shades(images)]
    assert images.class_names == {"label": ("cat", "dog")} and images.labels.dtype == np.int32


def test_the_same_pictures_and_seed_give_the_same_windows_and_more_begin_with_them(tmp_path):
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 256, (20 + number, 30), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    first, again, more, other = (
        _read(f"folder:{tmp_path}", **settings).pixels
        for settings in ({}, {"memory_gib": 0.01}, {"windows": 61}, {"holdout_seed": 3})
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(more[:24], first)
    assert not np.array_equal(other, first)


def test_the_digest_tells_windows_apart_by_all_that_they_depend_on(tmp_path):
    source = _save(tmp_path, {"a.png": 1, "b.png": 2})  # Pictures of which all windows look alike.
    variants = ({}, {"windows": 25}, {"window_least": 0.6}, {"holdout_seed": 1}, {"windows": 0, "resize": "crop"})
    digests = [_read(source, **settings).digest for settings in variants]
    assert len(set(digests)) == len(digests)
    assert _read(source).digest == digests[0]


def test_without_windows_nothing_has_changed(tmp_path):
    pixels = np.arange(4 * 8 * 8, dtype=np.uint8).reshape(4, 8, 8)
    images = pipelines.read(pipelines.give(pixels, [0, 1, 0, 1]), test_fraction=0.0)
    np.testing.assert_array_equal(images.pixels[..., 0], pixels)
    assert images.cut is None and images.digest == "7cf0ae235524d252"


def test_held_out_pictures_are_whole_the_same_as_without_windows_and_in_no_window(tmp_path):
    source = _save(tmp_path, {f"{shade:03}.png": shade for shade in range(0, 200, 4)})
    settings = {"validation_fraction": 0.2, "test_fraction": 0.1, "resize": "crop", "image_shape": SHAPE}
    plain = pipelines.read_splits(source, **settings)
    cut = pipelines.read_splits(source, windows=80, **settings)
    for split in ("validation", "test"):
        np.testing.assert_array_equal(cut[split].pixels, plain[split].pixels)
        assert cut[split].digest == plain[split].digest
    assert set(_shades(cut["train"])) == set(_shades(plain["train"]))
    alone = pipelines.read(source, "train", windows=80, **settings)
    np.testing.assert_array_equal(alone.pixels, cut["train"].pixels)


def test_arrays_hold_out_the_same_pictures_too():
    source = pipelines.give(np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None], (50, 12, 12)).copy())
    sets = {
        count: pipelines.read_splits(source, windows=count, validation_fraction=0.2, image_shape=(12, 12, 1))
        for count in (0, 70)
    }
    assert {split: _shades(sets[0][split]) for split in ("validation", "test")} == {
        split: _shades(sets[70][split]) for split in ("validation", "test")
    }
    assert set(_shades(sets[70]["train"])) == set(_shades(sets[0]["train"]))
    assert sets[70]["test"].keys is None


def test_whole_pictures_of_another_size_are_refused_as_ever_and_windows_of_them_are_not(tmp_path):
    source = _save(tmp_path, {f"{shade}.png": shade for shade in range(20)})
    assert len(_read(source)) == 24
    for split in ("train", "validation"):
        with pytest.raises(UserError, match="not of size 8x8.*set data.resize=crop"):
            _read(source, split, validation_fraction=0.2)
    assert len(_read(source, "validation", validation_fraction=0.2, resize="crop")) == 4


@pytest.mark.parametrize(("found", "wanted"), [("color", 1), ("gray", 3)])
def test_windows_come_in_the_channels_wanted(tmp_path, found, wanted):
    picture = PIL.Image.new("RGB", (20, 20), (255, 0, 0)) if found == "color" else PIL.Image.new("L", (20, 20), 76)
    picture.save(tmp_path / "a.png")
    images = _read(f"folder:{tmp_path}", image_shape=(8, 8, wanted))
    assert images.pixels.shape == (24, 8, 8, wanted) and set(images.pixels.reshape(-1).tolist()) == {76}


@pytest.mark.parametrize(("found", "wanted"), [(1, 3), (3, 1)])
@pytest.mark.parametrize("side", [8, 40])
def test_windows_of_arrays_come_in_the_channels_wanted_too(found, wanted, side):
    arrays = np.random.default_rng(2).integers(0, 256, (5, 16, 16, found), np.uint8)
    settings = {"image_shape": (side, side, wanted), "windows": 10, "test_fraction": 0.0}
    windows_of = pipelines.read(pipelines.give(arrays), **settings).pixels
    by_hand = pipelines.read(pipelines.give(in_channels(arrays, wanted)), **settings).pixels
    assert windows_of.shape == (10, side, side, wanted)
    np.testing.assert_array_equal(windows_of, by_hand)


def test_pictures_drawn_while_streaming_give_the_windows_of_those_in_memory():
    settings = {"image_shape": (16, 16, 3), "windows": 30}
    kept = _read("scenes:40:1", **settings)
    drawn = _read("scenes:40:1", memory_gib=1e-4, **settings)
    assert pipelines.read("scenes:40:1", memory_gib=1e-4).drawn is not None
    np.testing.assert_allclose(drawn.pixels.astype(int), kept.pixels, atol=1)
    np.testing.assert_array_equal(drawn.labels, kept.labels)


def test_pixels_in_zero_to_one_become_bytes():
    shades = np.linspace(0, 1, 5, dtype=np.float32)
    images = _read(pipelines.give(np.broadcast_to(shades[:, None, None], (5, 12, 12)).copy()))
    assert images.pixels.dtype == np.uint8 and set(_shades(images)) == {0, 64, 128, 191, 255}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"windows": -1}, "windows is -1; expected how many to cut, or 0"),
        ({"windows": 1.5}, "data.windows is 1.5; expected a whole number"),
        ({"window_least": 0.0}, "window_least is 0; expected above 0, to 1"),
        ({"window_least": 1.5}, "window_least is 1.5"),
        ({"window_least": float("nan")}, "window_least is nan"),
        (
            {"windows": 10**9},
            r"windows is 1000000000: as 8x8x1 they take 59.6 GiB; take fewer, or raise data.memory_gib",
        ),
        ({"windows": 500_000, "memory_gib": 0.01}, r"they take 30.5 MiB; take fewer, .* \(now 0.01\)"),
    ],
)
def test_windows_that_cannot_be_had_are_refused_in_a_line(settings, message):
    with pytest.raises(UserError, match=message) as refused:
        _read(pipelines.give(np.zeros([3, 8, 8], np.uint8)), **settings)
    assert "\n" not in str(refused.value)
