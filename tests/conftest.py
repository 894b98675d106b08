"""Shared fixtures: two logical CPUs for the replica tests, tiny data, a tiny config, one tiny trained run."""

import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

# Logical devices can only be made before TensorFlow starts, hence here.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

from reverie.configs import defaults
from reverie.experiments import StreamOfTasks
from reverie.pipelines import from_arrays
from reverie.stored import read_object
from reverie.training import loop, run_folder, strategies

from . import experiment

# TensorFlow is a million objects that every full collection would walk through, and the making of graphs brings on many
# collections: a fifth of the processor time of these tests.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 50)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Each test starts from weights of its own seed: a network of four units is sometimes made without a live one."""
    keras.utils.set_random_seed(0)


def tiny_arrays(count: int = 60, side: int = 8, classes: int = 3, seed: int = 0) -> tuple:
    """Images whose class is a bright row, in noise: learnable in seconds."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    images = rng.integers(0, 60, (count, side, side, 1))
    images[np.arange(count), labels * 2] += 180
    return images.astype(np.uint8), labels.astype(np.uint8)


@pytest.fixture
def tiny_images():
    return from_arrays("tiny", *tiny_arrays())


def tiny_config(source: str, **train):
    """A config of the smallest useful XCov; `source` is an .npz written by `tiny_npz`."""
    import ml_collections

    config = defaults.get_config()
    config.data.source = source
    config.data.image_shape = (8, 8, 1)
    config.model = ml_collections.ConfigDict(
        {
            "family": "xcov",
            "image_shape": (8, 8, 1),
            "heads": {"label": 3},
            "latents": 2,
            "convolutions": (),
            "encoder": (16,),
            "decoder": (16,),
            "activation": "relu",
            "reconstruction_weight": 1.0,
            "classification_weight": 1.0,
            "covariance_weight": 1.0,
            "covariance_on": "probabilities",
        }
    )
    config.train.steps = 30
    config.train.batch_size = 10
    config.train.steps_per_call = 5
    config.train.log_every = 10
    config.train.checkpoint_every = 0
    config.optimizer = ml_collections.ConfigDict({"name": "adam"})
    config.schedule.rate = 3e-3
    config.update({"train": train})
    return config


ATTRIBUTES = {"colour": ("red", "green", "blue", "white"), "place": ("top", "middle", "bottom")}


def colored_bars(count: int = 300, seed: int = 0):
    """`Images` of a colored bar at one of three heights, with both as named attributes: learnable in seconds."""
    rng = np.random.default_rng(seed)
    colors, places = rng.integers(0, 4, count), rng.integers(0, 3, count)
    paint = np.array([[220, 30, 30], [30, 220, 30], [30, 30, 220], [220, 220, 220]])
    images = rng.integers(0, 30, (count, 8, 8, 3))
    for row, (color, place) in enumerate(zip(colors, places, strict=True)):
        images[row, 1 + 2 * place : 3 + 2 * place] = paint[color]
    names = {"head_names": tuple(ATTRIBUTES), "class_names": dict(ATTRIBUTES)}
    return from_arrays("bars", images.astype(np.uint8), np.stack([colors, places], axis=-1), **names)


def tiny_scan(variant: str = "", **changes):
    """The smallest useful SCAN on pictures of a colored bar at a place."""
    from reverie.configs import scan_scenes

    config = scan_scenes.get_config(variant)
    config.data.image_shape = config.model.image_shape = (8, 8, 3)
    config.words.pairs = 60
    config.model.vision.update({"channels": (8, 8), "hidden": 24, "latents": 5, "hold_steps": 0, "ramp_steps": 30})
    config.model.symbols.hidden = 16
    if variant not in ("jmvae", "telbo"):
        config.model.denoising.update({"channels": (4, 4), "bottleneck": 8})
        config.model.recombination.hidden = 16
        config.stages.denoising.steps = 10
        config.stages.symbols.steps = config.stages.operators.steps = 20
        config.stages.vision.update({"steps": 30, "batch_size": 16, "unmix_at": (10, 20)})
    else:
        config.stages.joint.update({"steps": 30, "batch_size": 16})
    config.train.checkpoint_every = 0
    config.train.steps_per_call = 5
    for name, value in changes.items():
        target, *rest = name.split("__")
        node = config[target]
        for part in rest[:-1]:
            node = node[part]
        node[rest[-1]] = value
    return config


def tiny_vision(variant: str = "beta_vae", **changes):
    """The smallest useful run of vision alone, on pictures of a colored bar at a place."""
    from reverie.configs import disentangle_shapes3d

    config = disentangle_shapes3d.get_config(variant)
    config.data.image_shape = config.model.image_shape = (8, 8, 3)
    sizes = {"channels": (8, 8), "hidden": 24, "latents": 5, "hold_steps": 0, "ramp_steps": 30}
    config.model.vision.update({**sizes, "precision": 50.0, "beta_start": 2.0, "beta": 1.0})
    config.stages.vision.update({"steps": 40, "batch_size": 16, "rate": 1e-2, "unmix_at": (10, 20)})
    config.train.update({"checkpoint_every": 5, "steps_per_call": 5})
    config.update_from_flattened_dict(changes)
    return config


@pytest.fixture
def tiny_npz(tmp_path):
    return write_tiny_npz(tmp_path / "tiny.npz")


def write_tiny_npz(path) -> str:
    train, test = tiny_arrays(), tiny_arrays(30, seed=1)
    np.savez(path, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
    return str(path)


def tiny_stream_config(source: str, recipe: str = "bir", scenario: str = "class", kind: str = "split", **train):
    """Three tasks of two classes (or of all six, permuted), the smallest useful network; see `write_stream_npz`."""
    import ml_collections
    from reverie.configs import recipes

    config = recipes.stream_config(kind, scenario, 3, 2 if kind == "split" else 6)
    config.data.source = source
    config.data.image_shape = (12, 12, 1)
    config.model.hidden = (32, 24)
    config.model.latents = 5
    config.model.gate_by = "class" if kind == "split" else "task"
    config.train.steps = 40
    config.train.batch_size = 12
    config.train.steps_per_call = 10
    config.train.log_every = 20
    config.continual.fisher_images = 40
    config.continual.memory = 40
    config.optimizer = ml_collections.ConfigDict({"name": "adam"})
    config.schedule.rate = 3e-3
    config.update({"train": train})
    values = {"ewc": 100.0, "online_ewc": 100.0, "si": 1.0, "xdg": 0.5, "gating": 0.5, "rff": 64}
    return recipes.apply(config, recipe, values)


def write_stream_npz(path, seed: int = 0) -> str:
    train, test = (tiny_arrays(n, 12, 6, seed + k) for k, n in enumerate((240, 90)))
    np.savez(path, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
    return str(path)


@pytest.fixture(scope="session")
def stream_npz(tmp_path_factory):
    return write_stream_npz(tmp_path_factory.mktemp("stream") / "stream.npz")


def run_stream(config, workdir, strategy: str = "one"):
    """As `run`, over a stream; returns (model, outcome, the history of tasks.json, state)."""
    chosen = strategies.make_strategy(strategy)
    folder = run_folder.open_run(workdir, config, StreamOfTasks.fixed).folder
    made = experiment.prepare(config, chosen, folder)
    run_folder.write_json(folder / "data.json", run_folder.check_data(folder, made.data))
    context = loop.Context(made.model, experiment.loop_settings(config), chosen, folder, made.state)
    outcome = loop.train(context, made.phases, made.watch)
    return made.model, outcome, read_object(folder / "tasks.json"), made.state


def run(config, workdir, strategy: str = "one", **watched):
    """Trains in this process, as the command line does, and returns (model, outcome)."""
    chosen = strategies.make_strategy(strategy)
    folder = run_folder.open_run(workdir, config).folder
    images = experiment.read_images(config, "train")["train"]
    model, phases = experiment.model_and_phases(config, images, chosen)
    context = loop.Context(model, experiment.loop_settings(config), chosen, folder)
    return model, loop.train(context, phases, loop.Watch(**watched))


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory):
    """A run folder of a tiny model, trained to the end; do not write into it."""
    folder = tmp_path_factory.mktemp("trained")
    config = tiny_config(write_tiny_npz(folder / "tiny.npz"), steps=150)
    run(config, folder / "run")
    return folder / "run"


@pytest.fixture(scope="session")
def trained_model(trained_run):
    return experiment.load(trained_run)[1]


# ---- what two processes share out among them

# Files whose tests share something that takes long to make; those of one group go to one process. Of the contracts
# those of one case stay together, with its trained run.
_GROUPS = {
    "test_scan_cli.py": "scan", "test_sparse_run.py": "sparse", "test_sparse_classifier.py": "classifier",
    "test_lite.py": "export", "test_saved_model.py": "export", "test_publication.py": "export",
    "test_serve_check.py": "export", "test_clients.py": "export", "test_backends.py": "backends",
    "test_extending.py": "extending", "test_xcov.py": "xcov", "test_sources.py": "sources", "test_page.py": "browser",
}  # fmt: skip
_BY_CASE = "test_families.py"


def _group_of(nodeid: str) -> str:
    """What decides on the process of a test; its own name where it may go to any."""
    path, _, name = nodeid.partition("::")
    file = path.rpartition("/")[2]
    if file == _BY_CASE and name.endswith("]"):
        return f"case {name.partition('[')[2]}"
    return _GROUPS.get(file, nodeid)


def pytest_xdist_make_scheduler(config, log):
    """Groups by name, whatever pytest does with marks: marks of xdist 3.8 go unheard in pytest 9.2, without a word."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return _group_of(nodeid)

    return Groups(config, log)


