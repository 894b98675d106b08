import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from reverie.errors import UserError
from reverie.evaluation import collapse
from reverie.training import checkpoints, continual, loop, strategies
from reverie.training.continual import registry
from reverie.training.records import read_metrics

from .. import experiment
from ..conftest import run, run_stream, tiny_arrays, tiny_config, tiny_stream_config, write_stream_npz
from ..killed import killed_at

# Every method, with scenarios that admit it; in the fast suite bir stands for all, in tests/contracts.
CASES = [
    pytest.param("er+ewc", "class", marks=pytest.mark.thorough),
    pytest.param("guided", "class", marks=pytest.mark.thorough),
    *(
        pytest.param(recipe, scenario, marks=pytest.mark.slow)
        for recipe, scenario in (
            ("bir+si", "class"), ("none", "class"), ("joint", "class"), ("lwf", "class"), ("gr", "class"),
            ("xdg+si", "task"), ("bir", "task"), ("online_ewc+lwf", "task"), ("bir-feedback", "domain"),
        )
    ),
]  # fmt: skip


def _everything(model, state) -> list:
    """All numbers of a run: weights, copies, importances, memories."""
    copies = [w for method in state.methods if hasattr(method, "copy") for w in method.copy.weights]
    return [np.asarray(v.numpy(), np.float64) for v in (*model.weights, *state.variables, *copies)]


def _assert_same(one: list, other: list) -> None:
    """Alike but for the last bits: TensorFlow sums in the order in which threads finish, unless told not to.

    A lost moment, importance, draw or batch moves weights by about the learning rate, 3e-3. That deterministic
    runs end in the same bits is held by tests/test_streams_cli.py.
    """
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize(("recipe", "scenario"), CASES)
def test_a_run_stopped_inside_any_task_ends_as_an_unbroken_one(stream_npz, tmp_path, recipe, scenario):
    config = tiny_stream_config(stream_npz, recipe, scenario, steps=12, steps_per_call=4, checkpoint_every=4)
    whole, outcome, history, state = run_stream(config, tmp_path / "whole")
    assert outcome.step == 36 and len(history["accuracy"]) == 3
    # Stopped in the first task, between two tasks, and in the last one; each time a new process would start here.
    for step in (8, 24, 32):
        with killed_at(step):
            run_stream(config, tmp_path / "broken")
    broken, outcome, again, restored = run_stream(config, tmp_path / "broken")
    assert outcome.step == 36 and again == history
    _assert_same(_everything(broken, restored), _everything(whole, state))


@pytest.mark.slow
def test_two_replicas_learn_a_stream_and_resume(stream_npz, tmp_path):
    config = tiny_stream_config(stream_npz, "bir+si", steps=12, steps_per_call=4, checkpoint_every=4)
    whole, _, _, state = run_stream(config, tmp_path / "whole", "mirrored")
    with killed_at(20):
        run_stream(config, tmp_path / "broken", "mirrored")
    broken, _, _, restored = run_stream(config, tmp_path / "broken", "mirrored")
    _assert_same(_everything(broken, restored), _everything(whole, state))


@pytest.mark.parametrize(
    "recipe", ["si", pytest.param("ewc", marks=pytest.mark.slow), pytest.param("lwf", marks=pytest.mark.slow)]
)
def test_two_replicas_take_the_steps_of_one_device_where_nothing_is_drawn(stream_npz, tmp_path, recipe):
    config = tiny_stream_config(stream_npz, recipe, steps=10)
    models = [run_stream(config, tmp_path / name, name)[0] for name in ("one", "mirrored")]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_rehearsal_remembers_what_plain_training_forgets(stream_npz, tmp_path):
    finals = {}
    for recipe in ("none", "joint", "bir"):
        config = tiny_stream_config(stream_npz, recipe, steps=120)
        finals[recipe] = np.array(run_stream(config, tmp_path / recipe)[2]["accuracy"][-1])
    assert finals["none"][:2].max() < 0.2 and finals["none"][2] > 0.9
    assert finals["joint"].min() > 0.9
    assert finals["bir"][:2].mean() > finals["none"][:2].mean() + 0.4


