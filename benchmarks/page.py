"""Pages of runs in Chromium: size, time to the first picture, a slider's step, and how far numbers lie from Python's.

    python benchmarks/page.py runs/a runs/b

Writes explore.html into each run folder; needs what `make test-page` needs.
"""

import gzip
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import PIL.Image
from reverie import Run
from reverie.evaluation import EvaluationData, of_family
from reverie.export import LiteModel, seven_bits

DRIVER = pathlib.Path(__file__).resolve().parents[1] / "tests" / "browser" / "drive.mjs"
ROWS = 8


def measure(workdir: str) -> dict:
    """The numbers of one run's page."""
    run = Run(workdir)
    page = run.explore()
    text = page.read_text(encoding="utf-8")
    content = json.loads(_block(text, "page"))
    data: EvaluationData = run.kind.evaluation_data(run.config, run.folder, run.model, run.step)
    images = of_family(run.family).explore(run.model, data).pictures[:ROWS]
    functions = run.model.page_functions()
    requests = {name: signature.examples(images) for name, signature in functions.items()}
    rows = {
        name: [{key: value[row].ravel().tolist() for key, value in inputs.items()} for row in range(len(images))]
        for name, inputs in requests.items()
    }
    with tempfile.TemporaryDirectory() as work:
        picture = pathlib.Path(work) / "own.png"
        PIL.Image.fromarray(np.uint8(np.round(255 * images[-1])).squeeze()).save(picture)
        plan = pathlib.Path(work) / "plan.json"
        plan.write_text(json.dumps({"functions": rows, "picture": str(picture)}))
        command = ["node", DRIVER, page.resolve(), plan, shutil.which("chromium")]
        seen = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        same, keras = 0.0, 0.0
        for name, inputs in requests.items():
            file = pathlib.Path(work) / "model.tflite"
            file.write_bytes(gzip.decompress(seven_bits.as_bytes(_block(text, f"model-{name}"))))
            python, exact = LiteModel(file).call(**inputs), functions[name].function(**inputs)
            for row, answer in enumerate(seen["functions"][name]):
                for key, value in answer.items():
                    same = max(same, float(np.abs(python[key][row].ravel() - value).max()))
                    keras = max(keras, float(np.abs(np.asarray(exact[key])[row].ravel() - value).max()))
    return {
        "run": pathlib.Path(workdir).name,
        "megabytes": len(text.encode()) / 1e6,
        "weights": content["weights"],
        "first picture, ms": sorted(map(round, seen["firstPictures"])),
        "picture of a step, ms": seen["steps"].get("picture"),
        "all of a step, ms": seen["steps"].get("all"),
        "difference to LiteRT in Python": same,
        "difference to Keras": keras,
        "requests": len(seen["requests"]),
        "errors": len(seen["errors"]),
        "serious findings": sum(
            entry["impact"] in ("serious", "critical") for found in seen["axe"].values() for entry in found
        ),
    }


def _block(text: str, name: str) -> str:
    found = re.search(rf'<script type="[^"]+" id="{name}">([^<]*)</script>', text)
    assert found, name
    return found[1]


if __name__ == "__main__":
    for workdir in sys.argv[1:]:
        print(json.dumps(measure(workdir)), flush=True)
