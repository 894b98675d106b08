"""Every reader under random bytes: it answers, or refuses in its own words; nothing else ever escapes.

The fast suite looks at a few examples of each. The slow one goes on for a minute a reader, ten in all
(REVERIE_FUZZ_SECONDS says how many seconds a reader instead).
"""

import contextlib
import functools
import io
import os
import pickle
import time

import hypothesis
import numpy as np
import PIL.Image
import pytest
from hypothesis import strategies as st
from reverie import paths, pipelines
from reverie.errors import UserError
from reverie.pipelines.picture import Look, Unreadable, read_picture
from reverie.pipelines.sources.cifar import read_cifar
from reverie.pipelines.sources.idx import read_idx_file
from reverie.pipelines.sources.npz import read_npz
from reverie.pipelines.sources.registry import parse_source
from reverie.pipelines.symbols import Attribute, Vocabulary

from .corpus import picture, save

SECONDS = float(os.environ.get("REVERIE_FUZZ_SECONDS", 60))


def encoded(kind: str) -> bytes:
    stream = io.BytesIO()
    image = PIL.Image.fromarray(picture())
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image.save(stream, kind, **({"exif": exif.tobytes()} if kind in ("JPEG", "PNG", "WEBP") else {}))
    return stream.getvalue()


@st.composite
def damaged(draw, originals: tuple[bytes, ...]) -> bytes:
    """A real file with bytes changed, cut out or put in; sometimes bytes of no file at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=400))
    content = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.integers(0, 3)):
            case 0:
                content[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                del content[place : place + draw(st.integers(1, 40))]
            case 2:
                content[place:place] = draw(st.binary(max_size=12))
            case _:
                content = content[:place]
    return bytes(content)


@functools.cache
def files() -> dict[str, tuple[bytes, ...]]:
    """Real files of every form, small."""
    rows = np.stack([picture(seed) for seed in range(4)])
    archives = []
    for write in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        write(stream, x_train=rows, y_train=np.arange(4) % 2)
        archives.append(stream.getvalue())
    idx = bytes([0, 0, 8, 3]) + b"".join(int(side).to_bytes(4, "big") for side in (4, 8, 8)) + rows[..., 0].tobytes()
    batch = pickle.dumps({b"data": np.zeros([2, 3072], np.uint8), b"labels": [0, 1]})
    text = "file,color,split\n0.png,red,train\n1.png,blue,test\n"
    tables = (text.encode(), text.encode("utf-16"), text.replace(",", ";").encode(), b'"file","a"\n"0.png","x, y"\n',
              b"2\nHat Smile\n0.png 1 -1\n1.png -1 1\n")  # fmt: skip
    return {
        "picture": tuple(encoded(kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")),
        "npz": tuple(archives), "idx": (idx,), "cifar": (batch,), "table": tables,
    }  # fmt: skip


def read_damaged_picture(folder, content: bytes) -> None:
    for channels in (1, 3):
        with contextlib.suppress(Unreadable):
            found = read_picture(content, channels, Look(), 1_000_000).pixels
            assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[-1] == channels


def read_damaged_folder(folder, content: bytes) -> None:
    place = folder / "pictures"
    if not place.is_dir():
        for number in range(3):
            save(place / f"{number}.png")
    (place / "odd.png").write_bytes(content)
    images = pipelines.read(f"folder:{place}", image_shape=(8, 8, 1), resize="crop", max_bad_fraction=1.0)
    assert len(images) >= 1


def read_damaged_npz(folder, content: bytes) -> None:
    (folder / "set.npz").write_bytes(content)
    with contextlib.suppress(UserError):
        read_npz(str(folder / "set.npz"), "train")


def read_damaged_idx(folder, content: bytes) -> None:
    (folder / "train-images-idx3-ubyte").write_bytes(content)
    with contextlib.suppress(UserError):
        read_idx_file(folder / "train-images-idx3-ubyte")


def read_damaged_cifar(folder, content: bytes) -> None:
    (folder / "train").write_bytes(content)
    with contextlib.suppress(UserError):
        read_cifar("cifar100", str(folder), "train")


def read_damaged_table(folder, content: bytes) -> None:
    for number in range(2):
        if not (folder / f"{number}.png").exists():
            save(folder / f"{number}.png")
    (folder / "table.csv").write_bytes(content)
    with contextlib.suppress(UserError):
        pipelines.read(f"table:{folder}/table.csv", image_shape=(8, 8, 1), max_bad_fraction=1.0)


def read_odd_source(folder, text: str) -> None:
    with contextlib.suppress(UserError):
        parse_source(text)


def read_odd_path(folder, text: str) -> None:
    assert "\n" not in paths.shown(text) and paths.shown(text).isprintable()
    assert isinstance(paths.existing(text.replace("\0", "")), str)
    assert [part for part in text.split(",") if part] == paths.split_list(text.replace("\0", "")) or "\0" in text


def read_odd_words(folder, text: str) -> None:
    attributes = (Attribute("hair", ("black", "brown"), "hair"), Attribute("hat", ("no", "yes")))
    with contextlib.suppress(UserError):
        Vocabulary(attributes).parse_expression(text)


def read_odd_labels(folder, rows: list) -> None:
    with contextlib.suppress(UserError):
        pipelines.from_arrays("odd", np.zeros([len(rows), 2, 2], np.uint8), rows)


LABELS = st.lists(
    st.one_of(
        st.integers(), st.floats(), st.text(max_size=3), st.booleans(), st.none(), st.lists(st.integers(), max_size=2)
    ),
    max_size=5,
)  # fmt: skip
READERS = {
    "picture": (read_damaged_picture, lambda: damaged(files()["picture"])),
    "folder": (read_damaged_folder, lambda: damaged(files()["picture"])),
    "npz": (read_damaged_npz, lambda: damaged(files()["npz"])),
    "idx": (read_damaged_idx, lambda: damaged(files()["idx"])),
    "cifar": (read_damaged_cifar, lambda: damaged(files()["cifar"])),
    "table": (read_damaged_table, lambda: damaged(files()["table"])),
    "source": (read_odd_source, lambda: st.text(max_size=30)),
    "path": (read_odd_path, lambda: st.text(max_size=30)),
    "words": (read_odd_words, lambda: st.text(alphabet="ablckrowni hatyesAND,INCOMMGRE ", max_size=40)),
    "labels": (read_odd_labels, lambda: LABELS),
}


def examine(name: str, folder, examples: int, seed: int) -> None:
    reader, inputs = READERS[name]

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(inputs())
    def every(content):
        reader(folder, content)

    every()


@pytest.mark.parametrize("name", READERS)
def test_no_reader_lets_anything_escape_but_its_own_words(name, tmp_path):
    examine(name, tmp_path, 15 if name in ("folder", "table") else 40, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_no_reader_lets_anything_escape_for_a_minute(name, tmp_path):
    end, seed = time.monotonic() + SECONDS, 1
    while time.monotonic() < end:
        examine(name, tmp_path, 50, seed)
        seed += 1
