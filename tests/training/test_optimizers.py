import keras
import numpy as np
import pytest
import reverie
import tensorflow as tf
from reverie.errors import UserError
from reverie.training import optimizers

RULES = [
    ({"name": "sgd"}, lambda: keras.optimizers.SGD(0.1)),
    ({"name": "momentum"}, lambda: keras.optimizers.SGD(0.1, momentum=0.9)),
    ({"name": "momentum", "nesterov": True, "momentum": 0.5}, lambda: keras.optimizers.SGD(0.1, 0.5, nesterov=True)),
    ({"name": "adagrad"}, lambda: keras.optimizers.Adagrad(0.1, 0.1, epsilon=1e-7)),
    ({"name": "adadelta"}, lambda: keras.optimizers.Adadelta(0.1, rho=0.95, epsilon=1e-6)),
    ({"name": "adam"}, lambda: keras.optimizers.Adam(0.1, epsilon=1e-7)),
    ({"name": "adam", "weight_decay": 0.05}, lambda: keras.optimizers.AdamW(0.1, weight_decay=0.05, epsilon=1e-7)),
    ({"name": "Nadam"}, lambda: keras.optimizers.Nadam(0.1)),
]


def _variables() -> list:
    return [keras.Variable(np.ones([3, 2]), dtype="float32"), keras.Variable(np.zeros([2]), dtype="float32")]


def _gradients(step: int) -> list:
    rng = np.random.default_rng(step)
    return [tf.constant(rng.normal(size=shape), tf.float32) for shape in ((3, 2), (2,))]


@pytest.mark.parametrize(("settings", "reference"), RULES, ids=[str(rule[0]) for rule in RULES])
def test_every_rule_takes_the_steps_that_keras_takes(settings, reference):
    ours = _variables()
    theirs = _variables()
    optimizer, expected = optimizers.make_optimizer(settings, ours), reference()
    step_of = tf.function(lambda g, s: optimizer.apply(g, [v.value for v in ours], tf.constant(0.1), s))
    for step in range(5):
        step_of(_gradients(step), tf.constant(step, tf.int64))
        expected.apply(_gradients(step), theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-5, atol=1e-6)


def test_slots_are_saved_with_the_optimizer(tmp_path):
    def made():
        variables = _variables()
        return variables, optimizers.make_optimizer({"name": "adadelta"}, variables)

    variables, optimizer = made()
    optimizer.apply(_gradients(0), [v.value for v in variables], tf.constant(1.0), tf.constant(0, tf.int64))
    path = tf.train.Checkpoint(optimizer=optimizer).save(str(tmp_path / "c"))
    _, fresh = made()
    tf.train.Checkpoint(optimizer=fresh).restore(path).assert_consumed()
    np.testing.assert_array_equal(fresh.slots[0][0], optimizer.slots[0][0])
    assert np.abs(fresh.slots[0][0]).max() > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "adamm"}, "optimizer.name is 'adamm'; expected sgd"),
        ({"name": "Layer"}, "optimizer.name is 'Layer'"),
        ({"name": "adadelta", "momentum": 1}, r"does not know \['momentum'\]; it takes \['epsilon', 'rho'\]"),
        ({"name": "Nadam", "beta": 1}, "optimizer.name is 'Nadam' with optimizer.beta=1: .*; it takes beta_1=0.9,"),
    ],
)
def test_what_cannot_be_built_is_named(settings, message):
    with pytest.raises(UserError, match=message):
        optimizers.make_optimizer(settings, [keras.Variable([0.0])])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "adam", "beta_1": 7}, "optimizer.beta_1 is 7; expected at least 0 and below 1"),
        ({"name": "adam", "beta_2": 1.0}, "optimizer.beta_2 is 1; expected at least 0 and below 1"),
        ({"name": "adam", "epsilon": float("nan")}, "optimizer.epsilon is nan; expected a finite number above 0"),
        ({"name": "adam", "weight_decay": -1e-4}, "optimizer.weight_decay is -0.0001; expected a finite number, 0 or"),
        ({"name": "momentum", "momentum": -0.1}, "optimizer.momentum is -0.1; expected at least 0"),
        ({"name": "adagrad", "initial_accumulator": -1}, "optimizer.initial_accumulator is -1; expected"),
        ({"name": "adadelta", "rho": 1.5}, "optimizer.rho is 1.5"),
        ({"name": "Nadam", "beta_1": 7}, "optimizer.beta_1 is 7"),
        ({"name": "RMSprop", "clipnorm": 0.0}, "optimizer.clipnorm is 0; expected a finite number above 0"),
    ],
)
def test_numbers_out_of_their_range_are_refused_before_anything_is_trained(settings, message):
    with pytest.raises(UserError, match=message):
        optimizers.check(settings)
    with pytest.raises(UserError, match=message):
        optimizers.make_optimizer(settings, [keras.Variable([0.0])])
    given = {f"optimizer.{name}": value for name, value in settings.items()}
    with pytest.raises(UserError, match=message):
        reverie.config("xcov_demo", given)


def test_the_ends_of_a_range_that_are_right_are_taken():
    for settings in ({"name": "adam", "beta_1": 0.0, "weight_decay": 0}, {"name": "SGD", "clipnorm": None}):
        optimizers.check(settings)
