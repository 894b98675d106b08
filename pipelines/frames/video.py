"""One video file to a few square pictures, whatever the file turns out to be.

A frame is drawn uniformly over the time that the video plays, which for a constant frame rate is uniformly over its
frames. "exact" decodes from the keyframe before that time to the frame shown at it. "keyframe" takes the keyframe
itself: 3 to 17 times faster, and another sample, because some encoders write keyframes only at cuts and openings.
Files that say no duration, or cannot be entered in the middle, are decoded from the start and sampled on the way.

This file must stay light: every worker process imports it, and none of them needs TensorFlow.
"""

import contextlib
import dataclasses
import hashlib
import io
import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import PIL.Image

# Seeking costs less than decoding on from one target to the next if they lie further apart than this.
_NEAR_SECONDS = 1.0
# So long before a target every frame is decoded, see `_Walk`.
_ALL_SECONDS = 0.25
_MODES = ("exact", "keyframe")
_FORMATS = {"jpeg": "JPEG", "png": "PNG"}
# How reasons start that say what a file is instead of a video: no fault of a collection, so counted apart.
NOT_A_VIDEO = "not a video ("
# What other files start with, and how much of a file is looked at.
_HEAD = 4096
_OTHERS = (
    (b"\x89PNG", "a picture"), (b"\xff\xd8\xff", "a picture"), (b"GIF8", "a picture"), (b"BM", "a picture"),
    (b"II*\0", "a picture"), (b"MM\0*", "a picture"), (b"%PDF", "a document"), (b"PK\x03\x04", "an archive"),
    (b"\x1f\x8b", "an archive"), (b"7z\xbc\xaf", "an archive"), (b"Rar!", "an archive"), (b"SQLite", "a database"),
)  # fmt: skip


class Unusable(Exception):
    """Why a file gives no frame; the message is the reason that is counted."""


@dataclasses.dataclass(frozen=True)
class VideoSettings:
    """What is taken of every video, and what is borne of it.

    Attributes:
      size: side of the square pictures in pixels.
      frames: how many a video; a short video may have fewer different ones.
      seed: keys the draw, together with the name of the file.
      mode: "exact" or "keyframe"; see above.
      format: "jpeg" or "png".
      quality: of JPEG, 1 to 95.
      max_file_mib: largest file.
      max_pixels: largest width * height of a frame.
      max_decoded: most frames that are decoded of one file.

    Raises:
      ValueError: a value outside these.
    """

    size: int = 200
    frames: int = 1
    seed: int = 0
    mode: str = "exact"
    format: str = "jpeg"
    quality: int = 95
    max_file_mib: float = 4096.0
    max_pixels: int = 40_000_000
    max_decoded: int = 20_000

    def __post_init__(self):
        if self.mode not in _MODES:
            raise ValueError(f"mode is '{self.mode}'; expected one of {', '.join(_MODES)}")
        if self.format not in _FORMATS:
            raise ValueError(f"format is '{self.format}'; expected one of {', '.join(_FORMATS)}")
        if not 1 <= self.quality <= 95:
            raise ValueError(f"quality is {self.quality}; expected 1 to 95")
        if not (8 <= self.size <= 4096 and 1 <= self.frames <= 10_000):
            raise ValueError(
                f"size is {self.size}, frames {self.frames}; expected 8 to 4096 pixels, 1 to 10,000 frames"
            )


@dataclasses.dataclass(frozen=True)
class Picture:
    """A frame made square.

    Attributes:
      seconds: when in the video it is shown.
      image: uint8 [size, size, 3].
    """

    seconds: float
    image: np.ndarray


class Sample(NamedTuple):
    """What was drawn from a video.

    Attributes:
      pictures: in order of time.
      whole: whether the file had to be decoded from its start.
    """

    pictures: list[Picture]
    whole: bool


def sample(path: str, settings: VideoSettings) -> Sample:
    """Draws the frames of one video.

    Args:
      path: local, or anything with a scheme that `tf.io.gfile` reads.
      settings: see `VideoSettings`.

    Raises:
      Unusable: no frame can be had of it; says why.
    """
    import av.error

    with _opened(path, settings) as source:
        try:
            container = av.open(source, metadata_errors="ignore")
        except (av.error.FFmpegError, OSError) as error:
            raise Unusable(_reason(error)) from None
        with container:
            stream = _video_stream(container)
            if not 0 < stream.width * stream.height <= settings.max_pixels:
                raise Unusable(f"not 1 to {settings.max_pixels} pixels a frame")
            # Files are spread over processes; threads inside the decoder would only contend.
            stream.codec_context.thread_count = 1
            generator = np.random.default_rng(_key(path, settings.seed))
            found, whole = _frames(container, stream, settings, generator)
            if not found:
                raise Unusable("no frame could be decoded")
            ratio = float(stream.sample_aspect_ratio or 1.0)
            return Sample([Picture(seconds, square(frame, ratio, settings.size)) for seconds, frame in found], whole)


