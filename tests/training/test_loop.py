import dataclasses
import io
import json
import time

import numpy as np
import pytest
import tensorflow as tf
import tqdm
from reverie import progress as progress_file
from reverie.errors import NonFiniteError, StorageError, UserError
from reverie.training import checkpoints, loop, records, strategies
from reverie.training.checkpoints import weights_digest
from reverie.training.records import read_metrics

from .. import experiment
from ..conftest import run, tiny_config


def _stopping_after(step: int, monkeypatch):
    """Makes the stop request trip once the given step was logged, as a signal would."""
    original = loop.Records.scalars

    def scalars(self, at, phase, values):
        original(self, at, phase, values)
        if at >= step:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.Records, "scalars", scalars)


def test_training_learns_and_records_what_it_did(tiny_npz, tmp_path):
    model, outcome = run(tiny_config(tiny_npz, steps=150), tmp_path / "run")
    assert (outcome.step, outcome.signal, outcome.skipped, outcome.exit_code) == (150, None, 0, 0)
    lines = read_metrics(tmp_path / "run")
    assert [line["step"] for line in lines] == list(range(10, 151, 10))
    assert lines[-1]["total"] < 0.6 * lines[0]["total"]
    assert {"total", "reconstruction", "classification", "cross_covariance", "examples_per_second"} <= set(lines[0])
    images = experiment.read_images(tiny_config(tiny_npz), "test")["test"]
    assert np.mean(model.classify(images.pixels / np.float32(255))["label"] == images.labels) > 0.9


def test_the_logged_loss_is_the_mean_over_the_window(tiny_npz, tmp_path):
    run(tiny_config(tiny_npz, steps=10, log_every=1), tmp_path / "each")
    run(tiny_config(tiny_npz, steps=10, log_every=10), tmp_path / "window")
    each = [line["total"] for line in read_metrics(tmp_path / "each")]
    assert read_metrics(tmp_path / "window")[0]["total"] == pytest.approx(np.mean(each), rel=1e-5)


@pytest.mark.parametrize("strategy", ["one", "mirrored"])
@pytest.mark.thorough
def test_a_run_taken_up_again_ends_in_the_same_bits(tiny_npz, tmp_path, monkeypatch, strategy):
    config = tiny_config(tiny_npz, steps=30, checkpoint_every=7, ema_decay=0.9)
    unbroken, _ = run(config, tmp_path / "unbroken", strategy)
    with monkeypatch.context() as patch:
        _stopping_after(20, patch)
        with pytest.raises(KeyboardInterrupt):
            run(config, tmp_path / "broken", strategy)
    assert checkpoints.latest(tmp_path / "broken" / "checkpoints").endswith("ckpt-14")
    resumed, outcome = run(config, tmp_path / "broken", strategy)
    assert outcome.step == 30
    assert weights_digest(resumed) == weights_digest(unbroken)
    averages = [experiment.load(tmp_path / name)[1] for name in ("unbroken", "broken")]
    assert weights_digest(averages[0]) == weights_digest(averages[1]) != weights_digest(unbroken)
    # Steps 15 to 20 were done twice and stand in the record once.
    assert [line["step"] for line in read_metrics(tmp_path / "broken")] == [10, 20, 30]


def test_steps_per_call_change_nothing(tiny_npz, tmp_path):
    digests = set()
    for count in (1, 4, 50):
        model, _ = run(tiny_config(tiny_npz, steps_per_call=count), tmp_path / str(count))
        digests.add(weights_digest(model))
    assert len(digests) == 1


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("adadelta", marks=pytest.mark.thorough), "Nadam"])
def test_two_replicas_take_the_steps_of_one_device(tiny_npz, tmp_path, optimizer):
    weights = []
    for strategy in ("one", "mirrored"):
        config = tiny_config(tiny_npz, steps=20)
        config.optimizer.name = optimizer
        model, _ = run(config, tmp_path / strategy, strategy)
        weights.append(model.get_weights())
        lines = read_metrics(tmp_path / strategy)
        weights[-1].append(np.array([line["total"] for line in lines]))
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_calls_of_slow_models_are_cut_short_so_that_signals_are_answered(tiny_npz, tmp_path, monkeypatch):
    counts, original = [], loop.Runner.call

    def slow(self, iterator, count):
        counts.append(count)
        time.sleep(0.05 * count)
        return original(self, iterator, count)

    monkeypatch.setattr(loop.Runner, "call", slow)
    monkeypatch.setattr(loop, "_CALL_SECONDS", 0.1)
    run(tiny_config(tiny_npz, steps=20, steps_per_call=10), tmp_path / "run")
    assert counts[0] == 10 and max(counts[1:]) <= 2 and sum(counts) == 20


