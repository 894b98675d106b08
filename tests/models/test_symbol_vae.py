import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from reverie.layers import Noise
from reverie.models.recombination import AND, IGNORE, IN_COMMON, Recombination, RecombinationConfig, sample_compositions
from reverie.models.symbol_vae import SymbolVAE, SymbolVAEConfig, khot, some

SIZES = (4, 3, 5)


def seen(rows: int = 6, latents: int = 3, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    labels = np.stack([rng.integers(0, size, rows) for size in SIZES], axis=-1)
    code = {"mean": rng.normal(size=(rows, latents)), "log_variance": rng.normal(size=(rows, latents)) - 2}
    return {**{k: tf.constant(v, tf.float32) for k, v in code.items()}, "label": tf.constant(labels, tf.int32)}


def gaussian_kl(first, second) -> np.ndarray:
    """KL of diagonal Gaussians (mean, log-variance), float64."""
    (m, s), (n, t) = ((np.asarray(p, np.float64) for p in pair) for pair in (first, second))
    return 0.5 * np.sum(t - s + (np.exp(s) + (m - n) ** 2) / np.exp(t) - 1, axis=1)


@pytest.mark.parametrize("divergence", ["forward", "reverse"])
def test_the_objective_is_the_paper_s(divergence):
    model = SymbolVAE(SymbolVAEConfig(8, 1.5, 7.0, divergence), SIZES, 3)
    batch, noise = seen(), Noise(0, 3)
    symbols = khot(batch["label"], SIZES, some(batch["label"], noise))
    code = [part.numpy().astype(np.float64) for part in model.code(symbols)]
    drawn = code[0] + np.exp(0.5 * code[1]) * noise.normal("symbol", code[0].shape).numpy()
    p = model.probabilities(tf.constant(drawn, tf.float32)).numpy().astype(np.float64)
    y = symbols.numpy()
    surprise = -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p), axis=1)
    prior = gaussian_kl(code, (np.zeros_like(code[0]), np.zeros_like(code[0])))
    picture = (batch["mean"], batch["log_variance"])
    distance = gaussian_kl(picture, code) if divergence == "forward" else gaussian_kl(code, picture)
    losses = model.losses(batch, noise)
    np.testing.assert_allclose(losses["reconstruction"], surprise, rtol=1e-3)
    np.testing.assert_allclose(losses["alignment"], distance, rtol=1e-3)
    np.testing.assert_allclose(losses["total"], surprise + 1.5 * prior + 7.0 * distance, rtol=1e-3)


def trained_on_two_pictures(divergence: str) -> SymbolVAE:
    tf.keras.utils.set_random_seed(0)
    model = SymbolVAE(SymbolVAEConfig(16, 0.0, 10.0, divergence), (2,), 1)
    batch = {
        "mean": tf.constant([[-2.0], [2.0]]),
        "log_variance": tf.constant([[-4.0], [-4.0]]),
        "label": tf.constant([[0], [0]]),
    }
    variables = [v.value for v in model.trainable_variables]

    @tf.function
    def step(number):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model.losses(batch, Noise(0, number))["total"])
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        length = tf.maximum(tf.linalg.global_norm(gradients), 1.0)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(0.03 * gradient / length)

    for number in tf.range(1500):
        step(number)
    return model


def test_the_forward_divergence_widens_what_is_not_named_and_the_reverse_one_does_not():
    """Two pictures fit one symbol: forward covers both, reverse settles between or on one, narrow."""
    width = {}
    for divergence in ("forward", "reverse"):
        model = trained_on_two_pictures(divergence)
        width[divergence] = float(tf.exp(0.5 * model.code(khot(tf.constant([[0]]), (2,)))[1])[0, 0])
    assert width["forward"] == pytest.approx(2.0, abs=0.25)  # The deviation of two points at -2 and 2.
    assert width["reverse"] < 0.3


def test_some_attributes_are_named_and_one_at_least_whose_value_is_known():
    labels = tf.constant([[0, -1, 2], [3, 1, -1], [-1, 2, -1]] * 400)
    counts = khot(labels, SIZES, some(labels, Noise(0))).numpy().sum(axis=1)
    assert counts.min() == 1
    named = some(tf.constant([[0, 1, 2]] * 3000), Noise(1)).numpy()
    # One for certain, each other one with even odds: 1/3 + 2/3 * 1/2.
    np.testing.assert_allclose(named.mean(axis=0), 2 / 3, atol=0.04)


