"""One image file to pixels, as a viewer shows it: the only place in Python where a file becomes a picture.

- Upright: turned as the file's EXIF orientation says.
- Opaque: what is transparent shows a stated background, not the colors that lie hidden under it.
- Eight bits: deeper gray is scaled by the depth of the file, or by `bits` where the values use less of it.
- Gray of a color picture is its luma, (0.299 R + 0.587 G + 0.114 B), of whatever format.
- The first frame of an animation or of a file with several pages.
- Color profiles are left alone, and counted.

`served_files` does the same inside a graph, for the two formats that a graph reads.
"""

import dataclasses
import functools
import io
import warnings
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageColor
import PIL.ImageOps

from ..errors import UserError
from ..paths import is_remote, remote_content

# Pillow's name of a format -> what its files are usually called.
FORMATS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".pgm", ".ppm", ".pnm", ".pbm"),
}
EXTENSIONS = tuple(extension for extensions in FORMATS.values() for extension in extensions)
# What is wrong with a file is counted and named here; Pillow's own remarks would only stand between the lines.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\..*")
# Values of a deep gray picture that all lie below this make a black picture: they count in fewer bits.
_TOO_DARK = 1 << 12
# Luma in sixteenths of bits, as Pillow has it: exact for gray.
LUMA = (19595, 38470, 7471)


class Unreadable(Exception):
    """Why a file gives no picture; the message is the reason that is counted."""


@dataclasses.dataclass(frozen=True)
class Look:
    """What a picture is made to look like where its file leaves it open.

    Attributes:
      background: what shows where a picture is transparent: a color's name, or "#rrggbb".
      bits: significant bits of deep gray files (9 to 16), or 0 for those of the file.

    Raises:
      UserError: no such color, or another number of bits.

    Example:
      >>> Look("navy").color
      (0, 0, 128)
    """

    background: str = "white"
    bits: int = 0

    def __post_init__(self):
        try:
            PIL.ImageColor.getrgb(self.background)
        except ValueError:
            raise UserError(
                f"data.background is '{self.background}'; expected the name of a color, or '#rrggbb'"
            ) from None
        if self.bits and not 9 <= self.bits <= 16:
            raise UserError(f"data.bits is {self.bits}; expected 9 to 16, or 0 for those of the file")

    @functools.cached_property
    def color(self) -> tuple[int, int, int]:
        """The background as red, green and blue, 0 to 255."""
        red, green, blue = PIL.ImageColor.getrgb(self.background)[:3]
        return red, green, blue


USUAL_LOOK = Look()


class Picture(NamedTuple):
    """A picture out of a file.

    Attributes:
      pixels: uint8 [height, width, channels].
      remarks: what was done to it, or left: "turned upright", ...
    """

    pixels: np.ndarray
    remarks: tuple[str, ...]


def read_picture(file: str | bytes, channels: int, look: Look = USUAL_LOOK, max_pixels: int = 40_000_000) -> Picture:
    """Reads one image file.

    Args:
      file: its path, also of an object store, or its content.
      channels: 1 (gray) or 3 (color).
      look: what the file leaves open.
      max_pixels: largest width * height; read from the header, before anything is decoded.

    Raises:
      Unreadable: no image of a known format, damaged, too large, or of pixels that make no picture.

    Example:
      >>> content = io.BytesIO()
      >>> PIL.Image.new("RGBA", (4, 2)).save(content, "PNG")
      >>> read_picture(content.getvalue(), 1).pixels[0, 0]
      array([255], dtype=uint8)
    """
    with _opened(file, max_pixels) as image:
        try:
            remarks = _remarks(image)
            image.load()
            upright = _upright(image)
            pixels = _eight_bits(upright, look)
        except Unreadable:
            raise
        except MemoryError:
            raise Unreadable("too large for memory") from None
        except Exception:  # Decoders raise whatever a damaged file drives them into.
            raise Unreadable("corrupt") from None
    if upright is not image:
        remarks = (*remarks, "turned upright as EXIF says")
    return Picture(in_channels(pixels, channels), remarks)


