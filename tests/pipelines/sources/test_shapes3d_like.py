"""Pictures with the factors of Shapes3D: which is which, that each differs, that geometry is what marching finds."""

import numpy as np
import pytest
import tensorflow as tf
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines.scenes import shapes3d_like as scenes


def test_numbers_and_factors_are_one_grid_whose_last_factor_varies_fastest():
    assert scenes.SIZES == (10, 10, 10, 8, 4, 15) and scenes.COUNT == 480_000
    numbers = np.array([0, 1, 15, 60, 480, 4_800, 48_000, 479_999])
    labels = scenes.labels_of(numbers)
    weights = np.array([48_000, 4_800, 480, 60, 15, 1])
    np.testing.assert_array_equal(labels @ weights, numbers)
    assert (labels >= 0).all() and (labels < scenes.SIZES).all()
    everything = np.random.default_rng(0).integers(0, scenes.COUNT, 2000)
    np.testing.assert_array_equal(scenes.indices_of(scenes.labels_of(everything)), everything)


@pytest.mark.parametrize("factor", range(6))
def test_every_value_of_a_factor_shows_also_the_first_and_the_last_hue(factor):
    rng = np.random.default_rng(factor)
    for _ in range(3):
        labels = np.repeat(scenes.labels_of(rng.integers(0, scenes.COUNT, 1)), scenes.SIZES[factor], axis=0)
        labels[:, factor] = np.arange(scenes.SIZES[factor])
        pictures = scenes.render(labels).numpy().astype(int)
        apart = np.abs(pictures[:, None] - pictures[None]).max(axis=(2, 3, 4)) + 99 * np.eye(len(labels), dtype=int)
        assert apart.min() > 15
        # Hues differ wherever they are seen at all.
        changed = (pictures != pictures[:1]).any(axis=(0, 3)).mean()
        assert changed > (0.3 if factor < 2 else 0.01)


def test_a_picture_has_the_same_bits_in_any_batch_and_inside_a_stream():
    labels = scenes.labels_of(np.random.default_rng(1).integers(0, scenes.COUNT, 37))
    whole = scenes.render(labels).numpy()
    np.testing.assert_array_equal(np.concatenate([scenes.render(labels[k : k + 5]) for k in range(0, 37, 5)]), whole)
    streamed = tf.data.Dataset.from_tensor_slices(labels).batch(7).map(scenes.render)
    np.testing.assert_array_equal(np.concatenate([part.numpy() for part in streamed]), whole)
    np.testing.assert_array_equal(scenes.render_all(labels, "drawing"), whole)


def test_pixels_are_the_shares_of_three_colors_and_white_to_the_nearest_whole_number():
    labels = scenes.labels_of(np.random.default_rng(2).integers(0, scenes.COUNT, 20))
    for label, picture in zip(labels, scenes.render(labels).numpy(), strict=True):
        floor, wall, thing, scale, shape, orientation = label
        shares = scenes.shares()[(scale * 4 + shape) * 15 + orientation].astype(np.float64) / 4096
        colors = np.concatenate([scenes.palette()[[floor, wall, thing]], [[255, 255, 255]]]).astype(np.float64)
        np.testing.assert_allclose(picture.reshape(-1, 3), shares @ colors, atol=0.5001)


def marched(shape: str, scale: float, starts, rays, reach: float = 8.0, steps: int = 4000) -> np.ndarray:
    """How far rays go until they are inside a shape, by trying: float [n], infinity where they never are."""
    sizes = {"cube": 0.60, "cylinder": 0.63, "sphere": 0.74, "capsule": 0.46}
    size, found = sizes[shape] * scale, np.full(len(rays), np.inf)
    for time in np.linspace(0.0, reach, steps):
        x, y, z = (starts + time * rays).T
        across = np.hypot(x, z)
        if shape == "cube":
            inside = (np.abs(x) < size) & (np.abs(z) < size) & (y > 0) & (y < 2 * size)
        elif shape == "cylinder":
            inside = (across < size) & (y > 0) & (y < 1.26 * scale)
        elif shape == "sphere":
            inside = across**2 + (y - size) ** 2 < size**2
        else:
            inside = across**2 + (y - np.clip(y, size, 1.58 * scale - size)) ** 2 < size**2
        found = np.where(inside & np.isinf(found), time, found)
    return found


@pytest.mark.parametrize("shape", scenes.SHAPES)
def test_rays_hit_shapes_where_marching_along_them_gets_inside(shape):
    rng = np.random.default_rng(3)
    starts = rng.normal(size=(300, 3)) * np.array([2.0, 0.5, 2.0]) + np.array([0.0, 2.5, 4.0])
    rays = rng.normal(size=(300, 3)) * 0.5 + np.array([0.0, 0.7, 0.0]) - starts
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    # Above the floor, where alone they are looked for; the lower sides are never seen.
    times, normals = scenes._hit(shape, 1.1, starts, rays)
    expected = marched(shape, 1.1, starts, rays)
    agree = np.isfinite(times) == np.isfinite(expected)
    assert agree.mean() > 0.98 and np.isfinite(expected).mean() > 0.3  # A glancing ray is missed by steps.
    both = np.isfinite(times) & np.isfinite(expected)
    above = both & ((starts + np.where(both, times, 0.0)[:, None] * rays)[:, 1] > 0.01)
    assert np.quantile(np.abs(times[above] - expected[above]), 0.99) < 0.01
    np.testing.assert_allclose(np.linalg.norm(normals[above], axis=1), 1.0, atol=1e-6)
    assert (np.sum(normals * rays, axis=1)[above] < 0.0).all()


def test_splits_share_no_picture_and_are_all_of_them_together():
    sets = pipelines.read_splits("scenes:shapes3d_like", memory_gib=0.0)
    assert {split: len(images) for split, images in sets.items()} == {
        "train": 450_000, "validation": 15_000, "test": 15_000,
    }  # fmt: skip
    numbers = np.concatenate([images.keys.astype(int) for images in sets.values()])
    assert len(np.unique(numbers)) == scenes.COUNT
    for images in sets.values():
        np.testing.assert_array_equal(scenes.indices_of(images.labels), images.keys.astype(int))
        assert images.head_names == ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
        assert all(
            len(images.class_names[name]) == size for name, size in zip(images.head_names, scenes.SIZES, strict=True)
        )


def test_a_part_of_them_is_drawn_in_memory_or_while_streaming_alike():
    kept = pipelines.read("scenes:shapes3d_like:40:1")
    drawn = pipelines.read("scenes:shapes3d_like:40:1", memory_gib=0.0)
    assert kept.pixels is not None and drawn.pixels is None and len(kept) == len(drawn) == 40
    batch = next(iter(pipelines.batches(drawn, 8, seed=2)))
    assert batch["label"].shape == (8, 6)
    np.testing.assert_array_equal(batch["image"], kept.pixels[batch["index"].numpy()] / np.float32(255.0))
    whole = pipelines.read("scenes:shapes3d_like:450000:1", memory_gib=0.0)
    np.testing.assert_array_equal(whole.labels[:40], kept.labels)
    assert not np.array_equal(pipelines.read("scenes:shapes3d_like:40:2").labels, kept.labels)


@pytest.mark.parametrize("place", ["many", "0", "450001", "1:2:3", ""])
def test_another_number_of_them_is_refused(place):
    if not place:
        assert len(pipelines.read("scenes:shapes3d_like:", memory_gib=0.0)) == 450_000
        return
    with pytest.raises(UserError, match="expected scenes:shapes3d_like, scenes:shapes3d_like:COUNT or .* up to 450000"):
        pipelines.read(f"scenes:shapes3d_like:{place}")
