"""Every registered source keeps the contract; one without an example here fails."""

import pathlib
import pickle
import struct

import numpy as np
import PIL.Image
import pytest
import scipy.io
import tensorflow as tf
import tensorflow_datasets as tfds
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines import Option, Source, from_arrays
from reverie.pipelines.frames import shards
from reverie.pipelines.frames.worker import Frame
from reverie.pipelines.sources import registry

from . import source_checks
from .source_checks import Example

COUNT = 12
FILES = {"image_shape": (8, 8, 1), "test_fraction": 0.0}


def _pictures(count: int = COUNT, side: int = 8) -> np.ndarray:
    """uint8 [count, side, side], no two alike."""
    return np.random.default_rng(0).integers(0, 256, (count, side, side)).astype(np.uint8)


def _labels(count: int = COUNT) -> np.ndarray:
    return np.arange(count) % 3


def _save(path: pathlib.Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(picture).save(path)


def mnist_sample(_: pathlib.Path) -> Example:
    return Example("mnist_sample")


def npz(tmp_path: pathlib.Path) -> Example:
    np.savez(tmp_path / "good.npz", x_train=_pictures(), y_train=_labels())
    np.savez(tmp_path / "none.npz", x_train=_pictures(0))
    (tmp_path / "empty.npz").touch()
    (tmp_path / "cut.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:200])
    names = ("none", "empty", "cut", "missing")
    return Example(str(tmp_path / "good.npz"), {"test_fraction": 0.0}, tuple(f"{tmp_path}/{n}.npz" for n in names))


def idx(tmp_path: pathlib.Path) -> Example:
    def write(folder: str, images: np.ndarray, cut: int = 0) -> None:
        (tmp_path / folder).mkdir()
        for name, array in (("images-idx3", images), ("labels-idx1", _labels(len(images)).astype(np.uint8))):
            head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
            content = head + array.tobytes()
            (tmp_path / folder / f"train-{name}-ubyte").write_bytes(content[: len(content) - cut])

    write("good", _pictures())
    write("cut", _pictures(), 5)
    write("none", _pictures(0))
    (tmp_path / "empty").mkdir()
    broken = tuple(f"idx:{tmp_path}/{name}" for name in ("cut", "none", "empty", "missing"))
    return Example(f"idx:{tmp_path}/good", {"test_fraction": 0.0}, broken)


def folder(tmp_path: pathlib.Path) -> Example:
    for place in ("good", "mixed"):
        for number, picture in enumerate(_pictures()):
            _save(tmp_path / place / f"class{number % 3}" / f"{number}.png", picture)
    (tmp_path / "mixed" / "class0" / "empty.png").touch()
    (tmp_path / "mixed" / "class1" / "page.png").write_bytes(b"<html>")
    (tmp_path / "empty").mkdir()
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "a.png").write_bytes(b"junk")
    broken = tuple(f"folder:{tmp_path}/{name}" for name in ("empty", "junk", "missing"))
    return Example(f"folder:{tmp_path}/good", FILES, broken, f"folder:{tmp_path}/mixed", 2)


def table(tmp_path: pathlib.Path) -> Example:
    for number, picture in enumerate(_pictures()):
        _save(tmp_path / f"{number}.png", picture)
    (tmp_path / "page.png").write_bytes(b"<html>")
    rows = "".join(f"{number}.png,{'abc'[number % 3]}\n" for number in range(COUNT))
    (tmp_path / "good.csv").write_text("file,hair\n" + rows)
    (tmp_path / "mixed.csv").write_text("file,hair\n" + rows + "page.png,a\nnowhere.png,b\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "uneven.csv").write_text("file,hair\n0.png\n")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    broken = tuple(f"table:{tmp_path}/{name}.csv" for name in ("empty", "uneven", "binary", "missing"))
    return Example(f"table:{tmp_path}/good.csv", FILES, broken, f"table:{tmp_path}/mixed.csv", 2)


def tensorflow_datasets(tmp_path: pathlib.Path) -> Example:
    tfds.testing.DummyMnist(data_dir=str(tmp_path)).download_and_prepare()
    settings = {"data_dir": str(tmp_path), "image_shape": (28, 28, 1)}
    return Example("tfds:dummy_mnist", settings, ("tfds:mnist", "tfds:no_such_set", "tfds:"))


def _cifar(kind: str, names: tuple, labels: bytes):
    def example(tmp_path: pathlib.Path) -> Example:
        pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 3072)).astype(np.uint8)
        for place in ("good", "cut"):
            (tmp_path / place).mkdir()
            for number, name in enumerate(names):
                content = {b"data": np.roll(pixels, number, axis=1), labels: _labels().tolist()}
                (tmp_path / place / name).write_bytes(pickle.dumps(content, protocol=2))
        (tmp_path / "cut" / names[0]).write_bytes(b"\x80\x02}")
        (tmp_path / "empty").mkdir()
        broken = tuple(f"{kind}:{tmp_path}/{name}" for name in ("cut", "empty", "missing"))
        return Example(f"{kind}:{tmp_path}/good", {}, broken)

    return example


