"""Export of a trained model: write, check, and only then publish."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable, Collection

import numpy as np
from absl import logging

from ..errors import UserError
from ..stored import in_utf8
from . import card, examples, lite, parity, publish, saved_model, single, warmup
from .endpoints import BESIDE, endpoints
from .provenance import Provenance


@dataclasses.dataclass(frozen=True)
class Published(os.PathLike):
    """A published version; usable wherever a path is.

    Attributes:
      folder: base/<version>.
      version: its number.
      agreements: how far every output of every artifact lies from the Keras model.
      left_out: quantized LiteRT files that do not answer as the model does, and why.

    Example:
      >>> os.fspath(Published(pathlib.Path("export/xcov/3"), 3, ()))
      'export/xcov/3'
    """

    folder: pathlib.Path
    version: int
    agreements: tuple[parity.Agreement, ...]
    left_out: tuple[parity.LeftOut, ...] = ()

    def __fspath__(self) -> str:
        return str(self.folder)

    def __str__(self) -> str:
        return str(self.folder)


def export(
    model,
    base,
    images: np.ndarray,
    provenance: Provenance,
    *,
    max_batch: int = 1024,
    lite_variants: tuple[str, ...] = lite.VARIANTS,
    with_warmup: bool = True,
    page: bool = False,
    from_bytes: Callable | None = None,
    trained: Collection[str] | None = None,
) -> Published:
    """Publishes base/<next version>/: a SavedModel, LiteRT files, warm-up and example requests, metadata and a card.

    Args:
      model: answers `signatures()` (with `encode` among them) and `variables`, weights trained.
      base: folder of the model's versions, named as the server knows the model.
      images: float32 [n, h, w, c] real images: they calibrate int8, feed the parity gate, the warm-up and the examples.
      provenance: of the run that trained the model, kept in the metadata.
      max_batch: greatest number of images a request, built into the graph.
      lite_variants: of `lite.VARIANTS`; empty for none.
      with_warmup: whether to write warm-up requests.
      page: whether to add the files that a page in a browser runs, of one row each; the model answers
        `page_functions`.
      from_bytes: string [n] -> images, for the signature `encode_bytes`.
      trained: of a model that is trained in stages, what it has learned; see `Signature.needs`. None is all.

    Returns:
      The published version. Quantized LiteRT files that do not reproduce the Keras model are not in it; a warning says
      which, and so does `left_out`.

    Raises:
      ParityError: the SavedModel or a LiteRT file in float32 does not reproduce the Keras model; nothing was published.
      UserError, StorageError: as their names say.
    """
    if not 1 <= max_batch <= 65536:
        raise UserError(f"max_batch is {max_batch}; expected 1 to 65536")
    # What is not installed is said now, not after minutes of work.
    if lite_variants or page:
        lite.runtime()
    if with_warmup:
        warmup.protocol()
    name = pathlib.Path(base).name
    signatures = endpoints(model, from_bytes, trained)
    # Quantization is calibrated on one part and judged on the other.
    half = max(1, min(len(images) // 2, 500))
    rows = images[half : half + min(max_batch, 64)]
    probes = {key: signature.examples(rows if len(rows) else images[:1]) for key, signature in signatures.items()}
    with publish.new_version(base) as draft:
        saved_model.write(model, draft.folder, signatures, max_batch)
        judged = {key: signature for key, signature in signatures.items() if key not in BESIDE}
        examples.write(draft.folder, probes)
        # Loaded once: what takes time is each signature's first call. Closed before other files need the memory.
        with parity.loaded(draft.folder) as graph:
            agreements, left_out = parity.check_saved_model(judged, graph, probes), []
            if with_warmup:
                warmup.write(draft.folder, name, probes)
                warmup.replay(draft.folder, graph)
        if lite_variants:
            calibration = {key: value.examples(images[:half]) for key, value in signatures.items() if value.lite}
            files, failed = lite.write(model, draft.folder / "lite", calibration, tuple(lite_variants))
            agreed, left_out = parity.check_lite(model.signatures(), files, probes, calibration)
            agreements += agreed
            left_out += [parity.LeftOut(lite.file_name(*key), key[0], why) for key, why in failed.items()]
            _leave_out(draft.folder / "lite", left_out, tuple(lite_variants))
        if page:
            made = single.make(model, draft.folder / "lite", rows if len(rows) else images[:1])
            agreements += made.agreements
            left_out += made.left_out
            for entry in made.left_out:
                logging.warning("left out: %s; a page takes more exact weights", entry)
        content = card.metadata(model, draft.folder, signatures, provenance, agreements, left_out, max_batch)
        (draft.folder / "metadata.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        (draft.folder / "MODEL_CARD.md").write_text(in_utf8(card.model_card(name, content)), encoding="utf-8")
    assert draft.published is not None  # Leaving the block published it.
    return Published(draft.published, int(draft.published.name), tuple(agreements), tuple(left_out))


def _leave_out(folder: pathlib.Path, left_out: list[parity.LeftOut], variants: tuple[str, ...]) -> None:
    """Takes files out of a version that is being built, and says so."""
    missed = {variant for variant in variants for entry in left_out if entry.artifact.endswith(f"_{variant}.tflite")}
    fewer = ",".join(variant for variant in variants if variant not in missed) or "none"
    for entry in left_out:
        (folder / entry.artifact).unlink(missing_ok=True)
        logging.warning("left out: %s; the rest is published, and --lite=%s does not ask for it", entry, fewer)
