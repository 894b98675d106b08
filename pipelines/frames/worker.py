"""A process that decodes one video after another: a decoder that hangs or crashes takes nothing else with it.

Started as `python -m reverie.pipelines.frames.worker` by `pool.py`. Messages on standard input and output are a
JSON object, preceded by its length as four bytes, and followed by the bytes that its "lengths" announce.
"""

import dataclasses
import json
import os
import struct
import sys
from typing import NamedTuple

import numpy as np
import PIL.Image

from . import video


@dataclasses.dataclass(frozen=True)
class Frame:
    """A picture taken from a video, ready to be stored.

    Attributes:
      seconds: when in the video it is shown.
      content: the encoded picture.
      luma: mean brightness, 0 to 255.
      fingerprint: perceptual hash of 64 bits: equal or a few bits apart for pictures that look alike.
    """

    seconds: float
    content: bytes
    luma: float
    fingerprint: int


class Taken(NamedTuple):
    """What was taken of a video.

    Attributes:
      frames: in order of time.
      whole: whether the file had to be decoded from its start.
    """

    frames: list[Frame]
    whole: bool


class Message(NamedTuple):
    """What goes between a process and `pool`.

    Attributes:
      content: the JSON object.
      parts: the bytes that follow it.
    """

    content: dict
    parts: list[bytes]


def take(path: str, settings: video.VideoSettings) -> Taken:
    """The frames of one video.

    Raises:
      video.Unusable: no frame can be had of it.
    """
    pictures, whole = video.sample(path, settings)
    return Taken([_frame(picture, settings) for picture in pictures], whole)


def _frame(picture: video.Picture, settings: video.VideoSettings) -> Frame:
    import imagehash

    gray = PIL.Image.fromarray(picture.image).convert("L")
    bits = imagehash.phash(gray).hash.ravel()
    content = video.encode(picture.image, settings)
    fingerprint = int.from_bytes(np.packbits(bits).tobytes(), "big")
    return Frame(picture.seconds, content, float(np.mean(np.asarray(gray))), fingerprint)


def send(stream, message: dict, parts: tuple = ()) -> None:
    """Writes one message."""
    head = json.dumps({**message, "lengths": [len(part) for part in parts]}).encode()
    stream.write(struct.pack(">I", len(head)) + head + b"".join(parts))
    stream.flush()


def receive(stream) -> Message | None:
    """One message, or None at the end."""
    length = stream.read(4)
    if len(length) < 4:
        return None
    message = json.loads(stream.read(struct.unpack(">I", length)[0]))
    return Message(message, [stream.read(size) for size in message.pop("lengths")])


def main() -> None:
    """Answers requests until the other side closes."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What a library prints must not end up between the messages.
    requests = sys.stdin.buffer
    first = receive(requests)
    assert first is not None  # The settings, which are sent as soon as the process is started.
    settings = video.VideoSettings(**first.content)
    send(answers, {"ready": True})
    while (request := receive(requests)) is not None:
        try:
            frames, whole = take(request.content["path"], settings)
        except video.Unusable as unusable:
            send(answers, {"reason": str(unusable)})
            continue
        except Exception as error:  # Whatever a decoder may still come up with is this file's fault alone.
            send(answers, {"reason": f"decoder failed ({type(error).__name__})"})
            continue
        facts = [[frame.seconds, frame.luma, frame.fingerprint] for frame in frames]
        send(answers, {"frames": facts, "whole": whole}, tuple(frame.content for frame in frames))


if __name__ == "__main__":
    main()
