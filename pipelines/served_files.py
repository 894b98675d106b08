"""Image files of a request to pixels, inside the served graph: what `picture` does, for PNG and JPEG.

The same file gives the same pixels as in training: turned as EXIF says, transparent parts on the background, deep
gray scaled, luma for gray. Other formats are refused: a graph has no decoder that agrees with training's.
"""

import tensorflow as tf

from . import decoding
from .picture import LUMA, Look

_ORIENTATION = 0x0112
_SHORT = 3  # The type of that entry.


def served_images(
    contents: tf.Tensor, shape: tuple, resize: str, max_pixels: int, look: Look = Look()
) -> tf.Tensor:
    """Decodes a request's batch of PNG or JPEG files, refusing picture bombs from their headers.

    A 250 kB PNG can unpack to a gigabyte, so width times height is read from the header and compared with
    the cap before anything is decoded.

    Args:
      contents: string [n].
      shape: (height, width, channels) of the result.
      resize: as in `decoding.fit`.
      max_pixels: largest width * height accepted.
      look: what a file leaves open, as in training.

    Returns:
      float32 [n, height, width, channels] in [0, 1].

    Raises:
      tf.errors.InvalidArgumentError: neither PNG nor JPEG, corrupt, over the cap, or too dark for its depth.
    """

    def one(item):
        with tf.control_dependencies(
            [
                tf.debugging.assert_less_equal(
                    header_pixels(item), tf.constant(max_pixels, tf.int64), f"image larger than {max_pixels} pixels"
                )
            ]
        ):
            item = tf.identity(item)
        color = tf.cond(_is_png(item), lambda: _from_png(item, look), lambda: _from_jpeg(item))
        color = _turned(color, _orientation(item))
        if shape[-1] == 1:
            luma = tf.tensordot(tf.cast(color, tf.int32), tf.constant(LUMA), 1)
            color = tf.cast((luma + (1 << 15)) // (1 << 16), tf.uint8)[..., None]
        color.set_shape([None, None, shape[-1]])
        return decoding.to_unit(decoding.fit(color, shape[0], shape[1], resize))

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

    def png():
        # IHDR is the first chunk: width and height are the big-endian words at bytes 16 and 20.
        sides = _bytes(contents, 16, 8)
        return _big_endian(sides[:4]) * _big_endian(sides[4:])

    def jpeg():
        size = tf.cast(tf.image.extract_jpeg_shape(contents), tf.int64)
        return size[0] * size[1]

    def neither():
        with tf.control_dependencies([tf.debugging.Assert(False, ["not a PNG or JPEG file"])]):
            return tf.constant(0, tf.int64)

    cases = [(_is_png(contents), png), (_is_jpeg(contents), jpeg)]
    return tf.case(cases, default=neither, exclusive=True)


def _is_png(contents):
    return tf.strings.substr(contents, 0, 8) == b"\x89PNG\r\n\x1a\n"


def _is_jpeg(contents):
    return tf.strings.substr(contents, 0, 3) == b"\xff\xd8\xff"


def _from_jpeg(contents):
    """uint8 [h, w, 3]; the accurate transform is the one that other decoders use."""
    return tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")


def _from_png(contents, look: Look):
    """uint8 [h, w, 3], opaque."""
    depth_and_type = _bytes(contents, 24, 2)
    deep_gray = tf.reduce_all(depth_and_type == [16, 0])
    return tf.cond(deep_gray, lambda: _from_deep_gray(contents, look), lambda: _on_background(contents, look))


def _on_background(contents, look: Look):
    rgba = tf.cast(tf.io.decode_png(contents, channels=4), tf.int32)
    alpha = rgba[..., 3:]
    mixed = rgba[..., :3] * alpha + tf.constant(look.color) * (255 - alpha)
    return tf.cast((mixed + 127) // 255, tf.uint8)


def _from_deep_gray(contents, look: Look):
    values = tf.cast(tf.io.decode_png(contents, channels=1, dtype=tf.uint16), tf.int32)
    bits, most = look.bits or 16, tf.reduce_max(values)
    allowed = [tf.debugging.assert_less(most, 1 << bits, f"image has values above {bits} bits")]
    if not look.bits:
        dark = tf.logical_and(most > 0, most < 1 << 12)
        allowed.append(tf.debugging.Assert(tf.logical_not(dark), ["a 16-bit image that uses 12 bits or fewer"]))
    with tf.control_dependencies(allowed):
        scale = (1 << bits) - 1
        return tf.repeat(tf.cast((values * 255 + scale // 2) // scale, tf.uint8), 3, axis=-1)


# ---- EXIF


def _turned(image, orientation):
    """The picture as its orientation (1 to 8) says that it is looked at."""
    transposed = orientation >= 5
    image = tf.cond(transposed, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    # After the transposition: which of the two axes are reversed, by orientation.
    reverse_rows = tf.gather([False, False, False, True, True, False, False, True, True], orientation)
    reverse_columns = tf.gather([False, False, True, True, False, False, True, True, False], orientation)
    image = tf.cond(reverse_rows, lambda: tf.reverse(image, [0]), lambda: image)
    return tf.cond(reverse_columns, lambda: tf.reverse(image, [1]), lambda: image)


def _orientation(contents):
    """int32 scalar, 1 to 8; 1 where the file says nothing."""
    start = tf.cond(_is_png(contents), lambda: _exif_in_png(contents), lambda: _exif_in_jpeg(contents))
    return tf.cond(start > 0, lambda: _orientation_in(contents, start), lambda: tf.constant(1))


def _exif_in_jpeg(contents):
    """Where the TIFF header of the EXIF segment starts, or 0."""
    length = tf.strings.length(contents)

    def segment(position):
        return _bytes(contents, position, 4)

    def goes_on(position, found):
        return tf.logical_and(found == 0, position + 10 < length)

    def step(position, _):
        head = segment(position)
        size = tf.cast(head[2] * 256 + head[3], tf.int32)
        is_exif = tf.logical_and(head[1] == 0xE1, tf.strings.substr(contents, position + 4, 6) == b"Exif\0\0")
        # The image data follow the start of scan, and nothing about them.
        ends = tf.logical_or(head[0] != 0xFF, tf.logical_or(head[1] == 0xDA, size < 2))
        return tf.where(ends, length, position + 2 + size), tf.where(is_exif, position + 10, 0)

    return tf.while_loop(goes_on, step, [tf.constant(2), tf.constant(0)])[1]


def _exif_in_png(contents):
    """Likewise of the chunk eXIf, where it comes before the image data."""
    length = tf.strings.length(contents)

    def goes_on(position, found):
        return tf.logical_and(found == 0, position + 12 < length)

    def step(position, _):
        size = tf.cast(tf.minimum(_big_endian(_bytes(contents, position, 4)), 1 << 30), tf.int32)
        name = tf.strings.substr(contents, position + 4, 4)
        following = tf.where(name == b"IDAT", length, tf.minimum(position + 12 + size, length))
        return following, tf.where(name == b"eXIf", position + 8, 0)

    return tf.while_loop(goes_on, step, [tf.constant(8), tf.constant(0)])[1]


def _orientation_in(contents, start):
    """The orientation that the first directory of a TIFF header states."""
    length = tf.strings.length(contents)
    little = tf.strings.substr(contents, tf.minimum(start, length - 1), 2) == b"II"

    def number(position, size):
        inside = tf.logical_and(position >= 0, position + size <= length)
        found = _bytes(contents, tf.where(inside, position, 0), size)
        found = tf.where(little, tf.reverse(found, [0]), found)
        return tf.where(inside, _big_endian(found), 0)

    offset = tf.cast(tf.minimum(number(start + 4, 4), 1 << 30), tf.int32)
    entries = start + offset
    count = tf.cast(number(entries, 2), tf.int32)

    def goes_on(entry, found):
        return tf.logical_and(found == 0, entry < count)

    def step(entry, _):
        place = entries + 2 + 12 * entry
        right = tf.logical_and(number(place, 2) == _ORIENTATION, number(place + 2, 2) == _SHORT)
        return entry + 1, tf.where(right, tf.cast(number(place + 8, 2), tf.int32), 0)

    found = tf.while_loop(goes_on, step, [tf.constant(0), tf.constant(0)])[1]
    return tf.where(tf.logical_and(found >= 1, found <= 8), found, 1)


def _bytes(contents, position, count: int):
    """int64 [count]; zeros where the file has ended."""
    length = tf.strings.length(contents)
    position = tf.minimum(tf.convert_to_tensor(position, tf.int32), length)
    found = tf.io.decode_raw(tf.strings.substr(contents, position, count), tf.uint8)
    found = tf.concat([found, tf.zeros([count], tf.uint8)], 0)[:count]
    return tf.ensure_shape(tf.cast(found, tf.int64), [count])  # In a graph the slice does not say it.


def _big_endian(digits):
    """int64 scalar of bytes, the first the most significant."""
    count = int(digits.shape[0])
    return tf.reduce_sum(digits * tf.constant([256**power for power in reversed(range(count))], tf.int64))
