"""The gate before publication: every exported artifact must reproduce the numbers of the Keras model.

Exporters and converters can write files that load, run and return garbage (a converter that loses the weights
raises nothing), so each artifact is run by the runtime that will run it in the field: the graph loader for
the SavedModel, the LiteRT interpreter for LiteRT files.

Forms in float32 answer as Keras does, or nothing is published. A quantized file cannot; it is judged in units of what
rounding must cost this very model (`rounding.py`), and one that misses is left out while the rest is published.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

import numpy as np

from .. import progress
from ..errors import ParityError, first_line
from ..models.signature import Signature, first_rows
from .graph_loader import GraphModel, reason
from .lite import LiteModel
from .rounding import RoundedEndpoint

# Greatest absolute difference, in units of the larger of 1 and the largest magnitude of the reference.
SAVED_MODEL_BOUND = 1e-5
LITE_FLOAT_BOUND = 1e-4
# Quantized files: how many times what rounding must cost they may differ, at most and in root mean square. Measured on
# all families and three data sets, with the margin: docs/results/export.md.
QUANTIZED_BOUND = 2.0
_MEASURES = {
    "greatest": lambda errors: float(np.max(np.abs(errors))),
    "typical": lambda errors: float(np.sqrt(np.mean(np.square(errors)))),
}
# A file may be as good as rounding allows and still be of no use: its root mean square difference is at most this
# share of the deviation of what Keras gives.
USEFUL = 0.5
# Whole-number outputs (a class): the share of rows that may differ, not counting ties.
LABEL_BOUNDS = {"float32": 0.01, "float16": 0.05, "dynamic": 0.05, "int8": 0.05}


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far one output of one artifact lies from the Keras model.

    Attributes:
      artifact: "saved_model", or the name of a LiteRT file.
      signature, output: which output of which signature.
      difference: what was seen.
      bound: what it may be.
      measure: "greatest" absolute difference; "typical", the root mean square of a quantized output; or "rows", the
        share of rows in which a whole-number output differs.
      cost: the same measure of what rounding must cost; 0 where nothing is rounded.

    Example:
      >>> Agreement("saved_model", "encode", "features", 1e-7, 1e-5).to_dict()["output"]
      'features'
    """

    artifact: str
    signature: str
    output: str
    difference: float
    bound: float
    measure: str = "greatest"
    cost: float = 0.0

    def to_dict(self) -> dict[str, str | float]:
        """As metadata.json keeps it."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A quantized LiteRT file that does not answer as the model, and is not published.

    Attributes:
      artifact: its name.
      signature: that it would have answered.
      reason: what was seen, and what was allowed.

    Example:
      >>> str(LeftOut("encode_int8.tflite", "encode", "features is off by 0.9 (bound 0.1)"))
      'encode_int8.tflite, encode: features is off by 0.9 (bound 0.1)'
    """

    artifact: str
    signature: str
    reason: str

    def __str__(self) -> str:
        return f"{self.artifact}, {self.signature}: {self.reason}"

    def to_dict(self) -> dict[str, str]:
        """As metadata.json keeps it."""
        return dataclasses.asdict(self)


class _Miss(Exception):
    """An artifact that does not answer as the model: why."""


def check_saved_model(
    signatures: Mapping[str, Signature], graph: GraphModel, examples: dict[str, dict]
) -> list[Agreement]:
    """Compares signatures of a Keras model with the exported graph, at two batch sizes.

    Args:
      signatures: by name on the server.
      graph: the SavedModel, see `loaded`.
      examples: signature -> inputs by name.

    Returns:
      One `Agreement` per output, of the batch size at which it is worse.

    Raises:
      ParityError: an output differs by more than the bound.
    """
    found = []
    for name, signature in progress.shown(signatures.items(), "comparing the SavedModel", unit="endpoint"):
        found += _check_served(graph, name, signature, examples[name])
    return _worst(found)


