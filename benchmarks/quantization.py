"""Every LiteRT file of some runs against the Keras model, in units of what rounding must cost; and its accuracy.

    reverie train --config=xcov_mnist --config.data.source=idx:DIR --workdir=runs/a
    python benchmarks/quantization.py runs/a runs/b

Files are converted, calibrated and compared as `reverie export` does it, with the bounds lifted. A line a measure of
an output: run, file, output, measure, difference, what rounding must cost, their ratio. Then, with --accuracy_of, of
files that give a class, the share of test images that they and the Keras model classify rightly.
"""

import argparse
import math
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from reverie import pipelines
from reverie.experiments import Run
from reverie.export import LiteModel, lite, parity


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdirs", nargs="+")
    parser.add_argument("--accuracy_of", type=int, default=0, help="so many test images; 0 leaves accuracy out")
    options = parser.parse_args()
    parity.QUANTIZED_BOUND = math.inf
    parity.LABEL_BOUNDS = dict.fromkeys(lite.VARIANTS, 1.0)
    parity.USEFUL = math.inf
    for workdir in options.workdirs:
        run = Run(workdir)
        with tempfile.TemporaryDirectory() as folder:
            measure(run, folder, options.accuracy_of)


def measure(run: Run, folder: str, accuracy_of: int = 0) -> None:
    """Prints what is said above of one run, whose files go to `folder`."""
    name, model = run.folder.resolve().name, run.model
    images = pipelines.drawn(run.kind.sample(run.config).images, 564, run.config.seed)["image"].numpy()
    signatures = {key: value for key, value in model.signatures().items() if value.lite}
    calibration = {key: value.examples(images[:-64]) for key, value in signatures.items()}
    probes = {key: value.examples(images[-64:]) for key, value in signatures.items()}
    files, failed = lite.write(model, folder, calibration)
    agreements, left_out = parity.check_lite(model.signatures(), files, probes, calibration)
    for entry in agreements:
        ratio = f"{entry.difference / entry.cost:.2f}" if entry.cost else "-"
        numbers = f"{entry.difference:.3g}\t{entry.cost:.3g}\t{ratio}"
        print(f"{name}\t{entry.artifact}\t{entry.output}\t{entry.measure}\t{numbers}", flush=True)
    for line in (*left_out, *failed.items()):
        print(f"{name}\tno file: {line}")
    if accuracy_of:
        _accuracies(run, name, pathlib.Path(folder), accuracy_of)


def _accuracies(run: Run, name: str, folder: pathlib.Path, count: int) -> None:
    test = run.kind.evaluation_data(run.config, run.folder, run.model, run.step).test
    images = test.upto(len(test) - 1) if isinstance(test, pipelines.Stream) else test
    batch = pipelines.drawn(images, count, 0)
    pixels, labels = batch["image"].numpy(), batch["label"].numpy()
    for path in sorted(folder.glob("*.tflite")):
        model = LiteModel(path)
        if set(model.inputs) != {"images"}:
            continue
        found = [_labels(model.call(images=pixels[start : start + 256])) for start in range(0, len(pixels), 256)]
        if found[0] is None:
            continue
        keras = [
            _labels({key: value.numpy() for key, value in getattr(run.model, model.signature)(tf.constant(x)).items()})
            for x in np.split(pixels, range(256, len(pixels), 256))
        ]
        shares = [100.0 * np.mean(np.concatenate(each) == labels) for each in (found, keras)]
        print(
            f"{name}\t{path.name}\taccuracy\t{shares[0]:.2f} %\tKeras {shares[1]:.2f} %\tof {len(labels)}", flush=True
        )


def _labels(outputs: dict) -> np.ndarray | None:
    if "label" in outputs:
        return outputs["label"]
    return np.argmax(outputs["probabilities"], axis=-1) if "probabilities" in outputs else None


if __name__ == "__main__":
    main()
