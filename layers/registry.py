"""The table of layers: how each is made and called, so that one set of tests holds for all of them.

`register_layer` puts a class into `LAYERS` and makes it known to Keras files. It works as well on a layer in a file
of your own: see its example.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import keras
import numpy as np

from ..errors import UserError

_Class = TypeVar("_Class", bound=type)

# Name of the class -> how it is made and called. Holds the layers whose modules are imported so far;
# `reverie.layers.LAYERS` imports every layer of the package first.
LAYERS: dict[str, "RegisteredLayer"] = {}


@dataclasses.dataclass(frozen=True)
class CallInput:
    """One tensor that a layer is called with.

    Attributes:
      shape: without the batch axis.
      dtype: "float32", or an integer type.
      below: integers lie in [0, below).
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    below: int = 2

    def draw(self, generator: np.random.Generator, batch: int) -> np.ndarray:
        """Standard normal numbers, or integers, of shape [batch, *shape]."""
        shape = (batch, *self.shape)
        if np.issubdtype(self.dtype, np.integer):
            return generator.integers(0, self.below, shape).astype(self.dtype)
        return generator.normal(size=shape).astype(self.dtype)

    def symbol(self, batch: int | None = None) -> keras.KerasTensor:
        """A symbolic input, of unknown batch size unless one is given."""
        return keras.Input(batch_shape=(batch, *self.shape), dtype=self.dtype)


@dataclasses.dataclass(frozen=True)
class RegisteredLayer:
    """A layer class and one example of its use.

    Attributes:
      layer: the class.
      arguments: of its constructor.
      inputs: of its call, in order: a `CallInput` each, or a tuple of them where an argument is a tuple of tensors.
      backends: whether it is written in `keras.ops` alone, so that it runs on JAX and PyTorch too.
      half_tolerance: how far outputs in bfloat16 may be from float32, as a share of the greatest of them.
    """

    layer: type[keras.layers.Layer]
    arguments: Mapping
    inputs: tuple
    backends: bool = False
    half_tolerance: float = 0.05

    @property
    def name(self) -> str:
        return self.layer.__name__

    def make(self, **options) -> keras.layers.Layer:
        """The layer of the example; `options` such as `dtype` are added to its arguments."""
        return self.layer(**{**self.arguments, **options})

    def draw(self, batch: int, seed: int = 0) -> tuple:
        """Random values for a call: numpy arrays, nested as `inputs` are."""
        generator = np.random.default_rng(seed)
        return self.over_inputs(lambda item: item.draw(generator, batch))

    def symbols(self, batch: int | None = None) -> tuple:
        """Symbolic inputs for a functional model, nested as `inputs` are."""
        return self.over_inputs(lambda item: item.symbol(batch))

    def over_inputs(self, function: Callable) -> tuple:
        """`function` of every `CallInput`, in the structure of `inputs`."""
        return _over(function, self.inputs)


def register_layer(
    *given,
    arguments: Mapping | None = None,
    inputs: Sequence = (),
    backends: bool = False,
    half_tolerance: float = 0.05,
) -> Callable[[_Class], _Class]:
    """Registers a layer class with one example of its use.

    The class also becomes a Keras serializable of the package "reverie", so that a `.keras` file that holds the layer
    can be read wherever its module is imported.

    Args:
      *given: nothing; everything is given by name, and the class follows.
      arguments: of the constructor, by name; small sizes, as tests are run on them.
      inputs: of the call, in order: a `CallInput` each, or a tuple of them where an argument is a tuple of tensors.
      backends: whether the layer is written in `keras.ops` alone.
      half_tolerance: how far outputs in bfloat16 may be from float32, as a share of the greatest of them.

    Returns:
      A decorator that gives the class back.

    Raises:
      UserError: not a Keras layer, no inputs, arguments that are no dict, or a name that another layer has.

    Example:
      >>> import keras
      >>> from reverie.layers import CallInput, register_layer
      >>> @register_layer(arguments={"factor": 2.0}, inputs=[CallInput((3,))], backends=True)
      ... class Scaled(keras.layers.Layer):
      ...     def __init__(self, factor, **kwargs):
      ...         super().__init__(**kwargs)
      ...         self.factor = factor
      ...
      ...     def call(self, inputs):
      ...         return self.factor * inputs
      ...
      ...     def compute_output_shape(self, input_shape):
      ...         return input_shape
      ...
      ...     def get_config(self):
      ...         return {**super().get_config(), "factor": self.factor}
      >>> from reverie.layers.registry import LAYERS
      >>> LAYERS.pop("Scaled").make().factor
      2.0
    """
    if given:
        raise UserError(
            f"register_layer got {given[0]!r:.80}; expected @register_layer(inputs=[CallInput((3,))]) above the class"
        )
    if arguments is not None and not isinstance(arguments, Mapping):
        raise UserError(f"register_layer: arguments are {arguments!r:.80}; expected a dict of the constructor's")
    if not isinstance(inputs, list | tuple):
        raise UserError(f"register_layer: inputs are {inputs!r:.80}; expected a list, as [CallInput((3,))]")
    inputs = tuple(tuple(item) if isinstance(item, list | tuple) else item for item in inputs)

    def register(layer: _Class) -> _Class:
        if not (isinstance(layer, type) and issubclass(layer, keras.layers.Layer)):
            raise UserError(f"register_layer got {layer!r}; expected a subclass of keras.layers.Layer")
        if not inputs:
            raise UserError(
                f"register_layer: {layer.__name__} has no inputs; expected a CallInput for each of its call"
            )
        known = LAYERS.get(layer.__name__)
        if known is not None and _home(known.layer) != _home(layer):
            raise UserError(
                f"a layer named '{layer.__name__}' is registered already, from {known.layer.__module__}; "
                "expected a name of its own"
            )
        layer = keras.saving.register_keras_serializable("reverie")(layer)
        LAYERS[layer.__name__] = RegisteredLayer(layer, dict(arguments or {}), inputs, backends, half_tolerance)
        return layer

    return register


def _home(layer: type) -> tuple:
    """Where a class is defined: running a notebook cell again may register it again."""
    return (layer.__module__, layer.__qualname__)


def _over(function: Callable, items: tuple) -> tuple:
    return tuple(_over(function, item) if isinstance(item, tuple) else function(item) for item in items)
