"""The model families, each one file, and the one function that builds them from a config.

A model is a `keras.Model` that answers this protocol; the loop, the exporter and the evaluators know nothing
else of it:

- `losses(batch, noise, training) -> dict` of float32 [batch], "total" among them; pure;
- `encode(images) -> dict`, `decode(**code) -> images`;
- `generate(count, seed, ...) -> dict`; `classify(images)`, `reconstruct(images)` where the family has them;
- `prepare(images)`, optional: fits to training images what must stand before the first step (whitening);
- `constraints() -> list`, optional: [(variable, value -> admitted value)], held after every update;
- `parts(batch) -> list`, optional: the losses in parts that share no weights, [(() -> losses, variables)];
- `calibrate(images)`, optional: measures on training images what the losses do not train, before a checkpoint;
- `signatures() -> dict` of `Signature`.
"""

import inspect

import keras

from ..errors import UserError
from . import jmvae, replay, scan, sparse, sparse_classifier, xcov
from .signature import Signature

FAMILIES = {
    "jmvae": jmvae.build,
    "replay": replay.build,
    "scan": scan.build,
    "sparse": sparse.build,
    "sparse_classifier": sparse_classifier.build,
    "xcov": xcov.build,
}


def build(settings, seed: int = 0) -> keras.Model:
    """Builds a model with its weights initialised from `seed`.

    Args:
      settings: the `model` section of a config: {"family": "xcov", ...}.
      seed: of the initial weights.

    Raises:
      UserError: unknown family, unknown or unusable setting.
    """
    settings = dict(settings)
    family = settings.pop("family", None)
    if family not in FAMILIES:
        raise UserError(f"model.family is '{family}'; expected one of {', '.join(FAMILIES)}")
    if "heads" in settings:
        settings["heads"] = heads(settings)
    keras.utils.set_random_seed(seed)
    try:
        return FAMILIES[family](settings)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"model settings of family '{family}': {inspect.cleandoc(str(error)).splitlines()[0]}"
        ) from error


def heads(settings) -> dict:
    """Observed head -> number of classes, in the order of the model's outputs: alphabetical.

    A config section has no order of its own (ml_collections sorts it, JSON may), so the order is fixed here.
    """
    return dict(sorted(dict(settings["heads"]).items()))


__all__ = ["FAMILIES", "Signature", "build", "heads"]
