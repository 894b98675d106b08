import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from reverie.errors import StorageError, UserError
from reverie.training import checkpoints, run_folder, strategies

from .. import experiment
from ..conftest import run, tiny_config


def test_a_folder_of_another_config_is_refused_naming_the_difference(tiny_npz, tmp_path):
    run(tiny_config(tiny_npz), tmp_path)
    run_folder.open_run(tmp_path, tiny_config(tiny_npz, log_every=3, steps=99))
    with pytest.raises(UserError, match=r"other settings \(train.batch_size: 10 -> 20\)"):
        run_folder.open_run(tmp_path, tiny_config(tiny_npz, batch_size=20))


def test_a_start_that_failed_before_its_first_checkpoint_can_be_mended(tiny_npz, tmp_path):
    run_folder.open_run(tmp_path, tiny_config("mistyped.npz"))
    run_folder.open_run(tmp_path, tiny_config(tiny_npz))
    assert run_folder.load_config(tmp_path).data.source == tiny_npz


def test_a_run_taken_up_again_keeps_count_of_its_past(tiny_npz, tmp_path, caplog):
    strategy = strategies.make_strategy("one")
    first = run_folder.describe(tmp_path, "train", True, strategy)
    run_folder.write_json(tmp_path / "run.json", run_folder.finished(first, {"seconds": 5.0}))
    run(tiny_config(tiny_npz), tmp_path)
    second = run_folder.describe(tmp_path, "train", False, strategy)
    assert second["resumed"] == 1 and second["started"] == first["started"]
    assert "deterministic was True and is False now" in caplog.text
    assert run_folder.finished(second, {"seconds": 2.0})["seconds"] == 7.0


def test_a_folder_that_cannot_be_written_is_named(tiny_npz, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"workdir .*file/run cannot be written"):
        run_folder.open_run(tmp_path / "file" / "run", tiny_config(tiny_npz))


def test_a_model_comes_back_from_its_folder_without_pickle_or_load_model(tiny_npz, tmp_path):
    model, _ = run(tiny_config(tiny_npz), tmp_path)
    config, loaded, step = experiment.load(tmp_path)
    assert step == 30 and config.model.family == "xcov"
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_folders_without_a_run_or_a_checkpoint_say_so(tiny_npz, tmp_path):
    with pytest.raises(UserError, match="no run there"):
        experiment.load(tmp_path)
    run_folder.open_run(tmp_path, tiny_config(tiny_npz))
    with pytest.raises(UserError, match="no checkpoint there; train first"):
        experiment.load(tmp_path)


def test_a_checkpoint_of_another_model_is_refused(tiny_npz, tmp_path):
    run(tiny_config(tiny_npz), tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    content["model"]["encoder"] = [17]
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="does not fit this config"):
        experiment.load(tmp_path)


def test_json_is_written_whole_or_not_at_all(tmp_path):
    run_folder.write_json(tmp_path / "a.json", {"x": 1})
    (tmp_path / "b").mkdir()
    with pytest.raises(StorageError, match="could not be written"):
        run_folder.write_json(tmp_path / "b" / "c" / "a.json", {})
    assert run_folder.read_json(tmp_path / "a.json") == {"x": 1}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.json", "b"]


_FULL_DISK = """
import resource, signal, sys
import numpy as np, tensorflow as tf
from reverie.errors import StorageError
from reverie.training.checkpoints import Checkpoints, latest
folder = sys.argv[1]
value = tf.Variable(np.zeros(300_000, np.float32))
checkpoints = Checkpoints(folder, 3, value=value)
checkpoints.save(1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
value.assign_add(tf.ones_like(value))
try:
    checkpoints.save(2)
except StorageError as error:
    print("refused:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print("latest:", latest(folder))
value.assign(7.0 * tf.ones_like(value))
checkpoints.restore()
print("restored:", float(value[0]))
checkpoints.save(3)
print("then:", latest(folder))
"""


def test_a_full_disk_while_saving_leaves_the_last_good_checkpoint(tmp_path):
    # A limit on the size of files stands in for the disk: the write fails half-way in the same place.
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    lines = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    assert "step 2 could not be written" in lines["refused"] and "(File too large)" in lines["refused"]
    assert lines["refused"].endswith("the last good one is " + lines["latest"])
    assert lines["latest"].endswith("ckpt-1") and lines["restored"] == "0.0"
    assert lines["then"].endswith("ckpt-3")
    assert not list(tmp_path.glob("ckpt-2*"))


def test_older_checkpoints_make_room_on_a_full_disk(tmp_path, monkeypatch):
    value = tf.Variable([1.0])
    store = checkpoints.Checkpoints(tmp_path, 5, value=value)
    for step in (1, 2, 3):
        store.save(step)
    original = tf.train.Checkpoint.write

    def full_while_many(self, path):
        if len(list(tmp_path.glob("*.index"))) > 1:
            pathlib.Path(f"{path}_temp").mkdir()
            raise tf.errors.ResourceExhaustedError(None, None, "path; No space left on device [Op:SaveV2]")
        return original(self, path)

    monkeypatch.setattr(tf.train.Checkpoint, "write", full_while_many)
    value.assign([4.0])
    store.save(4)
    assert sorted(path.name for path in tmp_path.glob("*.index")) == ["ckpt-3.index", "ckpt-4.index"]
    assert not list(tmp_path.glob("*_temp"))
    fresh = tf.Variable([0.0])
    assert checkpoints.Checkpoints(tmp_path, 5, value=fresh).restore().endswith("ckpt-4")
    assert float(fresh[0]) == 4.0


def test_strategies_by_name():
    assert strategies.make_strategy("auto").num_replicas_in_sync == 1
    assert strategies.make_strategy("mirrored").num_replicas_in_sync == 2
    with pytest.raises(UserError, match="strategy is 'tpu'"):
        strategies.make_strategy("tpu")
    with pytest.raises(UserError, match="one replica, not 2"):
        strategies.make_strategy("one", 2)
    with pytest.raises(UserError, match="already started with fewer"):
        strategies.make_strategy("mirrored", 5)


def test_weights_that_a_checkpoint_would_leave_out_are_found_before_training(tmp_path):
    class Forgetful(keras.Model):
        def __init__(self):
            super().__init__()
            self.heads = {"a": keras.layers.Dense(2)}
            self.heads["a"].build((None, 3))
            self.built = True

    with pytest.raises(RuntimeError, match=r"would not hold these weights of 'model': \['dense.*kernel"):
        checkpoints.Checkpoints(tmp_path, 1, model=Forgetful())


def test_weights_of_equal_runs_have_equal_digests(trained_run):
    digests = {checkpoints.weights_digest(experiment.load(trained_run)[1]) for _ in range(2)}
    assert len(digests) == 1


@pytest.mark.parametrize("name", ["run[1]", "a*b?", "run, old", "run:1", "läuft", "a\nb"])
def test_a_run_resumes_in_a_folder_of_any_name(tiny_npz, tmp_path, name):
    folder = tmp_path / name
    run(tiny_config(tiny_npz, steps=2), folder)
    _, outcome = run(tiny_config(tiny_npz, steps=4, keep_checkpoints=1), folder)
    assert (outcome.step, [path.name for path in (folder / "checkpoints").iterdir() if path.suffix == ".index"]) == (
        4,
        ["ckpt-4.index"],
    )
