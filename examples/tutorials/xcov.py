"""From a folder of digits to an encoder that runs without TensorFlow: docs/tutorials/xcov.md, as one script."""

import pathlib

import numpy as np
import PIL.Image
import reverie
from reverie import pipelines

digits = pipelines.read("mnist_sample", "train")
folder = pathlib.Path("digits")
for number in range(2000):
    label = int(digits.labels[number])
    (folder / str(label)).mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(digits.pixels[number, :, :, 0]).save(folder / str(label) / f"{number}.png")

short = {"data.source": f"folder:{folder}", "train.epochs": 20, "train.evaluate_every": 0, "train.picture_every": 0}
run = reverie.train("xcov_demo", "runs/xcov", overrides=short)

numbers = run.evaluate()
print(f"held-out digits told right: {numbers['accuracy']:.1%}")
print("pictures and curves:", run.report())

threes = run.generate(8, label="3", seed=0)["images"]
PIL.Image.fromarray(np.uint8(np.hstack(threes)[:, :, 0] * 255)).save("threes.png")

images = digits.pixels[2000:2200]
codes = run.encode(images)
assert codes["features"].shape == (200, 2) and codes["probabilities"].shape == (200, 10)

version = run.export(lite=("float32", "int8"))
encoder = reverie.load(version.folder / "lite" / "encode_float32.tflite")
difference = np.abs(encoder.encode(images)["probabilities"] - codes["probabilities"]).max()
print(f"{version.folder}: largest difference between phone and run {difference:.1e}")
