"""Every input of the corpus through the verbs: understood as expected, or refused in one line; never a traceback."""

import functools
import os
import re

import numpy as np
import pytest
import tensorflow as tf
from reverie import pipelines
from reverie.cli import main
from reverie.pipelines import served_files
from reverie.pipelines.picture import Look

from .corpus import CASES, PICTURES, SHAPE, Case, named
from .table import Row, note

# A network that a test can wait for.
TINY = (
    "--config=xcov_mnist", "--config.train.epochs=0.0", "--config.train.steps=4", "--config.train.batch_size=2",
    "--config.train.evaluate_every=0", "--config.train.picture_every=0", f"--config.data.image_shape={SHAPE}",
    f"--config.model.image_shape={SHAPE}", "--config.model.encoder=(4,)", "--config.model.decoder=(4,)",
    "--config.data.max_bad_fraction=0.9",
)  # fmt: skip


def run(capsys, *argv: str) -> tuple[int, str]:
    """(exit code, all that was printed) of a verb in this process."""
    capsys.readouterr()
    code = main(["reverie", *argv])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def whole(case: Case, source: str) -> pipelines.Images:
    settings = {"validation_fraction": 0.0, "test_fraction": 0.0, "max_bad_fraction": 1.0, **case.settings}
    return pipelines.read(source, "train", image_shape=SHAPE, **settings)


def odd(case: Case, images: pipelines.Images) -> np.ndarray:
    assert images.keys is not None and images.pixels is not None
    (row,) = [row for row, key in enumerate(images.keys) if os.path.basename(key) == case.expected.odd]
    return images.pixels[row]


@pytest.mark.parametrize("case", CASES, ids=named(CASES))
def test_every_input_is_understood_or_refused_in_one_line(case, tmp_path, capsys):
    source, expected = case.make(tmp_path), case.expected
    flags = [f"--{name}={value}" for name, value in case.settings.items()]
    code, text = run(capsys, "data", "check", source, "--image_shape=8,8,3", *flags)
    assert code == (2 if expected.images is None else 0), text
    for words in expected.says:
        assert words in text
    note(Row(case, code, text.replace(str(tmp_path), "DIR")))
    if expected.images is None:
        errors = [line for line in text.splitlines() if line.startswith("reverie data: error: ")]
        assert len(errors) == 1 and "Traceback" not in text
        return
    assert re.search(rf"^train: {expected.images:,} images of ", text, re.MULTILINE)
    images = whole(case, source)
    assert len(images) == expected.images
    if expected.labels is not None:
        assert images.labels.tolist() == expected.labels
    if expected.names is not None:
        assert next(iter(images.class_names.values())) == expected.names
    if expected.pixels is not None:
        assert np.abs(odd(case, images).astype(int) - expected.pixels).max() <= 1


@functools.cache
def _graph(look: Look):
    """The graph that a server runs, built once for all files that are looked at alike."""
    return tf.function(
        lambda contents: served_files.served_images(contents, SHAPE, "none", 10_000, look),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )


@pytest.mark.parametrize("case", [case for case in PICTURES if case.expected.pixels is not None], ids=lambda c: c.what)
def test_a_stream_from_disk_and_a_served_graph_show_the_same_pixels(case, tmp_path):
    source = case.make(tmp_path)
    kept = odd(case, whole(case, source))
    streamed = pipelines.read(source, image_shape=SHAPE, test_fraction=0.0, memory_gib=0.0, **case.settings)
    assert streamed.paths is not None and streamed.digest == whole(case, source).digest
    row = [os.path.basename(path) for path in streamed.paths].index(case.expected.odd)
    batch = next(iter(pipelines.in_order(streamed, len(streamed))))
    np.testing.assert_array_equal(np.round(255 * batch["image"][row].numpy()).astype(np.uint8), kept)
    content = (tmp_path / "dog" / case.expected.odd).read_bytes()
    if content[:4] not in (b"\x89PNG", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1", b"\xff\xd8\xff\xee"):
        with pytest.raises(tf.errors.InvalidArgumentError, match="not a PNG or JPEG file"):
            served_files.served_images(tf.constant([content]), SHAPE, "none", 10_000)
        return
    served = _graph(Look(**case.settings))(tf.constant([content]))
    assert np.abs(255 * served[0].numpy() - kept).max() <= 1.001


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=named(CASES))
def test_every_input_trains_and_is_encoded_or_is_refused_by_every_verb(case, tmp_path, capsys, encoder):
    (tmp_path / "data").mkdir()
    source, expected = case.make(tmp_path / "data"), case.expected
    flags = [f"--config.data.{name}={value}" for name, value in case.settings.items()]
    train = (*TINY, f"--config.data.source={source}", "--config.data.test_fraction=0.0", *flags)
    heads = len(whole(case, source).head_names) if expected.images else 1
    if heads > 1:
        names = whole(case, source).head_names
        train += (f"--config.model.heads={dict.fromkeys(names, 2)}",)
    else:
        train += ("--config.model.heads.label=12",)
    code, text = run(capsys, "train", f"--workdir={tmp_path}/run", *train)
    assert code in ((2,) if expected.images is None else (0, 2)), text
    assert "Traceback" not in text
    if code == 2 and expected.images is not None:
        assert "but" in text  # A set smaller than a batch, or several heads: said in one line.
    encode = [f"--{name}={value}" for name, value in case.settings.items() if name != "resize"]
    code, text = run(
        capsys, "encode", f"--model={encoder}", f"--source={source}", f"--out={tmp_path}/new/codes.npz", *encode
    )
    assert "Traceback" not in text
    resized = "not of size" in " ".join(expected.says) and expected.images is None
    assert code == (2 if expected.images is None and not resized else 0), text
    if code == 0:
        codes = np.load(tmp_path / "new" / "codes.npz")
        assert len(codes["features"]) >= (expected.images or 0)


def two_classes_npz(folder) -> str:
    """A little set of noise, labeled cat and dog."""
    folder.mkdir(exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, [40, *SHAPE], np.uint8)
    np.savez(folder / "set.npz", x_train=images, y_train=np.array(["cat", "dog"] * 20))
    return f"{folder}/set.npz"


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """A run whose encoder takes the corpus's pictures."""
    folder = tmp_path_factory.mktemp("encoder")
    source = two_classes_npz(folder)
    assert main(["reverie", "train", f"--workdir={folder}/run", *TINY, f"--config.data.source={source}",
                 "--config.model.heads.label=2"]) == 0  # fmt: skip
    return folder / "run"
