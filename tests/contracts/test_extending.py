"""Someone outside the package adds a layer, a family, a source, a method and a config, in one file each.

Every verb of the command line works on them, and no file of the package is touched. The files are those of
examples/extending, copied to a folder of their own.
"""

import hashlib
import json
import pathlib
import shutil
import signal

import numpy as np
import pytest
import reverie
from reverie import cli, layers, models, pipelines
from reverie.training import continual, loop

from ..conftest import write_stream_npz, write_tiny_npz
from ..serving import serving
from . import layer_checks, source_checks

ROOT = pathlib.Path(reverie.__file__).parent


def _digest_of_the_package() -> str:
    content = hashlib.sha256()
    for path in sorted(ROOT.rglob("*.py")):
        first = path.relative_to(ROOT).parts[0]
        if not first.startswith(".venv") and first not in ("runs", "build"):
            content.update(path.read_bytes())
    return content.hexdigest()


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """The five files, in a folder of their own; what they register is gone again afterwards."""
    folder = tmp_path_factory.mktemp("toys")
    for path in (ROOT / "examples" / "extending").glob("toy_*.py"):
        shutil.copy(path, folder)
    assert len(list(folder.iterdir())) == 5
    before = _digest_of_the_package()
    yield folder
    assert _digest_of_the_package() == before, "a file of the package was touched"
    models.registry._FAMILIES.pop("toy", None)
    layers.LAYERS.pop("ToyScale", None)
    pipelines.sources.registry._REGISTERED.pop("toyrows", None)
    continual.registry._METHODS.pop("toyhold", None)


def _plugins(toys, *names) -> str:
    return "--plugins=" + ",".join(str(toys / f"{name}.py") for name in names)


def _reverie(*arguments) -> int:
    return cli.main(["reverie", *map(str, arguments)])


def _stopped_at(step: int, monkeypatch) -> None:
    """SIGTERM, as a scheduler sends it, once a step was logged; a second one would end the process at once."""
    original, sent = loop.Records.scalars, []

    def scalars(self, at, phase, values):
        original(self, at, phase, values)
        if at >= step and not sent:
            sent.append(at)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(loop.Records, "scalars", scalars)


@pytest.mark.thorough
def test_a_family_a_layer_a_source_and_a_config_from_outside_go_through_every_verb(toys, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    plugins = _plugins(toys, "toy_layer", "toy_family", "toy_source")
    train = ("train", plugins, f"--config={toys / 'toy_config.py'}", f"--workdir={run}")
    with monkeypatch.context() as patch:
        _stopped_at(20, patch)
        assert _reverie(*train) == 128 + signal.SIGTERM
    assert json.loads((run / "run.json").read_text())["step"] == 20
    assert _reverie(*train) == 0
    assert json.loads((run / "run.json").read_text())["step"] == 40
    assert json.loads((run / "config.json").read_text())["data"]["toy_brightness"] == 190
    assert _reverie("evaluate", plugins, f"--workdir={run}") == 0
    assert json.loads((run / "evaluation.json").read_text())["reconstruction"] < 0.2
    assert _reverie("report", plugins, f"--workdir={run}") == 0
    page = (run / "report.html").read_text()
    assert "mean squared reconstruction error" in page and "Above: test images." in page
    assert _reverie("export", plugins, f"--workdir={run}", "--lite=float32,int8") == 0
    version = run / "export" / "toy" / "1"
    assert {path.name for path in (version / "lite").iterdir()} == {
        f"{name}_{variant}.tflite" for name in ("encode", "decode") for variant in ("float32", "int8")
    }
    capsys.readouterr()
    with serving(version.parent, "toy") as (grpc, rest):
        check = ("serve-check", f"--grpc={grpc}", f"--rest={rest}", "--name=toy", f"--saved_model={version}")
        assert _reverie(*check, "--requests=1") == 0
    text = capsys.readouterr().out
    for endpoint in ("encode", "decode", "reconstruct", "generate", "encode_bytes", "serving_default"):
        assert f"grpc: {endpoint}" in text and f"rest: {endpoint}" in text
    # Whoever has the files needs no plugin.
    out = tmp_path / "codes.npz"
    source = write_tiny_npz(tmp_path / "tiny.npz")
    assert _reverie("encode", f"--model={version}", f"--source={source}", f"--out={out}") == 0
    assert np.load(out)["features"].shape == (60, 3)
    assert _reverie("generate", f"--model={version}", "--count=3", f"--out={tmp_path / 'made.png'}") == 0


def test_a_method_from_outside_learns_a_stream_stops_and_resumes(toys, tmp_path, monkeypatch):
    source, run = write_stream_npz(tmp_path / "stream.npz"), tmp_path / "run"
    settings = (
        "--config.data.image_shape=(12, 12, 1)", "--config.stream.tasks=3", "--config.model.hidden=(16, 16)",
        "--config.train.steps=10", "--config.train.batch_size=12", "--config.train.log_every=5",
        "--config.train.steps_per_call=5", "--config.continual.toyhold_strength=0.5",
    )  # fmt: skip
    train = (
        "train", _plugins(toys, "toy_method"), "--config=replay_split_mnist:toyhold", f"--config.data.source={source}",
        *settings, f"--workdir={run}",
    )  # fmt: skip
    with monkeypatch.context() as patch:
        _stopped_at(15, patch)
        assert _reverie(*train) == 128 + signal.SIGTERM
    assert _reverie(*train) == 0
    assert len(json.loads((run / "tasks.json").read_text())["accuracy"]) == 3
    assert json.loads((run / "config.json").read_text())["continual"]["toyhold_strength"] == 0.5
    assert "penalty" in (run / "metrics.jsonl").read_text()
    assert _reverie("evaluate", _plugins(toys, "toy_method"), f"--workdir={run}") == 0


def test_what_was_registered_from_outside_keeps_the_contracts_of_its_registry(toys, tmp_path):
    from reverie.experiments import plugins

    plugins.load([str(toys / f"{name}.py") for name in ("toy_layer", "toy_source")])
    layer_checks.check_layer(layers.LAYERS["ToyScale"], tmp_path)
    source_checks.check_all(source_checks.Example("toyrows:40", {}, broken=("toyrows:x", "toyrows:0")))


def test_without_its_plugin_a_run_says_what_is_missing(toys, tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps({"model": {"family": "unheard_of"}, "seed": 0}))
    assert _reverie("evaluate", f"--workdir={tmp_path}") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "model.family is 'unheard_of'" in line and "--plugins" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError"),
        ("raise ValueError('broken')", "ValueError: broken"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_one_line(tmp_path, capsys, content, message):
    (tmp_path / "bad.py").write_text(content)
    assert _reverie("doctor", f"--plugins={tmp_path / 'bad.py'}") == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert _reverie("doctor", f"--plugins={tmp_path / 'none.py'}") == 2
    assert "no such plugin file" in capsys.readouterr().err
