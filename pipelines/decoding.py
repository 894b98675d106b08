"""Bytes of an image file to pixels, the same way in training, in checking files and in serving."""

import tensorflow as tf

from ..errors import UserError
from .sources.contract import RESIZE_MODES


def decode(contents: tf.Tensor, shape: tuple, resize: str = "none") -> tf.Tensor:
    """Decodes one PNG, JPEG or BMP file.

    Args:
      contents: string scalar, the file's bytes.
      shape: (height, width, channels) of the result; channels 1 converts color to gray, 3 the reverse.
      resize: "none" fails on any other size, "stretch" resizes both sides, "crop" first cuts the largest
        centered window of the wanted proportions. Sizes change by area averaging (it does not alias).

    Returns:
      uint8 [height, width, channels].

    Raises:
      tf.errors.InvalidArgumentError: not an image, or (with "none") not of that size.

    Example:
      >>> file = tf.io.encode_png(tf.zeros([8, 24, 3], tf.uint8))
      >>> decode(file, (4, 4, 1), "crop").shape
      TensorShape([4, 4, 1])
    """
    height, width, channels = shape
    image = tf.io.decode_image(contents, channels=channels, expand_animations=False)
    image.set_shape([None, None, channels])
    return fit(image, height, width, resize)


def fit(image: tf.Tensor, height: int, width: int, resize: str) -> tf.Tensor:
    """Brings an image to another size; see `decode`.

    Args:
      image: uint8 [h, w, channels].
      height, width: of the result.
      resize: "none", "stretch" or "crop".

    Returns:
      uint8 [height, width, channels].

    Raises:
      UserError: another `resize`.
    """
    if resize not in RESIZE_MODES:
        raise UserError(f"resize is '{resize}'; expected one of {', '.join(RESIZE_MODES)}")
    if resize == "none":
        return tf.ensure_shape(image, [height, width, image.shape[-1]])
    if resize == "crop":
        image = _center_window(image, width / height)
    image = tf.image.resize(image[None], [height, width], method="area")[0]
    return tf.cast(tf.clip_by_value(tf.round(image), 0.0, 255.0), tf.uint8)


def _center_window(image: tf.Tensor, aspect: float) -> tf.Tensor:
    """The largest centered window whose width over height is `aspect`."""
    h, w = tf.shape(image)[0], tf.shape(image)[1]
    window_w = tf.minimum(w, tf.cast(tf.round(tf.cast(h, tf.float32) * aspect), tf.int32))
    window_h = tf.minimum(h, tf.cast(tf.round(tf.cast(w, tf.float32) / aspect), tf.int32))
    window_w, window_h = tf.maximum(window_w, 1), tf.maximum(window_h, 1)
    top, left = (h - window_h) // 2, (w - window_w) // 2
    return image[top : top + window_h, left : left + window_w]


def to_unit(image: tf.Tensor) -> tf.Tensor:
    """Pixels of any kind to float32: uint8 0..255 becomes 0..1, floats pass unchanged."""
    return tf.cast(image, tf.float32) / 255.0 if image.dtype == tf.uint8 else image


def served_images(contents: tf.Tensor, shape: tuple, resize: str, max_pixels: int) -> tf.Tensor:
    """Decodes a request's batch of PNG or JPEG files, refusing picture bombs from their headers.

    A 250 kB PNG can unpack to a gigabyte, so width times height is read from the header and compared with
    the cap before anything is decoded.

    Args:
      contents: string [n].
      shape, resize: as in `decode`.
      max_pixels: largest width * height accepted.

    Returns:
      float32 [n, height, width, channels] in [0, 1].

    Raises:
      tf.errors.InvalidArgumentError: neither PNG nor JPEG, corrupt, or over the cap.
    """

    def one(item):
        with tf.control_dependencies(
            [
                tf.debugging.assert_less_equal(
                    header_pixels(item), tf.constant(max_pixels, tf.int64), f"image larger than {max_pixels} pixels"
                )
            ]
        ):
            return to_unit(decode(tf.identity(item), shape, resize))

    return tf.map_fn(one, contents, fn_output_signature=tf.TensorSpec(shape, tf.float32))


def header_pixels(contents: tf.Tensor) -> tf.Tensor:
    """Width times height, read from the header of a PNG or JPEG file without decoding it.

    Args:
      contents: string scalar.

    Returns:
      int64 scalar.

    Raises:
      tf.errors.InvalidArgumentError: any other format.
    """
    is_png = tf.strings.substr(contents, 0, 8) == b"\x89PNG\r\n\x1a\n"
    is_jpeg = tf.strings.substr(contents, 0, 3) == b"\xff\xd8\xff"

    def png():
        # IHDR is the first chunk: width and height are the big-endian words at bytes 16 and 20.
        words = tf.io.decode_raw(tf.strings.substr(contents, 16, 8), tf.uint8)
        words = tf.cast(tf.reshape(words, [2, 4]), tf.int64)
        sides = tf.reduce_sum(words * tf.constant([[1 << 24, 1 << 16, 1 << 8, 1]], tf.int64), axis=1)
        return sides[0] * sides[1]

    def jpeg():
        size = tf.cast(tf.image.extract_jpeg_shape(contents), tf.int64)
        return size[0] * size[1]

    def neither():
        with tf.control_dependencies([tf.debugging.Assert(False, ["not a PNG or JPEG file"])]):
            return tf.constant(0, tf.int64)

    return tf.case([(is_png, png), (is_jpeg, jpeg)], default=neither, exclusive=True)
