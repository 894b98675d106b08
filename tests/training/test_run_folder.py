import gc
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import reverie
import tensorflow as tf
from reverie import cli, models
from reverie.errors import NonFiniteError, StorageError, UserError
from reverie.stored import read_object
from reverie.training import checkpoints, loop, records, run_folder, signals, strategies, transfer

from .. import experiment
from ..conftest import run, tiny_config, write_tiny_npz


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
    run(tiny_config(tiny_npz, steps=2), tmp_path)
    first = run_folder.describe(tmp_path / "new", "train", True, strategy)
    run_folder.write_json(tmp_path / "run.json", run_folder.finished(first, {"seconds": 5.0}))
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
    assert read_object(tmp_path / "a.json") == {"x": 1}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.json", "b"]


_FULL_DISK = """
import resource, signal, sys
import numpy as np, tensorflow as tf
from reverie import cli
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


@pytest.mark.fault(
    "disk full while a checkpoint is written",
    "the last good checkpoint",
    "an error while training goes on; the last one of a run ends it",
    5,
)
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
    assert "deprecated" not in result.stderr  # Nor does TensorFlow say of any save how old its ways are.


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
    with pytest.raises(UserError, match="strategy is 'pods'"):
        strategies.make_strategy("pods")
    with pytest.raises(UserError, match="one replica, not 2"):
        strategies.make_strategy("one", 2)
    with pytest.raises(UserError, match="already started with fewer"):
        strategies.make_strategy("mirrored", 5)
    with pytest.raises(UserError, match="strategy 'tpu' found no TPU; it needs a TPU machine"):
        strategies.make_strategy("tpu")
    with pytest.raises(UserError, match="strategy 'multi_worker' needs TF_CONFIG in the environment of every worker"):
        strategies.make_strategy("multi_worker")
    with pytest.raises(UserError, match="replicas is 2, but strategy 'multi_worker' takes what its cluster has"):
        strategies.make_strategy("multi_worker", 2)


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


NAMES = ["run[1]", "a\nb"]
MORE_NAMES = [pytest.param(name, marks=pytest.mark.thorough) for name in ("a*b?", "run, old", "run:1", "läuft")]


@pytest.mark.parametrize("name", NAMES + MORE_NAMES)
def test_a_run_resumes_in_a_folder_of_any_name(tiny_npz, tmp_path, name):
    folder = tmp_path / name
    run(tiny_config(tiny_npz, steps=2), folder)
    _, outcome = run(tiny_config(tiny_npz, steps=4, keep_checkpoints=1), folder)
    assert (outcome.step, [path.name for path in (folder / "checkpoints").iterdir() if path.suffix == ".index"]) == (
        4,
        ["ckpt-4.index"],
    )


# ---- damage


@pytest.fixture(scope="module")
def twice_saved(tmp_path_factory):
    """A run with checkpoints of steps 15 and 30, as the command line leaves it; to be copied."""
    folder = tmp_path_factory.mktemp("twice")
    config = tiny_config(write_tiny_npz(folder / "tiny.npz"), checkpoint_every=15)
    reverie.train(config, folder / "run")
    return folder / "run"


@pytest.fixture
def copied(twice_saved, tmp_path):
    shutil.copytree(twice_saved, tmp_path / "run")
    return tmp_path / "run"


def _again(folder, **changed):
    """Trains in a folder with the settings that it was trained with."""
    config = run_folder.load_config(folder)
    config.train.update(changed)
    return reverie.train(config, folder)


def _files(folder) -> dict:
    return {path: path.read_bytes() for path in (folder / "checkpoints").iterdir()}


def _cut(path, share) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


@pytest.mark.fault(
    "newest checkpoint cut short: data or index",
    "everything; its files go to checkpoints/damaged once training goes on",
    "a warning that names it and the one before, which is taken",
    0,
)
@pytest.mark.parametrize("share", [0.4, *(pytest.param(share, marks=pytest.mark.thorough) for share in (0.0, 0.99))])
@pytest.mark.parametrize("name", ["ckpt-30.index", "ckpt-30.data-00000-of-00001"])
def test_of_a_checkpoint_cut_short_the_one_before_is_taken_and_nothing_is_lost(copied, caplog, name, share):
    _cut(copied / "checkpoints" / name, share)
    before = _files(copied)
    assert experiment.load(copied)[2] == 15
    model = models.build(run_folder.load_config(copied).model, 0)
    transfer.take(str(copied), "transfer.pretrained", model, "this network")
    assert _files(copied) == before
    assert len([said for said in caplog.messages if "ckpt-30 cannot be used" in said and "by ckpt-15" in said]) == 1
    resumed = _again(copied, steps=25)
    assert resumed.outcome.step == 25
    aside = copied / "checkpoints" / "damaged"
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == {
        path.name: content for path, content in before.items() if path.name.startswith("ckpt-30.")
    }
    assert _again(copied, steps=30).outcome.step == 30
    assert not list(aside.iterdir())  # What had been lost was made again.


def test_a_run_resumed_from_the_checkpoint_before_a_damaged_one_ends_in_the_same_bits(copied):
    unbroken = weights_digest_of(copied)
    _cut(copied / "checkpoints" / "ckpt-30.data-00000-of-00001", 0.5)
    _again(copied)
    assert weights_digest_of(copied) == unbroken


def weights_digest_of(folder) -> str:
    return checkpoints.weights_digest(experiment.load(folder)[1])


@pytest.mark.fault(
    "a flipped bit in the newest checkpoint",
    "everything",
    "the same; checksums of every value are read",
    0,
)
def test_a_flipped_bit_in_a_checkpoint_is_seen(copied, caplog):
    path = copied / "checkpoints" / "ckpt-30.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    reader = tf.train.load_checkpoint(str(copied / "checkpoints" / "ckpt-30"))
    # Where a kernel lies: its bytes are found in the file.
    name = next(name for name in reader.get_variable_to_shape_map() if name.startswith("model/") and "kernel" in name)
    content[content.index(reader.get_tensor(name).tobytes())] ^= 1
    path.write_bytes(content)
    assert experiment.load(copied)[2] == 15
    assert any("hecksum" in said and "by ckpt-15" in said for said in caplog.messages)


@pytest.mark.fault(
    "the only checkpoint damaged",
    "everything",
    "one line that names it",
    2,
)
def test_the_only_checkpoint_damaged_says_to_restore_it(copied):
    for path in (copied / "checkpoints").glob("ckpt-15.*"):
        path.unlink()
    _cut(copied / "checkpoints" / "ckpt-30.index", 0.5)
    with pytest.raises(UserError, match=r"ckpt-30 is damaged .*; restore its files, or use a new --workdir"):
        _again(copied)


@pytest.mark.fault(
    "weights that overflowed",
    "the last good checkpoint",
    "one line that names the variable; a lower rate and the same command go on",
    3,
)
def test_weights_that_are_not_finite_are_never_saved_and_a_lower_rate_goes_on(copied):
    config = run_folder.load_config(copied)
    config.train.update({"steps": 45, "evaluate_every": 33, "checkpoint_every": 36, "on_nonfinite": "skip"})
    config.train.max_skipped = 100
    broken = []

    def overflow():
        """What an update with too high a rate does, where its gradient was finite."""
        model = next(item for item in gc.get_objects() if isinstance(item, models.XCov) and item not in before)
        broken.append(model.trainable_variables[0].assign(model.trainable_variables[0] * np.inf))
        return {}

    before = [item for item in gc.get_objects() if isinstance(item, models.XCov)]
    with pytest.raises(NonFiniteError, match=r"step 36: .* holds values that are not finite; nothing was saved, "):
        run(config, copied, evaluate=overflow)
    assert broken and checkpoints.latest(copied / "checkpoints").endswith("ckpt-30")
    lower = reverie.train(config, copied, overrides={"schedule.rate": 1e-4})
    assert lower.outcome.step == 45
    assert json.loads((copied / "run.json").read_text())["changed"] == [
        {"step": 30, "schedule.rate": [3e-3, 1e-4]},
    ]


@pytest.mark.fault(
    "a folder with a run.json or config.json of something else",
    "everything",
    "one line",
    2,
)
def test_files_that_are_of_no_run_are_never_written_over(tiny_npz, tmp_path):
    (tmp_path / "run.json").write_text('{"mine": 1}')
    with pytest.raises(UserError, match=r"holds run.json but no config.json, so it is no run of this package"):
        reverie.train(tiny_config(tiny_npz), tmp_path)
    (tmp_path / "config.json").write_text('{"theirs": 1}')
    with pytest.raises(UserError, match=r"config.json is damaged: it lacks seed and model"):
        reverie.train(tiny_config(tiny_npz), tmp_path)
    assert (tmp_path / "run.json").read_text() == '{"mine": 1}'
    assert (tmp_path / "config.json").read_text() == '{"theirs": 1}'


@pytest.mark.fault(
    "evaluate or export beside a trainer that keeps one checkpoint",
    "everything",
    "nothing: the next one is read",
    0,
)
def test_an_evaluation_beside_training_reads_a_checkpoint_that_is_whole(copied, monkeypatch):
    """Between finding the newest and reading it, training may have removed it."""
    original, taken = tf.train.Checkpoint.restore, []

    def restore(self, path, *arguments, **options):
        if not taken:
            taken.append(path)
            for file in (copied / "checkpoints").glob("ckpt-30.*"):
                file.rename(file.with_name(file.name.replace("ckpt-30", "ckpt-31")))
        return original(self, path, *arguments, **options)

    monkeypatch.setattr(tf.train.Checkpoint, "restore", restore)
    assert experiment.load(copied)[2] == 30 and taken


@pytest.mark.fault(
    "the run folder removed while its run is trained",
    "nothing was left to keep; the folder is not made again",
    "one line",
    5,
)
def test_a_run_whose_folder_was_removed_ends_and_does_not_make_it_again(tiny_npz, tmp_path, monkeypatch):
    run = tmp_path / "run"

    def gone(session, step):
        shutil.rmtree(run, ignore_errors=True)

    monkeypatch.setattr(checkpoints.Checkpoints, "check_finite", gone)
    with pytest.raises(StorageError, match="run is gone, removed while this run wrote to it; nothing of step 10 was"):
        reverie.train(tiny_config(tiny_npz, checkpoint_every=10), run)
    assert not run.exists()


@pytest.mark.fault(
    "killed while the first checkpoint is written",
    "nothing had been finished: training starts again; the torn files go to checkpoints/damaged",
    "a warning",
    0,
)
def test_a_first_checkpoint_that_was_never_finished_is_no_damage(tiny_npz, copied, tmp_path):
    unbroken = weights_digest_of(copied)
    killed = tmp_path / "killed"
    (killed / "checkpoints" / "ckpt-15_temp").mkdir(parents=True)
    shutil.copy(copied / "config.json", killed)
    for name in ("ckpt-15.data-00000-of-00001", "ckpt-15.index"):
        shutil.copy(copied / "checkpoints" / name, killed / "checkpoints")
    _cut(killed / "checkpoints" / "ckpt-15.index", 0.6)
    assert checkpoints.latest(killed / "checkpoints") is None
    assert _again(killed).outcome.step == 30
    assert weights_digest_of(killed) == unbroken
    assert not list((killed / "checkpoints").glob("*_temp"))


@pytest.mark.fault(
    "all checkpoints of a run gone",
    "its record",
    "one line with the step that it had reached",
    2,
)
@pytest.mark.parametrize("lost", ["*", "*.index", "*.data-*"])
def test_a_run_whose_checkpoints_are_gone_is_not_started_from_nothing(copied, lost):
    for path in (copied / "checkpoints").glob(lost):
        path.unlink()
    if lost == "*":
        (copied / "checkpoints").rmdir()
    before = (copied / "metrics.jsonl").read_bytes()
    with pytest.raises(UserError, match=r"was trained to step 30, but holds no checkpoint; restore checkpoints/"):
        _again(copied, steps=60)
    assert (copied / "metrics.jsonl").read_bytes() == before


def test_a_resumed_run_that_was_killed_is_still_known_to_have_had_checkpoints(copied):
    strategy = strategies.make_strategy("one")
    run_folder.write_json(copied / "run.json", run_folder.describe(copied, "train", False, strategy))
    shutil.rmtree(copied / "checkpoints")
    with pytest.raises(UserError, match="was trained to step 30"):
        _again(copied)


@pytest.mark.fault(
    "index or data of the newest checkpoint missing",
    "everything",
    "a warning that names it and the one before, which is taken",
    0,
)
@pytest.mark.parametrize("lost", ["ckpt-30.index", "ckpt-30.data-00000-of-00001"])
def test_going_by_an_older_checkpoint_is_said(copied, caplog, lost):
    (copied / "checkpoints" / lost).unlink()
    assert experiment.load(copied)[2] == 15
    _again(copied)
    said = [record.getMessage() for record in caplog.records if "are missing" in record.getMessage()]
    assert len(said) == 1 and "ckpt-30 cannot be used (files are missing); going by ckpt-15" in said[0]


def test_a_checkpoint_with_one_of_two_files_of_data_is_incomplete(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "_read_through", lambda path: "")  # What is in the files is not asked here.
    for name in ("ckpt-3.index", "ckpt-3.data-00000-of-00002", "ckpt-3.data-00001-of-00002", "ckpt-5.index",
                 "ckpt-5.data-00001-of-00002"):  # fmt: skip
        (tmp_path / name).touch()
    assert checkpoints.latest(tmp_path) == str(tmp_path / "ckpt-3")


@pytest.mark.parametrize("name", ["plain", "run[1]", 'a"b'])
def test_the_state_file_is_what_tensorflow_reads(tmp_path, name):
    store = checkpoints.Checkpoints(tmp_path / name, 2, value=tf.Variable(1.0))
    for step in (1, 2, 3):
        store.save(step)
    state = tf.train.get_checkpoint_state(str(tmp_path / name))
    paths = [str(tmp_path / name / f"ckpt-{step}") for step in (2, 3)]
    assert state.model_checkpoint_path == paths[-1] and list(state.all_model_checkpoint_paths) == paths
    if name == "plain":  # To this one the folder is a pattern.
        assert tf.train.latest_checkpoint(str(tmp_path / name)) == paths[-1]


_BAD_LINES = b'{}\n[1]\n"text"\nnull\n3\n{"step": "5"}\n{"step": null}\n\xff\xfe\n{"step": 5\n'


@pytest.mark.fault(
    "metrics.jsonl torn or with junk",
    "every whole line",
    "a warning with how many",
    0,
)
def test_bad_lines_of_the_record_are_dropped_with_one_warning_on_resume(copied, caplog):
    path = copied / "metrics.jsonl"
    good = path.read_bytes()
    path.write_bytes(_BAD_LINES + good + _BAD_LINES)
    _again(copied)
    assert path.read_bytes() == good
    assert [r.getMessage() for r in caplog.records if "are dropped" in r.getMessage()] == [
        f"{path}: 18 lines were no objects with a step, and are dropped"
    ]


def test_what_was_torn_by_a_crash_does_not_spoil_the_line_after_it(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "tot')
    record = records.Records(tmp_path, 2)
    record.scalars(3, "xcov", {"total": 1.0})
    record.close()
    assert [line["step"] for line in records.read_metrics(tmp_path)] == [1, 3]


def _with(content: dict, key: str, value) -> dict:
    *sections, last = key.split(".")
    node = content
    for section in sections:
        node = node[section]
    node[last] = value
    return content


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model", None, "model is null, expected an object"),
        ("model", 3, "model is a number, expected an object"),
        ("train", [], "train is a list, expected an object"),
        ("schedule", "x", "schedule is a text, expected an object"),
        ("data", [], "data is a list, expected an object"),
        ("data.source", 3, "data.source is a number, expected a text"),
        ("data.image_shape", None, "data.image_shape is null, expected a list"),
        ("model.family", None, "model.family is null, expected a text"),
        ("model.heads", [], "model.heads is a list, expected an object"),
        ("model.latents", "two", "model.latents is a text, expected a number"),
        ("train.ema_decay", "x", "train.ema_decay is a text, expected a number"),
        ("seed", "x", "seed is a text, expected a whole number"),
    ],
)
def test_settings_damaged_inside_are_one_line(copied, capsys, key, value, message):
    config = run_folder.load_config(copied)
    path = copied / "config.json"
    path.write_text(json.dumps(_with(json.loads(path.read_text()), key, value)))
    with pytest.raises(UserError, match=f"config.json is damaged: {message}; restore the file"):
        reverie.train(config, copied)
    for verb in ("evaluate", "report", "export"):
        assert cli.main(["reverie", verb, f"--workdir={copied}"]) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("content", ["{}", '{"seed": 0}', "", "[]", "null", '"x"', "[" * 100_000])
def test_settings_that_are_none_are_damage_and_not_a_missing_run(copied, capsys, content):
    config = run_folder.load_config(copied)
    (copied / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config.json is (damaged: it (holds no settings|lacks model)|not JSON)"):
        reverie.train(config, copied)
    assert cli.main(["reverie", "evaluate", f"--workdir={copied}"]) == 2
    assert "no run there" not in capsys.readouterr().err


@pytest.mark.parametrize("content", [{"a": 1}, {"resumed": "x", "started": None, "seconds": [], "deterministic": 3}])
def test_a_run_whose_description_lacks_entries_resumes(copied, content):
    (copied / "run.json").write_text(json.dumps(content))
    assert _again(copied, steps=45).step == 45
    assert json.loads((copied / "run.json").read_text())["resumed"] == 1


# ---- one at a time


def test_a_second_training_in_a_folder_is_refused_naming_the_process_of_the_first(copied, capsys):
    before = _files(copied)
    with run_folder.held(copied):
        with pytest.raises(UserError, match=f"is in use: process {os.getpid()} trains there; wait for it"):
            _again(copied, steps=60)
        # Reading is for everybody.
        assert experiment.load(copied)[2] == 30
    assert _files(copied) == before
    assert _again(copied, steps=45).step == 45


_HOLDER = """
import sys
from reverie.training import run_folder
with run_folder.held(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.fault(
    "a second trainer in a run folder",
    "everything",
    "one line that names the process, and its machine where it is another",
    2,
)
def test_the_folder_of_a_process_that_was_killed_is_free(tmp_path):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", _HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"process {other.pid} trains there"), run_folder.held(tmp_path / "run"):
            pass
        other.kill()
        other.wait()
        with run_folder.held(tmp_path / "run"):
            assert (tmp_path / "run" / ".lock").read_text() == f"{os.getpid()} {socket.gethostname()}\n"


def test_training_that_failed_lets_go_of_its_folder(copied, monkeypatch):
    def fail(*_):
        raise UserError("it failed")

    with monkeypatch.context() as patched:
        patched.setattr(loop, "train", fail)
        with pytest.raises(UserError, match="it failed"):
            _again(copied)
    assert _again(copied).step == 30


def test_a_disk_that_is_full_once_the_new_checkpoint_stands_takes_none_away(tmp_path, monkeypatch):
    value = tf.Variable([1.0])
    store = checkpoints.Checkpoints(tmp_path, 1, value=value)
    store.save(1)

    def full(self, kept):
        raise OSError(28, "No space left on device", "checkpoint")

    monkeypatch.setattr(checkpoints.Checkpoints, "_write_state", full)
    value.assign([2.0])
    with pytest.raises(StorageError, match="the last good one is .*ckpt-1"):
        store.save(2)
    fresh = tf.Variable([0.0])
    assert checkpoints.Checkpoints(tmp_path, 1, value=fresh).restore().endswith("ckpt-1") and float(fresh[0]) == 1.0


_CHILD = """
import time
from reverie.training import signals
signals.stop_with_parent()
with signals.stop_request() as request:
    print("listening", flush=True)
    while request.number is None:
        time.sleep(0.05)
print("stopped by", request.number, flush=True)
"""
_PARENT = """
import os, subprocess, sys, time
environment = {**os.environ, "REVERIE_STOPS_WITH_PARENT": "1"}
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, env=environment)
time.sleep(600)
"""


@pytest.mark.fault(
    "compare killed with SIGKILL",
    "its runs save and stop; a second call waits for those that still do",
    "who is waited for",
    0,
)
def test_a_run_stops_when_the_comparison_that_started_it_is_killed():
    command = [sys.executable, "-c", _PARENT, _CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "listening\n"
        parent.kill()
        assert parent.stdout.readline() == f"stopped by {int(signal.SIGTERM)}\n"


def test_who_trains_in_a_folder_is_told_to_those_who_wait(tmp_path):
    assert run_folder.holder(tmp_path / "run") == ""
    with run_folder.held(tmp_path / "run"):
        assert run_folder.holder(tmp_path / "run") == f"process {os.getpid()}"
        lock = tmp_path / "run" / ".lock"
        lock.write_text("77 another-host\n")
        assert run_folder.holder(tmp_path / "run") == "process 77 on another-host"
    assert run_folder.holder(tmp_path / "run") == ""


@pytest.mark.fault(
    "a closed terminal (SIGHUP)",
    "the step reached",
    "where it was saved",
    129,
)
def test_a_closed_terminal_saves_and_a_process_under_nohup_never_hears_of_it():
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with signals.stop_request() as request:
            os.kill(os.getpid(), signal.SIGHUP)
            assert request.number == signal.SIGHUP
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with signals.stop_request() as request:
            os.kill(os.getpid(), signal.SIGHUP)
            assert request.number is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_classes_are_compared_by_name_and_place_where_both_sides_have_names(tmp_path):
    run_folder.check_classes(tmp_path, {"label": ["a"]})  # No data.json.
    run_folder.write_json(tmp_path / "data.json", {"classes": {"label": ["a", "b"], "pose": 5}})
    for same in ({"label": ["a", "b"]}, {"label": []}, {}, {"label": ["a", "b"], "pose": ["x"], "light": ["dim"]}):
        run_folder.check_classes(tmp_path, same)
    for other, said in ((["b", "a"], "label 0 was a and is b"), (["a"], "label 1 was b and is none"),
                        (["a", "b", "c"], "label 2 was none and is c")):  # fmt: skip
        with pytest.raises(UserError, match=f"{said}; bring the old data back, or train anew"):
            run_folder.check_classes(tmp_path, {"label": other})
