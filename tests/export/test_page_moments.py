"""A page of a stream imagines with the models of earlier tasks: which they are, where they are kept, what fits."""

import dataclasses
import gzip
import json
import re
import shutil

import numpy as np
import pytest
import reverie
import tensorflow as tf
from reverie import models
from reverie.errors import StorageError, UserError
from reverie.evaluation import moments, of_family
from reverie.export import LiteModel, seven_bits, web_page
from reverie.models import Capability

from ..conftest import tiny_stream_config
from ..killed import killed_at

STEPS = 40  # A task.


@pytest.fixture(scope="module")
def run(stream_npz, tmp_path_factory):
    """Three tasks, a checkpoint at the end of each."""
    config = tiny_stream_config(stream_npz, "bir", steps=STEPS, checkpoint_every=0, keep_checkpoints=5)
    return reverie.train(config, tmp_path_factory.mktemp("moments") / "run")


@pytest.fixture(scope="module")
def page(run, code):
    return _Page(run.explore(code=code))


@pytest.fixture
def copy(run, tmp_path):
    """Of the run, to be changed."""
    shutil.copytree(run.folder, tmp_path / "copy")
    return reverie.load(tmp_path / "copy")


class _Page:
    def __init__(self, path):
        self.text = path.read_text(encoding="utf-8")
        self.content = json.loads(self.block("page"))
        self.moments = next(p["moments"] for p in self.content["panels"] if p["kind"] == "times")

    def block(self, name: str) -> str:
        return re.search(rf'<script type="[^"]+" id="{name}">([^<]*)</script>', self.text)[1]

    def model(self, name: str, folder) -> LiteModel:
        path = folder / f"{name}.tflite"
        path.write_bytes(gzip.decompress(seven_bits.as_bytes(self.block(f"model-{name}"))))
        return LiteModel(path)


def _as_it_was(run, step: int):
    """The model by the checkpoint of a step, which knows nothing of moments."""
    model = models.build(run.kind.model_section(run.config), run.config.seed)
    tf.train.Checkpoint(model=model).restore(f"{run.folder}/checkpoints/ckpt-{step}").expect_partial()
    return model


def _codes(model) -> dict:
    """Latents drawn from the priors of all classes."""
    latents = np.random.default_rng(0).normal(size=(48, model.config.latents)).astype(np.float32)
    return {"mean": latents, "probabilities": np.eye(model.config.classes, dtype=np.float32)[np.arange(48) % 6]}


def test_the_models_of_a_page_are_those_of_the_ends_of_the_tasks(run, page, tmp_path):
    names = [moment["function"] for moment in page.moments]
    assert names == ["imagine_after_task_001", "imagine_after_task_002", "imagine"]
    then = [_as_it_was(run, STEPS * number) for number in (1, 2, 3)]
    codes = _codes(run.model)
    expected = [model.page_functions()["imagine"].function(**codes)["images"].numpy() for model in then]
    for number, name in enumerate(names):
        made = page.model(name, tmp_path).call(**codes)["images"]
        apart = [float(np.sqrt(np.mean(np.square(made - images)))) for images in expected]
        # Rounded to 8 bits it lies beside the model of its own moment, and far from those of others.
        assert apart[number] < 0.01 and min(apart[:number] + apart[number + 1 :]) > 5 * apart[number]


def test_priors_and_classes_met_are_those_of_the_moment(run, page):
    for number, moment in enumerate(page.moments, start=1):
        model = _as_it_was(run, STEPS * number)
        assert moment["met"] == list(range(2 * number))
        assert [prior["label"] for prior in moment["priors"]] == moment["met"]
        for prior in moment["priors"]:
            np.testing.assert_allclose(prior["mean"], model.prior.means[prior["label"], 0], atol=1e-4)
            deviation = np.exp(0.5 * model.prior.log_variances[prior["label"], 0])
            np.testing.assert_allclose(prior["deviation"], deviation, atol=1e-4)


