"""Export of a trained model: write, check, and only then publish."""

import json
import pathlib
from collections.abc import Callable

import numpy as np

from ..errors import UserError
from . import card, lite, parity, publish, saved_model, warmup


def export(
    model,
    base,
    images: np.ndarray,
    context: dict,
    *,
    max_batch: int = 1024,
    lite_variants: tuple = lite.VARIANTS,
    with_warmup: bool = True,
    from_bytes: Callable | None = None,
) -> pathlib.Path:
    """Publishes base/<next version>/ with a SavedModel, LiteRT files, warm-up requests, metadata and a card.

    Args:
      model: answers the model protocol, weights trained.
      base: folder of the model's versions, named as the server knows the model.
      images: float32 [n, h, w, c] real images: they calibrate int8, feed the parity gate and the warm-up.
      context: {"config", "step", "evaluation", "reverie", "environment"}, and "classes" where labels stand for
        something, kept in the metadata.
      max_batch: greatest number of images a request, built into the graph.
      lite_variants: of `lite.VARIANTS`; empty for none.
      with_warmup: whether to write warm-up requests.
      from_bytes: string [n] -> images, for the signature `encode_bytes`.

    Returns:
      The published folder.

    Raises:
      ParityError: an artifact does not reproduce the Keras model; nothing was published.
      UserError, StorageError: as their names say.
    """
    if not 1 <= max_batch <= 65536:
        raise UserError(f"max_batch is {max_batch}; expected 1 to 65536")
    # What is not installed is said now, not after minutes of work.
    if lite_variants:
        lite.runtime()
    if with_warmup:
        warmup.protocol()
    name = pathlib.Path(base).name
    signatures = model.signatures()
    # Quantisation is calibrated on one part and judged on the other.
    half = max(1, min(len(images) // 2, 500))
    calibration = {key: signature.examples(images[:half]) for key, signature in signatures.items()}
    rows = images[half : half + min(max_batch, 64)]
    probes = {key: signature.examples(rows if len(rows) else images[:1]) for key, signature in signatures.items()}
    with publish.new_version(base) as draft:
        saved_model.write(model, draft.folder, max_batch, from_bytes)
        entries = parity.check_saved_model(model, draft.folder, probes)
        if lite_variants:
            files = lite.write(model, draft.folder / "lite", calibration, tuple(lite_variants))
            entries += parity.check_lite(model, files, probes)
        if with_warmup:
            warmup.write(draft.folder, name, probes)
            warmup.replay(draft.folder)
        content = card.metadata(model, draft.folder, context, entries, max_batch)
        (draft.folder / "metadata.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        (draft.folder / "MODEL_CARD.md").write_text(card.model_card(name, content), encoding="utf-8")
    return draft.published