def tfd(tmp_path: pathlib.Path) -> Example:
    folds = np.ones([COUNT, 5], np.uint8)
    content = {"images": _pictures(side=48), "labs_ex": _labels()[:, None] + 1, "folds": folds}
    for place in ("good", "empty", "junk"):
        (tmp_path / place).mkdir()
    scipy.io.savemat(tmp_path / "good" / "TFD_48x48.mat", content)
    (tmp_path / "junk" / "TFD_48x48.mat").write_bytes(b"junk")
    return Example(f"tfd:{tmp_path}/good", {}, tuple(f"tfd:{tmp_path}/{name}" for name in ("empty", "junk", "missing")))


def multipie(tmp_path: pathlib.Path) -> Example:
    for place in ("good", "mixed"):
        for number, picture in enumerate(_pictures()):
            _save(tmp_path / place / f"{number:03d}_01_01_051_06.png", picture)
    (tmp_path / "mixed" / "099_01_01_051_06.png").write_bytes(b"junk")
    _save(tmp_path / "other" / "a.png", _pictures()[0])
    (tmp_path / "empty").mkdir()
    broken = tuple(f"multipie:{tmp_path}/{name}" for name in ("other", "empty", "missing"))
    return Example(f"multipie:{tmp_path}/good", FILES, broken, f"multipie:{tmp_path}/mixed", 1)


def expressions(tmp_path: pathlib.Path) -> Example:
    def write(place: str, rows: list[str], header: str = "user.id,image,emotion") -> None:
        (tmp_path / place / "data").mkdir(parents=True)
        (tmp_path / place / "data" / "legend.csv").write_text("\n".join([header, *rows]))
        for number, picture in enumerate(_pictures()):
            _save(tmp_path / place / "images" / f"Ana_{number:04d}.jpg", picture)

    rows = [f"7,Ana_{number:04d}.jpg,{('joy', 'JOY', 'fear')[number % 3]}" for number in range(COUNT)]
    write("good", rows)
    write("mixed", [*rows, "7,Ben_0001.jpg,joy", "7,Eve_0001.jpg,fear"])
    (tmp_path / "mixed" / "images" / "Ben_0001.jpg").write_bytes(b"junk")
    write("columns", rows, "a,b,c")
    write("rowless", [])
    write("single", [f"7,Ana_{number:04d}.jpg,joy" for number in range(COUNT)])
    write("outside", ["7,../data/legend.csv,joy"])
    write("uneven", ["7"])
    (tmp_path / "empty").mkdir()
    names = ("columns", "rowless", "single", "outside", "uneven", "empty", "missing")
    broken = tuple(f"expressions:{tmp_path}/{name}" for name in names)
    settings = {**FILES, "fewest_images": 2}
    return Example(f"expressions:{tmp_path}/good", settings, broken, f"expressions:{tmp_path}/mixed", 2)


