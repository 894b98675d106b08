"""Every LiteRT file of some runs against the Keras model, in units of what rounding must cost; and its accuracy.

    reverie train --config=xcov_mnist --config.data.source=idx:DIR --workdir=runs/a
    python benchmarks/quantization.py runs/a runs/b

Exports each run to a temporary folder with the bounds of quantized files lifted, so that the files beyond them are
seen too. A line a measure of an output: run, file, output, measure, difference, what rounding must cost, their
ratio. Then, of files that give a class, the
share of test images that they and the Keras model classify rightly.
"""

import argparse
import math
import os
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
    parity.QUANTIZED_BOUNDS = dict.fromkeys(lite.VARIANTS, (math.inf, math.inf))
    parity.LABEL_BOUNDS = dict.fromkeys(lite.VARIANTS, 1.0)
    parity.USEFUL = math.inf
    for workdir in options.workdirs:
        run = Run(workdir)
        name = os.path.basename(os.path.normpath(workdir))
        with tempfile.TemporaryDirectory() as folder:
            version = run.export(to=folder, warmup=False)
            for entry in version.agreements:
                if entry.artifact != "saved_model":
                    ratio = f"{entry.difference / entry.cost:.2f}" if entry.cost else "-"
                    print(
                        f"{name}\t{entry.artifact}\t{entry.output}\t{entry.measure}\t{entry.difference:.3g}\t"
                        f"{entry.cost:.3g}\t{ratio}",
                        flush=True,
                    )
            for entry in version.left_out:
                print(f"{name}\tleft out: {entry}")
            if options.accuracy_of:
                _accuracies(run, name, version.folder / "lite", options.accuracy_of)


def _accuracies(run: Run, name: str, folder, count: int) -> None:
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
        print(f"{name}\t{path.name}\taccuracy\t{shares[0]:.2f} %\tKeras {shares[1]:.2f} %\tof {len(labels)}", flush=True)


def _labels(outputs: dict) -> np.ndarray | None:
    if "label" in outputs:
        return outputs["label"]
    return np.argmax(outputs["probabilities"], axis=-1) if "probabilities" in outputs else None


if __name__ == "__main__":
    main()
