"""Someone outside the package adds a layer, a family, a source, a method and a config, in one file each.

Every verb of the command line works on them, and no file of the package is touched.
"""

import hashlib
import json
import pathlib
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

LAYER = '''
"""A layer: every feature times a weight of its own."""

import keras
from reverie.layers import CallInput, register_layer


@register_layer(arguments={}, inputs=[CallInput((3,))], backends=True)
class ToyScale(keras.layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
        self.built = True

    def call(self, inputs):
        return inputs * keras.ops.cast(self.scale, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape
'''

FAMILY = '''
"""A family: a linear autoencoder with a scaled code, and its evaluation."""

import dataclasses
import math
import sys

import keras
import numpy as np
import tensorflow as tf
from reverie import Family, Picture, Signature, register_family
from toy_layer import ToyScale


@dataclasses.dataclass(frozen=True)
class ToyConfig:
    """Sizes.

    Attributes:
      image_shape: (height, width, channels).
      latents: units of the code.
    """

    image_shape: tuple = (8, 8, 1)
    latents: int = 3


class Toy(keras.Model):
    def __init__(self, config):
        super().__init__()
        self.config = config
        pixels = math.prod(config.image_shape)
        self.encoder = keras.layers.Dense(config.latents, name="encoder")
        self.scale = ToyScale(name="scale")
        self.decoder = keras.layers.Dense(pixels, name="decoder")
        self.encoder.build((None, pixels))
        self.scale.build((None, config.latents))
        self.decoder.build((None, config.latents))
        self.built = True

    def losses(self, batch, noise, training):
        images = batch["image"]
        error = tf.reduce_mean(tf.square(self.reconstruct(images)["images"] - images), axis=[1, 2, 3])
        return {"total": error, "reconstruction": error}

    def encode(self, images):
        flat = tf.reshape(images, [-1, math.prod(self.config.image_shape)])
        return {"features": self.scale(self.encoder(flat))}

    def decode(self, features):
        return {"images": tf.reshape(self.decoder(features), [-1, *self.config.image_shape])}

    def reconstruct(self, images):
        return self.decode(**self.encode(images))

    def generate(self, count, seed):
        return self.decode(tf.random.stateless_normal([count, self.config.latents], seed, alg="philox"))

    def signatures(self):
        images = {"images": tf.TensorSpec([None, *self.config.image_shape], tf.float32, name="images")}
        code = {"features": tf.TensorSpec([None, self.config.latents], tf.float32, name="features")}
        request = {
            "count": tf.TensorSpec([], tf.int32, name="count"),
            "seed": tf.TensorSpec([2], tf.int32, name="seed"),
        }
        return {
            "encode": Signature(self.encode, images, lambda x: {"images": x}, lite=True),
            "decode": Signature(self.decode, code, lambda x: {"features": np.ones([len(x), 3], np.float32)}, lite=True),
            "reconstruct": Signature(self.reconstruct, images, lambda x: {"images": x}),
            "generate": Signature(
                self.generate, request, lambda x: {"count": np.int32(len(x)), "seed": np.array([1, 2], np.int32)}
            ),
        }


HEADLINES = {"reconstruction": "mean squared reconstruction error"}
OPTIONS = {}


def quick(model, images):
    pixels = images.pixels.astype(np.float32) / 255.0
    return {"reconstruction": float(np.mean((model.reconstruct(pixels)["images"].numpy() - pixels) ** 2))}


def evaluate(model, data):
    return {"test_images": len(data.test), **quick(model, data.test)}


def draw(model, data, numbers):
    pixels = data.test.pixels[:4].astype(np.float32) / 255.0
    back = np.clip(model.reconstruct(pixels)["images"].numpy(), 0.0, 1.0)
    rows = [np.concatenate(list(part), axis=1) for part in (pixels, back)]
    return {"toy_pairs": Picture(np.uint8(255 * np.concatenate(rows)), "Above: test images. Below: reconstructions.")}


register_family(
    Family(
        name="toy",
        settings=ToyConfig,
        build=Toy,
        summary="a linear autoencoder with a scaled code",
        evaluation=sys.modules[__name__],
    )
)
'''

