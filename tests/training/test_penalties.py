import numpy as np
import pytest
import tensorflow as tf
from reverie import models
from reverie.training.continual.ewc import EWC
from reverie.training.continual.fisher import dense_fisher, general_fisher
from reverie.training.continual.online_ewc import OnlineEWC
from reverie.training.continual.si import SI


class _Weight:
    """The part of a Keras variable that penalties use."""

    def __init__(self, values):
        self.value = tf.Variable(np.asarray(values, np.float32))
        self.shape = self.value.shape

    def numpy(self):
        return self.value.numpy()

    def __tf_tensor__(self, dtype=None, name=None):
        return tf.convert_to_tensor(self.value, dtype)


def _history(count: int, seed: int = 0) -> list:
    """(weights at the end of a task, its Fisher information) of some tasks; some information is zero."""
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(3, 4)), rng.gamma(0.5, size=(3, 4)) * (rng.random((3, 4)) > 0.3)) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_folded_ewc_is_the_plain_sum_of_quadratics_with_the_same_gradient(count):
    weight, history = _Weight(np.zeros((3, 4))), _history(count)
    ewc = EWC([weight], lambda task: [history[task][1]], strength=30.0)
    for task, (values, _) in enumerate(history):
        weight.value.assign(values.astype(np.float32))
        ewc.after_task(task)
    now = np.random.default_rng(9).normal(size=(3, 4))
    weight.value.assign(now.astype(np.float32))
    with tf.GradientTape() as tape:
        loss = ewc.extra_loss()
    expected = sum(15.0 * np.sum(fisher * (now - values.astype(np.float32)) ** 2) for values, fisher in history)
    slope = sum(30.0 * fisher * (now - values.astype(np.float32)) for values, fisher in history)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, weight.value), slope, rtol=1e-4, atol=1e-4)


def test_folded_ewc_keeps_its_gradient_where_an_expanded_square_would_cancel():
    # Large precision, weights far from zero and next to the center: A w - B loses all digits here.
    weight = _Weight([[100.0]])
    ewc = EWC([weight], lambda task: [np.array([[1e6]])], strength=1.0)
    for task, value in enumerate((100.0, 100.001)):
        weight.value.assign([[value]])
        ewc.after_task(task)
    center = (np.float64(np.float32(100.0)) + np.float64(np.float32(100.001))) / 2
    weight.value.assign([[100.002]])
    with tf.GradientTape() as tape:
        loss = ewc.extra_loss()
    expected = 2e6 * (np.float64(np.float32(100.002)) - center)
    assert float(tape.gradient(loss, weight.value)[0, 0]) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("kind", [EWC, lambda *given: OnlineEWC(*given, gamma=1.0)])
def test_checkpoints_with_the_british_spelling_of_the_center_restore(tmp_path, kind):
    earlier = tf.Module()
    earlier.precision, earlier.centre = [tf.Variable([[3.0]])], [tf.Variable([[4.0]])]
    earlier.remainder = tf.Variable(5.0)
    path = tf.train.Checkpoint(method=earlier).save(str(tmp_path / "earlier"))
    method = kind([_Weight([[1.0]])], lambda task: [], 1.0)
    tf.train.Checkpoint(method=method).restore(path).assert_existing_objects_matched()
    assert float(method.precision[0][0, 0]) == 3.0 and float(method.center[0][0, 0]) == 4.0
    # What is written from now on is American, and is read back.
    method.center[0].assign([[6.0]])
    path = tf.train.Checkpoint(method=method).save(str(tmp_path / "now"))
    assert [name for name, _ in tf.train.list_variables(path) if "center" in name]
    fresh = kind([_Weight([[1.0]])], lambda task: [], 1.0)
    tf.train.Checkpoint(method=fresh).restore(path).assert_consumed()
    assert float(fresh.center[0][0, 0]) == 6.0


def test_online_ewc_is_one_running_quadratic():
    weight, history = _Weight(np.zeros((3, 4))), _history(3)
    online = OnlineEWC([weight], lambda task: [history[task][1]], strength=4.0, gamma=0.9)
    running = np.zeros((3, 4))
    for task, (values, fisher) in enumerate(history):
        weight.value.assign(values.astype(np.float32))
        online.after_task(task)
        running = fisher + 0.9 * running
    last = history[-1][0]
    weight.value.assign((last + 0.5).astype(np.float32))
    assert float(online.extra_loss()) == pytest.approx(2.0 * 0.9 * np.sum(running) * 0.25, rel=1e-4)


