"""A cut of power at any moment of training: no more is lost than what came after the last checkpoint."""

import random

import numpy as np
import pytest
import reverie
import tensorflow as tf
from reverie.errors import StorageError
from reverie.training import checkpoints

from .. import experiment
from ..conftest import tiny_config, write_tiny_npz
from ..power_cut import Disk, PowerCut

CUTS = 50


def _cut(folder, target, monkeypatch, cut_at: int) -> tuple[int, bool]:
    """Saves checkpoints of steps 1 to 6 until the power goes: (the last whose `save` came back, whether it went)."""
    value, step = tf.Variable(np.zeros(1000, np.float32)), tf.Variable(0, dtype=tf.int64)
    store = checkpoints.Checkpoints(folder, 2, value=value, step=step)
    disk, done = Disk(folder, target, cut_at, random.Random(cut_at)), 0
    with monkeypatch.context() as patch:
        disk.watch(patch)
        try:
            for number in range(1, 7):
                value.assign(np.full(1000, number, np.float32))
                step.assign(number)
                store.save(number)
                done = number
        except PowerCut:
            return done, True
        finally:
            disk.close()
    return done, False


@pytest.mark.fault(
    "power cut at any moment (50 of a simulated disk)", "the last checkpoint that was finished", "nothing", 0
)
def test_after_a_cut_the_last_finished_checkpoint_or_a_newer_one_is_whole(tmp_path, monkeypatch):
    operations = 0
    for cut_at in range(CUTS):
        folder, target = tmp_path / f"{cut_at}", tmp_path / f"{cut_at}-after"
        folder.mkdir()
        done, went = _cut(folder, target, monkeypatch, cut_at)
        if not went:
            break
        operations += 1
        if done == 0 and checkpoints.latest(target) is None:
            continue
        value, step = tf.Variable(np.zeros(1000, np.float32)), tf.Variable(0, dtype=tf.int64)
        checkpoints.Checkpoints(target, 2, value=value, step=step).restore()
        assert done <= int(step) <= done + 1
        np.testing.assert_array_equal(value.numpy(), np.full(1000, int(step), np.float32))
    assert operations == CUTS  # All of them were moments in which something was written.


def test_without_flushing_the_same_disk_loses_checkpoints(tmp_path, monkeypatch):
    """The simulated disk is one that can fail: with nothing flushed, what it keeps is torn."""
    monkeypatch.setattr(checkpoints, "flush", lambda path: None)
    lost = 0
    for cut_at in range(6, 30):
        folder, target = tmp_path / f"{cut_at}", tmp_path / f"{cut_at}-after"
        folder.mkdir()
        done, went = _cut(folder, target, monkeypatch, cut_at)
        try:
            newest = checkpoints.saved_step(target) if went else done
        except (StorageError, reverie.UserError):
            newest = 0
        lost += newest < done
    assert lost


@pytest.mark.parametrize("cut_at", [33, *(pytest.param(number, marks=pytest.mark.thorough) for number in (12, 50))])
def test_a_run_goes_on_after_a_cut_to_the_bits_of_an_unbroken_one(tmp_path, monkeypatch, cut_at):
    config = tiny_config(write_tiny_npz(tmp_path / "tiny.npz"), steps=30, checkpoint_every=5, log_every=5)
    whole = reverie.train(config, tmp_path / "whole", overrides={"train.evaluate_every": 0})
    (tmp_path / "run").mkdir()
    disk = Disk(tmp_path / "run", tmp_path / "after", cut_at, random.Random(cut_at))
    with monkeypatch.context() as patch:
        disk.watch(patch)
        with pytest.raises(PowerCut):
            reverie.train(config, tmp_path / "run")
    disk.close()
    resumed = reverie.train(config, tmp_path / "after")
    assert resumed.outcome.step == 30
    assert checkpoints.weights_digest(resumed.model) == checkpoints.weights_digest(whole.model)
    assert experiment.load(tmp_path / "after")[2] == 30
