"""Measuring a run: numbers, pictures, the report."""

import dataclasses
from typing import Any

from ..evaluation import check_options, collapse, of_family, pictures, report
from ..training import run_folder
from .run import Run


def evaluate(run: Run, **options: Any) -> dict[str, Any]:
    """All numbers of a run, written to evaluation.json, with all pictures and the report page.

    Args:
      run: trained.
      **options: of its family's evaluation.

    Raises:
      UserError: see `Run.evaluate`.
    """
    check_options(run.family, options)
    evaluation, folder = of_family(run.family), run.folder
    found = run.kind.evaluation_data(run.config, folder, run.model, run.step)
    data = dataclasses.replace(found, options=options)
    numbers = {"step": run.step, **run.anew, **evaluation.evaluate(run.model, data)}
    judged = run.kind.judged(run.config, folder, run.model, run.step, data)
    numbers |= {} if judged is None else collapse.measure(run.model, judged)
    if wrong := collapse.told(numbers, run.step):
        collapse.warn(wrong, run.step, run.config.to_dict())
    run_folder.write_json(folder / "evaluation.json", numbers)
    (folder / "pictures").mkdir(exist_ok=True)
    # A picture may be named after somebody's column, which a file cannot always be.
    drawn = {name.replace("/", "_"): picture for name, picture in evaluation.draw(run.model, data, numbers).items()}
    for name, picture in drawn.items():
        pictures.save_png(folder / "pictures" / f"{name}.png", picture.pixels)
    captions = {name: picture.caption for name, picture in drawn.items()}
    run_folder.write_json(folder / "pictures" / "captions.json", {**captions, **data.captions})
    report.write(folder)
    return numbers
