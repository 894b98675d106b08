"""Own data through a run's life: changed data is refused on resume, names go with it, bad files are named."""

import json

import numpy as np
import pytest
import reverie
from reverie import export as exporting
from reverie import pipelines
from reverie.cli import main
from reverie.errors import UserError
from reverie.experiments import class_numbers
from reverie.experiments.encoding import Codes

from ..inputs.corpus import PICTURES, picture, save, two_classes
from ..inputs.test_corpus import TINY, run, two_classes_npz

RESUMED = {"train.epochs": 0.0, "train.steps": 8}


def settings(**changes) -> dict:
    sizes = {
        "model.encoder": (4,),
        "model.decoder": (4,),
        "model.image_shape": (8, 8, 3),
        "data.image_shape": (8, 8, 3),
    }
    return {"train.epochs": 0.0, "train.steps": 4, "train.batch_size": 4, "train.evaluate_every": 0,
            "train.picture_every": 0, "model.heads.label": 2, **sizes, **changes}  # fmt: skip


def test_data_that_changed_is_refused_on_resume_unless_that_is_asked_for_and_recorded(tmp_path):
    folder, workdir = two_classes(tmp_path / "set", 6), tmp_path / "run"
    source = f"folder:{folder}"
    reverie.train("xcov_mnist", workdir, data=source, overrides=settings())
    started = json.loads((workdir / "data.json").read_text())["digest"]
    save(folder / "cat" / "new.png", picture(3))
    with pytest.raises(UserError, match=r"holds a run on other data: it had .*--accept_changed_data"):
        reverie.train("xcov_mnist", workdir, data=source, overrides=settings(**{"train.steps": 8}))
    overrides = settings(**{"train.steps": 8})
    run = reverie.train("xcov_mnist", workdir, data=source, overrides=overrides, accept_changed_data=True)
    assert run.outcome.step == 8
    said = json.loads((workdir / "data.json").read_text())
    assert said["changed"] == [{"step": 4, "digest": [started, said["digest"]]}] and said["digest"] != started
    # What was accepted once is the run's data now, and the record stays.
    reverie.train("xcov_mnist", workdir, data=source, overrides=settings(**{"train.steps": 9}))
    assert json.loads((workdir / "data.json").read_text())["changed"] == said["changed"]


def test_labels_that_have_come_to_stand_for_other_classes_are_refused_by_name(tmp_path):
    folder, workdir = two_classes(tmp_path / "set", 6), tmp_path / "run"
    source, said = f"folder:{folder}", "label 1 was dog and is wolf; bring the old data back, or train anew"
    run = reverie.train("xcov_mnist", workdir, data=source, overrides=settings())
    run.evaluate()
    (folder / "dog").rename(folder / "wolf")
    for act in (reverie.load(workdir).evaluate, reverie.load(workdir).export):
        with pytest.raises(UserError, match=said):
            act()
    longer = settings(**{"train.steps": 8})
    with pytest.raises(UserError, match="label 1 was dog and is wolf; .*--accept_changed_data"):
        reverie.train("xcov_mnist", workdir, data=source, overrides=longer)
    reverie.train("xcov_mnist", workdir, data=source, overrides=longer, accept_changed_data=True).evaluate()
    (folder / "wolf").rename(folder / "ant")  # Now the cat is number 1.
    with pytest.raises(UserError, match="label 0 was cat and is ant"):
        reverie.load(workdir).evaluate()


