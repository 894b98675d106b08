"""The gate before publication: every exported artifact must reproduce the numbers of the Keras model.

Exporters and converters can write files that load, run and return garbage (a converter that loses the weights
raises nothing), so each artifact is run by the runtime that will run it in the field: the graph loader for
the SavedModel, the LiteRT interpreter for LiteRT files.
"""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from ..errors import ParityError, UserError, first_line
from ..models.signature import first_rows
from .graph_loader import GraphModel, reason
from .lite import LiteModel

# Greatest absolute difference, in units of the larger of 1 and the largest magnitude of the reference.
SAVED_MODEL_BOUND = 1e-5
LITE_FLOAT_BOUND = 1e-4
# Quantized files: (greatest difference as a share of the output's range, root mean square difference as a share
# of its standard deviation). Measured on xcov with 500 calibration images: float16 0.0002 and 0.0002, dynamic
# 0.007 and 0.005, int8 0.05 and 0.02. The greatest int8 differences are single values beyond the calibrated
# range, which are clipped, hence the wide first bound there; the second is what a user of the codes feels.
# Whole-number outputs (a class) are compared by the share of rows that differ: rounding turns near ties over.
LABEL_BOUNDS = {"float32": 0.01, "float16": 0.05, "dynamic": 0.05, "int8": 0.05}
LITE_BOUNDS = {"float16": (0.002, 0.002), "dynamic": (0.03, 0.03), "int8": (0.25, 0.1)}


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far one output of one artifact lies from the Keras model.

    Attributes:
      artifact: "saved_model", or the name of a LiteRT file.
      signature, output: which output of which signature.
      difference: the greatest that was seen; of whole-number outputs the share of rows that differ.
      bound: what it may be.

    Example:
      >>> Agreement("saved_model", "encode", "features", 1e-7, 1e-5).to_dict()["output"]
      'features'
    """

    artifact: str
    signature: str
    output: str
    difference: float
    bound: float

    def to_dict(self) -> dict[str, str | float]:
        """As metadata.json keeps it."""
        return dataclasses.asdict(self)


def check_saved_model(model, folder, examples: dict[str, dict]) -> list[Agreement]:
    """Compares every signature of the model with the exported graph, at two batch sizes.

    Args:
      model: the Keras model.
      folder: the SavedModel.
      examples: signature -> inputs by name.

    Returns:
      One `Agreement` per output, of the batch size at which it is worse.

    Raises:
      ParityError: the graph does not load, or an output differs by more than the bound.
    """
    try:
        graph = GraphModel(folder)
    except Exception as error:
        raise ParityError(f"{folder}: the graph loader cannot load it ({first_line(error)[:200]})") from error
    found = []
    try:
        for name, signature in model.signatures().items():
            for inputs in (examples[name], first_rows(examples[name], 1)):
                expected = _numpy(signature.function(**inputs))
                actual = _run(lambda n=name, i=inputs: graph.call(n, **i), "saved_model", name)
                found += _compare(
                    "saved_model", name, expected, actual, _absolute(SAVED_MODEL_BOUND * signature.amplification)
                )
    finally:
        graph.close()
    return _greatest(found)


def check_lite(model, files: dict[tuple[str, str], pathlib.Path], examples: dict[str, dict]) -> list[Agreement]:
    """Compares every LiteRT file with the Keras model.

    Args:
      model: the Keras model.
      files: (signature, variant) -> path, from `lite.write`.
      examples: signature -> inputs by name.

    Returns:
      As `check_saved_model`.

    Raises:
      ParityError: a file does not run, or differs by more than its bound.
    """
    found, signatures = [], model.signatures()
    for (name, variant), path in files.items():
        inputs, signature = examples[name], signatures[name]
        expected = _numpy(signature.function(**inputs))
        actual = _run(lambda p=path, i=inputs: LiteModel(p).call(**i), path.name, name)
        whole = {output for output, value in expected.items() if np.issubdtype(value.dtype, np.integer)}
        found += _compare_labels(path.name, name, expected, actual, whole, LABEL_BOUNDS[variant])
        expected = {output: value for output, value in expected.items() if output not in whole}
        actual = {output: value for output, value in actual.items() if output not in whole}
        if variant == "float32":
            found += _compare(path.name, name, expected, actual, _absolute(LITE_FLOAT_BOUND * signature.amplification))
        else:
            # What quantizing the weights costs grows with depth too, but from a thousandth, not from rounding.
            wider = min(signature.amplification, 10.0)
            greatest, typical = (bound * wider for bound in LITE_BOUNDS[variant])
            found += _compare(path.name, name, expected, actual, _of_range(greatest))
            _check_typical(path.name, name, expected, actual, typical)
    return _greatest(found)


def _absolute(bound: float) -> Callable[[np.ndarray], float]:
    return lambda reference: bound * max(1.0, float(np.max(np.abs(reference))))


def _of_range(share: float) -> Callable[[np.ndarray], float]:
    return lambda reference: share * max(float(np.ptp(reference)), 1e-3)


def _check_typical(artifact: str, signature: str, expected: dict, actual: dict, share: float) -> None:
    """Refuses a quantized output whose errors are a noticeable part of its own spread."""
    for output, reference in expected.items():
        error = float(np.sqrt(np.mean(np.square(actual[output] - reference))))
        bound = share * max(float(np.std(reference)), 1e-3)
        if not error <= bound:
            raise ParityError(
                f"{artifact}, {signature}: {output} differs from Keras by {error:.3g} root mean square "
                f"(bound {bound:.3g}); nothing was published"
            )


def _compare_labels(
    artifact: str, signature: str, expected: dict, actual: dict, outputs: set, bound: float
) -> list[Agreement]:
    """Of whole-number outputs: the share of rows in which they differ."""
    found = []
    for output in sorted(outputs & set(actual)):
        difference = float(np.mean(np.asarray(actual[output]) != expected[output]))
        if not difference <= bound:
            raise ParityError(
                f"{artifact}, {signature}: {output} differs from Keras in {100 * difference:.1f} % of the rows "
                f"(bound {100 * bound:g} %); nothing was published"
            )
        found.append(Agreement(artifact, signature, output, difference, bound))
    return found


def _run(call: Callable[[], dict], artifact: str, signature: str) -> dict:
    try:
        return call()
    except UserError:
        raise
    except Exception as error:
        raise ParityError(f"{artifact}, {signature}: does not run ({reason(error)})") from error


def _compare(artifact: str, signature: str, expected: dict, actual: dict, bound_of: Callable) -> list[Agreement]:
    if set(actual) != set(expected):
        raise ParityError(f"{artifact}, {signature}: outputs {sorted(actual)}, expected {sorted(expected)}")
    found = []
    for output, reference in expected.items():
        value = actual[output]
        if value.shape != reference.shape:
            raise ParityError(f"{artifact}, {signature}: {output} has shape {value.shape}, expected {reference.shape}")
        difference = float(np.max(np.abs(value.astype(np.float64) - reference.astype(np.float64))))
        bound = bound_of(reference)
        # Written so that a NaN, which compares false with everything, fails.
        if not difference <= bound:
            raise ParityError(
                f"{artifact}, {signature}: {output} differs from Keras by {difference:.3g} (bound {bound:.3g}); "
                "nothing was published"
            )
        found.append(Agreement(artifact, signature, output, difference, bound))
    return found


def _greatest(agreements: list[Agreement]) -> list[Agreement]:
    """The worst of each (artifact, signature, output)."""
    worst: dict = {}
    for entry in agreements:
        key = entry.artifact, entry.signature, entry.output
        if key not in worst or entry.difference > worst[key].difference:
            worst[key] = entry
    return list(worst.values())


def _numpy(outputs: dict) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in outputs.items()}
