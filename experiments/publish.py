"""Publishing a run: from a checkpoint to files that a server and a phone load."""

import functools
import math
import pathlib
import re
from collections.abc import Collection, Sequence
from typing import Any

from absl import logging

from .. import __version__, export, pipelines
from ..errors import UserError
from ..evaluation import report
from ..evaluation.numbers import read_numbers
from ..export import Provenance, Published
from ..export import lite as lite_files
from ..export.endpoints import endpoints
from ..models import Capability
from ..pipelines import served_files
from ..pipelines.picture import Look
from ..training import run_folder, stages
from . import arguments
from .anew import differing
from .run import Run

_SAMPLE_BYTES = 2**28


def publish(
    run: Run,
    name: str = "",
    to: str | pathlib.Path = "",
    *,
    lite: str | Sequence[str] = lite_files.VARIANTS,
    max_batch: int = 1024,
    warmup: bool = True,
    page: bool = False,
) -> Published:
    """Publishes a run as checked SavedModel and LiteRT files.

    Args:
      run: trained.
      name: the model's name on the server and of its folder: letters, digits, ".", "_" and "-", no dot in front; the
        family's name by default.
      to: folder of all models, anywhere; <run folder>/export by default.
      lite: LiteRT variants, or one of them; () for none.
      max_batch: greatest number of images a request, 1 to 65536, built into the graph.
      warmup: whether to write warm-up requests for TensorFlow Serving.
      page: whether to add LiteRT files of one row each, which a page in a browser runs (`reverie explore`).

    Returns:
      Where it was published, how well each file agrees with the Keras model, and which quantized files were left out.

    Raises:
      ParityError: the SavedModel or a LiteRT file in float32 does not reproduce the model; nothing was published.
      UserError: a name that no server could serve, an option that is none, no checkpoint yet.
      StorageError: as its name says.
    """
    if not isinstance(name, str) or (name and not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", name)):
        raise UserError(
            f"name is {arguments.shown(name)}; expected letters, digits, '.', '_' and '-' (128 at most), no dot in "
            "front; where it is published is said by `to`"
        )
    place = arguments.path("to", to, "a folder, or '' for the run's own export/") if to != "" else run.folder / "export"
    lite = arguments.texts("lite", lite, "('float32', 'int8'), or () for none")
    if unknown := sorted(set(lite) - set(lite_files.VARIANTS)):
        raise UserError(f"lite is {', '.join(unknown)}; expected some of {', '.join(lite_files.VARIANTS)}, or none")
    max_batch = arguments.whole("max_batch", max_batch, 1, 65536)
    if page and Capability.EXPLORE not in run.family.capabilities:
        raise UserError(f"page: the family {run.family.name} declares no page, so it has no files for one")
    config, model = run.config, run.model
    trained = stages.trained(config, model, run.step) if run.family.stages else None
    sample = run.kind.sample(config, run.folder)
    # Enough to calibrate and to judge, but not a gigabyte of large frames.
    count = max(8, min(1000, _SAMPLE_BYTES // (4 * math.prod(sample.images.shape))))
    images = pipelines.drawn(sample.images, count, config.seed)["image"].numpy()
    evaluation = _measured(run)
    if Capability.CHOOSE in run.family.capabilities and evaluation:
        model.choose(evaluation)
    provenance = Provenance(
        reverie=__version__,
        config=run.written_config(),
        step=run.step,
        evaluation=evaluation,
        environment=run_folder.environment(),
        classes=tuple(sample.classes),  # Label k is the k-th: a stream numbers classes in the order it met them.
        class_names=run.class_names,
        legend=legend_of(run, model, sample.classes, trained),
    )
    published = export.export(
        model,
        place / (name or config.model.family),
        images,
        provenance,
        max_batch=max_batch,
        lite_variants=tuple(lite),
        with_warmup=warmup,
        page=page,
        trained=trained,
        from_bytes=functools.partial(
            served_files.served_images,
            shape=tuple(model.config.image_shape),
            resize=config.data.resize,
            max_pixels=config.data.max_pixels,
            look=Look(config.data.background, config.data.bits),
        ),
    )
    report.write(run.folder)
    return published


def _measured(run: Run) -> dict[str, Any]:
    """The numbers of the run, unless they are of other settings than those that are published."""
    numbers = read_numbers(run.folder)
    if numbers and (unlike := differing(numbers, run_folder.load_config(run.folder), run.config)):
        logging.warning(
            "%s: its numbers are left out, because they were measured with %s; run `reverie evaluate` with what is "
            "published",
            run.folder,
            ", ".join(unlike),
        )
        return {}
    return numbers


def legend_of(run: Run, model, classes: list, trained: Collection[str] | None = None) -> tuple[str, ...]:
    """Lines for the model card that say what the model's inputs and outputs stand for.

    Args:
      run, model: what is published.
      classes: that a stream has met, in their order.
      trained: what the stages have learned; None where there are none.
    """
    meanings = ", ".join(f"{label} is {meaning}" for label, meaning in enumerate(classes))
    order = (f"Labels are numbered in the order of learning: {meanings}.",) if classes else ()
    named = () if classes else tuple(
        f"Classes of {head}: {', '.join(f'{number} {name}' for number, name in enumerate(names))}."
        for head, names in run.class_names.items()
        if names
    )  # fmt: skip
    silent = Capability.WORDS in run.family.capabilities and trained is not None and "symbols" not in trained
    lines = (*order, *named, *(() if silent else run.family.legend(model.config)))
    if "compose" in endpoints(model, trained=trained):
        named = ", ".join(f"{number} {name}" for number, name in enumerate(pipelines.OPERATORS))
        lines = (*lines, "", f"Operators: {named}.")
    return lines