def encode(image: np.ndarray, settings: VideoSettings) -> bytes:
    """A picture as a file of the chosen format."""
    content = io.BytesIO()
    options = {"quality": settings.quality} if settings.format == "jpeg" else {}
    PIL.Image.fromarray(image).save(content, _FORMATS[settings.format], **options)
    return content.getvalue()


def square(frame, pixel_ratio: float, size: int) -> np.ndarray:
    """A decoded frame as its viewer sees it, cut to the centered square and resized by area.

    Args:
      frame: `av.VideoFrame`; its rotation is applied, which decoders leave to the player.
      pixel_ratio: width over height of one pixel.
      size: side of the result.

    Returns:
      uint8 [size, size, 3].
    """
    pixels, turns = frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4
    if turns:
        pixels = np.rot90(pixels, turns)
    if turns % 2:
        pixel_ratio = 1.0 / pixel_ratio
    height, width = pixels.shape[:2]
    side = min(height, width * pixel_ratio)
    halves = (side / pixel_ratio / 2, side / 2)
    left, top = max(width / 2 - halves[0], 0.0), max(height / 2 - halves[1], 0.0)
    right, bottom = min(width / 2 + halves[0], width), min(height / 2 + halves[1], height)
    # Whole pixels around the square first: copying the rest of a large frame costs more than resizing.
    x, y = int(left), int(top)
    around = np.ascontiguousarray(pixels[y : math.ceil(bottom), x : math.ceil(right)])
    box = (left - x, top - y, right - x, bottom - y)
    return np.asarray(PIL.Image.fromarray(around).resize((size, size), PIL.Image.Resampling.BOX, box=box))


@contextlib.contextmanager
def _opened(path: str, settings: VideoSettings) -> Iterator:
    """What PyAV opens: the path itself, or a file object of TensorFlow's file systems."""
    most = settings.max_file_mib * 2**20
    if "://" not in path:
        try:
            _check_size(os.path.getsize(path), most)
            with open(path, "rb") as file:
                _check_kind(file.read(_HEAD))
        except OSError:
            raise Unusable("cannot be opened") from None
        yield path
        return
    import tensorflow as tf  # Only for files that are not on this machine.

    try:
        _check_size(tf.io.gfile.stat(path).length, most)
        with tf.io.gfile.GFile(path, "rb") as file:
            _check_kind(file.read(_HEAD))
            file.seek(0)
            yield file
    except tf.errors.OpError:
        raise Unusable("cannot be opened") from None


def _check_size(size: int, most: float) -> None:
    if size == 0:
        raise Unusable("empty file")
    if size > most:
        raise Unusable(f"over {most / 2**20:g} MiB")


def _check_kind(head: bytes) -> None:
    """Refuses what is plainly something else; a decoder would make "frames" of pictures, and even of texts."""
    for start, kind in _OTHERS:
        if head.startswith(start) and not (head.startswith(b"GIF8") and b"NETSCAPE" in head):
            raise Unusable(f"{NOT_A_VIDEO}{kind})")
    if head[8:12] == b"WEBP" and head.startswith(b"RIFF"):
        raise Unusable(f"{NOT_A_VIDEO}a picture)")
    # The last character may be cut in half.
    text = head.decode("utf-8", "replace").rstrip("\ufffd")
    if text and all(char.isprintable() or char in "\t\r\n\f\ufeff" for char in text) and "\ufffd" not in text:
        raise Unusable(f"{NOT_A_VIDEO}text)")


def _reason(error: Exception) -> str:
    import av.error

    if isinstance(error, PermissionError | FileNotFoundError | IsADirectoryError):
        return "cannot be opened"
    if isinstance(error, av.error.InvalidDataError):
        return "not a video, or cut off before its index"
    return "unknown codec" if "codec" in str(error).lower() else "cannot be decoded"


def _video_stream(container):
    """The first stream of moving pictures; the cover of a record is not one."""
    from av.stream import Disposition

    pictures = list(container.streams.video)
    moving = [stream for stream in pictures if not stream.disposition & Disposition.attached_pic]
    if not moving:
        kind = "cover art only" if pictures else "audio only" if container.streams.audio else "no video stream"
        raise Unusable(f"{NOT_A_VIDEO}{kind})")
    if moving[0].codec_context is None:
        raise Unusable("unknown codec")
    return moving[0]


