"""Odd inputs that people really have, generated: what each is, how it is made, and what must come of it.

A case is read or refused. What is read has an expected number of images, and where it matters labels and pixels; what
is refused has words that the one line must hold. Nothing here is a file of somebody's: every byte is drawn.
"""

# ruff: noqa: E501  A case is one line where it can be.
import dataclasses
import gzip
import io
import os
import pathlib
import pickle
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import PIL.PngImagePlugin

SIDE = 8
SHAPE = (SIDE, SIDE, 3)


@dataclasses.dataclass(frozen=True)
class Expected:
    """What must come of an input.

    Attributes:
      images: training images, or None where it is refused.
      says: words, each of which must be printed.
      labels: of the training images in order, where they matter.
      names: class names of the first label column, likewise.
      pixels: uint8 of the odd picture, where it is one: what a viewer shows.
      odd: name of the odd picture's file.
    """

    images: int | None
    says: tuple[str, ...] = ()
    labels: list | None = None
    names: tuple[str, ...] | None = None
    pixels: np.ndarray | None = None
    odd: str = ""


@dataclasses.dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
      group: pictures, folders, tables, arrays, ...
      what: in words, for the table.
      make: (empty folder) -> the source string.
      expected: what must come of it.
      settings: of the section `data`.
    """

    group: str
    what: str
    make: Callable[[pathlib.Path], str]
    expected: Expected
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


def picture(seed: int = 0, channels: int = 3) -> np.ndarray:
    """A smooth little picture, so that JPEG keeps it nearly as it is: uint8 [8, 8(, channels)]."""
    grid = np.linspace(0.1, 0.9, SIDE)
    waves = [0.5 + 0.4 * np.sin(3 * (grid[:, None] * (seed % 5 + 1) + grid[None] * (k + 1)) + k) for k in range(3)]
    color = np.round(255 * np.stack(waves[:channels], axis=-1)).astype(np.uint8)
    return color[..., 0] if channels == 1 else color


def save(path: pathlib.Path, image=None, **options) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = picture() if image is None else image
    image = PIL.Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(path, **options)
    return path


def two_classes(folder: pathlib.Path, each: int = 4) -> pathlib.Path:
    for name in ("cat", "dog"):
        for number in range(each):
            save(folder / name / f"{number}.png", picture(number))
    return folder


# ---- pictures: one odd file among eight plain ones


def _viewed(image: PIL.Image.Image, background=(255, 255, 255)) -> np.ndarray:
    """What Pillow itself shows of a picture: turned by its EXIF, put on a background."""
    image = PIL.ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        below = PIL.Image.new("RGBA", image.size, (*background, 255))
        image = PIL.Image.alpha_composite(below, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _odd_picture(extension: str, make: Callable[[], PIL.Image.Image], **options):
    """(make of the case, bytes) of a folder in which one file is the odd one."""

    def write(folder):
        two_classes(folder)
        save(folder / "dog" / f"odd{extension}", make(), **options)
        return f"folder:{folder}"

    return write


def _shown(what: str, extension: str, make: Callable[[], PIL.Image.Image], settings=None, **options) -> Case:
    """A picture that must be read as Pillow shows the file."""
    content = io.BytesIO()
    kind = PIL.Image.registered_extensions()[extension]
    make().save(content, kind, **options)
    background = (0, 0, 0) if (settings or {}).get("background") == "black" else (255, 255, 255)
    pixels = _viewed(PIL.Image.open(content), background)
    expected = Expected(9, pixels=pixels, odd=f"odd{extension}")
    return Case("pictures", what, _odd_picture(extension, make, **options), expected, settings or {})


def _turned(orientation: int) -> dict:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif.tobytes()}


def _rgba() -> PIL.Image.Image:
    """Hidden colors under transparent pixels, half of them half transparent."""
    alpha = np.zeros([SIDE, SIDE, 1], np.uint8)
    alpha[:4], alpha[4:, :4] = 255, 128
    return PIL.Image.fromarray(np.concatenate([picture(), alpha], axis=-1))


def _palette_transparent() -> PIL.Image.Image:
    image = PIL.Image.fromarray(picture()).quantize(8)
    image.info["transparency"] = 0
    return image


def _deep(most: int) -> PIL.Image.Image:
    values = np.linspace(0, most, SIDE * SIDE).reshape(SIDE, SIDE)
    return PIL.Image.fromarray(np.round(values).astype(np.uint16))


def _deep_case(what: str, most: int, settings: dict, expected_most: int | None, says=()) -> Case:
    if expected_most is None:
        expected = Expected(8, says)
    else:
        values = np.round(np.linspace(0, most, SIDE * SIDE).reshape(SIDE, SIDE))
        gray = np.floor(values * 255 / expected_most + 0.5).astype(np.uint8)
        expected = Expected(9, pixels=np.repeat(gray[..., None], 3, -1), odd="odd.png")
    return Case("pictures", what, _odd_picture(".png", lambda: _deep(most)), expected, settings)


def _gray_alpha() -> PIL.Image.Image:
    return _rgba().convert("LA")


def _frames() -> list[PIL.Image.Image]:
    return [PIL.Image.fromarray(picture(seed)) for seed in range(3)]


def _comment() -> PIL.PngImagePlugin.PngInfo:
    info = PIL.PngImagePlugin.PngInfo()
    info.add_text("Comment", "drawn")
    return info


_RGB = lambda: PIL.Image.fromarray(picture())  # noqa: E731
_GRAY = lambda: PIL.Image.fromarray(picture(channels=1))  # noqa: E731

PICTURES = [
    _shown("8-bit color PNG", ".png", _RGB),
    _shown("8-bit gray PNG in a color set", ".png", _GRAY),
    _shown("black and white PNG (1 bit)", ".png", lambda: _GRAY().convert("1")),
    _shown("palette PNG", ".png", lambda: _RGB().quantize(16)),
    _shown("palette PNG with a transparent color", ".png", _palette_transparent),
    _shown("PNG with alpha and hidden colors", ".png", _rgba),
    _shown("PNG with alpha, background=black", ".png", _rgba, {"background": "black"}),
    _shown("gray PNG with alpha", ".png", _gray_alpha),
    _shown("optimized PNG", ".png", _RGB, optimize=True),
    _shown("PNG with a comment", ".png", _RGB, pnginfo=_comment()),
    _deep_case("16-bit PNG that uses its depth", 65535, {}, 65535),
    _deep_case("16-bit PNG with 12-bit values", 4095, {}, None, ("16 bits of which it uses 12", "data.bits", "1 of 9")),
    _deep_case("16-bit PNG with 12-bit values, bits=12", 4095, {"bits": 12}, 4095),
    _deep_case("16-bit PNG with more than bits=12 states", 65535, {"bits": 12}, None, ("above the 12 bits",)),
    _shown("JPEG", ".jpg", _RGB, quality=95),
    _shown("gray JPEG", ".jpg", _GRAY, quality=95),
    _shown("progressive JPEG", ".jpg", _RGB, progressive=True, quality=95),
    _shown("JPEG without chroma subsampling", ".jpg", _RGB, subsampling=0, quality=95),
    _shown("CMYK JPEG", ".jpg", lambda: _RGB().convert("CMYK"), quality=95),
    *[
        _shown(f"JPEG with EXIF orientation {number}", ".jpg", _RGB, quality=95, **_turned(number))
        for number in range(1, 9)
    ],
    _shown("PNG with EXIF orientation 6", ".png", _RGB, **_turned(6)),
    _shown("JPEG with an EXIF orientation that does not exist", ".jpg", _RGB, quality=95, **_turned(99)),
    _shown("JPEG with damaged EXIF", ".jpg", _RGB, quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"),
    _shown("JPEG called .jpeg", ".jpeg", _RGB, quality=95),
    _shown("JPEG called .jfif", ".jfif", _RGB, quality=95),
    _shown("BMP", ".bmp", _RGB),
    _shown("gray BMP", ".bmp", _GRAY),
    _shown("GIF", ".gif", _RGB),
    _shown("animated GIF: its first frame", ".gif", _RGB, save_all=True, append_images=_frames()[1:]),
    _shown("WebP, lossless", ".webp", _RGB, lossless=True),
    _shown("WebP with alpha", ".webp", _rgba, lossless=True, exact=True),
    _shown("TIFF", ".tif", _RGB),
    _shown("compressed TIFF", ".tiff", _RGB, compression="tiff_lzw"),
    _shown("TIFF of several pages: the first", ".tif", _RGB, save_all=True, append_images=_frames()[1:]),
    _shown("CMYK TIFF", ".tif", lambda: _RGB().convert("CMYK")),
    _shown("PGM", ".pgm", _GRAY),
    _shown("PPM", ".ppm", _RGB),
    _shown("PNG with a color profile: left alone", ".png", _RGB, icc_profile=b"\0" * 128),
]


def _odd_bytes(what: str, name: str, content: bytes | Callable[[], bytes], *says: str) -> Case:
    """A file among eight plain ones that must be counted as unusable and named."""

    def write(folder):
        two_classes(folder)
        (folder / "dog" / name).write_bytes(content() if callable(content) else content)
        return f"folder:{folder}"

    return Case("damaged pictures", what, write, Expected(8, (name, *says, "1 of 9")))


def _encoded(kind: str, image=None, **options) -> bytes:
    stream = io.BytesIO()
    (image or _RGB()).save(stream, kind, **options)
    return stream.getvalue()


def _bomb(width: int, height: int) -> bytes:
    """A small PNG whose header announces a huge picture."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


