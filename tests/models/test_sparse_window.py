"""The sparse autoencoder whose positions rebuild their own windows: its objective by loops, signs, spread filters."""

import numpy as np
import pytest
import tensorflow as tf
from reverie import models
from reverie.errors import UserError

SIZES = {
    "family": "sparse", "image_shape": (22, 22, 1), "stages": 2, "field": (5, 3), "stride": (2, 1), "maps": (4, 6),
    "pool": (3, 2), "components": (9, 8), "whitening_epsilon": (0.01, 2.0), "sparsity": (0.5, 0.25), "contrast": 3,
    "reconstruction": "window", "decoder": "tied", "tile": 1, "signed_pooling": True, "contrast_floor": "mean",
    "whitening": "standardize",
}  # fmt: skip


def _images(count=40, side=22, channels=1, seed=0):
    noise = np.random.default_rng(seed).normal(size=(count, side, side, channels)).cumsum(1).cumsum(2)
    return (0.5 + 0.4 * noise / np.abs(noise).max()).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    made = models.build(SIZES, 0)
    made.prepare(_images())
    return made


def _numpy(stage, inputs, natural):
    """Components, simple cells as learned and as used, in float64."""
    kernel = stage.whitening.kernel.numpy().astype(np.float64)
    field, stride = stage.config.field, stage.config.stride
    rows = (inputs.shape[1] - field) // stride + 1
    windows = np.stack([
        np.stack([
            inputs[:, a * stride : a * stride + field, b * stride : b * stride + field].reshape(len(inputs), -1)
            for b in range(rows)
        ], 1)
        for a in range(rows)
    ], 1).astype(np.float64)  # fmt: skip
    components = windows @ kernel.reshape(-1, kernel.shape[-1]) - stage.whitening.offset.numpy()
    filters = stage.filters.compact_kernel()[0].astype(np.float64)
    squares = 1.0 / np.square(kernel).sum(axis=(0, 1, 2))
    weights = squares / squares.mean() if natural else 1.0
    return components, filters, components @ filters, (components * weights) @ filters


def _pooled(simple, pool, epsilon=1e-4):
    rows = simple.shape[1] - pool + 1
    total = sum(np.square(simple[:, a : a + rows, b : b + rows]) for a in range(pool) for b in range(pool))
    return np.sqrt(total + epsilon)


def test_the_objective_is_every_windows_own_error_and_pooled_answers_in_float64(model):
    images = _images(3, seed=1)
    losses = model.losses({"image": tf.constant(images)})
    inputs, total = model.whitening(images).numpy(), 0.0
    for number, stage in enumerate(model.stages, start=1):
        components, filters, simple, _ = _numpy(stage, inputs, natural=False)
        np.testing.assert_allclose(np.linalg.norm(filters, axis=0), 1.0, atol=1e-5)
        gain = min(1.0, stage.config.components / stage.config.maps)
        rebuilt = np.square(gain * simple @ filters.T - components).sum(axis=(1, 2, 3))
        silent = _pooled(simple, stage.config.pool).sum(axis=(1, 2, 3)) / stage.config.pool
        np.testing.assert_allclose(losses[f"reconstruction_{number}"], rebuilt, rtol=2e-3)
        np.testing.assert_allclose(losses[f"sparsity_{number}"], silent, rtol=2e-3)
        total = total + rebuilt + SIZES["sparsity"][number - 1] * silent
        inputs = stage(inputs)[2].numpy()
    np.testing.assert_allclose(losses["total"], total, rtol=2e-3)


def test_positive_and_negative_answers_are_pooled_apart():
    made = models.build({**SIZES, "contrast": 0, "natural_filters": (True, False)}, 0)
    images = _images()
    made.prepare(images)
    stage, inputs = made.stages[0], made.whitening(images[:2]).numpy()
    *_, used = _numpy(stage, inputs, natural=True)
    wanted = np.concatenate([_pooled(np.maximum(used, 0), 3), _pooled(np.maximum(-used, 0), 3)], axis=-1)
    np.testing.assert_allclose(stage(inputs)[2], wanted, rtol=1e-3, atol=1e-4)
    # Turned around, an input excites the other half: a square alone could not tell.
    assert stage(-inputs)[2].shape == (2, 7, 7, 8)


