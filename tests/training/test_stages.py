"""SCAN's stages: what each trains, that it resumes, what it may start from."""

import dataclasses
import gc
import re

import numpy as np
import pytest
from reverie.errors import UserError
from reverie.evaluation import scan as evaluation
from reverie.layers import Noise
from reverie.models import scan
from reverie.pipelines import Images, from_arrays
from reverie.training import checkpoints, loop, run_folder, stages, strategies

from .. import experiment
from ..conftest import colored_bars, tiny_scan

STAGES = ("denoising", "vision", "symbols", "operators")


def images(count: int = 300):
    return colored_bars(count)


def run(config, folder, strategy: str = "one"):
    pictures = images()
    stages.name_attributes(config, pictures)
    chosen = strategies.make_strategy(strategy)
    run_folder.open_run(folder, config)
    model, phases = experiment.model_and_phases(config, pictures, chosen)
    return model, loop.train(loop.Context(model, experiment.loop_settings(config), chosen, folder), phases)


def test_each_stage_trains_its_own_network_and_leaves_the_others_alone(tmp_path):
    config = tiny_scan()
    stages.name_attributes(config, images())
    strategy = strategies.make_strategy("one")
    model, phases = experiment.model_and_phases(config, images(), strategy)
    by_stage = {name: [phase for phase in phases if phase.name == name] for name in STAGES}
    assert [len(found) for found in by_stage.values()] == [1, 3, 1, 1]
    parts = [model.denoising, model.vision, model.symbols, model.recombination]
    for number, (found, part) in enumerate(zip(by_stage.values(), parts, strict=True)):
        before = [other.get_weights() for other in parts]
        phase = found[0]
        loop.train(loop.Context(model, experiment.loop_settings(config), strategy, tmp_path / phase.name), found)
        for k, other in enumerate(parts):
            same = all(np.array_equal(a, b) for a, b in zip(before[k], other.get_weights(), strict=True))
            assert same == (k != number), phase.name
        assert {id(v) for v in phase.variables} == {id(v) for v in part.trainable_variables}


# The latents are unmixed after 20 and 30 steps in all: 27 stops between the two.
@pytest.mark.parametrize("stop", [27, *(pytest.param(step, marks=pytest.mark.slow) for step in (6, 30, 45, 70))])
@pytest.mark.thorough
def test_a_run_stopped_in_any_stage_ends_as_one_never_stopped(tmp_path, monkeypatch, stop):
    whole, _ = run(tiny_scan(train__log_every=5), tmp_path / "whole")
    original = loop.Records.scalars

    def scalars(self, at, phase, values):
        original(self, at, phase, values)
        if at >= stop:
            raise KeyboardInterrupt

    config = tiny_scan(train__log_every=5, train__checkpoint_every=3)
    monkeypatch.setattr(loop.Records, "scalars", scalars)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "broken")
    monkeypatch.setattr(loop.Records, "scalars", original)
    resumed, outcome = run(config, tmp_path / "broken")
    assert outcome.step == 80
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


def test_latents_are_unmixed_at_their_steps_and_the_stage_goes_on_as_one(monkeypatch, tmp_path, capsys):
    turned = []

    def unmix(vision, mean, log_variance):
        turned.append(mean.shape)
        vision.heads.mean.bias.assign_add(np.full([5], 100.0, np.float32))  # Whatever it changes is kept.

    monkeypatch.setattr(scan, "unmix", unmix)
    model, outcome = run(tiny_scan(stages__vision__unmix_at=(7, 20, 30, 4000)), tmp_path / "run")
    assert outcome.step == 80
    # Those at the stage's end and beyond do not happen.
    shown = stages.admitted(experiment.load(tmp_path / "run")[0], images())
    assert turned == [(len(shown), 5)] * 2
    assert (model.vision.heads.mean.bias.numpy() > 150.0).all()
    progress = capsys.readouterr().err
    assert "vision: step 30/30" in progress and "vision: step 10/10" not in progress


