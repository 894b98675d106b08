"""Outputs and gradients of every layer in keras.ops alone, on the backend that KERAS_BACKEND names.

Run as a program, `python backend_numbers.py WEIGHTS.npz NUMBERS.npz`; on JAX and PyTorch nothing of TensorFlow can be
imported. The loss of a layer is the sum of its outputs, each times a fixed random number.
"""

import os
import sys

if os.environ["KERAS_BACKEND"] != "tensorflow":
    for _module in ("tensorflow", "tensorflow_probability", "ml_collections"):
        sys.modules[_module] = None  # An import of it fails.

import keras
import layer_checks
import numpy as np
from keras import ops
from reverie.layers import LAYERS


def main(weights_path: str, numbers_path: str) -> None:
    given, found = np.load(weights_path), {}
    for name, record in LAYERS.items():
        if not record.backends:
            continue
        inputs = record.draw(5, seed=1)
        layer = layer_checks.built(record)
        layer.set_weights([given[f"{name}/{number}"] for number in range(len(layer.get_weights()))])
        outputs = layer_checks.numbers(layer(*inputs))
        generator = np.random.default_rng(2)
        shares = [generator.normal(size=item.shape).astype("float32") for item in outputs]
        gradients = GRADIENTS[keras.backend.backend()](layer, inputs, shares)
        found |= {f"{name}/output/{number}": value for number, value in enumerate(outputs)}
        found |= {f"{name}/gradient/{key}": value for key, value in gradients.items()}
    np.savez(numbers_path, **found)


def _loss(outputs, shares: list):
    return sum(ops.sum(item * share) for item, share in zip(keras.tree.flatten(outputs), shares, strict=True))


def _float_places(inputs: tuple) -> tuple:
    """The inputs as a flat list, and which of them are floats."""
    flat = keras.tree.flatten(inputs)
    return flat, [number for number, item in enumerate(flat) if item.dtype.kind == "f"]


def _named(places: list, by_input: list, by_weight: list) -> dict:
    """Gradients by what they are of, as numpy."""
    named = {f"input_{place}": value for place, value in zip(places, by_input, strict=True)}
    named |= {f"weight_{number}": value for number, value in enumerate(by_weight)}
    return {key: ops.convert_to_numpy(value) for key, value in named.items()}


def _on_tensorflow(layer, inputs: tuple, shares: list) -> dict:
    import tensorflow as tf

    flat, places = _float_places(inputs)
    flat = [tf.convert_to_tensor(item) for item in flat]
    watched = [flat[place] for place in places]
    weights = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        loss = _loss(layer(*keras.tree.pack_sequence_as(inputs, flat)), shares)
    by_input, by_weight = tape.gradient(loss, [watched, weights])
    return _named(places, by_input, by_weight)


def _on_jax(layer, inputs: tuple, shares: list) -> dict:
    import jax

    flat, places = _float_places(inputs)
    state = [variable.value for variable in layer.non_trainable_variables]

    def loss(floats: list, weights: list):
        items = list(flat)
        for place, value in zip(places, floats, strict=True):
            items[place] = value
        outputs, _ = layer.stateless_call(weights, state, *keras.tree.pack_sequence_as(inputs, items))
        return _loss(outputs, shares)

    floats = [ops.convert_to_tensor(flat[place]) for place in places]
    weights = [variable.value for variable in layer.trainable_variables]
    return _named(places, *jax.jit(jax.grad(loss, (0, 1)))(floats, weights))


def _on_torch(layer, inputs: tuple, shares: list) -> dict:
    import torch

    flat, places = _float_places(inputs)
    flat = [torch.tensor(item, requires_grad=number in places) for number, item in enumerate(flat)]
    shares = [torch.tensor(share) for share in shares]
    _loss(layer(*keras.tree.pack_sequence_as(inputs, flat)), shares).backward()
    by_weight = [variable.value.grad for variable in layer.trainable_variables]
    return _named(places, [flat[place].grad for place in places], by_weight)


GRADIENTS = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}

if __name__ == "__main__":
    main(*sys.argv[1:])
