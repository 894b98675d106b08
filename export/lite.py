"""Converts encoder and decoder to LiteRT (TFLite) files and runs them.

Only deterministic float endpoints are converted, with builtin operators only: sampling needs operators that
no LiteRT wheel carries, so on a device z is drawn outside and `decode` is run.
"""

import dataclasses
import pathlib
import tempfile
import warnings

import numpy as np
import tensorflow as tf

from .. import progress
from ..errors import ParityError, UserError, first_line
from ..models.signature import Signature
from ..paths import plain_name
from ..quiet import held_back
from .saved_model import write_plain

VARIANTS = ("float32", "float16", "dynamic", "int8")


def write(
    model, folder, examples: dict[str, dict], variants: tuple[str, ...] = VARIANTS
) -> tuple[dict[tuple[str, str], pathlib.Path], dict[tuple[str, str], str]]:
    """Converts every endpoint marked `lite`, in all variants but those that its signature excludes.

    Args:
      model: answers the model protocol.
      folder: receives `<signature>_<variant>.tflite`.
      examples: signature -> inputs by name, numpy [n, ...]: calibrates int8.
      variants: of "float32", "float16" (weights), "dynamic" (int8 weights), "int8" (weights and activations,
        int8 in and out).

    Returns:
      ((signature, variant) -> path, and of quantized variants that the converter cannot make -> why).

    Raises:
      UserError: an unknown variant.
      ParityError: the converter cannot make a float32 form.
    """
    unknown = set(variants) - set(VARIANTS)
    if unknown:
        raise UserError(f"LiteRT variants {sorted(unknown)} are unknown; expected some of {', '.join(VARIANTS)}")
    names = {name: signature for name, signature in model.signatures().items() if signature.lite}
    return _write(model, names, folder, examples, variants, single=False)


def write_single(
    model, signatures: dict[str, Signature], folder, examples: dict[str, dict], variants: tuple[str, ...]
) -> tuple[dict[tuple[str, str], pathlib.Path], dict[tuple[str, str], str]]:
    """Converts functions to files that take one row at a time: what a page in a browser runs.

    LiteRT.js refuses a file whose number of rows is open.

    Args:
      model: whose weights the functions use.
      signatures: name -> function, float inputs with rows each.
      folder, examples, variants: as of `write`.

    Returns:
      As `write`.

    Raises:
      ParityError: the converter cannot make a float32 form.
    """
    fixed = {name: dataclasses.replace(signature, inputs=_one_row(signature)) for name, signature in signatures.items()}
    return _write(model, fixed, folder, examples, variants, single=True)


def _one_row(signature: Signature) -> dict[str, tf.TensorSpec]:
    return {name: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype, name=name) for name, spec in signature.inputs.items()}


def _write(
    model, names: dict[str, Signature], folder, examples: dict[str, dict], variants: tuple[str, ...], single: bool
) -> tuple[dict[tuple[str, str], pathlib.Path], dict[tuple[str, str], str]]:
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files, failed = {}, {}
    with tempfile.TemporaryDirectory() as plain:
        write_plain(model, f"{plain}/model", names)
        wanted = [(name, variant) for name in names for variant in variants if variant not in names[name].not_as]
        for name, variant in progress.shown(wanted, "converting", unit="file"):
            path = folder / file_name(name, variant, single)
            try:
                content = _convert(f"{plain}/model", name, variant, examples[name])
            except Exception as error:  # The converter raises whatever it met: its own errors, any of Python's.
                why = f"the converter cannot make it ({first_line(error)[:200]})"
                if variant == "float32":
                    raise ParityError(f"{path.name}, {name}: {why}; nothing was published") from error
                failed[name, variant] = why
                continue
            files[name, variant] = path
            path.write_bytes(content)
    return files, failed


def file_name(signature: str, variant: str, single: bool = False) -> str:
    """Of an endpoint's LiteRT file; `single` of one that takes one row at a time."""
    return f"{signature}_{variant}{'_single' if single else ''}.tflite"


def _convert(saved_model: str, signature: str, variant: str, examples: dict) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[signature])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        count = len(next(iter(examples.values())))

        def representative():
            for row in range(count):
                yield signature, {name: value[row : row + 1] for name, value in examples.items()}

        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings(), held_back():
        # The converter's own calibrator still uses tf.lite.Interpreter and warns that it will move.
        warnings.simplefilter("ignore")
        return converter.convert()


def runtime() -> type:
    """The LiteRT interpreter.

    Raises:
      UserError: it is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise UserError("LiteRT files need its runtime: pip install 'reverie[lite]', or export --lite=none") from None
    return Interpreter


class LiteModel:
    """A LiteRT file, run by the LiteRT runtime alone.

    Arguments:
      path: the .tflite file, with one named signature.
      threads: of the runtime.

    Raises:
      UserError: no such file, or the runtime is not installed.
    """

    def __init__(self, path, threads: int = 1):
        interpreter = runtime()
        if not pathlib.Path(path).is_file():
            raise UserError(f"no such file: {path}")
        try:
            with held_back():
                self._interpreter = interpreter(model_path=plain_name(str(path)), num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{path}: not a LiteRT file ({error})") from None
        self.signature = next(iter(self._interpreter.get_signature_list()))
        self._runner = self._interpreter.get_signature_runner(self.signature)
        self.inputs = self._runner.get_input_details()
        self.outputs = self._runner.get_output_details()
        # Of a file for one row at a time no number of rows is open.
        self._single = all(-1 not in detail["shape_signature"] for detail in self.inputs.values())

    def call(self, **inputs) -> dict[str, np.ndarray]:
        """Runs the signature on floats, quantizing and dequantizing where the file wants integers.

        Args:
          **inputs: float32 arrays by input name, any batch size.

        Returns:
          float32 arrays by output name.
        """
        if self._single and (count := len(next(iter(inputs.values())))) != 1:
            rows = [self.call(**{name: value[row : row + 1] for name, value in inputs.items()}) for row in range(count)]
            return {name: np.concatenate([row[name] for row in rows]) for name in self.outputs}
        fed = {name: _quantized(value, self.inputs[name]) for name, value in inputs.items()}
        return {name: _dequantized(value, self.outputs[name]) for name, value in self._runner(**fed).items()}


def _quantized(value: np.ndarray, detail: dict) -> np.ndarray:
    value = np.asarray(value, np.float32)
    if detail["dtype"] != np.int8:
        return value
    scale, zero = detail["quantization"]
    return np.clip(np.round(value / scale) + zero, -128, 127).astype(np.int8)


def _dequantized(value: np.ndarray, detail: dict) -> np.ndarray:
    if detail["dtype"] != np.int8:
        return value
    scale, zero = detail["quantization"]
    return (value.astype(np.float32) - zero) * scale
