import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import ConvolutionalFeatures, TransposedFeatures


def _relu_normalized(values, layer):
    scale = layer.gamma.numpy() / np.sqrt(layer.moving_variance.numpy() + 1e-5)
    return np.maximum((values - layer.moving_mean.numpy()) * scale + layer.beta.numpy(), 0.0)


def _naive_convolution(images, layer, stride):
    """float64 loops over output places; kernel 3, padding 1."""
    kernel, bias = layer.kernel.numpy().astype(np.float64), layer.bias.numpy()
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    size = [(images.shape[k] - 1) // stride + 1 for k in (1, 2)]
    out = np.zeros((len(images), *size, kernel.shape[-1]))
    for row in range(size[0]):
        for column in range(size[1]):
            window = padded[:, row * stride : row * stride + 3, column * stride : column * stride + 3]
            out[:, row, column] = np.tensordot(window, kernel, 3) + bias
    return out


def test_the_stack_is_five_padded_convolutions_the_last_one_signed():
    stack = ConvolutionalFeatures((3, 4, 5))
    images = np.random.default_rng(0).normal(size=(2, 9, 8, 2)).astype(np.float32)
    actual = stack(tf.constant(images)).numpy()
    values = _relu_normalized(_naive_convolution(images, stack.convolution_1, 1), stack.normalization_1)
    values = _relu_normalized(_naive_convolution(values, stack.convolution_2, 2), stack.normalization_2)
    expected = _naive_convolution(values, stack.convolution_3, 2)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert actual.shape[1:] == stack.compute_output_shape((None, 9, 8, 2))[1:] and actual.min() < 0.0


def test_frozen_it_ignores_training_and_unfrozen_it_updates_its_statistics():
    stack = ConvolutionalFeatures((3, 4))
    images = tf.random.stateless_normal([8, 6, 6, 1], [0, 1]) * 3.0 + 2.0
    still = stack(images)
    stack.trainable = False
    np.testing.assert_array_equal(stack(images, training=True), still)
    stack.trainable = True
    assert not np.allclose(stack(images, training=True), still, atol=1e-3)
    assert np.any(stack.normalization_1.moving_mean.numpy() != 0.0)


def test_the_paper_s_stack_makes_2x2x256_and_its_mirror_makes_images_again():
    filters = (16, 32, 64, 128, 256)
    stack, mirror = ConvolutionalFeatures(filters), TransposedFeatures(filters, 3)
    features = stack(tf.zeros([2, 32, 32, 3]))
    assert features.shape == (2, 2, 2, 256) and mirror(features).shape == (2, 32, 32, 3)
    # Counted by the authors with batch normalization: 393,088 trainable numbers.
    assert sum(int(np.prod(v.shape)) for v in stack.trainable_variables) == 393_088


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: ConvolutionalFeatures((3, 4, 5)), (1, 8, 8, 2)),
        (lambda: TransposedFeatures((3, 4, 5), 2), (1, 2, 2, 5)),
    ],
)
def test_checkpoints_that_spell_normalisation_with_an_s_are_restored(make, shape, tmp_path):
    written, read = make(), make()
    generator = np.random.default_rng(0)
    for layer in (written, read):
        layer.build(shape)
        layer.set_weights([generator.random(weight.shape) for weight in layer.weights])
    older = tf.Module()  # The graph of objects as it was: the same children under the older names.
    for name in dir(written):
        if name.startswith(("convolution_", "normalization_", "last")):
            setattr(older, name.replace("normalization", "normalisation"), getattr(written, name))
    path = tf.train.Checkpoint(features=older).save(str(tmp_path / "checkpoint"))
    assert any("normalisation_2" in name for name, _ in tf.train.list_variables(path))
    tf.train.Checkpoint(features=read).restore(path).assert_existing_objects_matched().assert_consumed()
    for one, other in zip(read.weights, written.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