def test_memory_of_penalties_does_not_grow_with_tasks():
    weight = _Weight(np.zeros((3, 4)))
    sizes = set()
    for kind in (EWC, lambda *a: OnlineEWC(*a, 1.0), lambda v, _, s: SI(v, v, s, 0.1)):
        method = kind([weight], lambda task: [np.ones((3, 4))], 1.0)
        for task in range(5):
            method.after_task(task)
            sizes.add((id(method), sum(int(np.prod(v.shape)) for v in method.variables)))
    assert len(sizes) == 3


def test_si_is_the_hand_worked_two_steps():
    # One weight. Steps: gradient 2, change -0.1; gradient -1, change +0.3. W = 0.2 + 0.3 = 0.5, moved 0.2 in all.
    # Omega = 0.5 / (0.2^2 + 0.1) = 3.5714...; back at 0.7 the penalty is c * Omega * 0.5^2 with c = 2.
    weight, other = _Weight([1.0]), _Weight([5.0, 5.0])
    si = SI([weight], [other, weight], strength=2.0, damping=0.1)
    for gradient, change in ((2.0, -0.1), (-1.0, 0.3)):
        compare = si.gradients_seen([tf.constant([9.0, 9.0]), tf.constant([gradient])])
        weight.value.assign_add([change])
        compare()
    assert float(si.path[0][0]) == pytest.approx(0.5, rel=1e-5)
    assert float(si.extra_loss()) == 0.0
    si.after_task(0)
    assert float(si.importance[0][0]) == pytest.approx(0.5 / 0.14, rel=1e-5)
    assert float(si.path[0][0]) == 0.0 and float(si.anchor[0][0]) == pytest.approx(1.2)
    weight.value.assign([0.7])
    assert float(si.extra_loss()) == pytest.approx(2.0 * (0.5 / 0.14) * 0.25, rel=1e-4)


def _network(**settings):
    base = {"family": "replay", "image_shape": (5, 4, 1), "classes": 6, "tasks": 3, "hidden": (7, 6), "latents": 2}
    return models.build({**base, "generator": False, "gating": 0.0, **settings}, 3)


def _naive_fisher(model, inputs, active, task=None) -> list:
    """One image and one label at a time."""
    variables = [variable.value for variable in model.classifying_variables]
    totals = [np.zeros(v.shape) for v in variables]
    for row in inputs:
        for label in np.flatnonzero(active):
            with tf.GradientTape() as tape:
                tasks = None if task is None else tf.constant([task])
                logits = model.logits(model.activations(tf.constant(row[None]), tasks)[0])
                kept = tf.boolean_mask(logits[0], active)
                logp = tf.nn.log_softmax(kept)[int(np.sum(active[:label]))]
            for total, gradient in zip(totals, tape.gradient(logp, variables), strict=True):
                total += np.exp(float(logp)) * gradient.numpy() ** 2 / len(inputs)
    return totals


@pytest.mark.parametrize("gating", [0.0, 0.5])
def test_the_vectorized_fisher_is_that_of_single_images(gating):
    model = _network(task_gating=gating)
    inputs = np.random.default_rng(0).random((7, 20)).astype(np.float32)
    active, task = np.array([0, 0, 1, 1, 0, 1], bool), 1 if gating else None
    for fast, slow in zip(dense_fisher(model, inputs, active, task, 3), _naive_fisher(model, inputs, active, task), strict=True):  # fmt: skip  # noqa: E501
        np.testing.assert_allclose(fast, slow, rtol=2e-4, atol=1e-9)


def test_the_fisher_of_a_network_with_convolutions_is_that_of_single_images():
    model = _network(image_shape=(6, 6, 1), convolutions=(2, 3), reconstruction="squared")
    inputs = np.random.default_rng(0).random((5, 36)).astype(np.float32)
    active = np.ones(6, bool)
    for fast, slow in zip(general_fisher(model, inputs, active, chunk=2), _naive_fisher(model, inputs, active), strict=True):  # fmt: skip  # noqa: E501
        np.testing.assert_allclose(fast, slow, rtol=2e-3, atol=1e-8)