def yale(tmp_path: pathlib.Path) -> Example:
    for place in ("good", "mixed"):
        for number, picture in enumerate(_pictures()):
            condition = ("normal", "happy", "leftlight", "glasses")[number % 4]
            (tmp_path / place).mkdir(exist_ok=True)
            name = tmp_path / place / f"subject{number // 4:02d}.{condition}"
            PIL.Image.fromarray(picture).save(name, "GIF")
    (tmp_path / "mixed" / "subject01.wink").write_bytes(b"junk")
    _save(tmp_path / "other" / "a.png", _pictures()[0])
    (tmp_path / "empty").mkdir()
    broken = tuple(f"yale:{tmp_path}/{name}" for name in ("other", "empty", "missing"))
    return Example(f"yale:{tmp_path}/good", FILES, broken, f"yale:{tmp_path}/mixed", 1)


def frames(tmp_path: pathlib.Path) -> Example:
    entries, number = [], 0
    for shard, count in enumerate((5, 3, 4, 6)):
        records = []
        for _ in range(count):
            image = np.full([8, 8, 3], 4 * number, np.uint8)
            frame = Frame(0.0, tf.io.encode_png(image).numpy(), 0.0, number)
            records.append(shards.record(f"{number}.mp4", number, frame, 8))
            number += 1
        note = shards.write(str(tmp_path), shards.shard_name(shard, 4), records, shards.Tally(frames=count), [])
        entries.append({key: note[key] for key in ("file", "frames", "bytes", "sha256")})
    shards.write_json(str(tmp_path), "manifest.json", {"frames": number, "settings": {"size": 8}, "shards": entries})
    (tmp_path / "empty").mkdir()
    (tmp_path / "started").mkdir()
    (tmp_path / "started" / "job.json").write_text("{}")
    broken = tuple(f"frames:{tmp_path}/{name}" for name in ("empty", "started", "missing"))
    return Example(f"frames:{tmp_path}", {"test_fraction": 0.0}, broken)


def scenes(_: pathlib.Path) -> Example:
    broken = ("many", "0", "1:2:3", "shapes3d_like:many", "shapes3d_like:0", "shapes3d_like:450001")
    return Example("scenes:16:1", {}, tuple(f"scenes:{place}" for place in broken))


def mnist_attributes(tmp_path: pathlib.Path) -> Example:
    digits = _pictures(side=28)
    for name, classes in (("good", _labels()), ("letters", _labels() + 10)):
        np.savez(tmp_path / f"{name}.npz", x_train=digits, y_train=classes, x_test=digits, y_test=classes)
    np.savez(tmp_path / "half.npz", x_train=digits, y_train=_labels())
    broken = tuple(f"mnist_attributes:{tmp_path}/{name}.npz" for name in ("letters", "half", "missing"))
    return Example(f"mnist_attributes:{tmp_path}/good.npz", {"variants": 2, "test_variants": 2}, broken)


def given(_: pathlib.Path) -> Example:
    return Example(pipelines.give(_pictures(), _labels()), {"test_fraction": 0.0}, ("given:0123456789abcdef", "given:"))


