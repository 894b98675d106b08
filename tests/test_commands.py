"""Every command that the documents print is run by a test, or listed with what it needs.

Each stands in one of three lists: run here as printed, with flags added that make it short; run by a test that is
named, on small data; or in need of something that no test has.
"""

import pathlib
import re
import shlex

import numpy as np
import PIL.Image
import pytest
import reverie
from reverie import cli, pipelines

ROOT = pathlib.Path(reverie.__file__).parent
DOCUMENTS = [ROOT / f"{name}.md" for name in ("README", "BUILD_NOTES", "CHANGELOG", "CONTRIBUTING")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))

# Run in this order in one folder with `mnist.npz` and `my/pictures`: command -> what is added to make it short.
SHORT = {
    "reverie doctor": "",
    "reverie train --config=xcov_mnist --config.data.source=mnist.npz --workdir=runs/a": "--config.train.steps=300",
    "reverie evaluate --workdir=runs/a": "",
    "reverie export --workdir=runs/a": "",
    "reverie export --workdir=runs/a --lite=float32,int8": "",
    "reverie encode --model=runs/a/export/xcov/1 --source=folder:my/pictures --out=codes.npz": "",
    "reverie encode --model=runs/a/export/xcov/1/lite/encode_int8.tflite --source=mnist_sample --out=codes.npz": "",
    "reverie generate --model=runs/a/export/xcov/1 --label=3,5,-1 --out=imagined.png": "",
    "reverie generate --model=runs/a/export/xcov/1 --label=3,5,-1 --count=10 --out=imagined.png": "",
    "reverie data check folder:my/pictures": "",
    "reverie train --config=xcov_mnist --workdir=runs/mine --config.data.source=folder:my/pictures "
    '--config.data.resize=crop --config.data.image_shape="(48, 48, 3)" --config.model.image_shape="(48, 48, 3)" '
    "--config.model.heads.label=4": "--config.train.steps=20",
    "reverie generate --model=runs/mine --label=cat,dog --out=imagined.png": "",
}
# Command, or how it begins -> the test that runs it, or the like on small data.
ELSEWHERE = {
    "reverie generate --model=runs/demo": "tests/test_cli.py",
    "reverie train --config=xcov_demo": "tests/test_cli.py",
    "reverie train --config=scan_scenes": "tests/test_scan_cli.py",
    "reverie train --config=scan_mnist_a": "tests/test_scan_cli.py",
    "reverie evaluate --workdir=runs/scan": "tests/test_scan_cli.py",
    "reverie evaluate --run=runs/scan --set": "tests/experiments/test_anew.py",
    "reverie export --run=runs/scan --set": "tests/experiments/test_anew.py",
    "reverie train --config=scan_few": "tests/test_scan_cli.py",
    "python examples/words/emoji_people.py": "tests/test_scan_cli.py",
    "reverie evaluate --workdir=runs/people": "tests/test_scan_cli.py",
    "reverie describe": "tests/test_scan_cli.py",
    "reverie imagine": "tests/test_scan_cli.py",
    "reverie train --config=disentangle_shapes3d": "tests/experiments/test_vision.py",
    "reverie evaluate --workdir=runs/beta_vae": "tests/experiments/test_vision.py",
    "reverie train --config=replay_split_mnist": "tests/test_streams_cli.py",
    "reverie evaluate --workdir=runs/bir": "tests/test_streams_cli.py",
    "reverie compare": "tests/test_streams_cli.py",
    "reverie data frames": "tests/models/test_sparse_run.py",
    "reverie data verify": "tests/pipelines/frames/test_extract.py",
    "reverie train --config=sparse_small": "tests/models/test_sparse_run.py",
    "reverie evaluate --workdir=runs/sparse": "tests/models/test_sparse_run.py",
    "cd examples/extending": "tests/contracts/test_extending.py",
    "export REVERIE_PLUGINS": "tests/contracts/test_extending.py",
    "reverie train --config=./toy_config.py": "tests/contracts/test_extending.py",
    "reverie evaluate --workdir=runs/toy": "tests/contracts/test_extending.py",
    "reverie train --plugins=toy_method.py": "tests/contracts/test_extending.py",
    "reverie serve-check": "tests/export/test_serve_check.py",
    "reverie explore": "tests/export/test_single.py",
    "cp examples/page/index.html": "tests/export/test_page_example.py",
    "reverie report --workdir=": "tests/test_cli.py",
    "reverie report --workdirs=": "tests/evaluation/test_runs_compared.py",
    "device/bin/python examples/device/encode.py": "tests/export/test_clients.py",
    "python examples/tutorials/": "tests/test_tutorials.py",
}
# What no test has: it is looked up that verbs, flags and settings exist (tests/test_documents.py), and no more.
NEEDS = {
    "the whole set-up, which .ci/run makes": ("make ", ".ci/run", "pip install -e"),
    "a network": ("git clone", "python -m venv", "triton/bin/pip", "npm pack", "tar xzf emoji-datasource"),
    "data that do not ship with the package, or hours": (
        "python benchmarks/",
        "reverie train --config=xcov_mnist --config.data.source=idx:DIR",
        "reverie train --config=sparse_demo --config.data.source=cifar10.npz",
        "reverie train --config=replay_split_cifar100:rff",
        "reverie data check folder:my/photographs",
        "reverie data check folder:photographs",
    ),
    "a server": ("docker run", "curl -d", '{"name": "label"', "triton/bin/python examples/serving/triton_server.py"),
}


