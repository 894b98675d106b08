"""The sparse family through the command line: frames, training, evaluation with a concept, export and use."""

import json

import numpy as np
import PIL.Image
import pytest
from reverie import cli
from reverie.export.graph_loader import GraphModel

from tests import clips

from .. import experiment

MODEL = {
    "image_shape": "(24,24,3)",
    "field": "5",
    "maps": "4",
    "pool": "3",
    "contrast": "3",
    "stages": "2",
}


def _training(folder, workdir, steps, *more):
    settings = [f"--config.model.{name}={value}" for name, value in MODEL.items()]
    data = [f"--config.data.source=frames:{folder}/frames", "--config.data.image_shape=(24,24,3)"]
    train = [f"--config.train.steps={steps}", "--config.train.batch_size=10", "--config.train.log_every=10"]
    return ["reverie", "train", "--config=sparse_joint", *data, *settings, *train, *more, f"--workdir={workdir}",
            "--strategy=one"]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Frames of small films, a tiny network trained on them, and a concept: bright discs against bright bars."""
    folder = tmp_path_factory.mktemp("sparse")
    (folder / "films").mkdir()
    for number in range(8):
        rng = np.random.default_rng(number)
        scene = rng.integers(20, 236, (12, 12, 3)).astype(np.uint8).repeat(6, 0).repeat(6, 1)
        path = folder / "films" / f"{number}.mp4"
        clips.write(path, frames=12, draw=lambda n, scene=scene: np.roll(scene, 7 * n, axis=1))
    frames = [
        f"--videos={folder}/films",
        f"--out={folder}/frames",
        "--size=24",
        "--frames_per_video=8",
        "--max_distance=-1",
    ]
    assert cli.main(["reverie", "data", "frames", *frames, "--workers=1"]) == 0
    down, across = np.mgrid[:20, :20] - 9.5
    discs, bars = np.hypot(down, across) < 6, np.abs(down) < 3
    rng = np.random.default_rng(0)
    images = np.stack([60 + 150 * (discs if k % 2 else bars) + rng.integers(-20, 20, (20, 20)) for k in range(60)])
    np.savez(folder / "discs.npz", x_train=images.astype(np.uint8), y_train=np.arange(60) % 2)
    assert cli.main(_training(folder, folder / "run", 40)) == 0
    assert cli.main(["reverie", "evaluate", f"--workdir={folder}/run", f"--concept=discs={folder}/discs.npz"]) == 0
    return folder / "run"


def test_the_loss_falls_and_the_decoder_keeps_its_length(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    totals = [line["total"] for line in lines if "total" in line]
    assert totals[-1] < 0.9 * totals[0], totals
    _, model, step = experiment.load(run)
    assert step == 40 and float(model.whitening.fitted) == 1.0
    for stage in model.stages:
        np.testing.assert_allclose(np.linalg.norm(stage.decoder.compact_kernel(), axis=1), 1.0, atol=1e-4)


def test_the_evaluation_has_the_papers_rows_and_pictures(run):
    numbers = json.loads((run / "evaluation.json").read_text())
    for row in ("neuron", "random_weights", "stage_1", "linear_filter", "linear_filter_whitened", "neuron_moved"):
        assert 0.3 <= numbers[f"discs_{row}"] <= 1.0
        assert numbers[f"discs_{row}_selection"] >= 0.5
    assert numbers["discs_guess"] == 0.5 and numbers["discs_stage_1"] > 0.7
    names = {path.stem for path in (run / "pictures").glob("*.png")}
    expected = {"filters_encoder", "filters_decoder", "reconstructions", "discs_top_stimuli", "discs_optimal_stimulus",
                "discs_responses", "discs_invariance_rotation", "discs_invariance_scale", "discs_controls", "discs_map",
                "discs_moved", "discs_top_stimuli_controls"}  # fmt: skip
    assert expected <= names
    assert "discs_neuron" in (run / "report.html").read_text()


@pytest.mark.thorough
def test_the_export_serves_features_and_the_chosen_neuron(run, capsys):
    assert cli.main(["reverie", "export", f"--workdir={run}"]) == 0
    version = run / "export" / "sparse" / "1"
    assert {path.name for path in (version / "lite").iterdir()} == {
        f"{signature}_{variant}.tflite"
        for variant in ("float32", "float16", "dynamic")
        for signature in ("encode", "detect")
    }
    numbers = json.loads((run / "evaluation.json").read_text())
    _, model, _ = experiment.load(run)
    images = np.random.default_rng(1).random((3, 24, 24, 3)).astype(np.float32)
    graph = GraphModel(version)
    codes = graph.call("encode", images=images)
    assert codes["features"].shape == (3, model.units) and codes["neurons"].shape == (3, 1)
    index = np.array([numbers["discs_index"], 0], np.int32)
    responses = graph.call("neuron", images=images, index=index)["response"]
    np.testing.assert_allclose(responses, codes["features"][:, index], atol=1e-4)
    expected = (responses[:, 0] - numbers["discs_threshold"]) * numbers["discs_polarity"]
    np.testing.assert_allclose(codes["neurons"][:, 0], expected, atol=1e-3)
    np.testing.assert_allclose(graph.call("detect", images=images)["discs"], expected, atol=1e-3)
    graph.close()


def test_mistakes_are_one_clear_line(run, capsys, tmp_path):
    def fails(*arguments, message):
        assert cli.main(["reverie", *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error.splitlines()[-1], error

    fails("evaluate", f"--workdir={run}", "--concept=discs", message="NAME=SOURCE")
    np.savez(tmp_path / "three.npz", x_train=np.zeros([6, 9, 9], np.uint8), y_train=np.arange(6) % 3)
    fails(
        "evaluate",
        f"--workdir={run}",
        f"--concept=x={tmp_path}/three.npz",
        message="has the labels 0, 1, 2; expected 1",
    )
    cases = (
        ("one", np.ones(6, int), "has the labels 1; expected 1 for the concept and 0 for everything else"),
        ("none", None, "has no labels; expected 1 for the concept"),
        ("few", np.arange(6) == 2, "has 1 image(s) of the concept and 5 of everything else; expected two or more"),
    )
    for name, labels, message in cases:
        named = {} if labels is None else {"y_train": labels * 1}
        np.savez(tmp_path / f"{name}.npz", x_train=np.zeros([6, 9, 9], np.uint8), **named)
        fails("evaluate", f"--workdir={run}", f"--concept=x={tmp_path}/{name}.npz", message=message)
    fails("evaluate", f"--workdir={run}", f"--concept=a/b={tmp_path}/few.npz", message="concept is named 'a/b'")
    twice = [f"--concept=x={tmp_path}/few.npz"] * 2
    fails("evaluate", f"--workdir={run}", *twice, message="concept x is given twice")
    concept, few = f"--concept=x={tmp_path}/few.npz", f"{tmp_path}/few.npz"
    alone = "--report is given without --concept"
    fails("evaluate", f"--workdir={run}", f"--report=x={few}", message=alone)
    fails("evaluate", f"--workdir={run}", concept, f"--report=x={few}", message="which is its concept too")
    fails("evaluate", f"--workdir={run}", concept, f"--report=y={few}", message="report is given for y, but")
    fails("evaluate", f"--workdir={run}", concept, "--groups=person", message="expected NAME=RULE")
    missing = f"groups of x is 'person', but {few} has no such column of labels"
    fails("evaluate", f"--workdir={run}", concept, "--groups=x=person", message=missing)
    other = ["--config=sparse_joint", "--config.model.field=80", f"--workdir={tmp_path}/run"]
    source = f"--config.data.source=frames:{run.parent}/frames"
    fails(
        "train", *other, source, "--config.data.resize=stretch", message="model.field is 80 in stage_1, which sees only"
    )


@pytest.mark.thorough
def test_memory_saving_takes_the_same_steps(run, tmp_path):
    weights = []
    for saving in ("False", "True"):
        train = _training(run.parent, tmp_path / saving, 12, f"--config.model.memory_saving={saving}")
        assert cli.main(train) == 0
        weights.append([v.numpy() for v in experiment.load(tmp_path / saving)[1].weights])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


@pytest.mark.thorough
def test_a_concept_is_judged_on_other_people(run, tmp_path):
    """Discs of some sizes to choose by, of others to judge on; the sizes are the people."""
    images, kinds = np.load(run.parent / "discs.npz").values()
    own = json.loads((run / "evaluation.json").read_text())
    for name, rows, first in (("choose", slice(0, 30), 0), ("report", slice(30, 60), 100)):
        people = first + np.arange(30) // 5 * 2 + kinds[rows]
        np.savez(tmp_path / f"{name}.npz", x_train=images[rows], y_train=np.stack([kinds[rows], people], axis=1))
    options = [f"--concept=discs={tmp_path}/choose.npz", f"--report=discs={tmp_path}/report.npz"]
    try:
        assert cli.main(["reverie", "evaluate", f"--workdir={run}", *options, "--groups=discs=label_1"]) == 0
        numbers = json.loads((run / "evaluation.json").read_text())
    finally:
        (run / "evaluation.json").write_text(json.dumps(own))
    assert numbers["discs_neuron"] * 30 == pytest.approx(round(numbers["discs_neuron"] * 30))
    assert numbers["discs_neuron_low"] <= numbers["discs_neuron"] <= numbers["discs_neuron_high"]
    assert "discs_neuron_spread" not in numbers and "discs_neuron_spread" in own
    assert "a set of their own" in (run / "pictures" / "captions.json").read_text()


@pytest.mark.thorough
def test_concepts_are_found_at_any_legal_path(run, tmp_path):
    images, labels = np.load(run.parent / "discs.npz").values()
    sources = {}
    for name, kind in (("a", "folder, with [brackets] = odd"), ("b", "plain")):
        folder = tmp_path / kind
        for label in (0, 1):
            (folder / f"{label}, [x]").mkdir(parents=True)
            for number, image in enumerate(images[labels == label]):
                PIL.Image.fromarray(image).save(folder / f"{label}, [x]" / f"{number}.png")
        sources[name] = f"{name}=folder:{folder}"
    own = json.loads((run / "evaluation.json").read_text())
    options = [f"--concept={sources['a']}", f"--concept={sources['b']},c={run.parent}/discs.npz", "--every=2"]
    try:
        assert cli.main(["reverie", "evaluate", f"--workdir={run}", *options]) == 0
        numbers = json.loads((run / "evaluation.json").read_text())
    finally:
        (run / "evaluation.json").write_text(json.dumps(own))
    for name in "abc":
        assert numbers[f"{name}_guess"] == 0.5
        # The same pictures under other names, in another order at most.
        assert numbers[f"{name}_stage_1"] > 0.7
