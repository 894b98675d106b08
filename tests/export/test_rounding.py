"""What rounding must cost, against the same arithmetic written out in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from reverie.export.rounding import RoundedEndpoint
from reverie.models.signature import Signature


def _dense(units: int = 64, inputs: int = 48):
    """relu(x W + b), as an endpoint, with its weights."""
    rng = np.random.default_rng(0)
    layer = keras.layers.Dense(units, activation="relu")
    layer.build((None, inputs))
    weights = rng.normal(size=(inputs, units)).astype(np.float32), rng.normal(size=units).astype(np.float32)
    layer.set_weights(weights)
    spec = {"x": tf.TensorSpec([None, inputs], tf.float32, name="x")}
    signature = Signature(lambda x: {"y": layer(x)}, spec, lambda x: {"x": x}, lite=True)
    return layer, signature, weights, rng.normal(size=(9, inputs)).astype(np.float32)


def _steps(values, step):
    return np.round(values / step) * step


def test_halves_are_numpys_halves():
    _, signature, (kernel, bias), x = _dense()
    (answer,) = RoundedEndpoint(signature).answers("float16", {"x": x}, {"x": x})
    kernel, bias = (part.astype(np.float16).astype(np.float32) for part in (kernel, bias))
    np.testing.assert_allclose(answer["y"], np.maximum(x @ kernel + bias, 0.0), rtol=1e-5, atol=1e-5)


def test_dynamic_rounds_weights_by_channel_and_what_meets_them_by_row():
    _, signature, (kernel, bias), x = _dense()
    answer = RoundedEndpoint(signature).answers("dynamic", {"x": x}, {"x": x})[0]["y"]
    kernel = _steps(kernel, np.abs(kernel).max(axis=0) / 127.0)
    rows = (np.maximum(x.max(axis=1), 0.0) - np.minimum(x.min(axis=1), 0.0))[:, None] / 255.0
    np.testing.assert_allclose(answer, np.maximum(_steps(x, rows) @ kernel + bias, 0.0), rtol=1e-4, atol=1e-4)


def test_dynamic_leaves_small_weights_as_they_are():
    layer, signature, _, x = _dense(units=8)
    answer = RoundedEndpoint(signature).answers("dynamic", {"x": x}, {"x": x})[0]["y"]
    np.testing.assert_allclose(answer, layer(x), rtol=1e-5, atol=1e-5)


def test_whole_numbers_are_rounded_and_clipped_to_the_calibrated_range():
    _, signature, (kernel, bias), x = _dense()
    calibration = 0.5 * x[:5]
    answer = RoundedEndpoint(signature).answers("int8", {"x": x}, {"x": calibration})[0]["y"]

    def rounded(values, seen):
        low, high = min(seen.min(), 0.0), max(seen.max(), 0.0)
        return _steps(np.clip(values, low, high), (high - low) / 255.0)

    seen = np.maximum(calibration @ kernel + bias, 0.0)
    kernel = _steps(kernel, np.abs(kernel).max(axis=0) / 127.0)
    # A bias has 32 bits, and the sum is rounded after the ReLU only.
    expected = rounded(np.maximum(rounded(x, calibration) @ kernel + bias, 0.0), seen)
    step = seen.max() / 255.0
    assert np.mean(np.abs(answer - expected) > 0.01 * step) < 0.01  # A sum in another order may fall on the next step.
    np.testing.assert_allclose(answer, expected, atol=1.01 * step)
    assert answer.max() <= seen.max() + 0.01 * step < np.maximum(x @ kernel + bias, 0.0).max()


def test_whole_probabilities_are_multiples_of_a_256th_and_end_a_step_below_one():
    spec = {"x": tf.TensorSpec([None, 3], tf.float32, name="x")}
    signature = Signature(lambda x: {"y": tf.nn.softmax(x)}, spec, lambda x: {"x": x}, lite=True)
    x = np.array([[9.0, 0.0, -9.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], np.float32)
    answer = RoundedEndpoint(signature).answers("int8", {"x": x}, {"x": x})[0]["y"]
    np.testing.assert_allclose(answer * 256, np.round(answer * 256), atol=1e-4)
    np.testing.assert_allclose(answer[0], [255 / 256, 0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("variant", ["float16", "dynamic", "int8"])
def test_the_model_keeps_its_bits_and_a_finer_scheme_costs_less(trained_model, real_images, variant):
    before = [weights.tobytes() for weights in trained_model.get_weights()]
    signature, costs = trained_model.signatures()["encode"], {}
    expected = trained_model.encode(real_images)["features"].numpy()
    for each in ("float16", variant):
        inputs = {"images": real_images}
        answers = RoundedEndpoint(signature).answers(each, inputs, inputs)
        costs[each] = max(np.abs(answer["features"] - expected).max() for answer in answers)
    assert [weights.tobytes() for weights in trained_model.get_weights()] == before
    assert 0.0 < costs["float16"] <= costs[variant] < 0.2 * np.ptp(expected)
