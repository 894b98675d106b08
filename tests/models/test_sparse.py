"""The sparse autoencoder against numpy, its gradients between stages, and the cheat that its constraint forbids."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from reverie import models
from reverie.layers.local_blocks import LocalGeometry
from reverie.models.sparse import Sparse, SparseConfig

TINY = {"image_shape": (14, 14, 2), "stages": 2, "field": 4, "maps": 3, "pool": 3, "contrast": 3}
TINY |= {"whitening": "none", "initial_length": 1.0}


def _model(**settings):
    return models.build({"family": "sparse", **TINY, **settings}, seed=3)


def _images(count=5, seed=0):
    return np.random.default_rng(seed).random((count, 14, 14, 2)).astype(np.float32)


def _numpy_stage(stage, x, pool, epsilon):
    """(reconstruction, sparsity) per image, by loops over positions in float64."""
    encode, decode = (layer.compact_kernel().astype(np.float64) for layer in (stage.filters, stage.decoder))
    geometry = stage.filters.geometry
    rows, columns = geometry.positions
    field, x = geometry.kernel[0], x.astype(np.float64)
    simple, back = np.zeros([len(x), rows, columns, geometry.filters]), np.zeros_like(x)
    for i in range(rows):
        for j in range(columns):
            window = x[:, i : i + field, j : j + field]
            simple[:, i, j] = window.reshape(len(x), -1) @ encode[i * columns + j]
            back[:, i : i + field, j : j + field] += (simple[:, i, j] @ decode[i * columns + j].T).reshape(window.shape)
    sparsity = np.zeros(len(x))
    for i in range(rows - pool + 1):
        for j in range(columns - pool + 1):
            energy = (simple[:, i : i + pool, j : j + pool] ** 2).sum(axis=(1, 2))
            sparsity += np.sqrt(epsilon + energy).sum(axis=1)
    return ((back - x) ** 2).sum(axis=(1, 2, 3)), sparsity


def test_the_objective_is_the_papers_summed_over_stages():
    model, images = _model(sparsity=0.25, epsilon=0.01), _images()
    losses = model.losses({"image": images})
    total, x = 0.0, images
    for number, stage in enumerate(model.stages, start=1):
        reconstruction, sparsity = _numpy_stage(stage, x, 3, 0.01)
        np.testing.assert_allclose(losses[f"reconstruction_{number}"], reconstruction, rtol=1e-4)
        np.testing.assert_allclose(losses[f"sparsity_{number}"], sparsity, rtol=1e-4)
        total = total + reconstruction + 0.25 * sparsity
        x = stage(x)[2].numpy()
    np.testing.assert_allclose(losses["total"], total, rtol=1e-4)


def test_without_the_constraint_rescaling_defeats_the_sparsity():
    model, images = _model(unit_norm=False), {"image": _images()}
    before = {name: float(tf.reduce_mean(value)) for name, value in model.losses(images).items()}
    stage = model.stages[0]
    stage.filters.set_compact_kernel(stage.filters.compact_kernel() / 100.0)
    stage.decoder.set_compact_kernel(stage.decoder.compact_kernel() * 100.0)
    after = {name: float(tf.reduce_mean(value)) for name, value in model.losses(images).items()}
    assert after["reconstruction_1"] == pytest.approx(before["reconstruction_1"], rel=1e-3)
    assert after["sparsity_1"] < 0.05 * before["sparsity_1"]
    # With the constraint the decoder comes back to length one, and the cheat costs the reconstruction.
    held = _model(unit_norm=True)
    for mine, theirs in zip(held.stages, model.stages, strict=True):
        mine.filters.set_weights(theirs.filters.get_weights())
        mine.decoder.set_weights(theirs.decoder.get_weights())
    held.constrain()
    lengths = np.linalg.norm(held.stages[0].decoder.compact_kernel(), axis=1)
    np.testing.assert_allclose(lengths, 1.0, atol=1e-5)
    energy = float(tf.reduce_mean(tf.reduce_sum(tf.square(images["image"]), axis=[1, 2, 3])))
    assert float(tf.reduce_mean(held.losses(images)["reconstruction_1"])) > 0.9 * energy


@pytest.mark.parametrize(
    ("between", "sees_below", "targets_below"),
    [("none", False, False), ("stop_targets", True, False), ("full", True, True)],
)
def test_gradients_cross_between_stages_only_as_asked(between, sees_below, targets_below):
    model = _model(between_stages=between)
    kernel = model.stages[0].filters.kernel.value

    def gradient(name):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(model.losses({"image": _images()})[name])
        return tape.gradient(value, kernel)

    assert (gradient("sparsity_2") is not None) == sees_below
    crossing = gradient("reconstruction_2")
    assert (crossing is not None) == sees_below
    if sees_below:
        # The target is the stage's own input: letting its gradient through changes the gradient.
        other = _model(between_stages="stop_targets" if targets_below else "full")
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(other.losses({"image": _images()})["reconstruction_2"])
        difference = tape.gradient(value, other.stages[0].filters.kernel.value) - crossing
        assert float(tf.norm(difference)) > 0.1 * float(tf.norm(crossing))


def test_the_parts_are_the_whole():
    model, batch = _model(), {"image": _images()}
    whole = model.losses(batch)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(whole["total"] * 0.0 + model.losses(batch)["total"])
    expected = tape.gradient(total, [v.value for v in model.trainable_variables])
    found, terms = {}, 0.0
    for compute, variables in model.parts(batch):
        with tf.GradientTape() as tape:
            losses = compute()
            value = tf.reduce_sum(losses["total"])
        for variable, gradient in zip(variables, tape.gradient(value, [v.value for v in variables]), strict=True):
            found[id(variable)] = gradient
        terms = terms + losses["total"]
    np.testing.assert_allclose(terms, whole["total"], rtol=1e-5)
    for variable, gradient in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(found[id(variable)], gradient, atol=1e-3)


def test_tied_decoders_have_no_weights_of_their_own():
    tied, untied = _model(decoder="tied"), _model()
    counts = [sum(int(np.prod(v.shape)) for v in model.trainable_variables) for model in (tied, untied)]
    assert counts[0] * 2 == counts[1]
    lengths = np.linalg.norm(tied.stages[1].filters.compact_kernel(), axis=1)
    np.testing.assert_allclose(lengths, 1.0, atol=1e-5)


def test_the_full_network_has_the_papers_billion_weights():
    side, channels, weights = 200, 3, []
    for _ in range(3):
        geometry = LocalGeometry((side, side, channels), 8, (18, 18))
        weights.append(geometry.weights)
        side, channels = geometry.positions[0] - 4, 8
    assert [round(count / 1e6, 1) for count in weights] == [260.4, 544.2, 412.3]
    assert SparseConfig(field=18).window == 76 and SparseConfig(field=18, contrast=0).window == 64
    from reverie.configs import sparse_le2012

    settings = sparse_le2012.get_config().model.to_dict()
    settings.pop("family")
    assert (
        dataclasses.replace(SparseConfig(), **{k: settings[k] for k in ("field", "maps", "pool", "stages")})
        == SparseConfig()
    )


def test_neurons_are_numbered_row_column_map_and_chosen_ones_come_by_themselves():
    model, images = _model(), _images()
    top = model.outputs(images)[-1].numpy()
    index = np.array([0, 7, model.units - 1], np.int32)
    responses = model.neuron(images, index)["response"].numpy()
    for column, unit in enumerate(index):
        row, place, number = model.place(int(unit))
        np.testing.assert_allclose(responses[:, column], top[:, row, place, number], atol=1e-6)
    assert set(model.encode(images)) == {"features"}
    model.choose({"dots_index": 7, "dots_threshold": 0.25, "dots_polarity": -1, "dots_neuron": 0.9})
    np.testing.assert_allclose(model.encode(images)["neurons"][:, 0], -(responses[:, 1] - 0.25), atol=1e-6)
    np.testing.assert_array_equal(model.detect(images)["dots"], model.encode(images)["neurons"][:, 0])
    assert "detect" in model.signatures() and "detect" not in _model().signatures()
    assert math.prod(model.output_shape_) == model.units


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decoder": "shared"}, "decoder"),
        ({"between_stages": "some"}, "between_stages"),
        ({"memory_saving": True, "between_stages": "full"}, "memory_saving"),
        ({"stages": 4}, r"model\.(field|pool) is \d in stage_\d, which (sees|has) only \d+x\d+"),
        ({"whitening": "pca"}, "model.whitening is 'pca'"),
        ({"field": 80}, "model.field is 80 in stage_1, which sees only 14x14; expected a smaller field"),
        ({"pool": 12}, "model.pool is 12 in stage_1, which has only 11x11 positions; expected a smaller pool"),
        ({"maps": (3, 2.5)}, r"model.maps is \(3, 2.5\); expected whole numbers, 1 or more, not 2.5"),
        ({"maps": "many"}, "model.maps is 'many'; expected whole numbers, 1 or more"),
        ({"maps": True}, "model.maps is True; expected whole numbers"),
        ({"maps": ()}, r"model.maps is \(\); expected one value, or 2, one for each stage"),
        ({"field": (4.0, 4)}, r"model.field is \(4.0, 4\); expected whole numbers, 1 or more, not 4.0"),
        (
            {"sparsity": (1, float("nan"))},
            r"model.sparsity is \(1, nan\); expected finite numbers of 0 or more, not nan",
        ),
        ({"natural_filters": (True, 2)}, r"model.natural_filters is \(True, 2\); expected True or False, not 2"),
        ({"whitening_epsilon": 0.0}, "model.whitening_epsilon is 0.0; expected finite numbers above 0"),
        ({"epsilon": -1.0}, "model.epsilon is -1; expected a finite number above 0"),
        ({"initial_length": float("inf")}, "model.initial_length is inf; expected a finite number above 0"),
        ({"contrast": 4}, "model.contrast is 4; expected an odd number, or 0"),
        ({"shards": 0}, "model.shards is 0; expected 1 or more"),
        ({"stages": 0}, "model.stages is 0; expected 1 or more"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    from reverie.errors import UserError

    with pytest.raises(UserError, match=message):
        _model(**settings)


def test_build_makes_the_same_weights_from_the_same_seed():
    one, other = _model(), _model()
    assert isinstance(one, Sparse)
    for mine, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
