"""What every registered layer must hold to, as functions of its record: for layers of ours and of anybody else.

`check_layer` runs them all; each raises an AssertionError that says what does not hold. They need numpy and Keras
only, so that they run on every backend.
"""

import inspect
import json
import pathlib
import zlib

import keras
import numpy as np
from reverie.layers import RegisteredLayer


def check_layer(record: RegisteredLayer, folder: pathlib.Path) -> None:
    """All checks; `folder` is for a file."""
    check_config(record)
    check_keras_file(record, folder)
    check_dtype_policies(record)
    check_unknown_batch(record)
    check_output_shape(record)


def check_config(record: RegisteredLayer) -> None:
    """A layer comes back from its config, also by way of JSON, and with the same weights gives the same numbers."""
    layer, inputs = built(record), record.draw(3)
    expected = numbers(layer(*inputs))
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    for again in (
        record.layer.from_config(layer.get_config()),
        keras.saving.deserialize_keras_object(json.loads(text)),
    ):
        assert type(again) is record.layer, f"{record.name} came back as {type(again).__name__}"
        assert again.get_config() == layer.get_config(), f"{record.name}: its config changes on the way back"
        again(*inputs)
        again.set_weights(layer.get_weights())
        for one, other in zip(numbers(again(*inputs)), expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=f"{record.name} from its config")


def check_keras_file(record: RegisteredLayer, folder: pathlib.Path) -> None:
    """A functional model that holds the layer is written to a `.keras` file and read back with the same numbers."""
    layer, inputs = built(record), record.draw(3)
    expected = numbers(layer(*inputs))
    model, path = functional(record, layer), pathlib.Path(folder) / f"{record.name}.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    for one, other in zip(numbers(loaded(keras.tree.flatten(inputs))), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6, err_msg=f"{record.name} from its file")


def check_dtype_policies(record: RegisteredLayer) -> None:
    """In float32 and in mixed_bfloat16 outputs are finite, of the policy's dtype, and alike; weights stay float32."""
    inputs, full = record.draw(4), built(record, dtype="float32")
    expected = full(*inputs)
    half = record.make(dtype="mixed_bfloat16")
    half(*inputs)
    half.set_weights(full.get_weights())
    found = half(*inputs)
    for layer, outputs, dtype in ((full, expected, "float32"), (half, found, "bfloat16")):
        kinds = {keras.backend.standardize_dtype(item.dtype) for item in keras.tree.flatten(outputs)}
        assert kinds == {dtype}, f"{record.name}: outputs are {kinds} under {layer.dtype_policy.name}"
        held = {keras.backend.standardize_dtype(weight.dtype) for weight in layer.weights}
        assert held <= {"float32"}, f"{record.name}: weights are {held} under {layer.dtype_policy.name}"
    for one, other in zip(numbers(found), numbers(expected), strict=True):
        assert np.all(np.isfinite(one)) and np.all(np.isfinite(other)), f"{record.name}: outputs are not finite"
        bound = record.half_tolerance * max(1.0, float(np.max(np.abs(other), initial=0.0)))
        np.testing.assert_allclose(one, other, rtol=0.0, atol=bound, err_msg=f"{record.name} in bfloat16")


def check_unknown_batch(record: RegisteredLayer) -> None:
    """Built on an unknown batch size, the layer runs at two of them, with the numbers of a layer called directly."""
    layer = built(record)
    model = functional(record, layer)
    for batch in (2, 5):
        inputs = record.draw(batch, seed=batch)
        for one, other in zip(numbers(model(keras.tree.flatten(inputs))), numbers(layer(*inputs)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6, err_msg=f"{record.name}, {batch} rows")


def check_output_shape(record: RegisteredLayer) -> None:
    """`compute_output_shape` says what comes out, before the layer is built too; so does a symbolic call."""
    shapes = [_shapes(item, 4) for item in record.inputs]
    taken = len(inspect.signature(record.layer.compute_output_shape).parameters) - 1
    said = record.make().compute_output_shape(*shapes[:taken])
    found = [tuple(item.shape) for item in keras.tree.flatten(built(record)(*record.draw(4)))]
    assert _flat(said) == found, f"{record.name}: compute_output_shape says {said}; outputs are {found}"
    symbolic = [tuple(item.shape) for item in keras.tree.flatten(record.make()(*record.symbols(4)))]
    assert symbolic == found, f"{record.name}: a symbolic call gives {symbolic}; outputs are {found}"


def built(record: RegisteredLayer, **options) -> keras.layers.Layer:
    """The layer of a record, built by a call, none of its weights left at zero or one."""
    layer = record.make(**options)
    layer(*record.draw(2))
    generator = np.random.default_rng(zlib.crc32(record.name.encode()))
    layer.set_weights([w + 0.1 * generator.normal(size=w.shape).astype(w.dtype) for w in layer.get_weights()])
    return layer


def functional(record: RegisteredLayer, layer: keras.layers.Layer) -> keras.Model:
    """A model of nothing but the layer: a list of inputs of unknown batch size, a list of outputs."""
    symbols = record.symbols()
    return keras.Model(keras.tree.flatten(symbols), keras.tree.flatten(layer(*symbols)))


def numbers(outputs) -> list:
    """Outputs as a flat list of float32 numpy arrays."""
    return [keras.ops.convert_to_numpy(keras.ops.cast(item, "float32")) for item in keras.tree.flatten(outputs)]


def _shapes(item, batch: int) -> tuple:
    """The shape of one argument of a call, or a tuple of them."""
    return tuple(_shapes(part, batch) for part in item) if isinstance(item, tuple) else (batch, *item.shape)


def _flat(shapes: tuple) -> list:
    """A shape, or a tuple of shapes, as a list of shapes."""
    if all(size is None or isinstance(size, int) for size in shapes):
        return [tuple(shapes)]
    return [shape for part in shapes for shape in _flat(part)]
