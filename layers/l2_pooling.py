"""L2 pooling: complex cells that sum the energy of their neighborhood (Le et al. 2012, section 3.2)."""

import keras
from keras import ops

from .registry import CallInput, register_layer


@register_layer(
    arguments={"pool_size": 3, "strides": 2, "padding": "same"}, inputs=[CallInput((7, 6, 2))], backends=True
)
class L2Pooling2D(keras.layers.Layer):
    """Square root of the summed squares in overlapping windows, map by map; its weights are fixed at one.

        p[n, i, j, m] = sqrt(eps + sum_{u, v} h[n, i s + u, j s + v, m]^2)

    Args:
      pool_size: window, integer or (rows, columns).
      strides: integer or pair; 1 overlaps as in the paper.
      padding: "valid", or "same" with zeros outside.
      epsilon: keeps the gradient finite where all is silent; the eps of the paper's objective.

    Call arguments:
      inputs: float [batch, height, width, channels].

    Returns:
      float [batch, rows, columns, channels].

    Raises:
      ValueError: epsilon is not positive.

    Reference: Le et al. 2012, section 3.2.

    Example:
      >>> from reverie.layers import L2Pooling2D
      >>> round(float(L2Pooling2D(pool_size=2)(ops.ones((1, 2, 2, 1)))[0, 0, 0, 0]), 3)  # The root of four ones.
      2.0
    """

    def __init__(
        self,
        pool_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        epsilon: float = 1e-6,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not epsilon > 0.0:
            raise ValueError(f"epsilon is {epsilon}; expected a positive number, or gradients are infinite at zero")
        self.pool_size = (pool_size, pool_size) if isinstance(pool_size, int) else tuple(pool_size)
        self.strides = (strides, strides) if isinstance(strides, int) else tuple(strides)
        self.padding, self.epsilon = padding, epsilon

    def call(self, inputs):
        size = self.pool_size[0] * self.pool_size[1]
        energy = ops.square(inputs)
        if self.padding == "same":
            # Padded by hand: a mean over a padded window leaves the padding out of its count.
            energy = ops.pad(energy, [[0, 0], *(self._zeros(axis, inputs.shape[1 + axis]) for axis in (0, 1)), [0, 0]])
        mean = ops.average_pool(energy, self.pool_size, self.strides, "valid", data_format="channels_last")
        return ops.sqrt(mean * size + self.epsilon)

    def _zeros(self, axis: int, side: int) -> list:
        missing = max((-(-side // self.strides[axis]) - 1) * self.strides[axis] + self.pool_size[axis] - side, 0)
        return [missing // 2, missing - missing // 2]

    def compute_output_shape(self, input_shape) -> tuple:
        sides = zip(input_shape[1:3], self.pool_size, self.strides, strict=True)
        if self.padding == "same":
            rows, columns = (-(-side // s) for side, _, s in sides)
        else:
            rows, columns = ((side - k) // s + 1 for side, k, s in sides)
        return (input_shape[0], rows, columns, input_shape[3])

    def get_config(self) -> dict:
        sizes = {"pool_size": self.pool_size, "strides": self.strides}
        return {**super().get_config(), **sizes, "padding": self.padding, "epsilon": self.epsilon}
