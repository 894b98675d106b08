"""Words for pictures of one's own, and pictures for words: docs/tutorials/scan.md, as one script."""

import numpy as np
import reverie

COLORS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220), "white": (220, 220, 220)}
PLACES = ("top", "middle", "bottom")

generator = np.random.default_rng(0)
colors, places = generator.integers(0, 4, 600), generator.integers(0, 3, 600)
images = generator.integers(0, 30, (600, 8, 8, 3))
for image, color, place in zip(images, colors, places, strict=True):
    image[1 + 2 * place : 3 + 2 * place] = list(COLORS.values())[color]
words = {"color": [list(COLORS)[n] for n in colors], "place": [PLACES[n] for n in places]}
data = (images.astype(np.uint8), words)

small = {
    "words.pairs": 300, "words.held_out": 0.1, "data.test_fraction": 0.2,
    "model.vision.channels": (8, 16), "model.vision.hidden": 48, "model.vision.latents": 6,
    "model.vision.color_space": "rgb", "model.vision.precision": 100.0, "model.vision.objective": "fixed",
    "model.vision.beta": 1.0, "stages.vision.unmix_at": (1500,),
    "model.denoising.channels": (4, 4), "model.symbols.hidden": 48, "model.recombination.hidden": 48,
    "stages.denoising.steps": 0, "stages.vision.steps": 4000, "stages.vision.batch_size": 32,
    "stages.symbols.steps": 3000, "stages.operators.steps": 2000,
}  # fmt: skip
run = reverie.train("scan_scenes", "runs/scan", data=data, overrides=small)

red = run.imagine("red, top", count=50, seed=0)
rows = red[:, 1:3].mean(axis=(0, 1, 2))
print("red, top: mean red, green and blue where the bar should be", np.round(rows, 2))

joined = run.imagine("white AND bottom", count=50, seed=0)
print("white AND bottom:", np.round(joined[:, 5:7].mean(axis=(0, 1, 2)), 2))

version = run.export(lite=("float32",))
encoder = reverie.load(version.folder / "lite" / "encode_float32.tflite")
print({name: values.shape for name, values in encoder.encode(data[0][:10]).items()})