def loaded(folder) -> GraphModel:
    """A SavedModel as a server loads it.

    Args:
      folder: the SavedModel.

    Raises:
      ParityError: the graph loader cannot load it.
    """
    try:
        return GraphModel(folder)
    except Exception as error:
        raise ParityError(f"{folder}: the graph loader cannot load it ({first_line(error)[:200]})") from error


def _check_served(graph: GraphModel, name: str, signature: Signature, inputs: dict) -> list[Agreement]:
    found, bound = [], _absolute(SAVED_MODEL_BOUND * signature.amplification)
    for request in (inputs, first_rows(inputs, 1)):
        expected = _numpy(signature.function(**request))
        try:
            actual = _run(lambda r=request: graph.call(name, **r))
            _check_outputs(expected, actual)
            for output in expected:
                greatest = _greatest(expected, actual, output, bound)
                found.append(_within(Agreement("saved_model", name, output, *greatest)))
        except _Miss as miss:
            raise ParityError(f"saved_model, {name}: {miss}; nothing was published") from miss
    return found


def check_lite(
    signatures: Mapping[str, Signature],
    files: dict[tuple[str, str], pathlib.Path],
    examples: dict[str, dict],
    calibration: dict[str, dict],
) -> tuple[list[Agreement], list[LeftOut]]:
    """Compares every LiteRT file with the Keras model.

    Args:
      signatures: of the Keras model, by name.
      files: (signature, variant) -> path, from `lite.write` or `lite.write_single`.
      examples: signature -> inputs by name.
      calibration: likewise, those that int8 was calibrated on.

    Returns:
      As `check_saved_model`, and the quantized files that miss their bounds, of which there are no agreements.

    Raises:
      ParityError: a file in float32 does not run, or differs by more than its bound.
    """
    found: list[Agreement] = []
    left_out: list[LeftOut] = []
    rounded: dict[str, RoundedEndpoint] = {}
    for (name, variant), path in progress.shown(files.items(), "comparing LiteRT files", unit="file"):
        inputs, signature = examples[name], signatures[name]
        expected = _numpy(signature.function(**inputs))
        try:
            actual = _run(lambda p=path, i=inputs: LiteModel(p).call(**i))
            _check_outputs(expected, actual)
            if variant == "float32":
                found += _check_float(path.name, name, signature, expected, actual)
                continue
            if name not in rounded:
                rounded[name] = RoundedEndpoint(signature)
            answers = rounded[name].answers(variant, inputs, calibration[name])
            found += _check_quantized(path.name, name, variant, signature, expected, actual, answers)
        except _Miss as miss:
            if variant == "float32":
                raise ParityError(f"{path.name}, {name}: {miss}; nothing was published") from miss
            left_out.append(LeftOut(path.name, name, str(miss)))
    return found, left_out


def _check_float(artifact: str, name: str, signature: Signature, expected: dict, actual: dict) -> list[Agreement]:
    bound = _absolute(LITE_FLOAT_BOUND * signature.amplification)
    found = []
    for output, reference in expected.items():
        if np.issubdtype(reference.dtype, np.integer):
            ties = _ties(expected, output, dict.fromkeys(expected, LITE_FLOAT_BOUND))
            difference = float(np.mean((actual[output] != reference) & ~ties))
            entry = Agreement(artifact, name, output, difference, LABEL_BOUNDS["float32"], "rows")
        else:
            entry = Agreement(artifact, name, output, *_greatest(expected, actual, output, bound))
        found.append(_within(entry))
    return found