def test_iid_joint_training_is_one_phase_over_everything(stream_npz, tmp_path):
    config = tiny_stream_config(stream_npz, "joint_iid", steps=80)
    _, outcome, history, _ = run_stream(config, tmp_path / "run")
    assert outcome.step == 240 and len(history["accuracy"]) == 1
    assert np.mean(history["accuracy"][0]) > 0.9 and len(history["accuracy"][0]) == 3


def test_one_graph_serves_all_tasks_after_the_first(stream_npz, tmp_path, monkeypatch):
    traced, original = [], loop.Runner._many_steps

    def many_steps(self, iterator, count, in_a_row):
        traced.append(self.phase.name)
        return original(self, iterator, count, in_a_row)

    monkeypatch.setattr(loop.Runner, "_many_steps", many_steps)
    config = tiny_stream_config(stream_npz, "bir", steps=8)
    config.stream.tasks, config.stream.classes_per_task = 6, 1
    config.train.batch_size = 10
    run_stream(config, tmp_path / "run")
    # Automatic control flow may trace a function more than once; what counts is that later tasks add nothing.
    assert set(traced) == {"task 1 of 6", "task 2 of 6"}


def test_the_optimizer_goes_on_from_task_to_task(stream_npz, tmp_path):
    config = tiny_stream_config(stream_npz, "none", steps=5)
    run_stream(config, tmp_path / "run")
    path = checkpoints.latest(tmp_path / "run" / "checkpoints")
    slots = [name for name, _ in tf.train.list_variables(path) if name.startswith("optimizer/slots")]
    assert slots
    # With a fresh optimizer in each task the first moments of output units of the first task, which get no
    # gradient from the third on, would be zero.
    moments = [tf.train.load_variable(path, name) for name in slots]
    output = [m for m in moments if m.shape == (24, 6)]
    assert np.all(np.any(output[0] != 0.0, axis=0))


def test_the_memory_keeps_rows_of_earlier_tasks_with_their_labels(stream_npz, tmp_path):
    config = tiny_stream_config(stream_npz, "er", steps=2)
    _, _, _, state = run_stream(config, tmp_path / "run")
    memory = state.methods[0]
    rows, labels = memory.memory.numpy()[:36] / 255.0, memory.labels.numpy()[:36]
    assert int(memory.filled.numpy()) == 36 and np.bincount(labels).tolist() == [6] * 6  # 40 // 6 each.
    # Each class of the tiny images is one bright row of pixels.
    bright = np.argmax(rows.reshape(36, 12, 12).mean(axis=2), axis=1)
    assert np.array_equal(bright, labels * 2)