def test_a_finished_run_is_left_as_it_is(tiny_npz, tmp_path):
    config = tiny_config(tiny_npz)
    first, _ = run(config, tmp_path / "run")
    again, outcome = run(config, tmp_path / "run")
    assert weights_digest(first) == weights_digest(again) and outcome.step == 30


def test_a_run_can_be_prolonged(tiny_npz, tmp_path):
    run(tiny_config(tiny_npz, steps=30), tmp_path / "run")
    longer, _ = run(tiny_config(tiny_npz, steps=50), tmp_path / "run")
    whole, _ = run(tiny_config(tiny_npz, steps=50), tmp_path / "whole")
    assert weights_digest(longer) == weights_digest(whole)


def test_the_moving_average_is_the_weighted_sum_of_the_weights(tiny_npz, tmp_path):
    decay, history = 0.5, []
    for steps in (1, 2, 3):
        model, _ = run(tiny_config(tiny_npz, steps=steps), tmp_path / str(steps))
        history.append(model.trainable_variables[0].numpy())
    config = tiny_config(tiny_npz, steps=3, ema_decay=decay)
    images = experiment.read_images(config, "train")["train"]
    fresh, _ = experiment.model_and_phases(config, images, strategies.make_strategy("one"))
    average = fresh.trainable_variables[0].numpy()
    for weights in history:
        average = decay * average + (1 - decay) * weights
    model, _ = run(config, tmp_path / "average")
    np.testing.assert_array_equal(model.trainable_variables[0].numpy(), history[-1])
    averaged = experiment.load(tmp_path / "average")[1].trainable_variables[0].numpy()
    np.testing.assert_allclose(averaged, average, atol=1e-6)