def _printed() -> dict[str, str]:
    """Every command of a block of shell, in one line and without its comment -> the document."""
    found: dict[str, str] = {}
    for path in DOCUMENTS:
        blocks = re.findall(r"^```bash\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        for line in "".join(blocks).replace("\\\n", " ").splitlines():
            command = " ".join(line.split(" #")[0].split()).removeprefix(".venv/bin/")
            if command and not command.startswith("#"):
                found[command] = path.relative_to(ROOT).as_posix()
    return found


def _begins(command: str, beginnings) -> list[str]:
    return [beginning for beginning in beginnings if command.startswith(beginning)]


NEEDING = [beginning for beginnings in NEEDS.values() for beginning in beginnings]


def test_every_printed_command_is_run_or_listed_with_what_it_needs():
    unknown = {
        command: document
        for command, document in _printed().items()
        if command not in SHORT and not _begins(command, ELSEWHERE) and not _begins(command, NEEDING)
    }
    assert unknown == {}


def test_no_command_is_listed_that_no_document_prints():
    printed = _printed()
    assert [command for command in SHORT if command not in printed] == []
    listed = [*ELSEWHERE, *NEEDING]
    assert [beginning for beginning in listed if not any(command.startswith(beginning) for command in printed)] == []


def test_the_tests_that_run_commands_are_there_and_call_their_verbs():
    for beginning, test in ELSEWHERE.items():
        text = (ROOT / test).read_text(encoding="utf-8")
        words = beginning.split()
        called = {re.sub(r"\W", "", word) for word in re.split(r"[\s\"',.()]+", text)}
        if words[0] == "reverie":
            assert re.sub(r"\W", "", words[1]) in called, (beginning, test)


def _digits(folder: pathlib.Path) -> None:
    train, test = (pipelines.read("mnist_sample", split) for split in ("train", "test"))
    np.savez(
        folder / "mnist.npz",
        x_train=train.pixels[:2000, :, :, 0], y_train=train.labels[:2000],
        x_test=test.pixels[:, :, :, 0], y_test=test.labels,
    )  # fmt: skip


def _pictures(folder: pathlib.Path) -> None:
    """Forty pictures of each of four classes: noise in four colors."""
    generator = np.random.default_rng(0)
    for name, color in {"bird": (1, 0, 0), "cat": (0, 1, 0), "dog": (0, 0, 1), "fish": (1, 1, 1)}.items():
        (folder / name).mkdir(parents=True)
        for number in range(40):
            pixels = generator.integers(40, 255, (60, 80, 1)) * np.array(color)
            PIL.Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")


@pytest.mark.slow
def test_the_commands_of_the_first_pages_run_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _digits(tmp_path)
    _pictures(tmp_path / "my" / "pictures")
    for command, added in SHORT.items():
        assert cli.main(shlex.split(f"{command} {added}")) == 0, command
    assert (tmp_path / "runs/a/report.html").is_file() and (tmp_path / "imagined.png").is_file()
    assert len(np.load("codes.npz")["features"]) == 5000  # Of the int8 encoder, on the training digits that ship.