def in_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Gray to color by repetition, color to gray by luma.

    Args:
      pixels: uint8 [..., 1 or 3].
      channels: 1 or 3.

    Returns:
      uint8 [..., channels].

    Example:
      >>> in_channels(np.array([[[255, 0, 0]]], np.uint8), 1)
      array([[[76]]], dtype=uint8)
    """
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    luma = pixels.astype(np.uint32) @ np.asarray(LUMA, np.uint32)
    return ((luma + (1 << 15)) >> 16).astype(np.uint8)[..., None]


def _opened(file: str | bytes, max_pixels: int) -> PIL.Image.Image:
    try:
        if isinstance(file, str) and is_remote(file):
            file = remote_content(file)
        source = io.BytesIO(file) if isinstance(file, bytes) else file
        # Pillow's own alarm against bombs comes as an error above 179 million pixels: also a refusal.
        image = PIL.Image.open(source, formats=tuple(FORMATS))
    except PIL.Image.DecompressionBombError:
        raise Unreadable(f"over {max_pixels} pixels") from None
    except PIL.UnidentifiedImageError:
        raise Unreadable("not an image of a known format") from None
    except OSError as error:
        raise Unreadable("cannot be opened" if error.errno else "not an image of a known format") from None
    except Exception:  # Headers of damaged files raise anything: struct.error, SyntaxError, ValueError, ...
        raise Unreadable("not an image of a known format") from None
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise Unreadable(f"over {max_pixels} pixels")
    if width < 1 or height < 1:
        image.close()
        raise Unreadable("without pixels")
    return image


def _remarks(image: PIL.Image.Image) -> tuple[str, ...]:
    remarks = []
    if image.info.get("icc_profile"):
        remarks.append("color profile left alone")
    if getattr(image, "n_frames", 1) > 1:
        remarks.append("first of several frames")
    if _transparent(image):
        remarks.append("transparent, put on the background")
    return tuple(remarks)


def _upright(image: PIL.Image.Image) -> PIL.Image.Image:
    try:
        if image.getexif().get(0x0112, 1) in range(2, 9):
            return PIL.ImageOps.exif_transpose(image)
    except Exception:  # Damaged EXIF says nothing, and viewers show the picture as it is.
        pass
    return image


def _transparent(image: PIL.Image.Image) -> bool:
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or (
        "transparency" in image.info and image.mode in ("1", "L", "P", "RGB")
    )


def _eight_bits(image: PIL.Image.Image, look: Look) -> np.ndarray:
    """uint8 [h, w, 1] of gray pictures, [h, w, 3] of others."""
    if image.mode.startswith("I"):
        return _from_deep(np.asarray(image), look)
    if image.mode == "F":
        raise Unreadable("floating-point pixels, whose range nobody states")
    if _transparent(image):
        rgba = np.asarray(image.convert("RGBA"), np.uint32)
        alpha = rgba[..., 3:]
        mixed = rgba[..., :3] * alpha + np.asarray(look.color, np.uint32) * (255 - alpha)
        return ((mixed + 127) // 255).astype(np.uint8)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., None]
    try:
        return np.asarray(image.convert("RGB"))
    except ValueError:
        raise Unreadable(f"color space {image.mode}") from None


def _from_deep(values: np.ndarray, look: Look) -> np.ndarray:
    values = values.astype(np.int64)
    least, most = int(values.min()), int(values.max())
    bits = look.bits or 16
    if least < 0 or most >= 1 << 16:
        raise Unreadable("deeper than 16 bits")
    if most >= 1 << bits:
        raise Unreadable(f"values above the {bits} bits that data.bits states")
    if not look.bits and 0 < most < _TOO_DARK:
        raise Unreadable(f"16 bits of which it uses {most.bit_length()} or fewer (set data.bits, as 12)")
    scale = (1 << bits) - 1
    return ((values * 255 + scale // 2) // scale).astype(np.uint8)[..., None]