def test_a_table_whose_words_have_changed_is_refused_where_a_run_on_it_is_measured(tmp_path):
    rows = [f"{number}.png,{('red', 'yellow')[number % 2]},{('big', 'small')[number // 2 % 2]}" for number in range(40)]
    for number in range(40):
        save(tmp_path / "set" / f"{number}.png", picture(number))
    table = tmp_path / "set" / "table.csv"
    table.write_text("\n".join(["file,color,size", *rows]))
    small = {"model.vision.channels": (4,), "model.vision.hidden": 4, "model.denoising.channels": (4,),
             "model.image_shape": (8, 8, 3), "data.image_shape": (8, 8, 3), "stages.vision.batch_size": 4,
             "stages.vision.steps": 2, "stages.vision.unmix_at": (), "stages.symbols.steps": 1,
             "stages.operators.steps": 1}  # fmt: skip
    run = reverie.train("scan_few", tmp_path / "run", data=f"table:{table}", overrides=small)
    table.write_text(table.read_text().replace("yellow", "golden"))
    with pytest.raises(UserError, match="color 0 was red and is golden; bring the old data back, or train anew"):
        reverie.load(run.folder).evaluate()


def test_the_rule_of_an_earlier_run_for_what_is_held_out_stays_its_own(tmp_path):
    source = two_classes_npz(tmp_path / "set")
    run = reverie.train(
        "xcov_mnist", tmp_path / "run", data=source, overrides=settings(**{"data.holdout": "independent"})
    )
    config = json.loads((run.folder / "config.json").read_text())
    for name in ("holdout", "background", "bits"):  # As a run folder has it that was written before there were these.
        del config["data"][name]
    (run.folder / "config.json").write_text(json.dumps(config))
    assert reverie.load(run.folder).config.data.holdout == "independent"
    resumed = reverie.train("xcov_mnist", run.folder, data=source, overrides=settings(**{"train.steps": 6}))
    assert resumed.outcome.step == 6 and resumed.config.data.holdout == "independent"


def test_the_digest_of_a_set_does_not_depend_on_how_it_is_kept(tmp_path):
    folder = two_classes(tmp_path)
    kept = pipelines.read(f"folder:{folder}", image_shape=(8, 8, 3))
    streamed = pipelines.read(f"folder:{folder}", image_shape=(8, 8, 3), memory_gib=0.0)
    assert kept.pixels is not None and streamed.pixels is None and kept.digest == streamed.digest
    assert pipelines.read(f"folder:{folder}", image_shape=(8, 8, 3), holdout_seed=1).digest != kept.digest


def test_encode_encodes_the_good_files_and_names_the_bad_ones(tmp_path, capsys):
    folder = two_classes(tmp_path / "set")
    source = two_classes_npz(tmp_path / "arrays")
    assert main(["reverie", "train", f"--workdir={tmp_path}/run", *TINY, f"--config.data.source={source}",
                 "--config.model.heads.label=2"]) == 0  # fmt: skip
    (folder / "dog" / "bad.png").write_bytes(b"bad")
    code, text = run(
        capsys, "encode", f"--model={tmp_path}/run", f"--source=folder:{folder}", f"--out={tmp_path}/codes.npz"
    )
    codes = np.load(tmp_path / "codes.npz")
    assert code == 0 and "left out: 1 of 9 files skipped" in text and "bad.png: not an image" in text
    assert len(codes["features"]) == 8 and codes["class_names"].tolist() == ["cat", "dog"]
    assert sorted({name.split("/")[0] for name in codes["filename"].tolist()}) == ["cat", "dog"]


def test_advice_names_flags_that_the_verb_has(tmp_path, capsys):
    (tmp_path / "set.npz").write_bytes(b"")
    np.savez(tmp_path / "set.npz", x_train=np.zeros([9, 8, 8], np.uint8))
    code, text = run(capsys, "data", "check", f"{tmp_path}/set.npz", "--memory_gib=1e-9")
    assert code == 2 and "raise --memory_gib (now 1e-09)" in text