@pytest.mark.parametrize("tile", [0, 3])
def test_spread_filters_answer_as_the_shared_ones_at_every_position(model, tile):
    own = models.build({**SIZES, "tile": tile, "image_shape": (26, 24, 1)}, 1)
    own.spread(model, _images(2, 26)[:, :, :24])
    wide = models.build({**SIZES, "image_shape": (26, 24, 1)}, 2)
    wide.spread(model, _images(2, 26)[:, :, :24])
    images = _images(3, 26, seed=4)[:, :, :24]
    for one, other in zip(own.outputs(images), wide.outputs(images), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)
    here, there = model.outputs(_images(2, seed=5)), models.build(SIZES, 3)
    there.spread(model, _images(2))
    for one, other in zip(here, there.outputs(_images(2, seed=5)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_filters_of_pixels_taken_from_filters_of_components_answer_alike_and_rebuild_better_than_noise(model):
    pixels = {**SIZES, "tile": 0, "reconstruction": "overlap", "decoder": "untied"}
    started, noise = models.build(pixels, 1), models.build(pixels, 1)
    images = _images(6, seed=6)
    started.spread(model, images)
    own = started.stages[0](started.whitening(images))[0].numpy()
    theirs = model.stages[0].filters(model.stages[0].whitening(model.whitening(images))).numpy()
    for mine, other in zip(own.reshape(-1, 4).T, theirs.reshape(-1, 4).T, strict=True):
        assert np.corrcoef(mine, other)[0, 1] > 0.99
    for number in (1, 2):
        name = f"reconstruction_{number}"
        better, worse = (float(np.mean(net.losses({"image": images})[name])) for net in (started, noise))
        assert better < worse


def test_what_cannot_be_spread_is_refused_with_the_difference(model):
    for other, said in (
        ({"field": (5, 5)}, "field is 3 there and 5 here"),
        ({"image_shape": (22, 22, 3)}, r"images of 1 channel\(s\)"),
        ({"stages": 1}, "stages is 2 there and 1 here"),
        ({"pool": (2, 2)}, "pool is 3 there and 2 here"),
        ({"contrast": 5}, "contrast is 3 there and 5 here"),
        ({"natural_filters": True}, "natural_filters is False there and True here"),
        ({"components": (7, 8)}, "stage_1 has 9 components there and 7 here"),
    ):
        with pytest.raises(ValueError, match=said):
            models.build({**SIZES, **other}, 0).spread(model, _images(2))
    untied = models.build({**SIZES, "tile": 0}, 0)
    wider = models.build({**SIZES, "tile": 0, "image_shape": (30, 30, 1)}, 0)
    with pytest.raises(ValueError, match="expected filters that repeat"):
        wider.spread(untied, _images(2, 30))
    pixels = models.build({**SIZES, "reconstruction": "overlap", "decoder": "untied"}, 0)
    components = models.build(SIZES, 0)
    with pytest.raises(ValueError, match="filters of pixels"):
        components.spread(pixels, _images(2))


def test_settings_a_stage_are_one_for_each_and_wrong_ones_are_named():
    with pytest.raises(UserError, match=r"model\.field is \(5, 3\); expected one value, or 3"):
        models.build({**SIZES, "stages": 3}, 0)
    with pytest.raises(UserError, match=r"model\.pool is \(3, 0\); expected whole numbers, 1 or more, not 0"):
        models.build({**SIZES, "pool": (3, 0)}, 0)
    with pytest.raises(UserError, match="initial_length is 0.5, but tied filters are brought to length one"):
        models.build({**SIZES, "initial_length": 0.5}, 0)
    with pytest.raises(UserError, match="reconstruction='window' needs between_stages='none'"):
        models.build({**SIZES, "between_stages": "full"}, 0)


def test_single_pixels_rebuild_overlapping_windows_but_not_their_own():
    """The trivial answer to the objective as printed: it fails where every position has to rebuild its own window."""
    images = _images(20, 16, seed=7)
    base = {**SIZES, "stages": 1, "image_shape": (16, 16, 1), "stride": 1, "maps": 1, "components": 0, "field": 5}
    printed = models.build({**base, "reconstruction": "overlap", "decoder": "untied", "signed_pooling": False}, 0)
    delta = np.zeros([25, 1], np.float32)
    delta[12] = 1.0
    stage = printed.stages[0]
    for layer in (stage.filters, stage.decoder):
        layer.set_compact_kernel(np.broadcast_to(delta, layer.geometry.compact_shape))
    inside = printed.whitening(images)[:, 2:-2, 2:-2]
    rebuilt = printed.reconstruct(images)["images"][:, 2:-2, 2:-2]
    np.testing.assert_allclose(rebuilt, inside, atol=1e-5)  # Perfect, and nothing is learned.
    own = models.build(base, 0)
    own.prepare(images)
    stage = own.stages[0]
    kernel = stage.whitening.kernel.numpy().reshape(25, 25)
    filters = np.linalg.lstsq(kernel, delta, rcond=None)[0]
    stage.filters.set_compact_kernel((filters / np.linalg.norm(filters))[None])
    assert float(np.mean(stage.missed(own.whitening(images)))) > 0.8


@pytest.mark.parametrize("tile", [0, 1, 3])
def test_the_objective_of_filters_of_length_one_never_pulls_along_them(tile):
    """Sparsity would shorten filters, which are brought back anyway: that pull hid where they should turn."""
    made = models.build({**SIZES, "tile": tile}, 0)
    images = _images(8, seed=8)
    made.prepare(images)
    for stage, inputs in zip(made.stages, [made.whitening(images), made.outputs(images)[0]], strict=True):
        kernel, seen = stage.filters.kernel, stage.seen(inputs)
        with tf.GradientTape() as tape:
            reconstruction, sparsity = stage.objective(seen, seen)
            total = tf.reduce_sum(reconstruction + sparsity)
        gradient, kernel = tape.gradient(total, kernel.value).numpy(), kernel.numpy()
        along = np.abs((gradient * kernel).sum(axis=-2))
        assert along.max() < 1e-3 * np.linalg.norm(gradient, axis=-2).max()
        assert np.linalg.norm(gradient) > 1.0
        lengths = stage.filters.lengths().numpy()
        np.testing.assert_allclose(lengths, np.ones_like(lengths), atol=1e-5)
        assert lengths.shape in (
            (1, 1, 1, stage.config.maps),
            (1, *stage.filters.geometry.positions, stage.config.maps),
        )
