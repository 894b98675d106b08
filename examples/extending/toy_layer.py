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
