import numpy as np
import pytest
import tensorflow as tf
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines.scenes import factors, rendering, room


def test_a_scene_depends_on_its_number_and_the_seed_alone():
    labels, nuisances = factors.sample(3, np.arange(200))
    rows = np.array([7, 150, 0])
    some_labels, some_nuisances = factors.sample(3, rows)
    np.testing.assert_array_equal(some_labels, labels[rows])
    np.testing.assert_array_equal(some_nuisances, nuisances[rows])
    pictures = rendering.render(labels, nuisances).numpy()
    np.testing.assert_array_equal(rendering.render(some_labels, some_nuisances), pictures[rows])
    assert not np.array_equal(factors.sample(4, np.arange(200))[0], labels)


def test_factors_are_uniform_and_independent():
    labels, nuisances = factors.sample(0, np.arange(48_000))
    for column, values in zip(labels.T, factors.ATTRIBUTES.values(), strict=True):
        expected = len(labels) / len(values)
        counts = np.bincount(column, minlength=len(values))
        # Chi-squared of uniform counts: mean k - 1, deviation sqrt(2 (k - 1)).
        chi = np.sum((counts - expected) ** 2 / expected)
        assert chi < len(values) - 1 + 5 * np.sqrt(2 * (len(values) - 1))
    everything = np.concatenate([labels, nuisances], axis=1)
    correlation = np.corrcoef(everything, rowvar=False) - np.eye(8)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(labels))
    for column, (low, high) in zip(nuisances.T, factors.NUISANCES.values(), strict=True):
        assert low <= column.min() and column.max() <= high
        assert column.mean() == pytest.approx((low + high) / 2, abs=0.01 * (high - low))


def traced_room(label, yaw: float, side: int, samples: int) -> np.ndarray:
    """The empty room by intersecting rays with its six planes, float64, `samples` x `samples` rays a pixel."""
    fine = side * samples
    line = ((np.arange(fine) + 0.5) / fine * 2 - 1) * room._HALF_VIEW
    u, v = np.meshgrid(line, -line)
    cos_p, sin_p = np.cos(room._PITCH), np.sin(room._PITCH)
    y, ahead = v * cos_p - sin_p, v * sin_p + cos_p
    x, z = u * np.cos(yaw) + ahead * np.sin(yaw), -u * np.sin(yaw) + ahead * np.cos(yaw)
    colors = factors.palette().astype(np.float64)
    wall, floor = colors[label[0]], colors[label[1]]
    planes = [
        (y, -room._EYE),
        (y, room._HEIGHT - room._EYE),
        (x, -room._HALF_WIDTH),
        (x, room._HALF_WIDTH),
        (z, room._FAR),
    ]
    paint = [floor, room._CEILING_COLOR, wall, wall, wall]
    with np.errstate(divide="ignore"):
        times = np.stack([np.where(d / direction > 0, d / direction, np.inf) for direction, d in planes])
    nearest = times.argmin(axis=0)
    picture = np.stack([color * room._SHADE[k] for k, color in enumerate(paint)])[nearest]
    height = room._EYE + y * times.min(axis=0)
    picture[(nearest >= 2) & (height < room._SKIRTING)] = room._SKIRTING_COLOR
    picture *= (0.80 + 0.20 * np.minimum(1.6 / times.min(axis=0), 1.0))[..., None]
    return picture.reshape(side, samples, side, samples, 3).mean(axis=(1, 3))


def test_rooms_are_what_rays_through_a_box_see():
    for yaw in (-0.4, 0.0, 0.3):
        label = np.array([[0, 10, 5, 0]], np.int32)
        # Far behind the camera's back the object is out of the picture.
        nuisance = np.array([[yaw, 0.0, 2.0, 1.0]], np.float32)
        drawn = rendering.render(label, nuisance).numpy()[0] / 255.0
        traced = traced_room(label[0], yaw, room.SIDE, 8)
        free = np.ones([room.SIDE, room.SIDE], bool)
        free[20:55, 14:50] = False  # Where the object and its shadow are.
        error = np.abs(drawn - traced)[free]
        assert error.mean() < 0.004
        assert np.quantile(error, 0.99) < 0.06  # Corners of several edges and the skirting's slant are approximate.


def test_edges_are_smooth():
    label = np.array([[15, 0, 5, 0]], np.int32)
    nuisance = np.array([[0.2, 0.0, 2.0, 1.0]], np.float32)
    red = rendering.render(label, nuisance).numpy()[0, :, 60, 1].astype(int)
    assert len(set(red.tolist())) > 8  # White wall to red floor by way of shades between.


def test_the_object_stands_out_in_every_color():
    labels = np.array([[c, c, c, k] for c in range(16) for k in range(3)], np.int32)
    nuisances = np.tile(np.array([[0.0, 0.0, 2.0, 0.8]], np.float32), (len(labels), 1))
    with_object = rendering.render(labels, nuisances).numpy().astype(int)
    for number, (color, _, _, kind) in enumerate(labels):
        others = [row for row, label in enumerate(labels) if label[0] == color and label[3] != kind]
        for other in others:
            assert np.sum(np.abs(with_object[number] - with_object[other]).max(axis=-1) > 25) > 60


def test_the_set_streams_and_splits_share_no_scene():
    parts = {split: pipelines.read("scenes:40:1", split, memory_gib=0.0) for split in ("train", "test")}
    assert parts["train"].pixels is None and len(parts["train"]) == 40
    assert not set(parts["train"].keys) & set(parts["test"].keys)
    kept = pipelines.read("scenes:40:1", "train")
    batch = next(iter(pipelines.batches(parts["train"], 8, seed=2)))
    assert batch["image"].shape == (8, 64, 64, 3) and batch["label"].shape == (8, 4)
    np.testing.assert_array_equal(batch["image"], kept.pixels[batch["index"].numpy()] / np.float32(255.0))
    some = kept.take(np.array([3, 5]))
    np.testing.assert_array_equal(some.nuisances, kept.nuisances[[3, 5]])
    assert kept.class_names["object"] == ("hat", "lolly", "suitcase")


@pytest.mark.parametrize("place", ["many", "0", "10:x", "1:2:3"])
def test_another_place_is_refused(place):
    with pytest.raises(UserError, match="expected scenes, scenes:COUNT or scenes:COUNT:SEED"):
        pipelines.read(f"scenes:{place}")


def test_drawing_does_not_depend_on_the_batch_it_is_drawn_in():
    labels, nuisances = factors.sample(0, np.arange(37))
    whole = rendering.render(labels, nuisances).numpy()
    dataset = tf.data.Dataset.from_tensor_slices((labels, nuisances)).batch(5).map(rendering.render)
    np.testing.assert_array_equal(np.concatenate([part.numpy() for part in dataset]), whole)
