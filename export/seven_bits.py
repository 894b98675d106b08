"""Bytes as text that HTML keeps as it is, seven bits a character: a sixth longer than the bytes, base64 a third.

A character is one byte of UTF-8, whatever the page is served as. The four that HTML would change, or end a script by,
stand as characters of two bytes.
"""

import numpy as np

# The character of no value, both ends of a line, and "<".
_CHANGED = (0, 10, 13, 60)
_INSTEAD = 0xA1  # And the three after it.


def as_text(content: bytes) -> str:
    """The text of bytes, from the highest bit of the first one.

    Example:
      >>> as_text(b"abc")
      '0XL0'
    """
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    bits = np.pad(bits, (0, -len(bits) % 7)).reshape(-1, 7)
    values = np.packbits(bits, axis=1)[:, 0] >> 1
    for place, changed in enumerate(_CHANGED):
        values[values == changed] = _INSTEAD + place
    return values.tobytes().decode("latin-1")


def as_bytes(text: str) -> bytes:
    """The bytes of a text from `as_text`.

    Example:
      >>> as_bytes("0XL0")
      b'abc'
    """
    values = np.frombuffer(text.encode("latin-1"), np.uint8).copy()
    for place, changed in enumerate(_CHANGED):
        values[values == _INSTEAD + place] = changed
    bits = np.unpackbits(values[:, None], axis=1)[:, 1:].ravel()
    return np.packbits(bits[: len(bits) // 8 * 8]).tobytes()
