"""Untied local filters against a naive loop in float64, Keras 2's own layer, and a convolution."""

import json
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from reverie.export.lite import LiteModel
from reverie.layers import LocallyConnected2D, LocallyConnected2DTranspose, local_filters
from reverie.layers.local_blocks import LocalGeometry

# kernel_size, strides, padding, tile, shards, block: odd sizes, strides that do not divide, every option.
CASES = {
    "plain": (3, 1, "valid", None, 1, None),
    "same, in bands": (3, 1, "same", None, 2, (2, 2)),
    "stride not dividing, in bands": (5, 2, "valid", None, 3, None),
    "uneven strides, same": (4, (2, 3), "same", None, 1, None),
    "tiled": (5, 1, "valid", 4, 1, None),
    "tiled, same": (4, 1, "same", 3, 1, (3, 1)),
    "convolution": (3, 1, "valid", 1, 1, None),
    "strided convolution": (3, 2, "same", 1, 1, None),
    "oblong field and block": ((3, 5), 1, "valid", None, 2, (2, 3)),
    "stride over the field": (2, 3, "valid", None, 1, (2, 1)),
    "tile over the image": (7, 1, "same", 20, 1, None),
    "block over the image": (3, 1, "valid", None, 1, (12, 12)),
}
SHAPE = (11, 13, 3)


def _layer(case, **options):
    kernel, strides, padding, tile, shards, block = CASES[case]
    return LocallyConnected2D(4, kernel, strides, padding, tile, shards=shards, block=block, **options)


def _transpose(case):
    kernel, strides, padding, tile, shards, block = CASES[case]
    return LocallyConnected2DTranspose(SHAPE, kernel, strides, padding, tile, shards=shards, block=block)


def _positions(geometry):
    """(row, column, which weights, window as slices of the padded image) of every position."""
    (kh, kw), (sy, sx) = geometry.kernel, geometry.strides
    for i in range(geometry.positions[0]):
        for j in range(geometry.positions[1]):
            own = (i % geometry.distinct[0]) * geometry.distinct[1] + j % geometry.distinct[1]
            yield i, j, own, (slice(None), slice(i * sy, i * sy + kh), slice(j * sx, j * sx + kw))


def _padded(images, geometry):
    top, left = geometry.before
    return np.pad(images.astype(np.float64), [[0, 0], [top, 12], [left, 12], [0, 0]])


def _naive(images, kernel, geometry):
    image = _padded(images, geometry)
    maps = np.zeros([len(images), *geometry.positions, geometry.filters])
    for i, j, own, window in _positions(geometry):
        maps[:, i, j] = image[window].reshape(len(images), -1) @ kernel[own].astype(np.float64)
    return maps


def _naive_gradients(images, kernel, geometry, change):
    image = _padded(images, geometry)
    d_image, d_kernel = np.zeros_like(image), np.zeros(kernel.shape)
    for i, j, own, window in _positions(geometry):
        d_kernel[own] += image[window].reshape(len(images), -1).T @ change[:, i, j]
        d_image[window] += (change[:, i, j] @ kernel[own].astype(np.float64).T).reshape(d_image[window].shape)
    top, left = geometry.before
    return d_image[:, top : top + images.shape[1], left : left + images.shape[2]], d_kernel


def _compact_gradients(layer, gradients):
    """The gradients of the stored kernels in compact form, by way of a second layer that holds them."""
    twin = layer.__class__.from_config(layer.get_config())
    geometry = layer.geometry
    maps = (None, *geometry.positions, geometry.filters)
    twin.build((None, *geometry.image) if isinstance(layer, LocallyConnected2D) else maps)
    for variable, gradient in zip(twin.kernels, gradients, strict=True):
        variable.assign(gradient)
    return twin.compact_kernel()


