"""The command line as a user meets it: what it prints, what it returns, what survives."""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import PIL.Image
import pytest
from reverie.cli import main
from reverie.training.checkpoints import weights_digest

from . import experiment

TINY = (
    "--config=xcov_mnist", "--config.model.encoder=(32,)", "--config.model.decoder=(32,)", "--config.train.epochs=0.0",
    "--config.train.log_every=20", "--config.train.evaluate_every=0", "--config.train.picture_every=0",
)  # fmt: skip


def reverie(*arguments) -> int:
    return main(["reverie", *map(str, arguments)])


def refusal(capsys, *arguments) -> str:
    """The one line that a refused call prints; checks exit code 2 and that there is no traceback."""
    assert reverie(*arguments) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line]
    assert "Traceback" not in captured.err and lines[-1].startswith(f"reverie {arguments[0]}: error: ")
    return lines[-1]


@pytest.mark.parametrize(
    "command", ["train", "evaluate", "export", "encode", "generate", "serve-check", "data", "report", "doctor"]
)
def test_every_command_has_help(capsys, command):
    assert reverie(command, "--help") == 0
    assert f"usage: reverie {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "more"),
    [("evaluate", ()), ("explore", ()), ("export", ()), ("report", ()), ("encode", ("--source=mnist_sample",)),
     ("generate", ()), ("imagine", ("red hat",)), ("describe", ("a.png",))],
)  # fmt: skip
def test_run_names_the_folder_for_every_command_that_takes_one(capsys, tmp_path, monkeypatch, command, more):
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path / "none") in refusal(capsys, command, f"--run={tmp_path / 'none'}", *more)


def test_two_names_of_the_folder_that_differ_are_refused(capsys):
    line = refusal(capsys, "evaluate", "--run=a", "--workdir=b")
    assert "--run is a and --workdir is b; expected one of them" in line
    assert "--run is a and --model is b" in refusal(capsys, "generate", "--run=a", "--model=b")


def test_the_overview_lists_commands_configs_and_exit_codes(capsys):
    assert reverie("--help") == 0
    text = capsys.readouterr().out
    assert "serve-check" in text and "xcov_multipie" in text and "130/143" in text
    assert main(["reverie"]) == 2
    assert reverie("--version") == 0