def _check_quantized(
    artifact: str, name: str, variant: str, signature: Signature, expected: dict, actual: dict, answers: list[dict]
) -> list[Agreement]:
    """Of every output the greatest and the typical difference; of whole numbers the share of rows."""
    found, costs = [], {}
    whole = [output for output, reference in expected.items() if np.issubdtype(reference.dtype, np.integer)]
    for output, reference in expected.items():
        if output in whole:
            continue
        # What float32 itself leaves open is no fault of a file.
        least = _absolute(LITE_FLOAT_BOUND * signature.amplification)(reference)
        error = actual[output].astype(np.float64) - reference
        for measure, of in _MEASURES.items():
            cost = max(of(answer[output].astype(np.float64) - reference) for answer in answers)
            bound = QUANTIZED_BOUND * cost + least
            found.append(_within(Agreement(artifact, name, output, of(error), bound, measure, cost)))
            costs[output] = max(costs.get(output, 0.0), cost)
        typical, deviation = found[-1].difference, float(np.std(reference))
        if not typical <= USEFUL * deviation + least:
            raise _Miss(
                f"{output} differs from Keras by {typical:.3g} root mean square, and Keras' own answers only by "
                f"{deviation:.3g} from each other (bound {USEFUL:g} of it)"
            )
    for output in whole:
        counts = ~_ties(expected, output, costs)
        share = float(np.mean((actual[output] != expected[output]) & counts))
        cost = max(float(np.mean((answer[output] != expected[output]) & counts)) for answer in answers)
        found.append(_within(Agreement(artifact, name, output, share, LABEL_BOUNDS[variant], "rows", cost)))
    return found


def _ties(expected: dict[str, np.ndarray], output: str, rounding: dict[str, float]) -> np.ndarray:
    """Rows whose two best answers are so close that rounding may turn them over: bool [n].

    The float output that a whole-number one is the argument of the maximum of says how close; without one no row is
    a tie.
    """
    label = expected[output]
    for name, value in expected.items():
        scores = not np.issubdtype(value.dtype, np.integer) and value.ndim == label.ndim + 1 and value.shape[-1] > 1
        if scores and value.shape[:-1] == label.shape and np.array_equal(np.argmax(value, axis=-1), label):
            best = np.sort(value, axis=-1)
            # Either of the two may move.
            return best[..., -1] - best[..., -2] <= 2.0 * rounding[name]
    return np.zeros(label.shape, bool)


def _absolute(bound: float) -> Callable[[np.ndarray], float]:
    return lambda reference: bound * max(1.0, float(np.max(np.abs(reference))))


def _greatest(expected: dict, actual: dict, output: str, bound_of: Callable) -> tuple[float, float]:
    """(greatest absolute difference, what it may be)."""
    reference = expected[output]
    difference = np.abs(actual[output].astype(np.float64) - reference.astype(np.float64))
    return float(np.max(difference)), bound_of(reference)


def _within(entry: Agreement) -> Agreement:
    """The entry itself.

    Raises:
      _Miss: it is beyond its bound.
    """
    # Written so that a NaN, which compares false with everything, fails.
    if entry.difference <= entry.bound:
        return entry
    if entry.measure == "rows":
        raise _Miss(
            f"{entry.output} differs from Keras in {100 * entry.difference:.1f} % of the rows "
            f"(bound {100 * entry.bound:g} %)"
        )
    measure = " root mean square" if entry.measure == "typical" else ""
    cost = f", rounding must cost {entry.cost:.3g}" if entry.cost else ""
    raise _Miss(f"{entry.output} differs from Keras by {entry.difference:.3g}{measure} (bound {entry.bound:.3g}{cost})")


def _run(call: Callable[[], dict]) -> dict[str, np.ndarray]:
    try:
        return call()
    except Exception as error:
        raise _Miss(f"does not run ({reason(error)})") from error


def _check_outputs(expected: dict, actual: dict) -> None:
    if set(actual) != set(expected):
        raise _Miss(f"outputs {sorted(actual)}, expected {sorted(expected)}")
    for output, reference in expected.items():
        if actual[output].shape != reference.shape:
            raise _Miss(f"{output} has shape {actual[output].shape}, expected {reference.shape}")


def _worst(agreements: list[Agreement]) -> list[Agreement]:
    """The worst of each (artifact, signature, output)."""
    worst: dict = {}
    for entry in agreements:
        key = entry.artifact, entry.signature, entry.output
        if key not in worst or entry.difference > worst[key].difference:
            worst[key] = entry
    return list(worst.values())


def _numpy(outputs: dict) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in outputs.items()}