@pytest.mark.thorough
def test_models_of_earlier_tasks_are_unpacked_later_and_said_at_the_foot(page):
    later = {name for name, function in page.content["functions"].items() if function["later"]}
    assert later == {"imagine_after_task_001", "imagine_after_task_002"}
    assert page.content["functions"]["imagine_after_task_001"]["inputs"] == {"mean": [1, 5], "probabilities": [1, 6]}
    assert "Models of earlier tasks: weights of 8 bits, " in page.text
    assert all(moment["png"] == "" for moment in page.moments)


def test_exploring_leaves_the_model_of_the_run_as_it_was(run, page):
    assert page.moments
    for one, other in zip(run.model.variables, _as_it_was(run, 3 * STEPS).variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.thorough
def test_a_run_killed_in_the_middle_of_a_task_and_resumed_keeps_the_moments_of_all(run, stream_npz, code, tmp_path):
    config = tiny_stream_config(stream_npz, "bir", steps=STEPS, checkpoint_every=10, keep_checkpoints=2)
    with killed_at(STEPS + 25):
        reverie.train(config, tmp_path / "run")
    half = reverie.load(tmp_path / "run")
    before = moments.file_of(half.folder, 1).read_bytes()
    # Of a run in the middle of its second task the first moment is an earlier one already.
    shown = _Page(half.explore(code=code))
    assert [moment["function"] for moment in shown.moments] == ["imagine_after_task_001"]
    resumed = reverie.train(config, tmp_path / "run")
    assert moments.file_of(resumed.folder, 1).read_bytes() == before
    for tasks in (1, 2, 3):
        kept, unbroken = (moments.read(moments.file_of(r.folder, tasks), r.model.moment()) for r in (resumed, run))
        assert kept.keys() == unbroken.keys()
        for name, values in kept.items():
            np.testing.assert_allclose(values, unbroken[name], atol=5e-5, rtol=1e-3)


def test_a_run_of_an_earlier_version_shows_the_pictures_that_were_drawn_then(copy, code):
    shutil.rmtree(copy.folder / "moments")
    history = json.loads((copy.folder / "tasks.json").read_text())
    assert history.pop("moments") == [1, 2, 3]
    (copy.folder / "tasks.json").write_text(json.dumps(history))
    page = _Page(copy.explore(code=code))
    assert [(bool(moment["png"]), "function" in moment) for moment in page.moments] == 3 * [(True, False)]
    assert {moment["why"] for moment in page.moments} == {"its model was not kept"}
    assert set(page.content["functions"]) == {"perceive", "imagine"}


def test_a_run_measured_on_validation_images_shows_its_moments_without_numbers(run):
    data = run.kind.evaluation_data(run.config, run.folder, run.model, run.step)
    data = dataclasses.replace(data, facts=dataclasses.replace(data.facts, accuracy=[]))
    shown = of_family(run.family).explore(run.model, data)
    (panel,) = (panel for panel in shown.panels if panel.kind == "times")
    assert [moment["accuracy"] for moment in panel.moments] == [{}, {}, {}]
    assert [moment["met"].tolist() for moment in panel.moments] == [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]


def test_a_file_that_the_history_does_not_name_is_no_moment(copy, code):
    """One that was written before a process was killed, and is learned again."""
    history = json.loads((copy.folder / "tasks.json").read_text())
    history["moments"] = [1, 3]
    (copy.folder / "tasks.json").write_text(json.dumps(history))
    moments.file_of(copy.folder, 2).write_bytes(b"half")
    page = _Page(copy.explore(code=code))
    assert ["function" in moment for moment in page.moments] == [True, False, True]


def test_where_a_page_has_no_room_the_earliest_models_are_left_out_first(run, page, code, tmp_path, monkeypatch):
    size = len(page.text.encode())
    monkeypatch.setattr(web_page, "LIMIT", size - 1)
    shown = _Page(run.explore(tmp_path / "small.html", code=code, weights="float32"))
    assert ["function" in moment for moment in shown.moments] == [False, True, True]
    assert len(shown.text.encode()) < size
    assert shown.moments[0]["png"] and "its model has no room in a page of" in shown.moments[0]["why"]
    assert "imagine_after_task_001" not in shown.content["functions"]


@pytest.mark.thorough
def test_weights_become_less_exact_before_a_model_is_left_out(run, page, code, tmp_path, monkeypatch):
    assert page.content["weights"] == "float32"
    monkeypatch.setattr(web_page, "LIMIT", len(page.text.encode()) - 1)
    shown = _Page(run.explore(tmp_path / "half.html", code=code))
    assert shown.content["weights"] == "float16" and all("function" in moment for moment in shown.moments)


def test_a_model_that_rounding_spoils_is_left_out_and_said(run, code, tmp_path, monkeypatch):
    original = LiteModel.call

    def call(self, **inputs):
        spoiled = self.signature == "imagine_after_task_002"
        return {name: value + 0.3 * spoiled for name, value in original(self, **inputs).items()}

    monkeypatch.setattr(LiteModel, "call", call)
    shown = _Page(run.explore(tmp_path / "spoiled.html", code=code))
    assert ["function" in moment for moment in shown.moments] == [True, False, True]
    assert shown.moments[1]["why"] == "its model does not answer as it did once its weights are rounded"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
def test_a_damaged_moment_is_said_in_one_line_that_names_the_remedy(copy, code, content):
    moments.file_of(copy.folder, 1).write_bytes(content)
    with pytest.raises(UserError, match=r"after_task_001\.npz cannot be read .*or delete it") as caught:
        copy.explore(code=code)
    assert "\n" not in str(caught.value)


def test_a_moment_of_another_model_is_refused(run, tmp_path):
    other = models.build({**run.kind.model_section(run.config), "latents": 4})
    assert moments.keep(moments.file_of(tmp_path, 1), other.moment())
    with pytest.raises(UserError, match="holds other weights than the model has"):
        moments.read(moments.file_of(tmp_path, 1), run.model.moment())


def test_a_moment_that_cannot_be_written_leaves_the_one_before_whole(run, tmp_path, monkeypatch):
    path = moments.file_of(tmp_path, 1)
    assert moments.keep(path, run.model.moment())
    before = path.read_bytes()

    def full(stream, **values):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(StorageError, match="No space left"):
        moments.keep(path, run.model.moment())
    assert path.read_bytes() == before and [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_what_no_page_has_room_for_is_not_kept(run, tmp_path, monkeypatch):
    monkeypatch.setattr(moments, "MOST", 100)
    assert not moments.keep(moments.file_of(tmp_path, 1), run.model.moment())
    assert not (tmp_path / "moments").exists()


def test_of_permuted_pixels_which_look_like_noise_nothing_is_kept(stream_npz, tmp_path):
    config = tiny_stream_config(stream_npz, "bir", "domain", "permuted", steps=6)
    run = reverie.train(config, tmp_path / "run")
    assert not (run.folder / "moments").exists()
    assert json.loads((run.folder / "tasks.json").read_text())["moments"] == []


@pytest.mark.parametrize("changed", [{"generator": False}, {"internal": True, "convolutions": (4, 6)}])
def test_a_network_that_imagines_nothing_to_look_at_keeps_nothing(run, tmp_path, changed):
    settings = {
        **run.kind.model_section(run.config),
        "reconstruction": "squared",
        "image_shape": (16, 16, 1),
        **changed,
    }
    model = models.build(settings)
    assert Capability.MOMENTS in run.family.capabilities and model.moment() is None
    assert not moments.keep(moments.file_of(tmp_path, 1), model.moment())


def test_a_moment_put_back_imagines_as_it_did(run):
    model = models.build(run.kind.model_section(run.config), 5)
    codes = _codes(model)
    for tasks in (2, 1):
        moments.put(moments.read(moments.file_of(run.folder, tasks), model.moment()), model.moment())
        then = _as_it_was(run, STEPS * tasks)
        # Gates never change, and are those of the seed.
        for mine, its in zip(model.gates, then.gates, strict=True):
            mine.masks.assign(its.masks)
        images = model.page_functions()["imagine"].function(**codes)["images"]
        np.testing.assert_array_equal(images, then.page_functions()["imagine"].function(**codes)["images"])