def decoded(row) -> dict:
    values, start = {}, 0
    for attribute, size in enumerate(SIZES):
        found = np.flatnonzero(row[start : start + size])
        assert len(found) <= 1
        values.update({attribute: int(found[0])} if len(found) else {})
        start += size
    return values


def test_what_is_composed_fits_the_picture_and_is_what_the_operator_makes_of_the_two_symbols():
    labels = seen(600)["label"]
    nothing = tf.zeros([sum(SIZES)] * 2)
    first, operator, second, composed = (
        part.numpy() for part in sample_compositions(labels, SIZES, Noise(0, 2), nothing, 0.25)
    )
    counted = {AND: 0, IN_COMMON: 0, IGNORE: 0}
    for row, label in enumerate(labels.numpy()):
        a, b, c = decoded(first[row]), decoded(second[row]), decoded(composed[row])
        assert c and c.items() <= dict(enumerate(label)).items()
        sets = {AND: set.union, IN_COMMON: set.intersection, IGNORE: set.difference}
        assert set(c.items()) == sets[operator[row]](set(a.items()), set(b.items()))
        assert a and b
        counted[operator[row]] += 1
    assert min(counted.values()) > 150


def test_held_out_pairs_are_never_shown():
    table = np.zeros([sum(SIZES)] * 2, np.float32)
    table[1, 4] = table[4, 1] = 1.0  # Value 1 of the first with value 0 of the second.
    labels = seen(2000)["label"].numpy()
    labels = labels[~((labels[:, 0] == 1) & (labels[:, 1] == 0))]
    found = sample_compositions(tf.constant(labels), SIZES, Noise(0, 2), tf.constant(table), 0.25)
    for khots in (found[0], found[2], found[3]):
        assert not np.any((khots.numpy()[:, 1] > 0) & (khots.numpy()[:, 4] > 0))


def test_the_sides_of_in_common_conflict_as_often_as_was_said():
    labels, nothing = seen(6000)["label"], tf.zeros([sum(SIZES)] * 2)

    def share(conflicts):
        first, operator, second, _ = (
            part.numpy() for part in sample_compositions(labels, SIZES, Noise(0, 2), nothing, conflicts)
        )
        both = 0
        for row in np.flatnonzero(operator == IN_COMMON):
            a, b = decoded(first[row]), decoded(second[row])
            both += sum(a[k] != b[k] for k in a.keys() & b.keys())
        return both / np.sum(operator == IN_COMMON)

    always = share(1.0)
    assert share(0.0) == 0.0 and always > 0.2
    assert share(0.25) / always == pytest.approx(0.25, abs=0.06)


def test_the_operator_s_objective_is_two_forward_divergences():
    symbols = SymbolVAE(SymbolVAEConfig(8), SIZES, 3)
    model, batch, noise = Recombination(RecombinationConfig(16)), seen(), Noise(0, 3)
    nothing = tf.zeros([sum(SIZES)] * 2)
    first, operator, second, composed = sample_compositions(batch["label"], SIZES, noise, nothing, 0.25)
    result = model.compose(symbols.code(first), operator, symbols.code(second))
    losses = model.losses(batch, noise, symbols, nothing)
    pictures = gaussian_kl((batch["mean"], batch["log_variance"]), result)
    np.testing.assert_allclose(losses["pictures"], pictures, rtol=1e-3)
    np.testing.assert_allclose(losses["symbols"], gaussian_kl(symbols.code(composed), result), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(losses["total"], losses["pictures"] + losses["symbols"], rtol=1e-5)


def test_a_share_of_conflicts_that_is_none_is_refused():
    with pytest.raises(ValueError, match="conflicts is 1.5; expected a share from 0 to 1"):
        RecombinationConfig(conflicts=1.5)


def test_operators_that_see_across_latents_have_to_know_how_many_there_are():
    with pytest.raises(ValueError, match="across_latents needs to know how many latents there are; got 0"):
        Recombination(RecombinationConfig(across_latents=True))


def test_another_divergence_is_refused():
    with pytest.raises(ValueError, match="divergence is 'sideways'"):
        dataclasses.replace(SymbolVAEConfig(), divergence="sideways")