SOURCE = '''
"""A source: bright rows in noise, drawn."""

import numpy as np
from reverie.pipelines import Option, Source, from_arrays, register_source


class ToyRows(Source):
    kind, summary, forms = "toyrows", "bright rows in noise, drawn", ("toyrows:COUNT",)
    options = {"toy_brightness": Option(180, "of the bright row, 0 to 195")}

    def splits(self, place, request):
        return ("train", "test")

    def read(self, place, split, request):
        try:
            count = int(place)
        except ValueError:
            raise UserError(f"toyrows:{place}: expected toyrows:COUNT, as toyrows:200") from None
        if count < 1:
            raise UserError(f"toyrows:{place}: expected at least one image")
        generator = np.random.default_rng(0 if split == "train" else 1)
        labels = generator.integers(0, 3, count)
        images = generator.integers(0, 60, (count, 8, 8, 1))
        images[np.arange(count), 2 * labels] += request.options["toy_brightness"]
        return from_arrays(f"toyrows:{place}:{split}", images.astype(np.uint8), labels)


from reverie import UserError

register_source(ToyRows())
'''

METHOD = '''
"""A method: weights are held near where the last task left them, all alike."""

import dataclasses

import tensorflow as tf
from reverie import Method, register_method
from reverie.training.continual import Options, state


@dataclasses.dataclass(frozen=True)
class ToyHoldOptions(Options):
    """Of `toyhold`.

    Attributes:
      toyhold_strength: weight of the penalty.
    """

    toyhold_strength: float = 1.0


class ToyHold(Method):
    name, summary, penalizes = "toyhold", "holds all weights alike", True
    options, strength = ToyHoldOptions, "toyhold_strength"

    def __init__(self, variables, strength):
        super().__init__(name="toyhold")
        self._variables, self._strength = variables, strength
        self.active = state(0.0)
        self.anchor = [state(v.numpy()) for v in variables]

    @classmethod
    def build(cls, context):
        return cls(context.held, context.options.toyhold_strength)

    def extra_loss(self):
        pairs = zip(self._variables, self.anchor, strict=True)
        distance = tf.add_n([tf.reduce_sum(tf.square(tf.convert_to_tensor(v) - a)) for v, a in pairs])
        return self._strength * self.active * distance

    def after_task(self, task):
        self.active.assign(1.0)
        for variable, anchor in zip(self._variables, self.anchor, strict=True):
            anchor.assign(variable.numpy())


register_method(ToyHold)
'''

CONFIG = '''
"""The toy family on the toy source.

    reverie train --plugins=toy_layer.py,toy_family.py,toy_source.py --config=toy_config.py --workdir=runs/toy
"""

from reverie.configs import defaults


def get_config():
    config = defaults.get_config("toy")
    config.data.source = "toyrows:120"
    config.data.image_shape = (8, 8, 1)
    config.data.toy_brightness = 190
    config.train.steps = 40
    config.train.batch_size = 20
    config.train.steps_per_call = 5
    config.train.log_every = 10
    config.train.checkpoint_every = 10
    return config
'''


def _digest_of_the_package() -> str:
    content = hashlib.sha256()
    for path in sorted(ROOT.rglob("*.py")):
        if not {".venv", "runs", "build"} & set(path.relative_to(ROOT).parts):
            content.update(path.read_bytes())
    return content.hexdigest()


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """The five files, in a folder of their own; what they register is gone again afterwards."""
    folder = tmp_path_factory.mktemp("toys")
    files = {"toy_layer": LAYER, "toy_family": FAMILY, "toy_source": SOURCE, "toy_method": METHOD, "toy_config": CONFIG}
    for name, content in files.items():
        (folder / f"{name}.py").write_text(content.lstrip())
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
    """SIGTERM, as a scheduler sends it, once a step was logged."""
    original = loop.Records.scalars

    def scalars(self, at, phase, values):
        original(self, at, phase, values)
        if at >= step:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(loop.Records, "scalars", scalars)


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
    [("import nothing_of_the_kind", "ModuleNotFoundError"), ("raise ValueError('broken')", "ValueError: broken")],
)
def test_a_plugin_that_cannot_be_loaded_is_one_line(tmp_path, capsys, content, message):
    (tmp_path / "bad.py").write_text(content)
    assert _reverie("doctor", f"--plugins={tmp_path / 'bad.py'}") == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert _reverie("doctor", f"--plugins={tmp_path / 'none.py'}") == 2
    assert "no such plugin file" in capsys.readouterr().err
