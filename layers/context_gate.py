"""Gating by context: a fixed random subset of units for every class or task."""

import keras
from keras import ops

from .registry import CallInput, register_layer


@register_layer(
    arguments={"contexts": 3, "units": 6, "closed": 0.5},
    inputs=[CallInput((6,)), CallInput((), "int32", below=3)],
    backends=True,
)
class ContextGate(keras.layers.Layer):
    """Multiplies units by the fixed 0/1 mask of a context (class, task).

    The masks are drawn once, when the layer is made, and are weights that no optimizer touches: they travel
    with checkpoints and exports. A mixture of contexts opens a unit in proportion.

    Args:
      contexts: number of classes or tasks.
      units: number of gated units.
      closed: share of units closed in a context, 0 to 1.
      exact: False draws every unit on its own (van de Ven et al. 2020), so that the number of closed units
        varies; True closes exactly int(closed * units) of them (Masse, Grant and Freedman 2018, XdG).

    Call arguments:
      inputs: float [batch, units].
      context: int [batch], a context for each row; or float [batch, contexts], the weights of a mixture.

    Returns:
      float [batch, units].

    Raises:
      ValueError: a share of closed units outside [0, 1).

    Reference: van de Ven et al. 2020, Methods, "Gating based on internal context".

    Example:
      >>> from reverie.layers import ContextGate
      >>> gate = ContextGate(contexts=3, units=8, closed=0.25, exact=True)
      >>> float(ops.sum(gate(ops.ones((1, 8)), ops.array([2]))))
      6.0
    """

    def __init__(self, contexts: int, units: int, closed: float, exact: bool = False, **kwargs):
        super().__init__(**kwargs)
        if not 0.0 <= closed < 1.0:
            raise ValueError(f"the share of closed units is {closed:g}; expected at least 0 and below 1")
        self.contexts, self.units, self.closed, self.exact = contexts, units, closed, exact
        self.masks = self.add_weight(
            shape=(contexts, units),
            initializer=self._draw,
            trainable=False,
            aggregation="only_first_replica",
            name="masks",
        )

    def call(self, inputs, context):
        return inputs * self.opening(context)

    def opening(self, context):
        """How far each unit is open in a context: float [batch, units], `context` as in the call."""
        context = ops.convert_to_tensor(context)
        if "int" in keras.backend.standardize_dtype(context.dtype):
            return ops.take(self.masks, context, axis=0)
        return ops.matmul(context, ops.convert_to_tensor(self.masks))

    def compute_output_shape(self, inputs_shape, context_shape) -> tuple:
        return tuple(inputs_shape)

    def get_config(self) -> dict:
        settings = {"contexts": self.contexts, "units": self.units, "closed": self.closed, "exact": self.exact}
        return {**super().get_config(), **settings}

    def _draw(self, shape, dtype=None):
        uniform = keras.random.uniform(shape)
        if not self.exact:
            return ops.cast(uniform >= self.closed, dtype)
        rank = ops.argsort(ops.argsort(uniform, axis=-1), axis=-1)
        return ops.cast(rank >= int(self.closed * self.units), dtype)