@pytest.mark.parametrize(
    ("label", "names", "expected"),
    [
        ("dog", {"label": ("cat", "dog")}, 1),
        ("DOG", {"label": ("cat", "dog")}, 1),
        (["dog", "cat", "-1"], {"label": ("cat", "dog")}, [1, 0, -1]),
        ("5", {"label": ("3", "5", "7")}, 1),  # A name counts before a number.
        ("2", {"label": ("cat", "dog", "fox")}, 2),
        ([["happy", -1], [-1, "left"]], {"mood": ("happy", "sad"), "light": ("left",)}, [[0, -1], [-1, 0]]),
        (3, {}, 3),
    ],
)
def test_a_class_is_known_by_name_and_by_number(label, names, expected):
    assert class_numbers(label, names).tolist() == expected


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("dgo", "nearest: 'dog'"),
        (1.5, "expected whole numbers"),
        (2**31, "expected class numbers"),
        (-7, "-1 to draw one"),
    ],
)
def test_what_is_no_class_is_refused_in_one_line(label, message):
    with pytest.raises(UserError, match=message):
        class_numbers(label, {"label": ("cat", "dog")})


def test_a_task_smaller_than_a_batch_is_refused_before_the_first_task(tmp_path, capsys):
    labels = np.repeat([0, 1, 2, 3], [40, 40, 6, 6])
    names = np.array(["cat", "dog", "fox", "owl"])[labels]
    np.savez(tmp_path / "set.npz", x_train=np.zeros([92, 28, 28], np.uint8), y_train=names)
    stream = ("--config=replay_split_mnist:none", "--config.stream.tasks=2", "--config.train.steps=2",
              f"--config.data.source={tmp_path}/set.npz", f"--workdir={tmp_path}/run")  # fmt: skip
    code, text = run(capsys, "train", *stream, "--config.train.batch_size=20")
    assert code == 2 and "train.batch_size is 20, but task 2 of 2 has only 10 images; expected 10 or less" in text
    assert not (tmp_path / "run" / "checkpoints").exists()
    code, text = run(capsys, "train", *stream, "--config.train.batch_size=5", "--config.data.test_fraction=0.0")
    assert code == 2 and "has no test images; set data.test_fraction" in text


def test_a_class_without_test_images_is_told_by_its_name(tmp_path, capsys):
    labels = np.repeat([0, 1, 2, 3], [40, 40, 1, 40])
    names = np.array(["cat", "dog", "fox", "owl"])[labels]
    np.savez(tmp_path / "set.npz", x_train=np.zeros([121, 28, 28], np.uint8), y_train=names)
    code, text = run(
        capsys, "train", "--config=replay_split_mnist:none", "--config.stream.tasks=2", "--config.train.steps=2",
        "--config.train.batch_size=5", f"--config.data.source={tmp_path}/set.npz", f"--workdir={tmp_path}/run",
    )  # fmt: skip
    assert code == 2 and "task 2 has no test image of class 'fox'; give that class more images" in text