@pytest.mark.parametrize("case", CASES)
def test_equals_a_naive_loop_with_all_gradients(case):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(3, *SHAPE)).astype(np.float32)
    layer = _layer(case)
    layer.build((None, *SHAPE))
    change = rng.normal(size=(3, *layer.geometry.positions, 4))

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE])])  # The batch is unknown when this is traced.
    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            maps = layer(x)
            total = tf.reduce_sum(maps * change.astype(np.float32))
        return maps, tape.gradient(total, [x, *(kernel.value for kernel in layer.kernels)])

    maps, (d_images, *d_kernels) = both(images)
    kernel = layer.compact_kernel()
    np.testing.assert_allclose(maps, _naive(images, kernel, layer.geometry), atol=1e-5)
    expected_images, expected_kernel = _naive_gradients(images, kernel, layer.geometry, change)
    np.testing.assert_allclose(d_images, expected_images, atol=1e-4)
    np.testing.assert_allclose(_compact_gradients(layer, d_kernels), expected_kernel, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_the_transpose_is_the_exact_adjoint_with_its_own_gradients(case):
    rng = np.random.default_rng(1)
    layer, transpose = _layer(case), _transpose(case)
    layer.build((None, *SHAPE))
    maps = rng.normal(size=(2, *layer.geometry.positions, 4)).astype(np.float32)
    transpose.build(maps.shape)
    transpose.set_weights(layer.get_weights())
    images = rng.normal(size=(2, *SHAPE)).astype(np.float32)
    with tf.GradientTape() as tape:
        code = tf.constant(maps)
        tape.watch(code)
        back = transpose(code)
        total = tf.reduce_sum(back * images)
    d_maps, *d_kernels = tape.gradient(total, [code, *(kernel.value for kernel in transpose.kernels)])
    kernel, geometry = layer.compact_kernel(), layer.geometry
    expected_back, expected_kernel = _naive_gradients(images, kernel, geometry, maps)
    np.testing.assert_allclose(back, expected_back, atol=1e-5)
    np.testing.assert_allclose(d_maps, _naive(images, kernel, geometry), atol=1e-4)
    np.testing.assert_allclose(_compact_gradients(transpose, d_kernels), expected_kernel, atol=1e-4)


def test_a_tied_transpose_uses_the_other_layers_kernel():
    layer = _layer("same, in bands")
    maps = layer(np.random.default_rng(2).normal(size=(2, *SHAPE)).astype(np.float32))
    tied = LocallyConnected2DTranspose(SHAPE, 3, padding="same", tied_to=layer)
    own = _transpose("same, in bands")
    own.build(maps.shape)
    own.set_weights(layer.get_weights())
    np.testing.assert_allclose(tied(maps), own(maps), atol=1e-6)
    with pytest.raises(ValueError, match="another geometry"):
        LocallyConnected2DTranspose(SHAPE, 5, padding="same", tied_to=layer).build(maps.shape)


def test_tile_one_is_a_convolution():
    images = np.random.default_rng(3).normal(size=(2, *SHAPE)).astype(np.float32)
    layer = LocallyConnected2D(4, 3, 2, "same", tile=1, use_bias=True)
    layer.build(images.shape)
    layer.bias.assign([[[1.0, 2.0, 3.0, 4.0]]])
    kernel = layer.compact_kernel().reshape(3, 3, 3, 4)
    expected = tf.nn.bias_add(tf.nn.conv2d(images, kernel, 2, "SAME"), [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(layer(images), expected, atol=1e-5)


@pytest.mark.parametrize(("strides", "bias"), [(1, True), (2, False)])
def test_loads_the_kernels_of_keras_2(strides, bias):
    import tf_keras

    images = np.random.default_rng(4).normal(size=(2, *SHAPE)).astype(np.float32)
    theirs = tf_keras.layers.LocallyConnected2D(4, 5, strides, use_bias=bias, bias_initializer="ones")
    expected = theirs(images)
    ours = LocallyConnected2D(4, 5, strides, use_bias=bias)
    ours.build(images.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(images), expected, atol=1e-5)
    for given, taken in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(given, taken)
    with pytest.raises(ValueError, match="expected"):
        ours.set_weights([np.zeros([3, 4, 5])] * (1 + bias))


@pytest.mark.parametrize("rule", ["SGD", "Adam", "Adagrad", "Adadelta", "Nadam", "Lion", "Lamb", "Adafactor", "Ftrl"])
def test_the_zeros_stay_zero_under_every_optimizer(rule):
    layer = LocallyConnected2D(2, 3, block=(2, 2))
    # Keras' Adafactor divides by zero for any filter that gets no gradient, as positions that fill up a block do.
    side = 10 if rule == "Adafactor" else 9
    images = np.random.default_rng(5).normal(size=(4, side, side, 1)).astype(np.float32)
    layer.build(images.shape)
    optimizer = getattr(keras.optimizers, rule)(learning_rate=0.1)
    seen = layer.geometry.store(np.ones(layer.geometry.compact_shape, np.float32)) > 0
    before = layer.kernel.numpy()
    for _ in range(3):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.square(layer(images) - 1.0))
        optimizer.apply(tape.gradient(total, [layer.kernel.value]), [layer.kernel])
    after = layer.kernel.numpy()
    assert np.all(after[~seen] == 0.0) and np.all(np.isfinite(after))
    assert np.mean(after[seen] != before[seen]) > 0.99


def test_files_hold_the_compact_kernel_however_the_blocks_are_cut(tmp_path):
    def model(block, shards):
        layers = [LocallyConnected2D(3, 4, use_bias=True, block=block, shards=shards, name="local")]
        return keras.Sequential([keras.Input((9, 9, 2)), *layers])

    images = np.random.default_rng(6).normal(size=(2, 9, 9, 2)).astype(np.float32)
    one, other = model((2, 2), 2), model((1, 3), 1)
    one.save_weights(tmp_path / "x.weights.h5")
    other.load_weights(tmp_path / "x.weights.h5")
    np.testing.assert_allclose(one(images), other(images), atol=1e-6)
    third = model(None, 1)
    path = tf.train.Checkpoint(model=one).save(str(tmp_path / "checkpoint"))
    shapes = dict(tf.train.list_variables(path))
    assert [6 * 6, 4 * 4 * 2, 3] in shapes.values()
    tf.train.Checkpoint(model=third).restore(path).assert_existing_objects_matched()
    np.testing.assert_allclose(one(images), third(images), atol=1e-6)
    one.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(one(images), loaded(images), atol=1e-6)
    assert json.dumps(one.get_layer("local").get_config())


def test_kernels_too_large_to_copy_are_checkpointed_as_they_are_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(local_filters, "_MOST_COMPACTED", 0)
    one, other = (LocallyConnected2D(3, 4, block=(2, 2), shards=2) for _ in range(2))
    for layer in (one, other):
        layer.build((None, 9, 9, 2))
    path = tf.train.Checkpoint(layer=one).save(str(tmp_path / "checkpoint"))
    shapes = [tuple(shape) for _, shape in tf.train.list_variables(path)]
    assert all(tuple(kernel.shape) in shapes for kernel in one.kernels) and one.compact_kernel().shape not in shapes
    tf.train.Checkpoint(layer=other).restore(path).assert_existing_objects_matched()
    np.testing.assert_array_equal(one.compact_kernel(), other.compact_kernel())


def test_exports_to_saved_model_and_lite(tmp_path):
    layer = LocallyConnected2D(3, 4, block=(2, 2))
    model = keras.Sequential([keras.Input((9, 9, 2)), layer, LocallyConnected2DTranspose((9, 9, 2), 4)])
    images = np.random.default_rng(7).normal(size=(5, 9, 9, 2)).astype(np.float32)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("encode", model, [tf.TensorSpec([None, 9, 9, 2], name="images")])
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "saved"))  # Held: a function dies with the model it came from.
    np.testing.assert_allclose(served.encode(images), model(images), atol=1e-6)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"), signature_keys=["encode"])
    (tmp_path / "encode.tflite").write_bytes(converter.convert())
    lite = LiteModel(tmp_path / "encode.tflite").call(**{"images": images})
    np.testing.assert_allclose(next(iter(lite.values())), model(images), atol=1e-5)