def test_a_parted_stage_sees_the_same_pictures_as_a_whole_one():
    config = tiny_scan(stages__vision__unmix_at=(7,))
    stages.name_attributes(config, images())
    strategy = strategies.make_strategy("one")
    first, second = experiment.model_and_phases(config, images(), strategy)[1][1:3]
    config.stages.vision.unmix_at = ()
    whole = experiment.model_and_phases(config, images(), strategy)[1][1]
    assert (first.steps, second.steps, whole.steps) == (7, 23, 30) and second.continues
    for part, offset in ((first, 0), (second, 7)):
        for step in (0, 3):
            shown, expected = next(iter(part.stream(step, None))), next(iter(whole.stream(offset + step, None)))
            np.testing.assert_array_equal(shown["image"], expected["image"])


def test_steps_of_unmixing_that_make_no_sense_are_refused(tmp_path):
    for wrong in ((20, 10), (0, 5), (5, 5), (2.5,), (True,), ("a",), ((1, 2),), (None,)):
        config = tiny_scan()
        with config.unlocked():
            config.stages.vision.unmix_at = wrong
        said = f"unmix_at is {wrong!r}; expected whole steps that rise from 1 on, as (500, 1000), or ()"
        with pytest.raises(UserError, match=re.escape(said)):
            run(config, tmp_path / "a")
    with pytest.raises(UserError, match=r"train.ema_decay is 0.9, but .* expected 0, or stages.vision.unmix_at=\(\)"):
        run(tiny_scan(train__ema_decay=0.9), tmp_path / "b")


