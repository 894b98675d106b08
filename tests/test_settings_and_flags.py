"""Settings, flags and config files that mean nothing end in one line and exit code 2; the others work."""

import json
import os

import numpy as np
import PIL.Image
import pytest
import reverie
from reverie import cli
from reverie.errors import UserError
from reverie.experiments.configs import config_path, keep_one_length
from reverie.training import strategies
from reverie.training.phases import LoopSettings

from .conftest import tiny_config, write_tiny_npz

BIG = "99999999999"
MINE = (
    "from reverie.configs import xcov_mnist\n"
    "def get_config(argument=''):\n"
    "    config = xcov_mnist.get_config()\n"
    "    config.data.image_shape = config.model.image_shape = (8, 8, 1)\n"
    "    config.model.encoder = config.model.decoder = (8,)\n"
    "    config.model.heads = {'label': 3}\n"
    "    config.train.batch_size = 10\n"
    "    config.train.evaluate_every = config.train.picture_every = 0\n"
    "    config.model.latents = len(argument) or 2\n"
    "    return config\n"
)


def refusal(capsys, *arguments) -> str:
    """The one line that a refused call prints; checks the exit code too."""
    capsys.readouterr()
    assert cli.main(["reverie", *map(str, arguments)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith(f"reverie {arguments[0]}: error: "), lines
    return lines[0]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data and a config of its own."""
    folder = tmp_path_factory.mktemp("mine")
    write_tiny_npz(folder / "tiny.npz")
    (folder / "mine.py").write_text(MINE)
    return folder


@pytest.fixture
def train(place, tmp_path):
    """Arguments of a small run, but for what a test adds."""
    return ["train", f"--config={place}/mine.py", f"--config.data.source={place}/tiny.npz", f"--workdir={tmp_path}/run"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--replicas=-1", "replicas is -1; expected 0 (what the machine has) to 256"),
        (f"--replicas={BIG}", f"replicas is {BIG}; expected"),
        ("--config.train.checkpoint_every=-1", "train.checkpoint_every is -1; expected 0 to"),
        ("--config.train.log_every=-1", "train.log_every is -1; expected 0 to"),
        ("--config.train.evaluate_every=-1", "train.evaluate_every is -1; expected 0 to"),
        ("--config.train.picture_every=-1", "train.picture_every is -1; expected 0 to"),
        ("--config.train.max_skipped=-1", "train.max_skipped is -1; expected 0 to"),
        ("--config.train.keep_checkpoints=0", "train.keep_checkpoints is 0; expected 1 to"),
        ("--config.train.batch_size=0", "train.batch_size is 0; expected 1 to"),
        ("--config.train.steps=-1", "train.steps is -1; expected 0 to"),
        (f"--config.train.steps={BIG}", f"train.steps is {BIG}; expected 0 to"),
        ("--config.train.epochs=nan", "train.epochs is nan; expected 0 or more"),
        ("--config.train.epochs=1e300", "train.epochs is 1e+300, which is"),
        (f"--config.seed={BIG}", f"seed is {BIG}; expected 0 to 2147483647"),
        ("--config.seed=-1", "seed is -1; expected 0 to 2147483647"),
        ("--config.schedule.rate=nan", "schedule.rate is nan; expected a finite number above 0"),
        ("--config.schedule.rate=inf", "schedule.rate is inf; expected a finite number above 0"),
        ("--config.schedule.final_fraction=inf", "schedule.final_fraction is inf; expected a finite number, 0 or more"),
        ("--config.schedule.warmup_steps=-1", "schedule: warmup_steps=-1"),
        ("--config.schedule.warmup_steps=1000", "schedule.warmup_steps is 1000; expected fewer than the"),
        ("--config.optimizer.rho=1", "optimizer.rho is 1; expected at least 0 and below 1"),
        ("--config.optimizer.epsilon=0", "optimizer.epsilon is 0; expected a finite number above 0"),
        (
            "--config.optimizer.beta_1=0.5",
            "'optimizer.beta_1'; expected one of optimizer.epsilon, optimizer.name, optim",
        ),
        (
            "--config.noise=3",
            "unknown config key 'noise'; expected one of data, model, optimizer, schedule, seed, train",
        ),
        ("--config.data.noise=3", "unknown config key 'data.noise'; expected one of data.attributes, data.background"),
        ("--config.data.windws=3", "unknown config key 'data.windws'; nearest: data.windows"),
        ("--config.windows=3", "unknown config key 'windows'; nearest: data.windows"),
        ("--config.greedy.steps=3", "unknown config key 'greedy.steps'; nearest: train.steps"),
        ("--config.model.encoder.size=3", "unknown config key 'model.encoder.size'; nearest: model.encoder"),
        (
            "--config.model.encoder[0]=3",
            "'model.encoder[0]' is an entry of model.encoder, whose entries are set together",
        ),
        ("--config.=3", "unknown config key ''; expected one of data,"),
        ("--config.train.steps=2.5", "--config.train.steps is '2.5'; expected a whole number"),
        ("--config.model.centered=maybe", "--config.model.centered is 'maybe'; expected true or false"),
        ("--config.data.windows=-1", "data.windows is -1; expected how many to cut"),
        ("--config.data.bits=40", "data.bits is 40; expected 9 to 16"),
        ("--config.data.resize=corp", "data.resize is 'corp'; expected one of none"),
        ("--config.data.test_fraction=0.9", "data.test_fraction is 0.9; expected 0 to 0.5"),
        ("--config.data.memory_gib=-1", "data.memory_gib is -1; expected 0 or more"),
        ("--config.model.heads.label=0", "model.heads.label is 0; expected the number of classes, of which"),
        ("--config.model.latents=0", "model.latents is 0; expected 1 or more"),
        ("--config.schedule.name=steps --config.schedule.boundaries=('a',)", "schedule.boundaries is ('a',)"),
        ("--config.data.source=", "data source is empty"),
        ("--config.data.source=folder:", "data source 'folder:' says no place; expected folder:DIR"),
        ("--config.optimizer.name=adamm", "optimizer.name is 'adamm'; expected sgd"),
        ("--config.model.family=xcof", "model.family is 'xcof'; expected one of"),
        ("--config.train.steps=5 --config.train.epochs=2", "train.steps is 5 and train.epochs is 2; give one of them"),
        ("--config.optimizer.rho=many", "--config.optimizer.rho is 'many'; expected a number"),
        ("--config.model.covariance_weight=nan", "model.covariance_weight is nan; expected a finite number"),
        ("--config.model.covariance_weight=-inf", "model.covariance_weight is -inf; expected a finite number"),
        ("--config.model.covariance_weight=1e40", "model.covariance_weight is 1e+40; expected a finite number of 32"),
        ("--config.data.max_file_mib=nan", "data.max_file_mib is nan; expected"),
    ],
)
def test_settings_that_mean_nothing_are_refused_before_any_work(train, capsys, argument, message):
    assert message in refusal(capsys, *train, *argument.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("data check mnist_sample --image_shape=a,b,c", "image_shape is a,b,c; expected height,width,channels"),
        ("data check mnist_sample --bits=40", "error: --bits is 40; expected 9 to 16"),
        ("data check mnist_sample --windows=-1", "error: --windows is -1; expected how many"),
        ("data check mnist_sample --image_shape=0,0,1", "image_shape is 0,0,1; expected height"),
        ("data frames --videos=a --out=b --workers=-1", "--workers=-1: -1 is not a non-negative integer"),
        ("data faces x --patches=0", "--patches=0: 0 is not a positive integer"),
        (f"generate --model=x --seed={BIG}", f"--seed={BIG}"),
        (f"imagine --run=x --seed={BIG} hat", f"--seed={BIG}"),
        ("imagine --run=x --count=0 hat", "count is 0; expected 1 to 400"),
        (f"generate --model=x --count={BIG}", f"count is {BIG}; expected 1 to"),
        ("generate --model=x --label=", "label is empty"),
        ("serve-check --name=x --requests=0", "--requests=0"),
        ("evaluate --workdir=x --every=-1", "--every=-1"),
        ("export --workdir=x --max_batch=0", "--max_batch=0"),
        ("compare --methods=none --workdir=x --jobs=0", "--jobs=0"),
        (
            "compare --config=replay_split_mnist --methods=none,none --workdir=x",
            "methods are none, none; expected some",
        ),
        (
            f"compare --config=replay_split_mnist --methods=none --seeds={BIG} --workdir=x",
            f"one of the seeds is {BIG}; expected",
        ),
        ("train --workdir=x --config", "--config needs a name or a file"),
    ],
)
def test_flags_that_mean_nothing_are_refused(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refusal(capsys, *arguments.split())
    assert not any(tmp_path.iterdir())


def test_labels_seeds_and_variants_of_a_run_are_refused(trained_run, capsys, tmp_path):
    out = f"--out={tmp_path}/new/imagined.png"
    assert f"label '{BIG}' is no class of this model" in refusal(
        capsys, "generate", f"--model={trained_run}", f"--label={BIG}", out
    )
    assert "lite is foo; expected some of float32" in refusal(
        capsys, "export", f"--workdir={trained_run}", f"--to={tmp_path}/to", "--lite=foo,float32"
    )
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def get_config(:\n", "cannot be made: SyntaxError"),
        ("import no_such_module\n", "cannot be made: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)\n", "cannot be made: SystemExit: 3"),
        ("def get_config():\n    return 1 / 0\n", "cannot be made: ZeroDivisionError"),
        ("def get_config():\n    raise ValueError('two\\nlines')\n", "cannot be made: ValueError: two"),
        ("def get_config():\n    raise KeyError('x')\n", "cannot be made: KeyError: 'x'"),
        ("config = 3\n", "has no function get_config"),
        ("get_config = 3\n", "has no function get_config"),
        ("def get_config():\n    pass\n", "get_config returned NoneType, not a ConfigDict; start from"),
        ("def get_config():\n    return {'seed': 0}\n", "get_config returned dict, not a ConfigDict"),
        (
            "import ml_collections\ndef get_config():\n    return ml_collections.ConfigDict({'seed': 0})\n",
            "lacks data.source, data.image_shape, optimizer.name and",
        ),
        (
            "from reverie.configs import xcov_mnist\ndef get_config():\n    config = xcov_mnist.get_config()\n"
            "    del config.train.log_every\n    return config\n",
            "lacks train.log_every; start from",
        ),
        ("\0", "cannot be made: "),
    ],
)
def test_a_config_file_that_raises_or_lacks_something_is_one_line(capsys, tmp_path, content, message):
    (tmp_path / "broken.py").write_text(content)
    line = refusal(capsys, "train", f"--config={tmp_path}/broken.py", f"--workdir={tmp_path}/run")
    assert message in line and "broken.py" in line
    with pytest.raises(UserError):
        reverie.config(tmp_path / "broken.py")


def test_a_config_is_found_whatever_its_path_holds_and_keeps_its_argument(place, tmp_path):
    for name in ("a:b.py", "c[1] {x}, d.py", "no_suffix"):
        odd = tmp_path / "od:d" / name
        odd.parent.mkdir(exist_ok=True)
        odd.write_text(MINE)
        assert config_path(str(odd)) == (odd, "") and config_path(f"{odd}:abc") == (odd, "abc")
        assert reverie.config(f"{odd}:abc").model.latents == 3
    source = f"--config.data.source={place}/tiny.npz"
    run = [source, f"--workdir={tmp_path}/run", "--config.train.steps=2"]
    assert cli.main(["reverie", "train", "--config", f"{tmp_path}/od:d/a:b.py:abcd", *run]) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["model"]["latents"] == 4


@pytest.mark.parametrize(
    "content",
    [
        "[1]", "3", "null x", '{"cluster": []}', '{"cluster": 5}', '{"cluster": {"worker": 3}}',
        '{"cluster": {"chief": ["a:1"], "worker": [], "ps": ["c:1"]}}',
        '{"cluster": {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}, "task": [1]}',
        '{"cluster": {"chief": ["a:1"], "worker": ["b:1"], "ps": [7]}, "task": {"type": "worker", "index": 0}}',
        '{"task": {"type": "worker", "index": 0}}',
    ],
)  # fmt: skip
def test_a_tf_config_that_says_nothing_usable_is_one_line(train, capsys, monkeypatch, content):
    monkeypatch.setenv("TF_CONFIG", content)
    assert "TF_CONFIG" in refusal(capsys, *train, "--strategy=ps")
    assert "TF_CONFIG" in refusal(capsys, *train, "--strategy=multi_worker")
    with pytest.raises(UserError, match="TF_CONFIG"):
        strategies.serve_if_told()


def test_another_optimizer_brings_its_own_settings_and_the_others_fall_away(train, tmp_path, capsys, place):
    train += ["--config.train.steps=2", "--config.schedule.rate=0.001"]
    assert cli.main(["reverie", *train, "--config.optimizer.name=adam", "--config.optimizer.beta_1=0.5"]) == 0
    said = capsys.readouterr().err.splitlines()[0]
    assert said.startswith("optimizer.name=adam instead of adadelta: rho of adadelta falls away; epsilon=1e-06")
    assert "schedule.rate" in said
    written = json.loads((tmp_path / "run" / "config.json").read_text())["optimizer"]
    assert written == {"name": "adam", "epsilon": 1e-6, "beta_1": 0.5}
    same = reverie.train(
        place / "mine.py", tmp_path / "python", data=f"{place}/tiny.npz",
        overrides={"optimizer.beta_1": 0.5, "optimizer.name": "adam", "train.steps": 2, "schedule.rate": 0.001},
    )  # fmt: skip
    assert same.config.optimizer.to_dict() == written and same.step == 2
    with pytest.raises(UserError, match="unknown config key 'optimizer.rho'"):
        reverie.config("xcov_mnist", {"optimizer.name": "adam", "optimizer.rho": 0.9})
    # What a Keras optimizer takes is known too, and the optimizer that the config names keeps everything.
    assert reverie.config("xcov_mnist", {"optimizer.name": "Lion", "optimizer.clipnorm": 1.0}).optimizer.clipnorm == 1.0
    kept = reverie.config("xcov_mnist", {"optimizer.name": "adadelta"}).optimizer.to_dict()
    assert kept == {"name": "adadelta", "rho": 0.95, "epsilon": 1e-6}


def test_another_family_brings_its_own_settings(capsys):
    config = reverie.config("xcov_mnist", {"model.family": "sparse", "model.maps": 3})
    assert config.model.maps == 3 and config.model.image_shape == (28, 28, 1)
    assert "latents" not in config.model.to_dict()
    assert "the section model has the defaults of sparse, but for image_shape" in capsys.readouterr().err


def test_of_steps_and_epochs_the_one_that_was_given_counts(train, tmp_path, capsys):
    assert reverie.config("xcov_mnist", {"train.steps": 8000}).train.to_dict().items() >= {
        "steps": 8000, "epochs": 0.0}.items()  # fmt: skip
    by_steps = reverie.config("xcov_mnist", {"train.steps": 8000})
    assert reverie.config(by_steps, {"train.epochs": 2}).train.steps == 0
    assert reverie.config("xcov_mnist", {"train.steps": 0}).train.epochs == 40.0
    with pytest.raises(UserError, match="give one of them"):
        reverie.config("xcov_mnist", {"train.steps": 3, "train.epochs": 1})
    keep_one_length(by_steps, ["train.steps", "seed"])
    assert by_steps.train.steps == 8000
    assert cli.main(["reverie", *train, "--config.train.steps=3"]) == 0
    assert "trained: step 3" in capsys.readouterr().out
    assert cli.main(["reverie", *train, "--config.train.steps", "5"]) == 0
    assert "trained: step 5" in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "config.json").read_text())["train"]["epochs"] == 0.0


def test_a_run_folder_that_is_a_file_or_holds_no_json_is_one_line(train, capsys, tmp_path):
    (tmp_path / "run").write_text("a file")
    assert "cannot be written: File exists" in refusal(capsys, *train)
    for verb in ("evaluate", "report", "export"):
        assert "no run there" in refusal(capsys, verb, f"--workdir={tmp_path}/run")
    compare = ("compare", "--config=replay_split_mnist", "--methods=none", f"--workdir={tmp_path}/run")
    assert "cannot be written: File exists" in refusal(capsys, *compare)
    (tmp_path / "odd").mkdir()
    for content, message in (("{", "not JSON"), ("[1]", "it holds a list"), ("{}", "holds no settings")):
        (tmp_path / "odd" / "config.json").write_text(content)
        assert message in refusal(capsys, "evaluate", f"--workdir={tmp_path}/odd")


def test_where_results_go_is_made_or_refused_before_the_work(trained_run, tmp_path, capsys, monkeypatch, place):
    data = f"--source={place}/tiny.npz"
    out = tmp_path / "new" / "er" / "codes"
    assert cli.main(["reverie", "encode", f"--model={trained_run}", data, f"--out={out}"]) == 0
    assert f"{out}.npz: " in capsys.readouterr().out and np.load(f"{out}.npz")["features"].shape[1] == 2
    picture = tmp_path / "other" / "imagined.png"
    assert cli.main(["reverie", "generate", f"--model={trained_run}", "--count=2", f"--out={picture}"]) == 0
    assert picture.is_file()

    def worked(*_, **__):
        raise AssertionError("the work was done first")

    monkeypatch.setattr(reverie.experiments, "encode_source", worked)
    monkeypatch.setattr(reverie.experiments, "load", worked)
    (tmp_path / "file").write_text("")
    for verb, ending in ((("encode", data), "npz"), (("generate",), "png")):
        arguments = (*verb, f"--model={trained_run}")
        assert "is a folder" in refusal(capsys, *arguments, f"--out={tmp_path}")
        assert "out is empty" in refusal(capsys, *arguments, "--out=")
        assert "is a file, not a folder" in refusal(capsys, *arguments, f"--out={tmp_path}/file/x.{ending}")
        assert f"is a .{ending} file" in refusal(capsys, *arguments, f"--out={tmp_path}/x.txt")
    assert os.listdir(tmp_path / "new" / "er") == ["codes.npz"]


def test_settings_in_python_are_held_to_the_same_limits(tiny_npz, tmp_path):
    with pytest.raises(UserError, match="seed is -1; expected 0 to"):
        LoopSettings(seed=-1)
    with pytest.raises(UserError, match="train.keep_checkpoints is 0; expected 1 to"):
        reverie.train(tiny_config(tiny_npz, keep_checkpoints=0), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("mistyped", "meant"), [("modle", "model"), ("train.step", "train.steps")])
def test_an_unknown_key_is_answered_with_the_nearest_section_or_setting(mistyped, meant):
    with pytest.raises(UserError, match=f"unknown config key '{mistyped}'; nearest: {meant}$"):
        reverie.config("xcov_demo", {mistyped: {}})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--config.model.encoder=1,2 --config.model.encoder=3", {"encoder": (3,), "decoder": (8,)}),
        ("--config.model.encoder 1,2 --config.seed=4 --config.model.encoder (5,6)", {"encoder": (5, 6)}),
        (
            "--config.model.encoder=1 --config.model.decoder=2 --config.model.encoder=3",
            {"encoder": (3,), "decoder": (2,)},
        ),
        ("--config.model.encoder=7,8", {"encoder": (7, 8)}),
    ],
)
def test_of_a_list_given_twice_the_last_one_counts(train, monkeypatch, arguments, expected):
    seen = {}

    def stop(config, *_, **__):
        seen.update(config.model.to_dict())
        raise UserError("enough")

    monkeypatch.setattr("reverie.experiments.run_training", stop)
    assert cli.main(["reverie", *train, *arguments.split()]) == 2
    assert {name: seen[name] for name in expected} == expected


def test_of_labels_given_twice_the_last_ones_count(trained_run, tmp_path, capsys):
    out = f"--out={tmp_path}/imagined.png"
    assert cli.main(["reverie", "generate", f"--model={trained_run}", "--label=0,1", "--label=2", out]) == 0
    assert "1 x 10 images" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--plugins={0}", "--plugins {0}", "--plugins=nowhere.py --plugins={0}"])
def test_of_plugins_given_twice_the_last_ones_count_however_they_are_written(tmp_path, capsys, flag):
    path = tmp_path / "mine.py"
    path.write_text("print('loaded', __file__)\n")
    cli.main(["reverie", "report", *flag.format(path).split(), f"--workdir={tmp_path}"])
    assert f"loaded {path}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("xcov_demo:foo", "config xcov_demo:foo: xcov_demo has no variants; write it without ':foo'"),
        (
            "scan_scenes:foo",
            "variant is 'foo'; expected one of reverse, entangled, mixed, latentwise, compares, features, jmvae, "
            "telbo, or none",
        ),
        ("replay_split_mnist:foo", "no recipe 'foo'; a recipe is one of none,"),
        ("replay_split_mnist:gr,foo", "scenario is 'foo'; expected one of task, domain, class"),
        ("some", "config some is a folder; expected a Python file with a function get_config, or one of disentangle_"),
        ("./some", "config ./some is a folder; expected a Python file with a function get_config"),
        ("nothing", "no config 'nothing'; expected one of disentangle_shapes3d, "),
    ],
)
def test_a_config_that_is_none_is_answered_with_what_there_is(tmp_path, monkeypatch, capsys, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some").mkdir()
    assert message in refusal(capsys, "train", f"--config={name}", "--workdir=run")
    assert not (tmp_path / "run").exists()


def test_one_number_where_a_setting_takes_several_means_the_same_in_python_as_on_the_command_line():
    assert reverie.config("sparse_demo", {"greedy.steps": 5}).greedy.steps == (5,)
    assert reverie.config("sparse_demo", {"model.maps": [8, 16, 32]}).model.maps == (8, 16, 32)


def test_options_of_a_concept_are_refused_without_one(trained_run, capsys):
    for option, flag in (("report", "--report=x=y"), ("groups", "--groups=x=y"), ("every", "--every=3")):
        said = refusal(capsys, "evaluate", f"--workdir={trained_run}", flag)
        assert f"--{option} is given without --concept; name a concept, too" in said


def test_a_split_that_a_source_does_not_have_is_answered_with_those_that_it_has(capsys, tmp_path):
    PIL.Image.new("L", (8, 8)).save(tmp_path / "a.png")
    said = refusal(capsys, "data", "check", f"folder:{tmp_path}", "--split=test")
    assert said.endswith("has no test split of its own; expected one of train")