def test_the_module_is_the_same_command():
    result = subprocess.run([sys.executable, "-m", "reverie", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("reverie 0.")


@pytest.mark.thorough
def test_train_evaluate_export_encode_generate_report(tmp_path, capsys):
    run = tmp_path / "run"
    assert reverie("train", *TINY, "--config.train.steps=60", f"--workdir={run}") == 0
    assert reverie("evaluate", f"--workdir={run}") == 0
    assert reverie("export", f"--workdir={run}", "--lite=float32", "--name=digits") == 0
    version = run / "export" / "digits" / "1"
    assert (version / "lite" / "encode_float32.tflite").is_file()
    for model in (version, version / "lite" / "encode_float32.tflite"):
        out = tmp_path / f"{model.name}.npz"
        assert reverie("encode", f"--model={model}", "--source=mnist_sample", "--split=test", f"--out={out}") == 0
        codes = np.load(out)
        assert codes["features"].shape == (1000, 2) and codes["label"].shape == (1000,)
        images = experiment.read_images(experiment.load(run)[0], "test")["test"]
        expected = experiment.load(run)[1].encode(images.pixels / np.float32(255))["features"]
        np.testing.assert_allclose(codes["features"], expected, atol=1e-4)
    for number in range(20):
        (tmp_path / "mine").mkdir(exist_ok=True)
        PIL.Image.fromarray(np.full((40, 30), number, np.uint8)).save(tmp_path / "mine" / f"{number:02d}.png")
    assert (
        reverie("encode", f"--model={version}", f"--source=folder:{tmp_path}/mine", f"--out={tmp_path}/mine.npz") == 0
    )
    codes = np.load(tmp_path / "mine.npz")
    assert codes["filename"].tolist() == [f"{number:02d}.png" for number in range(20)] and len(codes["features"]) == 20
    picture = tmp_path / "imagined.png"
    assert reverie("generate", f"--model={version}", "--label=0,1,-1", "--count=4", f"--out={picture}") == 0
    assert PIL.Image.open(picture).size == (4 * 58 + 2, 3 * 58 + 2)
    assert reverie("report", f"--workdir={run}") == 0
    page = (run / "report.html").read_text()
    assert "digits/1" in page and "test accuracy" in page and "class by style z1" in page
    numbers = json.loads((run / "evaluation.json").read_text())
    assert 0.3 < numbers["accuracy"] <= 1.0 and numbers["step"] == 60
    record = json.loads((run / "run.json").read_text())
    assert record["step"] == 60 and record["versions"]["tensorflow"].startswith("2.21")
    assert json.loads((run / "data.json").read_text())["images"] == 5000
    assert "accuracy" in capsys.readouterr().out


@pytest.mark.slow
def test_a_model_of_several_heads_goes_all_the_way(tmp_path, capsys):
    # Multi-PIE's form: pose is the brightness of the left half, light of the right half; subjects differ a little.
    cameras, lights = ("110", "051", "240"), ("00", "07", "19")
    for subject in range(1, 31):
        for pose, camera in enumerate(cameras):
            for lamp, light in enumerate(lights):
                image = np.full((48, 48), subject, np.uint8)
                image[:, :24] += np.uint8(60 * pose)
                image[:, 24:] += np.uint8(60 * lamp)
                PIL.Image.fromarray(image).save(tmp_path / f"{subject:03d}_01_01_{camera}_{light}.png")
    run = tmp_path / "run"
    sizes = ("encoder=(32,)", "decoder=(32,)", "latents=4", "convolutions=((4, 10, 2),)")
    arguments = ("--config=xcov_multipie", f"--config.data.source=multipie:{tmp_path}", "--config.train.batch_size=20")
    arguments += tuple(f"--config.model.{size}" for size in sizes)
    assert reverie("train", *arguments, "--config.train.epochs=60", f"--workdir={run}") == 0
    assert reverie("evaluate", f"--workdir={run}") == 0
    numbers = json.loads((run / "evaluation.json").read_text())
    assert numbers["accuracy_light"] > 0.9 and numbers["accuracy_pose"] > 0.9
    assert {"swaps_pose.png", "swaps_light.png"} <= {path.name for path in (run / "pictures").iterdir()}
    assert reverie("export", f"--workdir={run}", "--lite=float32") == 0
    model, picture = f"--model={run}/export/xcov/1", tmp_path / "imagined.png"
    assert reverie("generate", model, "--label=0:5,19:-1", "--count=3", f"--out={picture}") == 0
    assert PIL.Image.open(picture).size == (3 * 50 + 2, 2 * 50 + 2)
    assert "expected one for each of the 2 heads" in refusal(capsys, "generate", model, "--label=5")


def _start(workdir, *arguments):
    command = [sys.executable, "-m", "reverie", "train", *TINY, f"--workdir={workdir}", "--deterministic", *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_sigterm_at_a_random_step_and_resume_end_in_the_bits_of_an_unbroken_run(tmp_path, strategy):
    # Long enough that no machine is through with it before the signal comes.
    steps = {"one": 3000, "mirrored": 600}[strategy]
    arguments = (f"--strategy={strategy}", f"--config.train.steps={steps}", "--config.train.steps_per_call=7")
    unbroken = _start(tmp_path / "unbroken", *arguments)
    assert unbroken.wait(240) == 0
    broken = _start(tmp_path / "broken", *arguments)
    metrics = tmp_path / "broken" / "metrics.jsonl"
    began = time.monotonic()
    while not metrics.is_file() and time.monotonic() - began < 120:
        time.sleep(0.02)
    time.sleep(random.random() * 0.3)
    broken.send_signal(signal.SIGTERM)
    output, error = broken.communicate(timeout=120)
    assert broken.returncode == 143, error
    stopped_at = int(re.search(r"stopped and saved: step (\d+)", output).group(1))
    assert 0 < stopped_at < steps
    resumed = _start(tmp_path / "broken", *arguments)
    assert resumed.wait(240) == 0
    digests = {weights_digest(experiment.load(tmp_path / name)[1]) for name in ("unbroken", "broken")}
    assert len(digests) == 1, f"stopped at step {stopped_at}"


def test_a_loss_that_is_not_finite_has_an_exit_code_of_its_own(tmp_path, capsys):
    arguments = ("--config.train.steps=50", "--config.schedule.rate=1e30", "--config.optimizer.rho=0.5")
    assert reverie("train", *TINY, *arguments, f"--workdir={tmp_path}") == 3
    assert "loss or gradient is not finite" in capsys.readouterr().err


def test_parity_failures_have_an_exit_code_of_their_own(trained_run, tmp_path, monkeypatch, capsys):
    from reverie.export import parity

    monkeypatch.setattr(parity, "SAVED_MODEL_BOUND", -1.0)
    assert reverie("export", f"--workdir={trained_run}", f"--to={tmp_path}", "--lite=none") == 4
    assert "nothing was published" in capsys.readouterr().err
    assert list(tmp_path.rglob("saved_model.pb")) == []


class TestBadInput:
    def test_commands_flags_and_keys(self, capsys, tmp_path):
        assert reverie("tran") == 2
        assert "no command 'tran'; expected one of train" in capsys.readouterr().err
        work = f"--workdir={tmp_path}"
        assert "Did you mean: workdir" in refusal(capsys, "train", "--workdr=x")
        unknown = refusal(capsys, "train", work, "--config.train.batchsize=3")
        assert "unknown config key 'train.batchsize'; nearest: train.batch_size" in unknown
        assert "train.batch_size is 'many'; expected a whole number" in refusal(
            capsys, "train", work, "--config.train.batch_size=many"
        )
        assert "no config 'xcov_minst'; expected one of" in refusal(capsys, "train", work, "--config=xcov_minst")
        assert "no such config file" in refusal(capsys, "train", work, "--config=nowhere/mine.py")
        assert "--workdir must be given" in refusal(capsys, "train")
        assert "strategy is 'many'" in refusal(capsys, "train", work, "--strategy=many")
        assert "--model and --source must be given" in refusal(capsys, "encode")
        assert "expected: reverie data build NAME" in refusal(capsys, "data", "burn", "mnist")
        assert not any(tmp_path.iterdir())

    def test_labels_out_of_range(self, capsys, tmp_path):
        np.savez(tmp_path / "x.npz", x_train=np.zeros([200, 28, 28], np.uint8), y_train=np.full(200, 12))
        line = refusal(capsys, "train", f"--config.data.source={tmp_path}/x.npz", f"--workdir={tmp_path}/run")
        assert "label 12 of image 0 is out of range for head 'label': expected 0..9" in line

    def test_wrong_image_size(self, capsys, tmp_path):
        np.savez(tmp_path / "x.npz", x_train=np.zeros([200, 32, 32], np.uint8))
        line = refusal(capsys, "train", f"--config.data.source={tmp_path}/x.npz", f"--workdir={tmp_path}/run")
        assert "images are 32x32x1, but the model takes 28x28x1" in line

    def test_nan_pixels(self, capsys, tmp_path):
        np.savez(tmp_path / "x.npz", x_train=np.full([200, 28, 28], np.nan, np.float32))
        line = refusal(capsys, "train", f"--config.data.source={tmp_path}/x.npz", f"--workdir={tmp_path}/run")
        assert "pixels are not finite numbers (first in image 0, nan)" in line

    def test_empty_folder_and_bad_files(self, capsys, tmp_path):
        (tmp_path / "images").mkdir()
        arguments = (f"--config.data.source=folder:{tmp_path}/images", f"--workdir={tmp_path}/run")
        assert "no image files there" in refusal(capsys, "train", *arguments)
        (tmp_path / "images" / "zero.png").touch()
        (tmp_path / "images" / "junk.png").write_bytes(b"junk")
        line = refusal(capsys, "train", *arguments)
        assert "no usable image; 2 of 2 files skipped" in line and "zero.png: empty file" in line

    def test_workdir_that_cannot_be_written(self, capsys, tmp_path):
        (tmp_path / "file").touch()
        assert "cannot be written" in refusal(capsys, "train", f"--workdir={tmp_path}/file/run")

    def test_a_run_of_other_settings(self, capsys, tmp_path):
        arguments = (*TINY, "--config.train.steps=3", f"--workdir={tmp_path}")
        assert reverie("train", *arguments) == 0
        capsys.readouterr()
        assert "holds a run with other settings (seed: 0 -> 5)" in refusal(
            capsys, "train", *arguments, "--config.seed=5"
        )

    def test_a_data_set_that_is_not_prepared(self, capsys, tmp_path):
        arguments = ("--config.data.source=tfds:mnist", f"--config.data.data_dir={tmp_path}/tfds")
        line = refusal(capsys, "train", *arguments, f"--workdir={tmp_path}/run")
        assert f"reverie data build mnist --data_dir={tmp_path}/tfds" in line

    def test_folders_without_a_run_or_a_model(self, capsys, tmp_path):
        for command in ("evaluate", "export", "report"):
            assert "no run there" in refusal(capsys, command, f"--workdir={tmp_path}")
        assert "no SavedModel there" in refusal(capsys, "generate", f"--model={tmp_path}")
        assert "no such file" in refusal(capsys, "encode", f"--model={tmp_path}/a.tflite", "--source=mnist_sample")

    def test_requests_that_the_exported_model_refuses(self, capsys, trained_run, tmp_path):
        assert reverie("export", f"--workdir={trained_run}", f"--to={tmp_path}", "--lite=none", "--nowarmup") == 0
        model = f"--model={tmp_path}/xcov/1"
        assert "label is 3; expected values from -1 to 2" in refusal(capsys, "generate", model, "--label=3")
        assert "count is 0; expected a whole number from 1 to 1024" in refusal(capsys, "generate", model, "--count=0")
        assert "label 'seven' is no class of this model" in refusal(capsys, "generate", model, "--label=seven")


def test_a_disk_that_fills_up_anywhere_is_one_line_and_exit_code_five(trained_run, capsys, monkeypatch):
    from reverie.evaluation import report

    def full(folder):
        raise OSError(28, "No space left on device", "report.html")

    monkeypatch.setattr(report, "write", full)
    assert reverie("report", f"--workdir={trained_run}") == 5
    assert "report.html could not be written: No space left on device" in capsys.readouterr().err


def test_debug_shows_the_traceback(capsys, tmp_path):
    assert reverie("evaluate", f"--workdir={tmp_path}", "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


def test_data_check_counts_what_a_source_holds(capsys, tmp_path):
    for number in range(3):
        PIL.Image.fromarray(np.full((9, 9), number, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_bytes(b"bad")
    assert reverie("data", "check", f"folder:{tmp_path}", "--image_shape=9,9,1") == 0
    text = capsys.readouterr().out
    assert "train: 3 images of 9x9" in text and "1 of 4 files skipped" in text


def test_doctor_reports_versions_and_devices(capsys):
    assert reverie("doctor") == 0
    text = capsys.readouterr().out
    assert "tensorflow " in text and "cpu_cores" in text and "matrix product           ok" in text


def test_a_config_file_of_the_users_own_works(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from reverie.configs import xcov_mnist\n"
        "def get_config():\n"
        "    config = xcov_mnist.get_config()\n"
        "    config.model.encoder = (8,)\n"
        "    return config\n"
    )
    arguments = ("--config.train.epochs=0.0", "--config.train.steps=2", f"--workdir={tmp_path}/run")
    assert reverie("train", f"--config={tmp_path}/mine.py", *arguments) == 0
    assert pathlib.Path(tmp_path / "run" / "checkpoints").is_dir()
