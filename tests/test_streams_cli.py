"""Streams of tasks from the command line: the whole way, exact resumption, comparison, bad calls."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from reverie import cli
from reverie.training.checkpoints import weights_digest

from . import experiment
from .conftest import write_stream_npz

SMALL = [
    "--config.data.image_shape=(12, 12, 1)", "--config.stream.tasks=3", "--config.model.hidden=(32, 24)",
    "--config.model.latents=5", "--config.train.batch_size=12", "--config.schedule.rate=0.003",
]  # fmt: skip


def _train(source, folder, *extra, recipe="bir"):
    command = ["reverie", "train", f"--config=replay_split_mnist:{recipe}", f"--config.data.source={source}"]
    return [*command, *SMALL, f"--workdir={folder}", *extra]


@pytest.mark.thorough
def test_a_stream_goes_all_the_way(tmp_path, capsys):
    source, run = write_stream_npz(tmp_path / "data.npz"), tmp_path / "run"
    order = "--config.stream.order=(4, 1, 0, 3, 5, 2)"
    assert cli.main(_train(source, run, "--config.train.steps=150", order)) == 0
    assert cli.main(["reverie", "evaluate", f"--workdir={run}"]) == 0
    numbers = json.loads((run / "evaluation.json").read_text())
    matrix = json.loads((run / "tasks.json").read_text())["accuracy"]
    assert numbers["average_accuracy"] == pytest.approx(np.mean(matrix[-1])) and numbers["average_accuracy"] > 0.5
    expected = ["forgetting", "backward_transfer", "incremental_accuracy", "reconstruction", "log_likelihood"]
    expected += ["precision", "recall", "frechet", "generated_recognized", "judge_accuracy", "accuracy_task_3"]
    assert set(expected) <= set(numbers) and "forward_transfer" not in numbers
    captions = json.loads((run / "pictures" / "captions.json").read_text())
    assert {"accuracy_matrix", "accuracy_course", "imagined", "imagined_after_task_001", "reconstructions"} <= set(
        captions
    )
    page = (run / "report.html").read_text()
    assert "average test accuracy after the last task" in page
    assert all(f'alt="{name.replace("_", " ")}"' in page for name in captions)
    assert cli.main(["reverie", "export", f"--workdir={run}", "--lite=float32,int8"]) == 0
    version = run / "export" / "replay" / "1"
    assert {p.name for p in (version / "lite").iterdir()} == {f"{n}_{v}.tflite" for n in ("encode", "classify") for v in ("float32", "int8")}  # fmt: skip  # noqa: E501
    metadata, order = (json.loads((path).read_text()) for path in (version / "metadata.json", run / "data.json"))
    assert metadata["classes"] == [str(label) for label in order["class_order"]]
    assert "Labels are numbered in the order of learning: 0 is 4, 1 is" in (version / "MODEL_CARD.md").read_text()
    assert cli.main(["reverie", "generate", f"--model={version}", "--label=0,5,-1", f"--out={tmp_path}/i.png"]) == 0
    capsys.readouterr()
    assert cli.main(["reverie", "generate", f"--model={version}", "--label=6", f"--out={tmp_path}/i.png"]) == 2
    assert "class_ids is 6; expected values from -1 to 5" in capsys.readouterr().err
    assert cli.main(["reverie", "encode", f"--model={version}", f"--source={source}", f"--out={tmp_path}/c.npz"]) == 0
    assert np.load(tmp_path / "c.npz")["features"].shape == (240, 24)


def test_a_classifier_with_a_head_a_task_is_exported_with_the_task_as_an_input(tmp_path):
    source, run = write_stream_npz(tmp_path / "data.npz"), tmp_path / "run"
    settings = ("--config.train.steps=120", "--config.model.task_gating=0.5")
    assert cli.main(_train(source, run, *settings, recipe="xdg,task")) == 0
    assert cli.main(["reverie", "export", f"--workdir={run}", "--lite=none", "--warmup=false"]) == 0
    from reverie.export.graph_loader import GraphModel

    graph, test = GraphModel(run / "export" / "replay" / "1"), experiment.read_streams(experiment.load(run)[0], "test")
    for number, images in enumerate(test["test"].tasks):
        seen = graph.call("classify", images=images.pixels.astype(np.float32) / 255.0, task=number)
        assert np.mean(seen["label"] == images.labels) > 0.8 and set(seen["label"] // 2) == {number}


@pytest.mark.slow
def test_a_stream_stopped_by_sigterm_and_resumed_ends_in_the_bits_of_an_unbroken_one(tmp_path):
    source = write_stream_npz(tmp_path / "data.npz")
    steps = ("--config.train.steps=300", "--config.train.checkpoint_every=50", "--deterministic")
    digests = []
    for name in ("whole", "broken"):
        command = [sys.executable, "-m", *_train(source, tmp_path / name, *steps, recipe="bir+si")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        if name == "broken":
            while not (tmp_path / name / "checkpoints" / "checkpoint").exists():
                time.sleep(0.05)
            time.sleep(3)
            process.send_signal(signal.SIGTERM)
            process.communicate()
            assert process.returncode == 143
            process = subprocess.Popen(command, stderr=subprocess.PIPE)
        error = process.communicate()[1].decode()
        assert process.returncode == 0, error
        _, model, step = experiment.load(tmp_path / name)
        assert step == 900
        digests.append(weights_digest(model))
    assert digests[0] == digests[1]


@pytest.mark.thorough
def test_compare_runs_what_is_missing_and_writes_the_table(tmp_path, capsys):
    source = write_stream_npz(tmp_path / "data.npz")
    command = ["reverie", "compare", "--config=replay_split_mnist", f"--config.data.source={source}", *SMALL,
               "--config.train.steps=10", "--methods=none,joint", "--seeds=0", f"--workdir={tmp_path / 'c'}", "--jobs=2"]  # fmt: skip  # noqa: E501
    assert cli.main(command) == 0
    table = (tmp_path / "c" / "table.md").read_text()
    assert "| none | 1 |" in table and "| joint | 1 |" in table and "Mean ± standard error" in table
    runs = json.loads((tmp_path / "c" / "comparison.json").read_text())["runs"]
    history = json.loads((tmp_path / "c" / "joint" / "seed_0" / "tasks.json").read_text())
    assert runs[1]["average_accuracy"] == pytest.approx(np.mean(history["accuracy"][-1]))
    assert (tmp_path / "c" / "accuracy.png").is_file() and "table" in (tmp_path / "c" / "report.html").read_text()
    capsys.readouterr()
    assert cli.main(command) == 0
    assert "2 runs, 2 already finished" in capsys.readouterr().out
    assert cli.main([*command, "--config.train.steps=11"]) == 2
    assert "holds a comparison with other settings" in capsys.readouterr().err


def test_the_table_s_errors_are_standard_errors_over_seeds():
    from reverie.experiments.compare import summarize

    rows = [{"method": "a", "seed": k, "seconds": 1.0, "average_accuracy": v} for k, v in enumerate((0.8, 0.9, 0.7))]
    summary = summarize([*rows, {"method": "b", "seed": 0, "seconds": 2.0, "average_accuracy": 0.5}])
    assert summary[0]["average_accuracy"] == pytest.approx((0.8, 0.1 / np.sqrt(3))) and summary[0]["runs"] == 3
    assert summary[1]["average_accuracy"] == (0.5, None)


def test_a_method_with_one_run_has_no_error_in_table_and_chart(tmp_path, monkeypatch):
    from reverie.evaluation import pictures
    from reverie.experiments.compare import write

    rows = [{"method": "a", "seed": k, "seconds": 1.0, "average_accuracy": v} for k, v in enumerate((0.8, 0.9))]
    rows.append({"method": "b", "seed": 0, "seconds": 2.0, "average_accuracy": 0.5})
    drawn = []
    bars = pictures.bars
    monkeypatch.setattr(pictures, "bars", lambda given, *more: drawn.extend(given) or bars(given, *more))
    table = write(tmp_path, {"scenario": "class"}, rows)
    assert "| a | 2 | 85.00 ± 5.00 |" in table and "| b | 1 | 50.00 | - | - | 2 |" in table
    assert "± 0" not in (tmp_path / "report.html").read_text().replace("± 0</td>", "")
    assert drawn == [("a", pytest.approx(85.0), pytest.approx(5.0)), ("b", 50.0, None)]
    # The chart has a line at the end of one bar, and none at the other's.
    picture = pictures.bars([("a", 50.0, 10.0), ("b", 50.0, None)], "accuracy", "per cent").astype(int)
    without = pictures.bars([("a", 50.0, None), ("b", 50.0, None)], "accuracy", "per cent").astype(int)
    assert picture.sum() != without.sum() and np.array_equal(picture[-20:, :40], without[-20:, :40])


class TestBadCallsAreOneClearLine:
    def _said(self, capsys, *arguments) -> str:
        assert cli.main(["reverie", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    def test_unknown_recipes(self, capsys, tmp_path):
        said = self._said(capsys, "train", "--config=replay_split_mnist:birr", f"--workdir={tmp_path}/r")
        assert "no recipe 'birr'; a recipe is one of none, joint" in said
        said = self._said(
            capsys, "compare", "--config=replay_split_mnist", "--methods=bir,x", f"--workdir={tmp_path}/c"
        )
        assert "no recipe 'x'" in said and not (tmp_path / "c").exists()
        said = self._said(capsys, "train", "--config=replay_split_mnist:bir+colour", f"--workdir={tmp_path}/r")
        assert "'+colour' is neither a component" in said

    def test_more_tasks_than_classes(self, capsys, tmp_path):
        said = self._said(capsys, "train", "--config=replay_split_mnist", "--config.stream.tasks=6", f"--workdir={tmp_path}/r")  # fmt: skip  # noqa: E501
        assert "6 tasks of 2 classes need 12 classes, but mnist_sample:train has 10" in said

    def test_a_method_that_the_scenario_forbids(self, capsys, tmp_path):
        said = self._said(capsys, "train", "--config=replay_split_mnist:xdg,class", f"--workdir={tmp_path}/r")
        assert "xdg gates by task" in said

    def test_compare_without_a_stream(self, capsys, tmp_path):
        said = self._said(capsys, "compare", "--config=xcov_demo", "--methods=a", f"--workdir={tmp_path}/c")
        assert "needs a config of a stream" in said


@pytest.mark.slow
def test_cifar_files_go_from_pretraining_to_internal_replay(tmp_path):
    """The authors' file formats, tiny: 20 images a class, the paper's five convolutions, small hidden layers."""
    import pickle

    rng = np.random.default_rng(0)

    def rows(count, classes):
        labels = np.arange(count) % classes
        images = rng.integers(0, 80, (count, 3, 32, 32))
        images[np.arange(count), labels % 3, labels % 32] += 150  # A bright line of one color tells the class.
        return images.reshape(count, -1).astype(np.uint8), labels.tolist()

    for folder in ("ten", "hundred"):
        (tmp_path / folder).mkdir()
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        data, labels = rows(60, 10)
        (tmp_path / "ten" / name).write_bytes(pickle.dumps({b"data": data, b"labels": labels}))
    for name, count in (("train", 2000), ("test", 400)):
        data, labels = rows(count, 100)
        (tmp_path / "hundred" / name).write_bytes(pickle.dumps({b"data": data, b"fine_labels": labels}))
    small = ("--config.model.hidden=(40, 30)", "--config.train.batch_size=32")
    features, run = tmp_path / "features", tmp_path / "run"
    assert cli.main(["reverie", "train", "--config=features_cifar10", f"--config.data.source=cifar10:{tmp_path}/ten",
                     *small, "--config.train.steps=10", f"--workdir={features}"]) == 0  # fmt: skip
    again = ["reverie", "train", "--config=replay_split_cifar100:bir,class", f"--workdir={run}",
             f"--config.data.source=cifar100:{tmp_path}/hundred", *small, "--config.train.steps=4",
             f"--config.continual.pretrained={features}"]  # fmt: skip
    assert cli.main(again) == 0
    features = features.rename(tmp_path / "elsewhere")
    assert cli.main(again) == 0  # What was taken over is in the run's own checkpoint.
    assert cli.main(["reverie", "evaluate", f"--workdir={run}"]) == 0
    numbers = json.loads((run / "evaluation.json").read_text())
    assert {"average_accuracy", "log_likelihood", "frechet", "generated_recognized"} <= set(numbers)
    assert cli.main(["reverie", "export", f"--workdir={run}", "--lite=float32", "--warmup=false"]) == 0
    one, other = (experiment.load(folder)[1] for folder in (features, run))
    for a, b in zip(one.features.weights, other.features.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