DAMAGED = [
    _odd_bytes("an empty file", "odd.png", b"", "empty file"),
    _odd_bytes("random bytes", "odd.png", bytes(range(7, 250)), "not an image"),
    _odd_bytes("a web page called .jpg", "odd.jpg", b"<!doctype html><html>not found</html>", "not an image"),
    _odd_bytes("a PNG cut in half", "odd.png", lambda: _encoded("PNG")[:80], "corrupt"),
    _odd_bytes("a JPEG cut in half", "odd.jpg", lambda: _encoded("JPEG")[:300], "odd.jpg"),
    _odd_bytes("a PNG with a wrong checksum", "odd.png", lambda: _encoded("PNG")[:-20] + b"\0" * 20, "odd.png"),
    _odd_bytes("only a PNG's signature", "odd.png", b"\x89PNG\r\n\x1a\n", "odd.png"),
    _odd_bytes("only a JPEG's marker", "odd.jpg", b"\xff\xd8\xff", "odd.jpg"),
    _odd_bytes("a picture bomb (a gigapixel)", "odd.png", lambda: _bomb(40_000, 40_000), "pixels"),
    _odd_bytes("a picture of 2^31 pixels a side", "odd.png", lambda: _bomb(2**31 - 1, 2**31 - 1), "odd.png"),
    _odd_bytes("a picture of no pixels", "odd.png", lambda: _bomb(0, 8), "odd.png"),
    _odd_bytes("a TIFF of floating-point pixels", "odd.tif",
               lambda: _encoded("TIFF", PIL.Image.fromarray(np.ones([SIDE, SIDE], np.float32))), "floating-point"),
    _odd_bytes("a TIFF cut in half", "odd.tif", lambda: _encoded("TIFF")[:60], "odd.tif"),
    _odd_bytes("an SVG called .png", "odd.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    _odd_bytes("a zip called .jpg", "odd.jpg", b"PK\x03\x04" + bytes(60), "not an image"),
    _odd_bytes("another size", "odd.png", lambda: _encoded("PNG", PIL.Image.fromarray(picture()[:5])), "not of size 8x8"),
]  # fmt: skip


# ---- folders


def _folder(what: str, make: Callable[[pathlib.Path], Any], expected: Expected, **settings) -> Case:
    def write(folder):
        place = make(folder)
        return place if isinstance(place, str) else f"folder:{folder}"

    return Case("folders", what, write, expected, settings)


def _flat(folder):
    for number in range(4):
        save(folder / f"{number}.png", picture(number))


def _classes(*names: str):
    def make(folder):
        for name in names:
            save(folder / name / "a.png", picture(len(name)))
            save(folder / name / "b.png", picture(len(name) + 1))

    return make


def _splits(*names: str):
    def make(folder):
        for name in names:
            two_classes(folder / name, 2)

    return make


def _downloaded(folder):
    two_classes(folder)
    for name in ("notes.txt", "info.json", "clip.srt", "Thumbs.db", "movie.mp4", "README"):
        (folder / "cat" / name).write_bytes(b"text")


def _linked_class(folder):
    two_classes(folder / "real")
    (folder / "set").mkdir()
    save(folder / "set" / "fox" / "a.png")
    os.symlink(folder / "real" / "cat", folder / "set" / "cat")
    return f"folder:{folder}/set"


def _loop(folder):
    two_classes(folder)
    os.symlink(folder, folder / "cat" / "again")


def _dangling(folder):
    two_classes(folder)
    os.symlink(folder / "nowhere.png", folder / "cat" / "gone.png")


def _empty_class(folder):
    two_classes(folder)
    (folder / "fox").mkdir()


def _raw_name(folder):
    two_classes(folder)
    path = os.fsencode(folder / "cat") + b"/caf\xe9.png"
    with open(path, "wb") as stream:
        stream.write(_encoded("PNG"))


def _accents(folder):
    # The same class, its accent composed in one split and decomposed in the other.
    save(folder / "train" / unicodedata.normalize("NFC", "café") / "a.png")
    save(folder / "train" / "tea" / "a.png")
    save(folder / "test" / unicodedata.normalize("NFD", "café") / "a.png")


def _in(name: str):
    def make(folder):
        two_classes(folder / name)
        return f"folder:{folder}/{name}"

    return make


FOLDERS = [
    _folder("a flat folder", _flat, Expected(4, labels=[-1] * 4)),
    _folder("a folder a class", two_classes, Expected(8, names=("cat", "dog"))),
    _folder("classes 0 to 11: in natural order", _classes(*map(str, range(12))),
            Expected(24, names=tuple(map(str, range(12))))),
    _folder("classes in two cases", _classes("Cat", "dog"), Expected(4, names=("Cat", "dog"))),
    _folder("train/ and test/", _splits("train", "test"), Expected(4, names=("cat", "dog"))),
    _folder("Train/ and TEST/", _splits("Train", "TEST"), Expected(4, names=("cat", "dog"))),
    _folder("training/, valid/ and test/", _splits("training", "valid", "test"), Expected(4)),
    _folder("train/ and Train/", _splits("train", "Train"), Expected(None, ("mean the same split",))),
    _folder("only test/", _splits("test"), Expected(None, ("no train split",))),
    _folder("a class called train beside others", _classes("train", "bus"), Expected(None, ("split_folders",))),
    _folder("a class called train, split_folders=no", _classes("train", "bus"),
            Expected(4, names=("bus", "train")), split_folders="no"),
    _folder("train/ beside a folder without pictures",
            lambda folder: (_splits("train")(folder), (folder / "docs").mkdir())[0], Expected(4)),
    _folder("texts, videos and thumbnails beside pictures", _downloaded,
            Expected(8, ("passed over: .txt: 1", "passed over: .mp4: 1", "passed over: no extension: 1"))),
    _folder("a class that is a link", _linked_class, Expected(5, names=("cat", "fox"))),
    _folder("a link that leads round in a circle", _loop, Expected(8, ("link to what was already read: 1",))),
    _folder("a link that leads nowhere", _dangling, Expected(8, ("gone.png", "a link that leads nowhere"))),
    _folder("a class folder without pictures", _empty_class, Expected(8, ("folder without an image: fox",))),
    _folder("hidden files and folders",
            lambda folder: (two_classes(folder), save(folder / ".cache" / "a.png"), save(folder / "cat" / ".a.png"))[0],
            Expected(8)),
    _folder("a file name that is not UTF-8", _raw_name, Expected(9)),
    _folder("accents composed and decomposed", _accents, Expected(2, names=("café", "tea"))),
    _folder("a folder with brackets", _in("set[1]"), Expected(8)),
    _folder("a folder with blanks and a comma", _in("my set, old"), Expected(8)),
    _folder("a folder with a colon", _in("set:new"), Expected(8)),
    _folder("a folder with a newline", _in("set\nnew"), Expected(8)),
    _folder("a folder with a star and a question mark", _in("set*?"), Expected(8)),
    _folder("a folder in another script", _in("写真"), Expected(8)),
    _folder("an empty folder", lambda folder: None, Expected(None, ("no image files there",))),
    _folder("a folder of texts", lambda folder: (folder / "a.txt").write_text("a"),
            Expected(None, ("no image files there", "1 .txt"))),
    _folder("no such folder", lambda folder: f"folder:{folder}/gone", Expected(None, ("no such folder",))),
    _folder("a file instead of a folder",
            lambda folder: f"folder:{save(folder / 'a.png')}", Expected(None, ("no such folder",))),
    _folder("pictures of many sizes, resize=crop",
            lambda folder: [save(folder / f"{n}.png", np.full([6 + n, 9, 3], 20 * n, np.uint8)) for n in range(4)],
            Expected(4), resize="crop"),
    _folder("pictures of many sizes",
            lambda folder: [save(folder / f"{n}.png", np.full([9 + n, 9, 3], 20 * n, np.uint8)) for n in range(4)],
            Expected(None, ("not of size 8x8", "resize=crop"))),
    _folder("an unknown background", two_classes, Expected(None, ("background is 'no color'",)), background="no color"),
    _folder("bits that no file has", two_classes, Expected(None, ("bits is 40",)), bits=40),
    _folder("Hugging Face's metadata.csv",
            lambda folder: (_flat(folder), _write(folder / "metadata.csv", "file_name,label\n" + "".join(
                f"{n}.png,{'ab'[n % 2]}\n" for n in range(4))))[0],
            Expected(4, names=("a", "b"), labels=[0, 1, 0, 1])),
]  # fmt: skip


# ---- tables


def _write(path: pathlib.Path, text: str | bytes) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def _table(what: str, text: str | bytes, expected: Expected, name: str = "table.csv", **settings) -> Case:
    def write(folder):
        _flat(folder)
        save(folder / "sub" / "a.png")
        return f"table:{_write(folder / name, text)}"

    return Case("tables", what, write, expected, settings)


_ROWS = "0.png,red\n1.png,blue\n2.png,red\n3.png,blue\n"
_PLAIN = Expected(4, names=("blue", "red"), labels=[1, 0, 1, 0])

TABLES = [
    _table("a plain CSV", "file,color\n" + _ROWS, _PLAIN),
    _table("blanks in the header", "file, color\n" + _ROWS, _PLAIN),
    _table("blanks in the header of split", "file, color, split\n0.png,red,train\n1.png,blue, train\n2.png,red,test\n",
           Expected(2, names=("blue", "red"))),
    _table("the file column last", "color,file\nred,0.png\nblue,1.png\nred,2.png\nblue,3.png\n", _PLAIN),
    _table("a header in capitals", "FILE,Color\n" + _ROWS, _PLAIN),
    _table("a column file_name", "file_name,color\n" + _ROWS, _PLAIN),
    _table("a column of files under another name", "photo,color\n" + _ROWS, _PLAIN),
    _table("semicolons", "file;color\n" + _ROWS.replace(",", ";"), _PLAIN),
    _table("tabs", "file\tcolor\n" + _ROWS.replace(",", "\t"), _PLAIN, "table.tsv"),
    _table("bars", "file|color\n" + _ROWS.replace(",", "|"), _PLAIN),
    _table("quotes", 'file,color\n"0.png","red"\n"1.png","blue"\n"2.png","red"\n"3.png","blue"\n', _PLAIN),
    _table("a byte order mark before a quoted header", b'\xef\xbb\xbf"file","color"\n' + _ROWS.encode(), _PLAIN),
    _table("UTF-16", ("file,color\n" + _ROWS).encode("utf-16"), _PLAIN),
    _table("Windows line ends", ("file,color\n" + _ROWS).replace("\n", "\r\n"), _PLAIN),
    _table("old Macintosh line ends", ("file,color\n" + _ROWS).replace("\n", "\r"), _PLAIN),
    _table("blank rows at the end", "file,color\n" + _ROWS + "\n\n,\n", _PLAIN),
    _table("a row number without a name first",
           ",file,color\n" + "".join(f"{n},{row}\n" for n, row in enumerate(_ROWS.split())), _PLAIN),
    _table("backslash paths", "file,color\nsub\\a.png,red\n1.png,blue\n", Expected(2, labels=[1, 0])),
    _table("-1 and 1", "file,hat\n0.png,-1\n1.png,1\n", Expected(2, names=("no", "yes"), labels=[0, 1])),
    _table("true and false", "file,hat\n0.png,TRUE\n1.png,False\n", Expected(2, names=("no", "yes"), labels=[1, 0])),
    _table("0 and 1 in a column label are class numbers", "file,label\n0.png,1\n1.png,0\n",
           Expected(2, names=("0", "1"), labels=[1, 0])),
    _table("empty cells", "file,color\n0.png,red\n1.png,\n", Expected(2, labels=[0, -1])),
    _table("LIGHT beside light", "file,tone\n0.png,LIGHT\n1.png,light\n2.png,dark\n",
           Expected(3, ("differ by case alone: LIGHT, light",))),
    _table("numbers as values", "file,age\n0.png,9\n1.png,10\n", Expected(2, names=("9", "10"))),
    _table("a file that is not there", "file,color\n" + _ROWS + "gone.png,red\n", Expected(4, ("gone.png: no such file",))),
    _table("a path outside the folder", "file,color\n../x/0.png,red\n1.png,blue\n", Expected(None, ("lies outside",))),
    _table("an absolute path", "file,color\n/etc/passwd,red\n1.png,blue\n", Expected(None, ("lies outside",))),
    _table("a row with a cell too many", "file,color\n0.png,red,x\n1.png,blue\n", Expected(None, ("line 2 has 3 cells",))),
    _table("the same column twice", "file,color,color\n0.png,a,b\n", Expected(None, ("twice",))),
    _table("an unknown split", "file,color,split\n0.png,red,monday\n", Expected(None, ("split 'monday'",))),
    _table("no column of files", "name,color\nx,red\ny,blue\n", Expected(None, ("none of them 'file'",))),
    _table("a single column", "file\n0.png\n1.png\n", Expected(None, ("column",))),
    _table("only a header", "file,color\n", Expected(None, ("0 rows",))),
    _table("an empty file", "", Expected(None, ("is empty",))),
    _table("Latin-1 accents", "file,color\n0.png,caf\xe9\n".encode("latin-1"), Expected(None, ("save it as UTF-8",))),
    _table("zero bytes", b"file,color\n0.png,\0\n", Expected(None, ("zero bytes",))),
    _table("a picture instead of a table", _encoded("PNG"), Expected(None, ("cannot be read as a table",))),
    _table("CelebA's list of attributes", "4\nHat Smiling\n" + "".join(f"{n}.png  {1 - 2 * (n % 2)} -1\n" for n in range(4)),
           Expected(4, names=("no", "yes")), "list_attr_celeba.txt"),
    _table("cells that say nan", "file,color\n0.png,red\n1.png,nan\n2.png,NaN\n", Expected(3, names=("red",), labels=[0, -1, -1])),
    _table("no header", "0.png,red\n1.png,blue\n", Expected(None, ("line 1 names a picture",))),
    _table("a file in two rows", "file,color\n0.png,red\n0.png,blue\n", Expected(None, ("names 0.png 2 times",))),
    _table("JSON lines", '{"file_name": "0.png", "label": 1}\n{"file_name": "1.png", "label": 2}\n', Expected(None, ("holds JSON",))),
    Case("tables", "a table that is not there", lambda folder: f"table:{folder}/gone.csv",
         Expected(None, ("cannot be read as a table", "No such file"))),
]  # fmt: skip


# ---- arrays


def _archive(what: str, arrays: Callable[[], dict], expected: Expected, **settings) -> Case:
    def write(folder):
        np.savez(folder / "set.npz", **arrays())
        return f"{folder}/set.npz"

    return Case("arrays", what, write, expected, settings)


def _file(what: str, name: str, content: bytes | Callable[[], bytes], expected: Expected, kind: str = "", **settings):
    def write(folder):
        _write(folder / name, content() if callable(content) else content)
        return f"{kind}:{folder}" if kind else f"{folder}/{name}"

    return Case("arrays", what, write, expected, settings)


def _x(n: int = 6) -> np.ndarray:
    return np.stack([picture(seed) for seed in range(n)])


_Y = np.arange(6) % 2


def _idx(array: np.ndarray, rank: int | None = None) -> bytes:
    header = bytes([0, 0, 8, array.ndim if rank is None else rank])
    return header + b"".join(struct.pack(">I", side) for side in array.shape) + array.tobytes()


def _forged_npy(shape: tuple, length: int = 64) -> bytes:
    """An archive whose array announces a shape that its bytes do not fill."""
    text = repr({"descr": "|u1", "fortran_order": False, "shape": shape}).encode()
    text += b" " * (117 - len(text)) + b"\n"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("x_train.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(length))
    return content.getvalue()


def _cifar_like(rows: int = 6) -> bytes:
    return pickle.dumps({b"data": np.zeros([rows, 3072], np.uint8), b"labels": [0, 1] * (rows // 2)})


ARRAYS = [
    _archive("x_train and y_train", lambda: {"x_train": _x(), "y_train": _Y}, Expected(6, labels=_Y.tolist())),
    _archive("train_images and train_labels (MedMNIST)",
             lambda: {"train_images": _x(), "train_labels": _Y[:, None], "val_images": _x(), "val_labels": _Y[:, None],
                      "test_images": _x(), "test_labels": _Y[:, None]}, Expected(6, labels=_Y.tolist())),
    _archive("images and labels, to be split", lambda: {"images": _x(), "labels": _Y}, Expected(6)),
    _archive("X and Y", lambda: {"X": _x(), "Y": _Y}, Expected(6, labels=_Y.tolist())),
    _archive("two arrays without names", lambda: {"arr_0": _x(), "arr_1": _Y}, Expected(6, labels=_Y.tolist())),
    _archive("a single array", lambda: {"photos": _x()}, Expected(6, labels=[-1] * 6)),
    _archive("one-hot labels", lambda: {"x_train": _x(), "y_train": np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]},
             Expected(6, labels=[0, 1, 2, 0, 1, 2])),
    _archive("several columns of labels", lambda: {"x_train": _x(), "y_train": np.ones([6, 2], int)},
             Expected(6, ("label_0", "label_1"))),
    _archive("labels as words", lambda: {"x_train": _x(), "y_train": np.array(["dog", "cat"] * 3)},
             Expected(6, names=("cat", "dog"), labels=[1, 0] * 3)),
    _archive("labels as bytes", lambda: {"x_train": _x(), "y_train": np.array([b"dog", b"cat"] * 3)},
             Expected(6, names=("cat", "dog"))),
    _archive("labels as truth values", lambda: {"x_train": _x(), "y_train": _Y > 0}, Expected(6, names=("no", "yes"))),
    _archive("labels as whole floats", lambda: {"x_train": _x(), "y_train": _Y.astype(float)}, Expected(6)),
    _archive("labels as probabilities", lambda: {"x_train": _x(), "y_train": np.full([6, 3], 1 / 3)},
             Expected(None, ("expected integers",))),
    _archive("a scalar for labels", lambda: {"x_train": _x(), "y_train": np.array(3)}, Expected(None, ("labels have shape ()",))),
    _archive("labels of 3 + 2^32", lambda: {"x_train": _x(), "y_train": _Y.astype(np.int64) + 3 + 2**32},
             Expected(None, ("42949673", "expected class numbers"))),
    _archive("labels of -5", lambda: {"x_train": _x(), "y_train": _Y - 5}, Expected(None, ("-5",))),
    _archive("fewer labels than images", lambda: {"x_train": _x(), "y_train": _Y[:4]}, Expected(None, ("6 images but 4 labels",))),
    _archive("floats in [0, 1]", lambda: {"x_train": _x() / np.float32(255)}, Expected(6)),
    _archive("floats in [0, 255]", lambda: {"x_train": _x() * 1.0}, Expected(None, ("divide by 255",))),
    _archive("floats in [-1, 1]", lambda: {"x_train": _x() / 127.5 - 1}, Expected(None, ("expected [0, 1]",))),
    _archive("float16", lambda: {"x_train": (_x() / 255).astype(np.float16)}, Expected(6)),
    _archive("int64 pixels 0 to 255", lambda: {"x_train": _x().astype(np.int64)}, Expected(6)),
    _archive("uint16 pixels", lambda: {"x_train": _x().astype(np.uint16) * 256}, Expected(None, ("0 to 255",))),
    _archive("black and white truth values", lambda: {"x_train": _x() > 99}, Expected(6)),
    _archive("a NaN among the pixels", lambda: {"x_train": np.where(np.arange(6)[:, None, None, None] == 4, np.nan, _x() / 255)},
             Expected(None, ("not finite", "image 4"))),
    _archive("images with alpha", lambda: {"x_train": np.zeros([6, 8, 8, 4], np.uint8)}, Expected(None, ("background first",))),
    _archive("channels first", lambda: {"x_train": np.zeros([6, 3, 8, 8], np.uint8)}, Expected(None, ("(6, 3, 8, 8)",))),
    _archive("flattened images", lambda: {"x_train": np.zeros([6, 192], np.uint8)}, Expected(None, ("(6, 192)",))),
    _archive("no images", lambda: {"x_train": np.zeros([0, 8, 8, 3], np.uint8)}, Expected(None, ("no images",))),
    _archive("images of no pixels", lambda: {"x_train": np.zeros([6, 0, 8, 3], np.uint8)}, Expected(None, ("(6, 0, 8, 3)",))),
    _archive("Python objects", lambda: {"x_train": np.array([{}, []] * 3, object)}, Expected(None, ("Python objects",))),
    _archive("complex numbers", lambda: {"x_train": _x() * 1j}, Expected(None, ("complex",))),
    _archive("arrays of other names", lambda: {"alpha": _x(), "omega": _Y}, Expected(None, ("alpha, omega",))),
    _file("an empty .npz", "set.npz", b"", Expected(None, ("not a readable .npz",))),
    _file("a damaged .npz", "set.npz", b"PK\x03\x04" + bytes(90), Expected(None, ("not a readable .npz",))),
    _file("a single .npy called .npz", "set.npz", lambda: _saved(_x()), Expected(None, ("single array",))),
    _file("an array that announces 10^17 bytes", "set.npz", lambda: _forged_npy((10**14, 8, 8, 3)),
          Expected(None, ("memory_gib",))),
    _file("an array that announces more than follows", "set.npz", lambda: _forged_npy((9, 8, 8, 3)),
          Expected(None, ("the file is damaged",))),
    _file("more than memory_gib", "set.npz", lambda: _npz(x_train=np.zeros([20_000, 8, 8, 3], np.uint8)),
          Expected(None, ("memory_gib",)), memory_gib=0.001),
    _file("MNIST's own files", "train-images-idx3-ubyte", lambda: _idx(_x()[..., 0]), Expected(6), "idx"),
    _file("the same, compressed", "train-images-idx3-ubyte.gz", lambda: gzip.compress(_idx(_x()[..., 0])), Expected(6), "idx"),
    _file("an IDX file of rank 255", "train-images-idx3-ubyte", lambda: _idx(_x()[..., 0], 255) + bytes(2000),
          Expected(None, ("255 dimensions",)), "idx"),
    _file("an IDX file cut short", "train-images-idx3-ubyte", lambda: _idx(_x()[..., 0])[:-5], Expected(None, ("damaged",)), "idx"),
    _file("an IDX file of floats", "train-images-idx3-ubyte", b"\0\0\x0d\3" + bytes(12), Expected(None, ("not an IDX file",)), "idx"),
    _file("a .gz that is none", "train-images-idx3-ubyte.gz", b"\x1f\x8bnot", Expected(None, ("cannot be read",)), "idx"),
    _file("a folder without IDX files", "readme", b"", Expected(None, ("no train",)), "idx"),
    _file("a pickle that runs code, as CIFAR", "data_batch_1", lambda: pickle.dumps(print), Expected(None, ("no CIFAR file needs",)), "cifar10"),
    _file("random bytes as CIFAR", "data_batch_1", bytes(range(200)), Expected(None, ("not a CIFAR file",)), "cifar10"),
    _file("part of CIFAR's files", "data_batch_1", lambda: _cifar_like(), Expected(None, ("cannot be read",)), "cifar10"),
]  # fmt: skip


def _saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


# ---- source strings


def _string(what: str, source: str, *says: str) -> Case:
    return Case("source strings", what, lambda folder: source.replace("HERE", str(folder)), Expected(None, says))


STRINGS = [
    _string("nothing", "", "data source"),
    _string("a blank", " ", "data source"),
    _string("an unknown kind", "floder:x", "nearest: folder"),
    _string("a kind alone", "folder", "data source"),
    _string("a kind and a colon", "folder:", "says no place"),
    _string("a path that is not there", "HERE/gone", "neither a known kind"),
    _string("an .npz that is not there", "HERE/gone.npz", "no such file"),
    _string("an unknown TFDS set", "tfds:no_such_set", "no_such_set"),
    _string("a TFDS name with a path in it", "tfds:../x", "tfds"),
    _string("scenes of no number", "scenes:many", "scenes:COUNT"),
    _string("scenes of too many", "scenes:99999999999", "scenes:COUNT"),
    _string("frames that nobody extracted", "frames:HERE", "frames"),
    _string("TFD without its file", "tfd:HERE", "no such file"),
    _string("Multi-PIE without its files", "multipie:HERE", "no file named like"),
    _string("arrays of another process", "given:0123456789abcdef", "pass it again"),
    _string("a zero byte", "folder:a\0b", "no such folder"),
]


CASES = [*PICTURES, *DAMAGED, *FOLDERS, *TABLES, *ARRAYS, *STRINGS]


def named(cases) -> list[str]:
    return [f"{case.group}: {case.what}" for case in cases]
