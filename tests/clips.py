"""Small videos whose frames say which one they are: black and white bars spell the frame's number."""

import fractions
import pathlib
import struct

import av
import numpy as np

BITS = 8


def bars(number: int, height: int = 64, width: int = 96) -> np.ndarray:
    """uint8 [height, width, 3]: the number in binary as vertical bars over the centered square, on gray."""
    image = np.full([height, width, 3], 90, np.uint8)
    left, each = (width - height) // 2, height // BITS
    for bit in range(BITS):
        image[:, left + bit * each : left + (bit + 1) * each] = 230 if number >> bit & 1 else 20
    return image


def read_bars(image: np.ndarray) -> int:
    """The number that a square picture spells."""
    each = image.shape[1] / BITS
    centers = [image[image.shape[0] // 2, int((bit + 0.5) * each)].mean() for bit in range(BITS)]
    return sum(int(center > 120) << bit for bit, center in enumerate(centers))


def write(path, frames=40, rate=10, gop=12, codec="mpeg4", draw=bars, pixel_ratio=None, times=None, **options) -> str:
    """Writes a video and returns its path.

    Args:
      path: its ending says the container.
      frames: how many.
      rate: frames a second.
      gop: frames from one keyframe to the next.
      draw: number -> uint8 picture.
      pixel_ratio: width over height of a pixel.
      times: presentation times in seconds, for a variable rate.
    """
    first = draw(0)
    with av.open(path if hasattr(path, "write") else str(path), "w", **options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = *first.shape[:2], "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.bit_rate = 2_000_000
        stream.codec_context.max_b_frames = 0
        if pixel_ratio:
            stream.codec_context.sample_aspect_ratio = fractions.Fraction(pixel_ratio)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(number), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[number] * 1000), fractions.Fraction(1, 1000)
                stream.codec_context.time_base = frame.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


def turn(path, degrees: int) -> str:
    """Sets the rotation of an .mp4 in its track header, as a phone held sideways does."""
    content = bytearray(pathlib.Path(path).read_bytes())
    matrix = content.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    one = 1 << 16
    a, b = {90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    content[matrix : matrix + 36] = struct.pack(">9i", a, b, 0, -b, a, 0, 0, 0, 1 << 30)
    pathlib.Path(path).write_bytes(content)
    return str(path)


def sound(path) -> str:
    """A file with sound only."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros([1, 8000], np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


class Pipe:
    """A place to write a video to that cannot go back: the container gets no duration and no index."""

    def __init__(self):
        self.content = b""

    def write(self, part):
        self.content += bytes(part)
        return len(part)


def without_duration(path) -> str:
    pipe = Pipe()
    write(pipe, format="matroska")
    pathlib.Path(path).write_bytes(pipe.content)
    return str(path)


def odd_files(folder: pathlib.Path) -> dict:
    """path -> the reason that is counted for it, or "" where a frame can be had."""
    folder.mkdir()
    good = write(folder / "good.mp4")
    content = pathlib.Path(good).read_bytes()
    made = {good: ""}
    for name, data, reason in (
        ("empty.mp4", b"", "empty file"),
        ("page.mp4", b"<html><body>404</body></html>", "not a video (text)"),
        ("noise.mp4", np.random.default_rng(0).bytes(5000), "not a video, or cut off before its index"),
        ("no_index.mp4", content[: content.index(b"moov") - 4], "not a video, or cut off before its index"),
    ):
        (folder / name).write_bytes(data)
        made[str(folder / name)] = reason
    made[sound(folder / "sound.wav")] = "not a video (audio only)"
    made[without_duration(folder / "no_duration.mkv")] = ""
    made[write(folder / "one_frame.mp4", frames=1)] = ""
    cut = write(folder / "cut.mkv", frames=80)
    pathlib.Path(cut).write_bytes(pathlib.Path(cut).read_bytes()[: len(pathlib.Path(cut).read_bytes()) // 3])
    made[cut] = ""
    made[write(folder / "gray.mp4", codec="libx264", draw=lambda n: np.full([64, 64, 3], 3 * n + 60, np.uint8))] = ""
    made[write(folder / "flash.webm", codec="libvpx-vp9", frames=12)] = ""
    made[turn(write(folder / "turned.mp4"), 90)] = ""
    return made