def test_xla_gives_the_same_training(tiny_npz, tmp_path):
    plain, _ = run(tiny_config(tiny_npz), tmp_path / "plain")
    compiled, _ = run(tiny_config(tiny_npz, jit=True), tmp_path / "compiled")
    for one, other in zip(plain.get_weights(), compiled.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def _poisoned(config, workdir, bad_steps, strategy="one", optimizer="adam", factor=np.nan):
    """Trains with losses that are multiplied at the given steps, by NaN if nothing is said."""
    chosen = strategies.make_strategy(strategy)
    images = experiment.read_images(config, "train")["train"]
    model, phases = experiment.model_and_phases(config, images, chosen)
    original = phases[0].losses

    def losses(batch, noise, training):
        bad = tf.reduce_any(tf.equal(noise.step, tf.constant(bad_steps, tf.int64)))
        return {name: value * tf.where(bad, factor, 1.0) for name, value in original(batch, noise, training).items()}

    phase = dataclasses.replace(phases[0], losses=losses, optimizer={"name": optimizer})
    workdir.mkdir(exist_ok=True)
    return model, lambda: loop.train(loop.Context(model, experiment.loop_settings(config), chosen, workdir), [phase])


@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_a_loss_that_is_not_finite_stops_before_it_is_applied(tiny_npz, tmp_path, strategy):
    config = tiny_config(tiny_npz, checkpoint_every=10)
    model, start = _poisoned(config, tmp_path / "run", [13], strategy)
    with pytest.raises(NonFiniteError, match=r"step 14: loss or gradient is not finite \(total=nan"):
        start()
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    assert checkpoints.latest(tmp_path / "run" / "checkpoints").endswith("ckpt-10")
    good, _ = run(tiny_config(tiny_npz, steps=13), tmp_path / "good", strategy)
    # All steps before the bad one were applied and nothing of it. (The measured prior is not trained.)
    for one, other in zip(model.trainable_variables, good.trainable_variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("optimizer", ["adam", "Nadam"])
def test_bad_steps_can_be_skipped_up_to_a_limit(tiny_npz, tmp_path, optimizer):
    config = tiny_config(tiny_npz, on_nonfinite="skip", max_skipped=2)
    model, start = _poisoned(config, tmp_path / "few", [3, 4, 20], optimizer=optimizer)
    assert start().skipped == 3
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    _, start = _poisoned(config, tmp_path / "many", [3, 4, 5], optimizer=optimizer)
    with pytest.raises(NonFiniteError):
        start()


@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_gradients_whose_squares_overflow_are_finite_all_the_same(tiny_npz, tmp_path, strategy):
    # Synaptic intelligence at the paper's strength makes such: 1e21 is finite, the sum of squares is not.
    model, start = _poisoned(tiny_config(tiny_npz), tmp_path / "run", [13], strategy, "Lion", factor=1e21)
    assert start().step == 30
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    _, start = _poisoned(tiny_config(tiny_npz), tmp_path / "infinite", [13], strategy, "Lion", factor=np.inf)
    with pytest.raises(NonFiniteError, match="step 14"):
        start()


def test_a_checkpoint_that_cannot_be_written_is_survived_but_not_at_the_end(tiny_npz, tmp_path, monkeypatch):
    original = checkpoints.Checkpoints.save

    def full_until(step):
        def save(self, at):
            if at < step:
                raise StorageError("disk full")
            return original(self, at)

        return save

    monkeypatch.setattr(checkpoints.Checkpoints, "save", full_until(25))
    _, outcome = run(tiny_config(tiny_npz, checkpoint_every=10), tmp_path / "run")
    assert outcome.step == 30
    monkeypatch.setattr(checkpoints.Checkpoints, "save", full_until(99))
    with pytest.raises(StorageError, match="disk full"):
        run(tiny_config(tiny_npz), tmp_path / "other")


def _two_phases(config, workdir, log=None):
    strategy = strategies.make_strategy("one")
    images = experiment.read_images(config, "train")["train"]
    model, (phase,) = experiment.model_and_phases(config, images, strategy)
    phases = [
        dataclasses.replace(phase, name="first", steps=12, optimizer={"name": "adam"}),
        dataclasses.replace(
            phase, name="second", steps=18, optimizer={"name": "adadelta"}, variables=model.variables[:2]
        ),
    ]
    return model, lambda: loop.train(loop.Context(model, experiment.loop_settings(config), strategy, workdir), phases)


@pytest.mark.parametrize("stop_at", [12, *(pytest.param(step, marks=pytest.mark.thorough) for step in (8, 20))])
def test_phases_run_in_order_and_resume_in_the_middle_of_any(tiny_npz, tmp_path, monkeypatch, stop_at):
    config = tiny_config(tiny_npz, checkpoint_every=4, log_every=4)
    for name in ("unbroken", "broken"):
        (tmp_path / name).mkdir()
    unbroken, start = _two_phases(config, tmp_path / "unbroken")
    assert start().step == 30
    with monkeypatch.context() as patch:
        _stopping_after(stop_at, patch)
        _, start = _two_phases(config, tmp_path / "broken")
        with pytest.raises(KeyboardInterrupt):
            start()
    resumed, start = _two_phases(config, tmp_path / "broken")
    assert start().step == 30
    assert weights_digest(resumed) == weights_digest(unbroken)
    phases = [line["phase"] for line in read_metrics(tmp_path / "broken")]
    assert phases == ["first"] * 3 + ["second"] * 5


def _chained(config, workdir, optimizer: str, *, continues: bool, restarts: bool, lengths=(10, 10, 10)):
    """Phases of one objective, one after another, with a rate that falls along a cosine."""
    strategy = strategies.make_strategy("one")
    images = experiment.read_images(config, "train")["train"]
    model, (phase,) = experiment.model_and_phases(config, images, strategy)
    schedule = {"name": "cosine", "rate": 0.05, "restarts": restarts}
    phases = [
        dataclasses.replace(phase, name=str(k), steps=steps, optimizer={"name": optimizer}, schedule=schedule,
                            continues=continues and k > 0)
        for k, steps in enumerate(lengths)
    ]  # fmt: skip
    workdir.mkdir()
    loop.train(loop.Context(model, experiment.loop_settings(config), strategy, workdir), phases)
    return model


def test_a_schedule_that_restarts_is_that_of_each_phase_alone(tiny_npz, tmp_path):
    # SGD has no memory, so continued phases differ from separate ones in the schedule alone.
    config = tiny_config(tiny_npz)
    separate = _chained(config, tmp_path / "a", "sgd", continues=False, restarts=False)
    restarted = _chained(config, tmp_path / "b", "sgd", continues=True, restarts=True)
    running = _chained(config, tmp_path / "c", "sgd", continues=True, restarts=False)
    assert weights_digest(separate) == weights_digest(restarted) != weights_digest(running)


def test_phases_that_continue_are_one_run_of_the_optimizer_and_the_schedule(tiny_npz, tmp_path, monkeypatch):
    config = tiny_config(tiny_npz)
    # The streams of later phases start anew; here every phase sees the same few batches over and over.
    monkeypatch.setattr(loop.Runner, "iterator", lambda self, first: iter(_same_batch(self.phase)))
    whole = _chained(config, tmp_path / "a", "adam", continues=False, restarts=False, lengths=(30,))
    chained = _chained(config, tmp_path / "b", "adam", continues=True, restarts=False)
    broken = _chained(config, tmp_path / "c", "adam", continues=False, restarts=False)
    assert weights_digest(whole) == weights_digest(chained) != weights_digest(broken)


def _same_batch(phase):
    return phase.stream(0, None).take(1).cache().repeat()


def test_evaluation_and_pictures_come_at_their_cadence_with_averaged_weights(tiny_npz, tmp_path):
    config = tiny_config(tiny_npz, evaluate_every=15, picture_every=10, ema_decay=0.9)
    seen = []
    run(
        config,
        tmp_path / "run",
        evaluate=lambda: seen.append("numbers") or {"validation_score": 0.5},
        pictures=lambda: seen.append("pictures") or {"grid": np.zeros([4, 4, 1], np.uint8)},
    )
    assert seen == ["pictures", "numbers", "pictures", "numbers", "pictures"]
    scored = [line["step"] for line in read_metrics(tmp_path / "run") if "validation_score" in line]
    assert scored == [15, 30]
    events = list((tmp_path / "run" / "events").glob("events*"))
    tags = {value.tag for event in tf.compat.v1.train.summary_iterator(str(events[0])) for value in event.summary.value}
    assert {"xcov/total", "xcov/validation_score", "xcov/grid"} <= tags


def test_a_torn_last_line_of_the_record_is_passed_over(tiny_npz, tmp_path):
    run(tiny_config(tiny_npz), tmp_path / "run")
    with (tmp_path / "run" / "metrics.jsonl").open("a") as stream:
        stream.write(json.dumps({"step": 40})[:-3])
    assert [line["step"] for line in read_metrics(tmp_path / "run")] == [10, 20, 30]


@pytest.mark.parametrize(("terminal", "notebook"), [(False, False), (True, False), (False, True)])
def test_progress_is_a_bar_where_one_can_be_shown_and_lines_elsewhere(monkeypatch, terminal, notebook):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(records.sys, "stderr", stream)
    moved = []

    class Bar(tqdm.std.tqdm):
        def update(self, n=1):
            moved.append(n)

    if notebook:  # As tqdm.auto decides inside a kernel with widgets.
        monkeypatch.setattr(progress_file, "tqdm_notebook", Bar)
        monkeypatch.setattr(progress_file, "tqdm", Bar)
    monkeypatch.setattr(records, "tqdm", Bar)
    progress = records.Progress("learning", total=20, done=10, batch_size=5)
    progress.update(10, 0.25)
    progress.close()
    said = "learning: step 20/20, loss 0.2500" in stream.getvalue()
    assert (moved == [10], said) == (terminal or notebook, not terminal and not notebook)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"on_nonfinite": "ignore"}, "on_nonfinite is 'ignore'"),
        ({"steps_per_call": 0}, "steps_per_call is 0"),
        ({"ema_decay": 1.0}, "ema_decay is 1"),
        ({"epochs": 2.0}, "train.steps is 30 and train.epochs is 2.0; set one of them"),
        ({"steps": 0}, "train.steps is 0 and train.epochs is 0.0; set one of them"),
        ({"batch_size": 0}, "train.batch_size is 0"),
        ({"batch_size": 61}, "batch_size is 61, but .* holds only 60"),
    ],
)
def test_settings_that_cannot_run_are_named(tiny_npz, tmp_path, train, message):
    with pytest.raises(UserError, match=message):
        run(tiny_config(tiny_npz, **train), tmp_path / "run")


def test_xla_over_replicas_and_uneven_batches_are_refused(tiny_npz, tmp_path):
    with pytest.raises(UserError, match="train.jit is True, but works on one replica only"):
        run(tiny_config(tiny_npz, jit=True), tmp_path / "a", "mirrored")
    with pytest.raises(UserError, match=r"batch_size is 15; expected a positive multiple of 2 replica"):
        run(tiny_config(tiny_npz, batch_size=15), tmp_path / "b", "mirrored")
