"""Image files to pixels of the size wanted, as steps of a stream."""

import functools
import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ..errors import UserError
from ..paths import shown
from .picture import USUAL_LOOK, Look, Unreadable, read_picture
from .sources.contract import RESIZE_MODES

# What an error in the middle of a stream says, for whoever has to tell it from a defect.
LOST = "a picture can no longer be read"


def decode_files(
    files: tf.Tensor, shape: tuple, resize: str = "none", look: Look = USUAL_LOOK, path: bool = False
) -> tf.Tensor:
    """Reads image files of any known format; see `picture`.

    Args:
      files: string [n], their content.
      shape: (height, width, channels) of the result.
      resize: see `fit`.
      look: what the files leave open.
      path: whether `files` are paths instead.

    Returns:
      uint8 [n, height, width, channels].

    Raises:
      tf.errors.InvalidArgumentError: no picture, or (with "none") not of that size.

    Example:
      >>> file = tf.io.encode_png(tf.zeros([8, 24, 3], tf.uint8))
      >>> decode_files(file[None], (4, 4, 1), "crop").shape
      TensorShape([1, 4, 4, 1])
    """
    height, width, channels = shape

    def read(file: bytes) -> np.ndarray:
        try:
            # What is streamed was checked before, with the limit that its budget states.
            return read_picture(os.fsdecode(file) if path else file, channels, look, 1 << 40).pixels
        except Unreadable as reason:
            named = f" ({shown(os.fsdecode(file))})" if path else ""
            raise ValueError(f"{LOST}{named}: {reason}") from None

    if resize == "none":  # All at once: a call of Python costs a good part of what a small picture does.

        def read_all(files: np.ndarray) -> np.ndarray:
            images = np.empty([len(files), *shape], np.uint8)
            for row, file in enumerate(files.tolist()):
                image = read(file)
                if image.shape != tuple(shape):
                    raise ValueError(f"{LOST}: it is now {image.shape}, not {tuple(shape)}")
                images[row] = image
            return images

        images = tf.numpy_function(read_all, [files], tf.uint8, stateful=False)
        return tf.ensure_shape(images, [files.shape[0], *shape])

    def read_one(file) -> tf.Tensor:
        image = tf.numpy_function(
            lambda file: read(file.item() if isinstance(file, np.ndarray) else bytes(file)),
            [file],
            tf.uint8,
            stateful=False,
        )
        image.set_shape([None, None, channels])
        return fit(image, height, width, resize)

    return tf.map_fn(read_one, files, fn_output_signature=tf.TensorSpec(tuple(shape), tf.uint8))


def decode(contents: tf.Tensor, shape: tuple, resize: str = "none") -> tf.Tensor:
    """Decodes one PNG or JPEG file that the package wrote itself, in the graph alone: extracted frames.

    Args:
      contents: string scalar, the file's bytes.
      shape: (height, width, channels) of the result; channels 1 converts color to gray, 3 the reverse.
      resize: see `fit`.

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
    """Brings an image to another size.

    Args:
      image: uint8 [h, w, channels].
      height, width: of the result.
      resize: "none" fails on any other size, "stretch" resizes both sides, "crop" first cuts the largest
        centered window of the wanted proportions. Sizes change by area averaging (it does not alias).

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


@functools.lru_cache
def fitter(height: int, width: int, resize: str) -> Callable[[np.ndarray], np.ndarray]:
    """`fit` for many pictures, one after the other and in threads: one graph, without Python between its operations.

    A call of `fit` by itself is some thirty calls of TensorFlow, ten times what decoding a small photograph takes.

    Args:
      height, width, resize: as in `fit`.

    Returns:
      uint8 [h, w, channels] of any size -> uint8 [height, width, channels].

    Example:
      >>> fitter(4, 4, "crop")(np.zeros([8, 24, 3], np.uint8)).shape
      (4, 4, 3)
    """
    any_size = tf.TensorSpec([None, None, None], tf.uint8)
    graph = tf.function(lambda image: fit(image, height, width, resize), input_signature=[any_size], autograph=False)
    return lambda pixels: graph(tf.constant(pixels)).numpy()


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
