import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from reverie.pipelines import decoding, served_files


def encoded(width: int, height: int, kind: str, color: bool = False) -> bytes:
    rng = np.random.default_rng(width)
    shape = (height, width, 3) if color else (height, width)
    stream = io.BytesIO()
    PIL.Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [(1, 1), (37, 300), (1000, 70)])
def test_header_pixels_are_width_times_height(kind, size):
    assert int(served_files.header_pixels(tf.constant(encoded(*size, kind)))) == size[0] * size[1]


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"BM1234", b"junk"])
def test_other_formats_are_refused_in_serving(content):
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a PNG or JPEG"):
        served_files.header_pixels(tf.constant(content))


def test_served_images_equal_pillow_for_png():
    content = encoded(8, 8, "PNG")
    expected = np.asarray(PIL.Image.open(io.BytesIO(content)), np.float32)[..., None] / 255.0
    served = served_files.served_images(tf.constant([content, content]), (8, 8, 1), "none", 64)
    np.testing.assert_allclose(served[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(served[0], served[1])


def test_served_images_over_the_cap_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than 63 pixels"):
        served_files.served_images(tf.constant([encoded(8, 8, "PNG")]), (8, 8, 1), "none", 63)


def test_gray_is_asked_of_color_files_and_color_of_gray_ones():
    gray = decoding.decode(tf.constant(encoded(5, 5, "PNG", color=True)), (5, 5, 1))
    assert gray.shape == (5, 5, 1)
    color = decoding.decode(tf.constant(encoded(5, 5, "PNG")), (5, 5, 3))
    np.testing.assert_array_equal(color[..., 0], color[..., 2])


@pytest.mark.parametrize("resize", ["stretch", "crop"])
def test_many_pictures_are_fitted_as_one_alone_would_be_whatever_their_sizes(resize):
    pictures = np.random.default_rng(0)
    fitted = decoding.fitter(12, 16, resize)
    for size in ((12, 16, 3), (24, 32, 3), (37, 21, 1), (5, 90, 3), (1, 1, 4)):
        picture = pictures.integers(0, 256, size, dtype=np.uint8)
        alone = decoding.fit(tf.constant(picture), 12, 16, resize).numpy()
        np.testing.assert_array_equal(fitted(picture), alone)
    # Halved exactly, which is the mean of each two by two.
    picture = pictures.integers(0, 256, (24, 32, 2), dtype=np.uint8)
    mean = picture.reshape(12, 2, 16, 2, 2).astype(float).mean(axis=(1, 3))
    assert np.abs(fitted(picture) - mean).max() <= 0.5


def test_pictures_of_another_size_are_refused_where_nothing_may_be_resized():
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        decoding.fitter(12, 16, "none")(np.zeros([12, 15, 3], np.uint8))