def test_features_are_computed_once_a_task_and_rehearsed_as_they_are(tmp_path, stream_npz, monkeypatch):
    pretraining = tiny_stream_config(stream_npz, "none", steps=10)
    pretraining.stream.tasks, pretraining.stream.classes_per_task = 1, 6
    pretraining.continual.augment = 2
    settings = {"convolutions": (4, 6, 8), "reconstruction": "squared", "mean": (0.2,), "deviation": (0.3,)}
    pretraining.model.update(settings)
    first, *_ = run_stream(pretraining, tmp_path / "features")
    config = tiny_stream_config(stream_npz, "bir", steps=6)
    config.model.update({**settings, "internal": True})
    with pytest.raises(UserError, match="internal replay freezes the convolutional stack"):
        run_stream(config, tmp_path / "none")
    config.continual.pretrained = str(tmp_path / "features")
    monkeypatch.setattr(collapse, "measure", lambda *_: {})  # It asks the finished network, outside of any step.
    calls, original = [], type(first).represent
    monkeypatch.setattr(type(first), "represent", lambda self, images: calls.append(1) or original(self, images))
    model, _, history, _ = run_stream(config, tmp_path / "run")
    for one, other in zip(first.features.weights, model.features.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    # Traced once a task for the cache, once for measuring, never inside a step.
    assert len(calls) <= 3 + 2 and len(history["accuracy"]) == 3
    other = tiny_stream_config(stream_npz, "bir", steps=6)
    other.model.update({**settings, "internal": True, "convolutions": (5, 7)})
    other.continual.pretrained = str(tmp_path / "features")
    with pytest.raises(UserError, match="its weights are not those of a convolutional stack"):
        run_stream(other, tmp_path / "other")


def test_numbers_of_each_task_are_recorded(stream_npz, tmp_path):
    config = tiny_stream_config(stream_npz, "bir", steps=20)
    _, _, history, _ = run_stream(config, tmp_path / "run")
    lines = [line for line in read_metrics(tmp_path / "run") if "average_accuracy" in line]
    assert [line["step"] for line in lines] == [20, 40, 60]
    for number, line in enumerate(lines):
        assert line["average_accuracy"] == pytest.approx(np.mean(history["accuracy"][number][: number + 1]))
        assert history["accuracy"][number][number + 1 :] == [None] * (2 - number)
    assert (tmp_path / "run" / "pictures" / "imagined_after_task_003.png").is_file()


@pytest.fixture
def toy(monkeypatch):
    """A method as someone outside the package writes it: with options, hooks and state of its own; registered."""
    monkeypatch.setattr(registry, "_METHODS", registry.methods())

    @dataclasses.dataclass(frozen=True)
    class ToyOptions(continual.Options):
        toy_pull: float = continual.option(0.5, least=0)

    @continual.register_method
    class Toy(continual.Method):
        name = "toy"
        summary = "pulls all weights to zero and counts steps and tasks"
        options, strength = ToyOptions, "toy_pull"
        penalizes = True

        def __init__(self, variables, pull):
            super().__init__()
            self.held, self._pull = variables, pull
            self.steps, self.tasks = continual.state(0.0), continual.state(0)

        @classmethod
        def build(cls, context):
            return cls(context.held, context.options.toy_pull)

        def extra_loss(self):
            return self._pull * tf.add_n([tf.reduce_sum(tf.square(tf.convert_to_tensor(v))) for v in self.held])

        def gradients_seen(self, gradients):
            assert len(gradients) >= len(self.held)
            return lambda: self.steps.assign_add(1.0)

        def after_task(self, task):
            self.tasks.assign(task + 1)

    return Toy


def test_a_method_from_outside_is_a_recipe_with_settings_and_resumes(toy, stream_npz, tmp_path):
    from reverie.configs import replay_split_mnist

    assert replay_split_mnist.get_config("toy").continual.methods == ("toy",)
    assert replay_split_mnist.get_config("bir+toy,task").continual.toy_pull == 0.5
    # Beside another method that sees gradients, and one that rehearses.
    config = tiny_stream_config(stream_npz, "toy+si+er", steps=4, steps_per_call=2, checkpoint_every=2)
    assert config.continual.methods == ("toy", "si", "buffer")
    config.continual.toy_pull = 2.0
    whole, _, _, state = run_stream(config, tmp_path / "whole")
    assert [type(method).name for method in state.methods] == ["si", "toy", "buffer"]
    method = state.methods[1]
    assert isinstance(method, toy) and method._pull == 2.0
    assert float(method.steps) == 12.0 and int(method.tasks) == 3
    assert max(float(tf.reduce_max(tf.abs(path))) for path in state.methods[0].importance) > 0.0
    with killed_at(6):
        run_stream(config, tmp_path / "broken")
    broken, _, _, restored = run_stream(config, tmp_path / "broken")
    assert float(restored.methods[1].steps) == 12.0
    _assert_same(_everything(broken, restored), _everything(whole, state))
    lines = [line for line in read_metrics(tmp_path / "whole") if "penalty" in line]
    assert lines[0]["penalty"] > 0.0


@pytest.mark.parametrize("name", continual.methods())
def test_every_method_says_what_it_is_and_keeps_no_more_than_it_declares(name, stream_npz):
    method = continual.methods()[name]
    scenario = method.scenarios[-1]
    config = tiny_stream_config(stream_npz, method.recipe or name, scenario, steps=2)
    assert config.continual.methods == (name,) and method.summary
    stream = experiment.read_streams(config, "train")["train"]
    made = continual.make_experiment(config, stream, strategies.make_strategy("one"))
    assert [type(kept) for kept in made.state.methods] == ([method] if method.stateful else [])
    assert len(made.phases) == (1 if method.one_phase else 3)
    settings = continual.settings_of(config)
    for field in dataclasses.fields(method.options):
        assert getattr(settings, field.name) == getattr(settings.options[name], field.name)


def test_settings_are_read_only_and_know_what_they_have():
    settings = continual.checked({"methods": ("si",), "memory": 7}, "class", {})
    assert (settings.memory, settings.si_damping, settings.temperature) == (7, 0.1, 2.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.memory = 8
    with pytest.raises(AttributeError, match="no setting 'memmory'"):
        _ = settings.memmory


class TestBadInputIsOneClearLine:
    def test_a_setting_that_no_method_has(self):
        with pytest.raises(UserError, match="continual has no setting 'memmory'; expected augment"):
            continual.checked({"memmory": 7}, "class", {})

    @pytest.mark.parametrize(
        ("facts", "said"),
        [
            ({"name": "Toy 2"}, "Other.name is 'Toy 2'; expected small letters"),
            ({"name": "si"}, "Other.name is 'si', which is taken by reverie"),
            ({"name": "other", "recipe": "er"}, "Other.recipe is 'er', which is taken"),
            ({"name": "other", "rehearses": True}, "Other.rehearses is True; it must say whether the class has rows"),
            ({"name": "other", "extra_loss": lambda self: 0.0}, "Other.penalizes is False; it must say"),
            ({"name": "other", "options": dict}, "expected a frozen dataclass, a subclass of Options"),
            ({"name": "other", "strength": "force"}, "Other.strength is 'force'; expected one of its options"),
            ({"name": "other", "options": ("memory", 5)}, "memory is 5 by default, but 2000 in another method"),
            ({"name": "other", "options": ("augment", 0)}, "augment is a setting of all methods"),
        ],
    )
    def test_a_method_that_cannot_be_registered(self, facts, said):
        if isinstance(facts.get("options"), tuple):
            name, default = facts["options"]
            options = dataclasses.make_dataclass(
                "Other", [(name, int, dataclasses.field(default=default))], bases=(continual.Options,), frozen=True
            )
            facts = {**facts, "options": options}
        before = continual.methods()
        with pytest.raises(UserError, match=said):
            continual.register_method(type("Other", (continual.Method,), facts))
        assert continual.methods() == before

    def test_a_method_from_outside_where_it_does_not_admit_to_be(self, toy):
        toy.scenarios, toy.excludes = ("task",), {"si": "pull in two directions"}
        with pytest.raises(UserError, match="toy does not work in the class-incremental scenario; set stream.scenario=task"):  # fmt: skip  # noqa: E501
            continual.checked({"methods": ("toy",)}, "class", {})
        with pytest.raises(UserError, match="toy and si pull in two directions"):
            continual.checked({"methods": ("si", "toy")}, "task", {})
        with pytest.raises(UserError, match="continual.toy_pull is -1; expected at least 0"):
            continual.checked({"toy_pull": -1}, "task", {})

    @pytest.mark.parametrize(
        ("methods", "scenario", "said"),
        [
            (("xdg",), "class", "xdg gates by task, which the class-incremental scenario does not provide"),
            (("xdg", "generative"), "task", "do not go together"),
            (("generative", "buffer"), "class", "rehearses in 2 ways"),
            (("joint", "si"), "class", "cannot be combined with other methods"),
            (("ewc", "online_ewc"), "class", "choose one"),
            (("replay",), "class", "expected some of joint"),
            (("si", "si"), "class", "names one twice"),
        ],
    )
    def test_methods_that_do_not_go_together(self, methods, scenario, said):
        model = {"task_gating": 0.5 if "xdg" in methods else 0.0}
        with pytest.raises(UserError, match=said):
            continual.checked({"methods": methods}, scenario, model)

    def test_a_network_that_is_not_made_for_the_method(self):
        with pytest.raises(UserError, match=r"model\.generator=True"):
            continual.checked({"methods": ("generative",)}, "class", {"generator": False})
        with pytest.raises(UserError, match="XdG needs a share of units above 0"):
            continual.checked({"methods": ("xdg",)}, "task", {"task_gating": 0.0})
        with pytest.raises(UserError, match="other methods need 0"):
            continual.checked({"methods": ()}, "task", {"task_gating": 0.5})

    @pytest.mark.parametrize("name", ["temperature", "si_damping", "memory", "ewc_strength", "evaluate_on"])
    def test_numbers_out_of_range(self, name):
        value = "train" if name == "evaluate_on" else -1
        with pytest.raises(UserError, match=f"continual.{name} is"):
            continual.checked({name: value}, "class", {})

    def test_epochs_and_steps_of_a_stream(self, stream_npz, tmp_path):
        config = tiny_stream_config(stream_npz, "none", steps=0)
        with pytest.raises(UserError, match=r"train\.steps steps for every task, and no epochs"):
            run_stream(config, tmp_path / "run")

    def test_a_batch_larger_than_a_task(self, stream_npz, tmp_path):
        config = tiny_stream_config(stream_npz, "none", batch_size=200)
        with pytest.raises(UserError, match="batch_size is 200, but"):
            run_stream(config, tmp_path / "run")

    def test_a_run_taken_up_on_another_stream(self, tmp_path):
        source = write_stream_npz(tmp_path / "data.npz")
        run_stream(tiny_stream_config(source, "none", steps=5), tmp_path / "run")
        for name, value in (("tasks", 2), ("order", "seed")):
            config = tiny_stream_config(source, "none", steps=5)
            config.stream[name] = value
            with pytest.raises(UserError, match=rf"other settings \(stream.{name}"):
                run_stream(config, tmp_path / "run")
        with pytest.raises(UserError, match=r"other settings \(train.steps: 5 -> 9"):
            run_stream(tiny_stream_config(source, "none", steps=9), tmp_path / "run")
        # The same settings, but other labels in the file.
        write_stream_npz(tmp_path / "data.npz", seed=7)
        with pytest.raises(UserError, match="holds a run on other data"):
            run_stream(tiny_stream_config(source, "none", steps=5), tmp_path / "run")

    def test_validation_images_that_there_are_not(self, stream_npz, tmp_path):
        config = tiny_stream_config(stream_npz, "none")
        config.continual.evaluate_on = "validation"
        with pytest.raises(UserError, match=r"set data\.validation_fraction"):
            run_stream(config, tmp_path / "run")


def test_phases_may_change_their_optimizer_between_runs_of_phases(tiny_npz, tmp_path):
    # A chain that follows another phase starts its own optimizer: its schedule counts from its own start.
    model, _ = run(tiny_config(tiny_npz, steps=1), tmp_path / "seed")
    phases = [
        loop.Phase("a", 3, 10, model.losses, model.trainable_variables, None, {}, {}),
        loop.Phase("b", 4, 10, model.losses, model.trainable_variables, None, {}, {}),
        loop.Phase("c", 5, 10, model.losses, model.trainable_variables, None, {}, {}, continues=True),
    ]
    assert [planned.chain for planned in loop.plan(phases)] == [loop.Span(0, 3), loop.Span(3, 9), loop.Span(3, 9)]


def test_history_is_plain_json(stream_npz, tmp_path):
    run_stream(tiny_stream_config(stream_npz, "none", "domain", steps=3), tmp_path / "run")
    content = json.loads((tmp_path / "run" / "tasks.json").read_text())
    assert np.shape(content["accuracy"]) == (3, 3) and len(content["initial"]) == 3
    assert tiny_arrays()[0].dtype == np.uint8