def _key(path: str, seed: int) -> list:
    """A file is known by its name and its folder's name, so that a collection may move."""
    name = "/".join(path.replace("\\", "/").split("/")[-2:])
    return [seed, int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big")]


def _frames(container, stream, settings: VideoSettings, generator) -> tuple:
    """([(seconds, frame)], whether the file was decoded from its start)."""
    import av.error

    duration = (
        float(stream.duration * stream.time_base) if stream.duration else (container.duration or 0) / av.time_base
    )
    if duration > 0.0:
        first = float((stream.start_time or 0) * stream.time_base)
        targets = first + np.sort(generator.random(settings.frames)) * duration
        with contextlib.suppress(av.error.FFmpegError, OSError):
            shown = _at(container, stream, targets, settings)
            if shown:
                return shown, False
        with contextlib.suppress(av.error.FFmpegError, OSError):
            container.seek(0)
    return _reservoir(container, stream, settings, generator), True


def _at(container, stream, targets, settings: VideoSettings) -> list:
    """The frames shown at some times; none if one of them cannot be had."""
    if settings.mode == "keyframe":
        stream.codec_context.skip_frame = "NONKEY"
    found, budget = {}, _Budget(settings.max_decoded)
    current: Any = None
    walk: _Walk | None = None
    for target in targets:
        if current is None or settings.mode == "keyframe" or target - current.time > _NEAR_SECONDS:
            container.seek(int(target / stream.time_base), stream=stream, backward=True)
            walk = _Walk(container, stream, target - _ALL_SECONDS, settings.mode, budget)
        assert walk is not None  # The first target opened it.
        current = walk.to(target)
        if current is not None and current.time < walk.complete_from:
            # A frame shown for long: one that was passed over may have come after it.
            container.seek(int(target / stream.time_base), stream=stream, backward=True)
            walk = _Walk(container, stream, -math.inf, settings.mode, budget)
            current = walk.to(target)
        if current is None:
            return []
        found[current.pts] = (current.time, current)
    return list(found.values())


class _Budget:
    """Counts decoded frames down."""

    def __init__(self, most: int):
        self._most = self._left = most

    def spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unusable(f"over {self._most} frames to decode")


class _Walk:
    """Goes forward through a video from where it stands.

    Attributes:
      complete_from: seconds from which on every frame is decoded. Before that, frames that no other frame is made from
        are passed over, which saves about half of the decoding where there are many of them.
    """

    def __init__(self, container, stream, complete_from: float, mode: str, budget: _Budget):
        self.complete_from = -math.inf if mode == "keyframe" else complete_from
        self._mode, self._budget = mode, budget
        self._decoded = self._decode(container, stream)
        self._current = self._ahead = None

    def to(self, target: float):
        """The frame shown at `target` seconds (of "keyframe", the next decoded one), or None."""
        while True:
            if self._ahead is None:
                self._ahead = next(self._decoded, None)
                self._budget.spend()
                if self._ahead is not None and (self._ahead.time is None or self._ahead.is_corrupt):
                    self._ahead = None
                    continue
            if self._ahead is None or (self._current is not None and self._ahead.time > target):
                return self._current
            self._current, self._ahead = self._ahead, None
            if self._mode == "keyframe":
                return self._current

    def _decode(self, container, stream):
        context, complete = stream.codec_context, None
        first = self.complete_from / float(stream.time_base)
        for packet in container.demux(stream):
            if self._mode == "exact":
                needed = packet.pts is None or packet.pts >= first
                if needed != complete:
                    context.skip_frame, complete = "DEFAULT" if needed else "NONREF", needed
            yield from packet.decode()


def _reservoir(container, stream, settings: VideoSettings, generator) -> list:
    """A uniform sample of all frames that can be decoded, in one pass (Vitter 1985, algorithm R)."""
    import av.error

    if settings.mode == "exact":
        stream.codec_context.skip_frame = "DEFAULT"
    kept, seen = [], 0
    try:
        for frame in container.decode(stream):
            if frame.is_corrupt:
                continue
            place = seen if seen < settings.frames else int(generator.integers(0, seen + 1))
            if place < settings.frames:
                entry = (seen, float(frame.time or 0.0), frame)
                kept[place : place + 1] = [entry]
            seen += 1
            if seen > settings.max_decoded:
                raise Unusable(f"over {settings.max_decoded} frames to decode")
    except (av.error.FFmpegError, OSError):
        pass  # Cut off in the middle: what could be decoded is what there is.
    return [(seconds, frame) for _, seconds, frame in sorted(kept, key=lambda entry: entry[0])]