EXAMPLES = {
    "mnist_sample": mnist_sample,
    "npz": npz,
    "idx": idx,
    "folder": folder,
    "table": table,
    "tfds": tensorflow_datasets,
    "cifar10": _cifar("cifar10", (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"), b"labels"),
    "cifar100": _cifar("cifar100", ("train", "test"), b"fine_labels"),
    "tfd": tfd,
    "multipie": multipie,
    "expressions": expressions,
    "yale": yale,
    "frames": frames,
    "scenes": scenes,
    "mnist_attributes": mnist_attributes,
    "given": given,
}


@pytest.fixture(scope="module", params=pipelines.source_kinds())
def example(request, tmp_path_factory):
    assert request.param in EXAMPLES, f"source {request.param} has no example in tests/contracts/test_sources.py"
    return EXAMPLES[request.param](tmp_path_factory.mktemp(request.param))


@pytest.mark.contract("sources", "same images at every reading")
def test_a_source_gives_the_same_well_formed_images_at_every_reading(example):
    source_checks.check_splits(example)


@pytest.mark.contract("sources", "order from the seed")
def test_the_seed_says_the_order(example):
    source_checks.check_order(example)


@pytest.mark.contract("sources", "resumed at any step")
def test_a_stream_resumed_at_any_step_equals_the_unbroken_one(example):
    source_checks.check_resumption(example)


@pytest.mark.contract("sources", "sharding")
def test_two_input_pipelines_share_a_batch(example):
    source_checks.check_sharing(example)


@pytest.mark.contract("sources", "each image once")
def test_evaluation_visits_every_image_once(example):
    source_checks.check_single_pass(example)


@pytest.mark.contract("sources", "bad files counted")
def test_bad_files_are_counted_and_bounded(example):
    source_checks.check_bad_files(example)


@pytest.mark.contract("sources", "windows of its images")
def test_windows_of_its_images_keep_the_contract(example):
    source_checks.check_windows(example)


@pytest.mark.contract("sources", "empty and broken input")
def test_empty_and_broken_input_is_answered_in_one_line(example):
    source_checks.check_refusals(example)


class Squares(Source):
    """White squares of COUNT sizes: a source as someone outside the package writes one."""

    kind = "squares"
    summary = "white squares on black"
    forms = ("squares:COUNT",)
    options = {"brightness": Option(255, "Of the square, 0 to 255.")}

    def splits(self, place, request):
        return ("train",)

    def read(self, place, split, request):
        if not place.isdigit():
            raise UserError(f"squares:{place}: expected a number of squares")
        images = np.zeros([int(place), 16, 16], np.uint8)
        for row in range(int(place)):
            images[row, : row + 1, : row + 1] = request.options["brightness"]
        return from_arrays(f"squares:{place}", images, np.arange(int(place)))

    def recognizes(self, path):
        return path.endswith(".squares")


@pytest.fixture
def squares(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTERED", {})
    pipelines.register_source(Squares())


class TestASourceFromOutside:
    def test_keeps_the_contract_like_any_other(self, squares):
        source_checks.check_all(Example("squares:12", {"test_fraction": 0.0}, ("squares:many", "squares:0")))

    def test_brings_its_settings_into_the_data_section(self, squares):
        assert pipelines.data_settings()["brightness"] == Option(255, "Of the square, 0 to 255.")
        assert pipelines.read("squares:9", brightness=7).pixels.max() == 7
        with pytest.raises(UserError, match=r"data\.brightnes is no setting; nearest: brightness"):
            pipelines.read("squares:9", brightnes=7)
        with pytest.raises(UserError, match=r"data\.brightness is 'high'; expected a whole number"):
            pipelines.read("squares:9", brightness="high")

    def test_is_listed_recognized_and_held_out_of(self, squares):
        assert "| `squares:COUNT` | white squares on black | `brightness` |" in pipelines.sources_table()
        assert pipelines.parse_source("a.squares") == ("squares", "a.squares")
        sets = pipelines.read_splits("squares:16", test_fraction=0.5, validation_fraction=0.25)
        assert sum(map(len, sets.values())) == 16 and "train" in sets
        assert pipelines.read("squares:9", image_shape=(8, 8, 3), resize="stretch").shape == (8, 8, 3)

    def test_may_be_registered_again_but_takes_no_name_of_another(self, squares):
        pipelines.register_source(Squares())

        class Taken(Squares):
            kind = "folder"

        class Clash(Squares):
            kind, options = "other", {"fold": Option(1, "Another fold.")}

        class General(Squares):
            kind, options = "other", {"resize": Option("none", "Of its own.")}

        class Colon(Squares):
            kind = "a:b"

        for source, message in (
            (Taken(), "'folder' is built in"),
            (Clash(), "setting 'fold' is one of source tfd too, with the default 0"),
            (General(), "setting 'resize' is one of all sources"),
            (Colon(), "source kind is 'a:b'; expected a word"),
            (object(), "source object lacks kind, summary"),
        ):
            with pytest.raises(UserError, match=message):
                pipelines.register_source(source)
        assert pipelines.source_kinds()[-1] == "squares"