@pytest.mark.thorough
def test_an_export_of_a_set_sorted_by_class_is_calibrated_on_all_classes(tmp_path, monkeypatch):
    images = np.repeat(np.arange(0, 250, 25, dtype=np.uint8), 60)[:, None, None, None] * np.ones([1, 8, 8, 3], np.uint8)
    source = tmp_path / "sorted.npz"
    np.savez(source, x_train=images, y_train=np.repeat(np.arange(10), 60))
    run = reverie.train(
        "xcov_mnist", tmp_path / "run", data=str(source), overrides=settings(**{"model.heads.label": 10})
    )
    seen = []
    original = exporting.export
    monkeypatch.setattr(exporting, "export", lambda model, base, images, *rest, **more: (
        seen.append(images), original(model, base, images, *rest, **more))[1])  # fmt: skip
    run.export(lite=())
    for half in (seen[0][: len(seen[0]) // 2], seen[0][len(seen[0]) // 2 :]):
        assert len(np.unique(np.round(255 * half[:, 0, 0, 0]))) == 10


@pytest.mark.parametrize("channels", [1, 3])
def test_every_picture_of_the_corpus_is_gray_by_luma_where_gray_is_asked(channels, tmp_path):
    shape = (8, 8, channels)
    for number, case in enumerate(case for case in PICTURES if case.expected.pixels is not None):
        folder = tmp_path / str(number)
        source = case.make(folder)
        images = pipelines.read(source, image_shape=shape, test_fraction=0.0, **case.settings)
        (row,) = [row for row, key in enumerate(images.keys) if key.endswith(case.expected.odd)]
        color = case.expected.pixels.astype(float)
        expected = color if channels == 3 else (color @ [0.299, 0.587, 0.114])[..., None]
        assert np.abs(images.pixels[row] - expected).max() <= 1.01, case.what


@pytest.mark.thorough
def test_columns_of_any_name_are_heads(tmp_path):
    rng = np.random.default_rng(0)
    columns = {"hair color": rng.integers(0, 2, 60), "Größe": rng.integers(0, 3, 60), "a/b": rng.integers(0, 2, 60)}
    data = (rng.integers(0, 256, [60, 8, 8, 3], np.uint8), columns)
    overrides = {key: value for key, value in settings().items() if key != "model.heads.label"}
    run = reverie.train("xcov_mnist", tmp_path / "run", data=data, overrides=overrides)
    answers = run.classify(data[0])
    heads = sorted(columns)
    assert [name for name in answers if name.endswith("label")] == [f"{number}_label" for number in range(3)]
    assert run.config.model.heads.to_dict() == {head: int(columns[head].max()) + 1 for head in heads}
    numbers = run.evaluate()
    assert all(f"accuracy_{head}" in numbers for head in heads)
    again = reverie.load(run.export(lite=()))
    assert np.array_equal(again.classify(data[0])["1_label"], answers["1_label"])


def _of_other_sizes(kind: str, place) -> str:
    """A source whose test images are 10x10 where its training images are 8x8."""
    if kind == "npz":
        draw = np.random.default_rng(0)
        train, test = (draw.integers(0, 256, (n, side, side, 3), np.uint8) for n, side in ((12, 8), (4, 10)))
        labels = np.arange(12) % 2
        place.mkdir()
        np.savez(place / "set.npz", x_train=train, y_train=labels, x_test=test, y_test=labels[:4])
        return f"{place}/set.npz"
    for split, side in (("train", 8), ("test", 10)):
        for label in ("cat", "dog"):
            for number in range(6):
                save(place / split / label / f"{number}.png", np.full((side, side, 3), 20 * number, np.uint8))
    return f"folder:{place}"


@pytest.mark.parametrize("kind", ["npz", "folder"])
def test_test_images_of_another_size_are_refused_before_the_first_step_and_told_by_data_check(kind, tmp_path, capsys):
    source, workdir = _of_other_sizes(kind, tmp_path / "set"), tmp_path / "run"
    with pytest.raises(UserError, match=r"(are 10x10x3, but the model takes 8x8x3|not of size 8x8).*resize"):
        reverie.train("xcov_mnist", workdir, data=source, overrides=settings())
    assert not list(workdir.rglob("ckpt*")) and not (workdir / "metrics.jsonl").exists()
    assert main(["reverie", "data", "check", source]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "of another size than the training images" in line]
    assert len(said) == 1 and said[0].startswith("  test: ") and "10x10" in said[0] and "data.resize" in said[0]
    # What the line says is right.
    run = reverie.train("xcov_mnist", workdir, data=source, overrides=settings(**{"data.resize": "crop"}))
    assert run.outcome.step == 4 and run.evaluate()
    assert main(["reverie", "data", "check", source, "--resize=crop"]) == 0
    assert "of another size" not in capsys.readouterr().out


def test_a_set_without_test_images_still_trains(tmp_path):
    train = np.zeros((12, 8, 8, 3), np.uint8), np.arange(12) % 2
    np.savez(tmp_path / "set.npz", x_train=train[0], y_train=train[1])
    rules = settings(**{"data.test_fraction": 0.0})
    assert reverie.train("xcov_mnist", tmp_path / "run", data=f"{tmp_path}/set.npz", overrides=rules).outcome.step == 4


def _named_and_nameless(heads: tuple[str, str], named: str):
    """Pixels whose halves say two classes each; only one label column has names."""
    columns = np.stack([np.arange(24) % 2, np.arange(24) // 2 % 3], axis=1)
    images = np.zeros((24, 8, 8, 3), np.uint8)
    images[:, :, :4] += (100 * columns[:, 0, None, None, None]).astype(np.uint8)
    images[:, :, 4:] += (80 * columns[:, 1, None, None, None]).astype(np.uint8)
    labels = dict(zip(heads, columns.T, strict=True))
    names = ("off", "on") if named == heads[0] else ("low", "mid", "top")
    return pipelines.give((images, labels), class_names={named: names})


@pytest.mark.parametrize(
    ("named", "label", "number"),
    [("angle", "on", [1, 2]), pytest.param("light", "mid", [0, 1], marks=pytest.mark.thorough)],
)
@pytest.mark.thorough
def test_of_two_heads_the_named_one_takes_names_and_the_other_numbers(named, label, number, tmp_path, capsys):
    source, heads = _named_and_nameless(("angle", "light"), named), {"angle": 2, "light": 3}
    sizes = {"model.heads": heads}
    rules = {key: value for key, value in settings(**sizes).items() if key != "model.heads.label"}
    run = reverie.train("xcov_mnist", tmp_path / "run", data=source, overrides=rules)
    version = reverie.load(run.export(lite=()).folder)
    wanted = [label, number[1]] if named == "angle" else [number[0], label]
    for model in (run, version):
        assert list(model.class_names) == ["angle", "light"] and sum(map(bool, model.class_names.values())) == 1
        for asked in (wanted, [str(part) for part in wanted], number):
            assert model.generate(2, asked)["label"].tolist() == [number, number]
        # A name of the one head is none of the other, which says that it has no names.
        with pytest.raises(UserError, match="is no class of this model; its classes have no names, give their numbers"):
            model.generate(2, [label, label])
    asked = f"--label={':'.join(map(str, wanted))}"
    assert main(["reverie", "generate", f"--model={version.folder}", asked, f"--out={tmp_path}/a.png"]) == 0
    card = (version.folder / "MODEL_CARD.md").read_text()
    assert f"Classes of {named}: 0 " in card and card.count("Classes of ") == 1
    assert run.evaluate() and (tmp_path / "run" / "report.html").is_file()


def test_one_head_of_several_columns_keeps_the_names_of_its_own_column():
    images = pipelines.read(_named_and_nameless(("angle", "light"), "light"), test_fraction=0.0)
    assert pipelines.for_heads(images, {"angle": 2}).class_names.get("angle", ()) == ()
    assert pipelines.for_heads(images, {"light": 3}).class_names["light"] == ("low", "mid", "top")


def test_codes_of_two_columns_say_whose_names_there_are(tmp_path):
    codes = {"features": np.zeros((2, 3), np.float32)}
    both = Codes(codes, np.zeros((2, 2), np.int32), class_names={"light": ("low", "mid", "top")})
    assert set(np.load(both.save(tmp_path / "both.npz"))) == {"features", "label", "class_names_light"}
    one = Codes(codes, np.zeros(2, np.int32), class_names={"light": ("low", "mid", "top")})
    assert np.load(one.save(tmp_path / "one.npz"))["class_names"].tolist() == ["low", "mid", "top"]


@pytest.mark.thorough
def test_a_version_of_an_earlier_release_keeps_its_heads_apart(tmp_path):
    source = _named_and_nameless(("angle", "light"), "light")
    rules = {key: value for key, value in settings().items() if key != "model.heads.label"}
    run = reverie.train(
        "xcov_mnist", tmp_path, data=source, overrides={**rules, "model.heads": {"angle": 2, "light": 3}}
    )
    folder = run.export(lite=()).folder
    said = json.loads((folder / "metadata.json").read_text())
    said["class_names"] = {"light": ["low", "mid", "top"]}  # As they were written without the heads that have none.
    (folder / "metadata.json").write_text(json.dumps(said))
    assert reverie.load(folder).generate(1, [1, "top"])["label"].tolist() == [[1, 2]]