@pytest.mark.thorough
def test_a_stage_may_start_from_an_earlier_run(tmp_path):
    first, _ = run(tiny_scan(stages__symbols__steps=0, stages__operators__steps=0), tmp_path / "vision")
    later = tiny_scan("reverse", stages__start_from=str(tmp_path / "vision"), stages__vision__steps=0)
    later.stages.denoising.steps = 0
    second, outcome = run(later, tmp_path / "words")
    assert outcome.step == 40
    for a, b in zip(first.vision.get_weights(), second.vision.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert stages.trained(later, second, 40) == ("denoising", "vision", "symbols", "operators")
    assert stages.trained(later, second, 20) == ("denoising", "vision", "symbols")
    config, restored, step = experiment.load(tmp_path / "words")
    assert step == 40 and config.model.attributes[0][0] == "colour"
    for a, b in zip(second.get_weights(), restored.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_comes_too_late_for_a_stage_is_said(tmp_path, caplog):
    config = tiny_scan(stages__vision__unmix_at=(10, 30, 40), stages__vision__steps=20)
    stages.name_attributes(config, images())
    _, phases = experiment.model_and_phases(config, images(), strategies.make_strategy("one"))
    assert [phase.steps for phase in phases if phase.name == "vision"] == [10, 10]
    assert "stages.vision.unmix_at: 30, 40 left out, as the stage has 20 steps" in caplog.text
    assert "stages.vision.steps is 20, but its objective changes until step 30 (see model.vision)" in caplog.text
    caplog.clear()
    config = tiny_scan()
    stages.name_attributes(config, images())
    experiment.model_and_phases(config, images(), strategies.make_strategy("one"))
    assert not caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages__vision__rate": -1.0}, "stages.vision.rate is -1; expected a finite number above 0"),
        ({"stages__symbols__rate": float("nan")}, "stages.symbols.rate is nan; expected a finite number above 0"),
        ({"schedule__rate": 0.1}, "schedule.rate is 0.1, but a run in stages takes stages.<stage>.rate; leave it at"),
        ({"stages__vision__batch_size": 0}, "stages.vision.batch_size is 0; expected a positive multiple of 1 replica"),
        ({"stages__vision__batch_size": 301}, "stages.vision.batch_size is 301, but .* that may be shown; expected "),
    ],
)
def test_a_number_that_a_stage_cannot_have_is_refused_under_the_name_that_it_was_set_by(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        run(tiny_scan(**changes), tmp_path / "a")


def test_weights_of_other_sizes_are_refused_in_one_line_that_says_which(tmp_path, capfd):
    run(tiny_scan(stages__symbols__steps=0, stages__operators__steps=0), tmp_path / "vision")
    later = tiny_scan(stages__start_from=str(tmp_path / "vision"), stages__vision__steps=0, model__vision__latents=4)
    later.stages.denoising.steps = 0
    capfd.readouterr()
    with pytest.raises(UserError, match=r"not those of vision as configured here: .* is \(.*\) here and \(.*\) there"):
        run(later, tmp_path / "words")
    gc.collect()
    assert "WARNING" not in capfd.readouterr().err


def test_a_missing_earlier_stage_is_named(tmp_path):
    with pytest.raises(UserError, match=r"stages.vision.steps is 0, but operators needs that stage"):
        run(tiny_scan(stages__vision__steps=0), tmp_path / "a")
    with pytest.raises(UserError, match="no run there"):
        run(tiny_scan(stages__vision__steps=0, stages__start_from=str(tmp_path / "none")), tmp_path / "b")
    half = tiny_scan(stages__vision__steps=0, stages__symbols__steps=0, stages__operators__steps=0)
    run(half, tmp_path / "half")
    with pytest.raises(UserError, match="whose stage vision is not trained"):
        run(tiny_scan(stages__vision__steps=0, stages__start_from=str(tmp_path / "half")), tmp_path / "c")
    half.stages.start_from = str(tmp_path / "half")
    with pytest.raises(UserError, match="half, but nothing would be taken from it: the last stage with steps, denois"):
        run(half, tmp_path / "e")
    nothing = {f"stages__{stage}__steps": 0 for stage in STAGES}
    with pytest.raises(UserError, match="no stage has steps"):
        run(tiny_scan(**nothing), tmp_path / "d")
    with pytest.raises(UserError, match=r"train.steps is 10 and .* takes stages.<stage>.steps"):
        run(tiny_scan(train__steps=10), tmp_path / "e")


def test_the_feature_likelihood_needs_the_denoising_autoencoder(tmp_path):
    with pytest.raises(UserError, match=r"stages.denoising.steps is 0, but operators needs that stage"):
        run(tiny_scan("features", stages__denoising__steps=0), tmp_path / "a")
    run(tiny_scan(stages__denoising__steps=0), tmp_path / "b")  # Pixels do not.


def test_words_are_as_few_as_was_said_and_never_of_held_out_pairs():
    config = tiny_scan(words__held_out=0.1)
    pictures = images(600)
    stages.name_attributes(config, pictures)
    shown = stages.admitted(config, pictures)
    assert 0 < len(shown) < len(pictures)
    table, vocabulary = stages.held_out(config), stages.vocabulary_of(config)
    assert not np.einsum("ni,ij,nj->n", *(vocabulary.khot(shown.labels),), table, vocabulary.khot(shown.labels)).any()
    assert len(stages.pairs(config, shown)) == 60
    with pytest.raises(UserError, match=rf"words.pairs is 6000; expected 1 to {len(shown)}.* or 0 for all of them"):
        stages.pairs(tiny_scan(words__pairs=6000), shown)


def test_no_number_of_pairs_is_all_pictures_with_words():
    pictures = images(40)
    pictures.labels[::4] = -1
    stages.name_attributes(config := tiny_scan(words__pairs=0), pictures)
    with_words = np.flatnonzero((pictures.labels >= 0).any(axis=1))
    assert len(with_words) == 30
    np.testing.assert_array_equal(np.sort(stages.pairs(config, pictures)), with_words)
    pictures.labels[:] = -1
    with pytest.raises(UserError, match="no picture of .* has words; expected one at least"):
        stages.pairs(config, pictures)


def test_pairs_may_be_counted_by_concept():
    """As many pictures as were said for each value, none of them twice."""
    pictures = images(600)
    config = tiny_scan(words__held_out=0.1)
    stages.name_attributes(config, pictures)
    shown = stages.admitted(config, pictures)
    values = stages.vocabulary_of(config).size
    for count in (1, 5):
        config = tiny_scan(words__held_out=0.1, words__per_concept=count)
        stages.name_attributes(config, pictures)
        told = stages.pairs(config, shown)
        assert len(told) == len(set(told)) == count * values
        khot = stages.vocabulary_of(config).khot(shown.labels[told])
        assert khot.sum(axis=0).min() >= count
        config.seed = 1
        assert set(stages.pairs(config, shown)) != set(told)
    for count in (-1, 5000):
        config = tiny_scan(words__per_concept=count)
        stages.name_attributes(config, pictures)
        with pytest.raises(UserError, match=f"words.per_concept is {count}; expected 1 to [0-9]+, or 0") as refused:
            stages.pairs(config, shown)
        # What it says can be followed.
        most = int(re.search(r"1 to (\d+)", str(refused.value))[1])
        config.words.per_concept = most
        assert len(stages.pairs(config, shown)) == most * stages.vocabulary_of(config).size
        config.words.per_concept = most + 1
        with pytest.raises(UserError, match=f"expected 1 to {most}, or 0"):
            stages.pairs(config, shown)


def test_attributes_must_be_there_and_be_those_of_the_config():
    with pytest.raises(UserError, match="has no attributes with values"):
        stages.name_attributes(tiny_scan(), from_arrays("bare", np.zeros([4, 8, 8, 3], np.uint8), None))
    config = tiny_scan()
    stages.name_attributes(config, images())
    stages.name_attributes(config, images())
    other = dataclasses.replace(images(), head_names=("tint", "place"))
    with pytest.raises(UserError, match="leave that empty to use the data's"):
        stages.name_attributes(config, other)


@pytest.mark.parametrize("family", ["jmvae", "telbo"])
def test_the_joint_baselines_train_on_all_pictures_and_the_same_words(family, tmp_path):
    config = tiny_scan(family)
    model, outcome = run(config, tmp_path / "joint")
    assert outcome.step == 30 and stages.trained(config, model, 30) == ("vision", "symbols")
    _, phases = experiment.model_and_phases(config, images(), strategies.make_strategy("one"))
    rows = next(iter(phases[0].stream(0, None)))["label"]
    share = float(np.mean((rows.numpy() >= 0).any(axis=1)))
    assert 0.0 < share < 0.7
    assert set(evaluation.quick(model, images())) >= {"reconstruction", "images_to_symbols"}


@pytest.mark.slow
def test_two_replicas_do_as_one_device_does(tmp_path):
    one, _ = run(tiny_scan(), tmp_path / "one")
    assert checkpoints.latest(tmp_path / "one" / "checkpoints")
    two, outcome = run(tiny_scan(), tmp_path / "two", "mirrored")
    assert outcome.step == 80
    # Noise differs from replica to replica, so that weights agree in size only.
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        assert a.shape == b.shape and np.isfinite(b).all()


@pytest.mark.parametrize("family", ["jmvae", "telbo"])
def test_a_single_attribute_in_a_single_column_trains_the_joint_baselines_too(family):
    bars = images()
    colors = {"labels": bars.labels[:, 0], "head_names": ("colour",)}
    config, pictures = tiny_scan(family), dataclasses.replace(bars, **colors)
    stages.name_attributes(config, pictures)
    model, (phase,) = experiment.model_and_phases(config, pictures, strategies.make_strategy("one"))
    batch = next(iter(phase.stream(0, None)))
    assert batch["label"].shape == (16, 1)
    assert np.isfinite(model.losses(batch, Noise(0))["total"]).all()


@pytest.mark.parametrize("told", [[1, 4], list(range(6))])
def test_a_picture_with_words_is_never_among_those_without(told):
    labels = np.arange(6, dtype=np.int32)[:, None]
    pixels = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones([1, 2, 2, 1], np.uint8)
    shown = Images("six", (2, 2, 1), labels, pixels=pixels)
    mixed = stages._mixed(shown, np.array(told))
    number, named = mixed.pixels[:, 0, 0, 0], mixed.labels[:, 0]
    assert set(number[named >= 0]) == set(told) and np.array_equal(named[named >= 0], number[named >= 0])
    assert sorted(number[named < 0]) == sorted(set(range(6)) - set(told))