def test_half_precision_and_compiling_give_the_same_to_their_precision():
    images = np.random.default_rng(8).normal(size=(2, 12, 12, 3)).astype(np.float32)
    layer = LocallyConnected2D(4, 5)
    expected = layer(images).numpy()
    half = LocallyConnected2D(4, 5, dtype="mixed_bfloat16")
    half.build(images.shape)
    half.set_weights(layer.get_weights())
    result = half(tf.cast(images, tf.bfloat16))
    assert result.dtype == tf.bfloat16 and half.kernel.dtype == "float32"
    np.testing.assert_allclose(tf.cast(result, tf.float32), expected, atol=0.08)
    compiled = tf.function(lambda x: layer(x), jit_compile=True)
    np.testing.assert_allclose(compiled(images), expected, atol=1e-5)


def test_channels_first_is_the_same_layer():
    images = np.random.default_rng(9).normal(size=(2, *SHAPE)).astype(np.float32)
    last = _layer("plain")
    first = _layer("plain", data_format="channels_first")
    first.build((None, 3, 11, 13))
    last.build((None, *SHAPE))
    first.set_weights(last.get_weights())
    moved = first(images.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(np.transpose(moved, [0, 2, 3, 1]), last(images), atol=1e-6)
    assert tuple(moved.shape[1:]) == first.compute_output_shape((None, 3, 11, 13))[1:]


# The three stages of the full network of Le et al. 2012: filters on 200x200x3, 179x179x8 and 158x158x8.
@pytest.mark.parametrize("image", [(200, 200, 3), (179, 179, 8), (158, 158, 8)])
def test_the_papers_sizes_stay_within_the_bound_on_stored_zeros(image):
    geometry = LocalGeometry(image, 8, (18, 18))
    assert geometry.stored_ratio <= 1.4
    # What is copied of an image stays far below a patch a position.
    windows = geometry.blocks[0] * geometry.blocks[1] * geometry.stored_shape[1]
    assert windows < 0.15 * geometry.positions[0] * geometry.positions[1] * geometry.field


def test_the_graph_does_not_grow_with_the_image():
    counts = []
    for side in (16, 64):
        layer = LocallyConnected2D(2, 5, block=(2, 2))
        layer.build((None, side, side, 1))
        began = time.monotonic()
        graph = tf.function(layer).get_concrete_function(tf.TensorSpec([None, side, side, 1]))
        assert time.monotonic() - began < 10.0
        counts.append(len(graph.graph.get_operations()))
    assert counts[0] == counts[1]


def test_normalized_filters_have_length_one_and_no_dead_position_divides_by_zero():
    layer = LocallyConnected2D(3, 4, block=(3, 3), shards=2)
    layer.build((None, 9, 8, 2))
    layer.set_compact_kernel(5.0 * layer.compact_kernel())
    layer.normalize_filters()
    np.testing.assert_allclose(np.linalg.norm(layer.compact_kernel(), axis=1), 1.0, atol=1e-5)
    assert all(np.all(np.isfinite(kernel.numpy())) for kernel in layer.kernels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 12}, "does not fit"),
        ({"kernel_size": 3, "padding": "full"}, "valid"),
        ({"kernel_size": 3, "strides": 0}, "positive"),
        ({"kernel_size": 3, "tile": 4, "block": 3}, "divide"),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LocallyConnected2D(2, **options).build((None, 9, 9, 1))


def test_an_unknown_image_size_is_refused():
    with pytest.raises(ValueError, match="need to know"):
        LocallyConnected2D(2, 3).build((None, None, 9, 1))