# ---- the tables of the contracts, made from the run: REVERIE_MATRIX=docs/contract_matrix.md python -m pytest

_CELLS: dict = {}
_FAULTS: dict = {}  # And of docs/reliability.md: REVERIE_FAULTS=docs/reliability.md.


@pytest.fixture(autouse=True)
def _fault(request):
    """Which row of the table of faults a test shows."""
    for marker in request.node.iter_markers("fault"):
        what, kept, said, code = marker.args
        request.node.user_properties.append(("fault", [what, kept, said, str(code)]))


def pytest_runtest_logreport(report):
    """Keeps the outcome of every test that fills a cell of a table."""
    # A test may measure how far apart two runs are: record_property("apart", number).
    apart = "".join(str(value) for name, value in report.user_properties if name == "apart")
    for name, cell in report.user_properties:
        if name == "contract" and (report.when == "call" or report.outcome != "passed"):
            reason = str(report.longrepr[2]).removeprefix("Skipped: ") if report.skipped else apart
            _CELLS.setdefault(tuple(cell), []).append((report.outcome, reason))
        if name == "fault" and (report.when == "call" or report.outcome != "passed"):
            _FAULTS.setdefault(tuple(cell), []).append(report.outcome)


def pytest_sessionfinish(session):
    path = os.environ.get("REVERIE_MATRIX")
    if path and _CELLS and not hasattr(session.config, "workerinput"):
        from .contracts import matrix

        matrix.write(path, _CELLS)
    page = os.environ.get("REVERIE_FAULTS")
    if page and _FAULTS and not hasattr(session.config, "workerinput"):
        from . import faults

        faults.write(page, _FAULTS)
