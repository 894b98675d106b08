"""What rounding must cost: an endpoint's own graph, run with the numbers rounded that a quantized file rounds.

A file with weights of 8 bits cannot answer as the Keras model does, and how far off it has to be depends on weights,
depth and images: a classifier between two classes turns a thousandth into a twentieth, a normalization that divides
by small deviations enlarges everything. So it is measured. The graph is run again in TensorFlow, operator by
operator, with weights and activations rounded by the arithmetic below, which shares nothing with the converter, and
what comes out is compared with what it gives unrounded.

The scheme is LiteRT's (Jacob et al. 2018, arXiv 1712.05877; the specification of 8-bit quantization of LiteRT):

- "float16": weights are halves, arithmetic is in float32.
- "dynamic": weights of products, of 1,024 numbers or more, have 8 bits and a step for every output channel; what
  they are multiplied with has 8 bits and a step for every row.
- "int8": weights as there; every activation has 8 bits between the least and the greatest value that it took on the
  calibration images. What a product accumulates stays exact until biases, scales and a ReLU are through.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ..models.signature import Signature, first_rows

_PRODUCTS = frozenset(
    ("MatMul", "BatchMatMul", "BatchMatMulV2", "Einsum", "Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput")
)
# What the converter merges into the product before it. After a ReLU the sum is rounded.
_MERGED = frozenset(("BiasAdd", "Add", "AddV2", "Sub", "Mul", "Identity", "Reshape", "Squeeze", "ExpandDims"))
_LAST_MERGED = frozenset(("Relu", "Relu6"))
# Ranges that no calibration changes: steps of 1/256 and 1/128, so that the greatest value is a step below one.
_KNOWN_RANGES = {"Softmax": (0.0, 255 / 256), "Sigmoid": (0.0, 255 / 256), "Tanh": (-1.0, 127 / 128)}
# What moves numbers keeps their steps.
_MOVES = frozenset(("Identity", "Reshape", "Squeeze", "ExpandDims", "Transpose", "StridedSlice"))
_FEWEST_WEIGHTS = 1024
# How far a value lies from the next step is chance. Steps a little narrower draw again.
_STEPS = (1.0, 0.97, 0.94)
_AT_ONCE = 64


class RoundedEndpoint:
    """An endpoint of a model whose numbers can be rounded as a LiteRT variant rounds them.

    Arguments:
      signature: deterministic, of float32 inputs with open rows, as every endpoint that is converted.

    Example:
      >>> spec = {"x": tf.TensorSpec([None, 4], tf.float32, name="x")}
      >>> third = tf.constant(np.eye(4, dtype=np.float32) / 3)
      >>> signature = Signature(lambda x: {"y": tf.matmul(x, third)}, spec, lambda x: {"x": x})
      >>> ones = {"x": np.ones([1, 4], np.float32)}
      >>> float(RoundedEndpoint(signature).answers("float16", ones, ones)[0]["y"][0, 0])
      0.333251953125
    """

    def __init__(self, signature: Signature):
        self._names, self._specs = list(signature.inputs), list(signature.inputs.values())

        def positional(*values):
            return signature.function(**dict(zip(self._names, values, strict=True)))

        # Models are made of graph operators; the concrete function also keeps what it captured.
        self._function = tf.function(positional, autograph=False).get_concrete_function(*self._specs)
        self._graph = self._function.graph
        self._fixed = {inside.name for _, inside in self._graph.captures}
        self._unfinished: set[str] = set()
        for operation in self._graph.get_operations():
            made = {tensor.name for tensor in operation.outputs}
            names = [tensor.name for tensor in operation.inputs]
            if operation.type == "Const" or (names and self._fixed.issuperset(names)):
                self._fixed |= made
            elif operation.type in _PRODUCTS or (operation.type in _MERGED and self._merges(operation)):
                self._unfinished |= made

    def answers(
        self, variant: str, inputs: dict[str, np.ndarray], calibration: dict[str, np.ndarray]
    ) -> list[dict[str, np.ndarray]]:
        """What the endpoint gives with rounded numbers, once for each of a few widths of the steps.

        Args:
          variant: "float16", "dynamic" or "int8".
          inputs: by name, float32 [n, ...].
          calibration: likewise, what activations of 8 bits take their ranges from.

        Returns:
          Outputs by name, [n, ...], of every draw.
        """
        ranges = self._ranges(calibration) if variant == "int8" else {}
        rules = {"float16": self._halves, "dynamic": self._dynamic, "int8": self._whole(ranges)}
        rule = rules[variant]

        def rounded(narrower, *values):
            tensors = self._run(values, lambda *use: rule(*use, narrower))
            return {name: tensors[tensor.name] for name, tensor in self._graph.structured_outputs.items()}

        if variant == "int8":
            rounded = self._ends_rounded(rounded, ranges)
        values = [tf.constant(inputs[name]) for name in self._names]
        # Traced by hand: TensorFlow takes one graph for each of many files as a mistake, and warns of it.
        compiled = tf.function(rounded, autograph=False).get_concrete_function(tf.TensorSpec([]), *values)
        steps = _STEPS[:1] if variant == "float16" else _STEPS
        return [{name: value.numpy() for name, value in compiled(tf.constant(step), *values).items()} for step in steps]

    def _run(self, inputs, rounded: Callable) -> dict[str, tf.Tensor]:
        """The graph's tensors by name, in the graph that is being built; operators take what `rounded` makes."""
        placeholders = [tensor.name for tensor in self._graph.inputs[: len(self._names)]]
        values = dict(zip(placeholders, inputs, strict=True))
        values |= {inside.name: outside for outside, inside in self._graph.captures}
        here = tf.compat.v1.get_default_graph()
        for operation in self._graph.get_operations():
            if operation.type == "Placeholder" or not operation.outputs:
                continue
            fed = [rounded(operation, place, values[used.name]) for place, used in enumerate(operation.inputs)]
            attributes = {name: value for name, value in operation.node_def.attr.items() if name[0] != "_"}
            types = [tensor.dtype for tensor in operation.outputs]
            made = here.create_op(operation.type, fed, types, attrs=attributes).outputs
            values |= {before.name: now for before, now in zip(operation.outputs, made, strict=True)}
        return values

    def _ranges(self, calibration: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
        """(least, greatest) value of every activation, by name of its tensor."""
        operations = self._graph.get_operations()
        tensors = [(tensor, operation) for operation in operations for tensor in operation.outputs]
        made = {
            tensor.name: operation
            for tensor, operation in tensors
            if tensor.dtype == tf.float32 and tensor.name not in self._fixed
        }

        @tf.function(autograph=False, input_signature=self._specs)
        def extremes(*values):
            tensors = self._run(values, lambda operation, place, value: value)
            return {name: (tf.reduce_min(tensors[name]), tf.reduce_max(tensors[name])) for name in made}

        count = len(next(iter(calibration.values())))
        found: dict[str, list] = {name: [] for name in made}
        for start in range(0, count, _AT_ONCE):
            rows = first_rows({name: value[start:] for name, value in calibration.items()}, _AT_ONCE)
            for name, pair in extremes(*(tf.constant(rows[name]) for name in self._names)).items():
                found[name].append([float(end) for end in pair])
        ranges: dict[str, tuple[float, float]] = {}
        for name, pairs in found.items():
            operation = made[name]
            if operation.type in _MOVES and operation.inputs[0].name in ranges:
                ranges[name] = ranges[operation.inputs[0].name]
            else:
                seen = (min(low for low, _ in pairs), max(high for _, high in pairs))
                ranges[name] = _KNOWN_RANGES.get(operation.type, seen)
        return ranges

    # ---- which numbers a variant rounds: (operator, place among its inputs, value, width of a step) -> value

    def _halves(self, operation, place: int, value, narrower):
        del narrower
        return _half(value) if self._enters(operation, place) else value

    def _dynamic(self, operation, place: int, value, narrower):
        if operation.type not in _PRODUCTS or value.dtype != tf.float32:
            return value
        weights = [used for used in operation.inputs if used.name in self._fixed and used.dtype == tf.float32]
        if not any((used.shape.num_elements() or 0) >= _FEWEST_WEIGHTS for used in weights):
            return value
        if self._enters(operation, place):
            return _rounded_weights(value, _channel(operation, place), narrower)
        axes = list(range(1, value.shape.rank))
        ends = (tf.reduce_min(value, axes, keepdims=True), tf.reduce_max(value, axes, keepdims=True))
        return _rounded(value, *ends, narrower)

    def _whole(self, ranges: dict[str, tuple[float, float]]) -> Callable:
        def rule(operation, place: int, value, narrower):
            used = operation.inputs[place]
            if used.dtype != tf.float32 or (used.name in self._fixed and not self._enters(operation, place)):
                return value
            merges = self._merges(operation)
            if used.name in self._fixed:
                if operation.type in _PRODUCTS:
                    return _rounded_weights(value, _channel(operation, place), narrower)
                # A bias has 32 bits, a scale goes into the weights.
                return value if merges else _rounded(value, tf.reduce_min(value), tf.reduce_max(value), narrower)
            return value if merges else _rounded(value, *ranges[used.name], narrower)

        return rule

    def _ends_rounded(self, function: Callable, ranges: dict[str, tuple[float, float]]) -> Callable:
        """Of full 8 bits also what comes out."""
        names = {name: tensor.name for name, tensor in self._graph.structured_outputs.items()}

        def whole(narrower, *values):
            return {
                name: _rounded(value, *ranges[names[name]], narrower) if names[name] in ranges else value
                for name, value in function(narrower, *values).items()
            }

        return whole

    def _enters(self, operation, place: int) -> bool:
        """Whether an input is a weight (or made of weights alone) that meets an activation here."""
        used = operation.inputs[place]
        made_of_weights = self._fixed.issuperset(tensor.name for tensor in operation.outputs)
        return used.dtype == tf.float32 and used.name in self._fixed and not made_of_weights

    def _merges(self, operation) -> bool:
        """Whether an operator continues the product before it."""
        if operation.type not in _MERGED | _LAST_MERGED:
            return False
        names = [tensor.name for tensor in operation.inputs]
        return names[0] in self._unfinished and self._fixed.issuperset(names[1:])


def _channel(operation, place: int) -> int | None:
    """The axis of a weight along which each slice has a step of its own."""
    if operation.type == "MatMul" and place == 1:
        return 0 if operation.get_attr("transpose_b") else 1
    return {"Conv2D": 3, "Conv2DBackpropInput": 2}.get(operation.type)


def _half(value):
    return tf.cast(tf.cast(value, tf.float16), tf.float32)


def _rounded_weights(value, channel: int | None, narrower):
    """Symmetric around zero, 127 steps to either side."""
    axes = [axis for axis in range(value.shape.rank) if axis != channel]
    step = narrower * tf.reduce_max(tf.abs(value), axes, keepdims=True) / 127.0
    step = tf.where(step > 0.0, step, 1.0)
    return tf.round(value / step) * step


def _rounded(value, low, high, narrower):
    """255 steps between two ends, zero among them; what lies beyond the ends is clipped."""
    low, high = tf.minimum(low, 0.0), tf.maximum(high, 0.0)
    step = narrower * (high - low) / 255.0
    step = tf.where(step > 0.0, step, 1.0)
    return tf.round(tf.clip_by_value(value, low, high) / step) * step
