"""The functions of a page as LiteRT files that take one row at a time, behind the gate that all exported files pass."""

import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np

from ..models.signature import Signature
from . import lite, parity

# Files of a page, the most exact first.
VARIANTS = ("float32", "float16", "dynamic")
_PROBES = 32


@dataclasses.dataclass(frozen=True)
class SingleFiles:
    """LiteRT files of one row each.

    Attributes:
      files: (function, variant) -> path.
      agreements: how far each lies from the Keras model.
      left_out: quantized ones that do not answer as the model does, removed again.

    Example:
      >>> SingleFiles({("encode", "float32"): pathlib.Path("encode_float32_single.tflite")}, (), ()).whole("float32")
      True
    """

    files: dict[tuple[str, str], pathlib.Path]
    agreements: tuple[parity.Agreement, ...]
    left_out: tuple[parity.LeftOut, ...]

    def whole(self, variant: str) -> bool:
        """Whether there is a file of every function in this variant."""
        names = {name for name, _ in self.files} | {entry.signature for entry in self.left_out}
        return bool(names) and all((name, variant) in self.files for name in names)


def make(
    model,
    folder,
    images: np.ndarray,
    variants: tuple[str, ...] = VARIANTS,
    functions: Mapping[str, Signature] | None = None,
) -> SingleFiles:
    """Writes the functions of a page (`models.contract.Explores`) as `<function>_<variant>_single.tflite`.

    Args:
      model: answers `page_functions`.
      folder: receives the files.
      images: float32 [n, height, width, channels] real ones, to compare by.
      variants: of `VARIANTS`.
      functions: to write instead of all of the model's, under names of their own.

    Returns:
      The files that answer as the model does, by the bounds of `parity`.

    Raises:
      ParityError: a file in float32 does not reproduce the Keras model.
    """
    functions = dict(functions or model.page_functions())
    probes = {name: signature.examples(images[:_PROBES]) for name, signature in functions.items()}
    files, failed = lite.write_single(model, functions, folder, probes, variants)
    agreements, missed = parity.check_lite(functions, files, probes, probes)
    missed += [parity.LeftOut(lite.file_name(*key, single=True), key[0], why) for key, why in failed.items()]
    gone = {entry.artifact for entry in missed}
    for path in files.values():
        if path.name in gone:
            path.unlink()
    kept = {key: path for key, path in files.items() if path.name not in gone}
    return SingleFiles(kept, tuple(agreements), tuple(missed))


def published(folder, functions: tuple[str, ...], parity_entries: list[dict]) -> SingleFiles:
    """The files of a published version, none where it has none.

    Args:
      folder: of the version.
      functions: names.
      parity_entries: what its metadata says of its files.
    """
    found = {
        (name, variant): path
        for name in functions
        for variant in VARIANTS
        if (path := pathlib.Path(folder) / "lite" / lite.file_name(name, variant, single=True)).is_file()
    }
    known = {field.name for field in dataclasses.fields(parity.Agreement)}
    names = {path.name for path in found.values()}
    agreements = [
        parity.Agreement(**{key: value for key, value in entry.items() if key in known})
        for entry in parity_entries
        if entry.get("artifact") in names
    ]
    missing = [
        parity.LeftOut(lite.file_name(name, variant, single=True), name, "not in the version")
        for name in functions
        for variant in VARIANTS
        if (name, variant) not in found
    ]
    return SingleFiles(found, tuple(agreements), tuple(missing))
