"""Filters from frames of one's own, learned without a label: docs/tutorials/sparse.md, as one script."""

import numpy as np
import reverie

generator = np.random.default_rng(0)
down, across = np.mgrid[:64, :64]
frames = np.zeros([300, 64, 64, 1], np.uint8)
for frame in frames:  # Leaves of all sizes that cover each other: they have edges, as natural pictures have.
    for radius in np.minimum(2.5 / generator.random(60) ** 0.5, 16):
        row, column = generator.random(2) * 64
        frame[(down - row) ** 2 + (across - column) ** 2 < radius**2, 0] = generator.integers(20, 236)

small = {
    "data.image_shape": (32, 32, 1), "model.image_shape": (32, 32, 1), "data.windows": 2000,
    "greedy.steps": (300, 60, 60),
}  # fmt: skip
run = reverie.train("sparse_demo", "runs/sparse", data=frames, overrides=small)

numbers = run.evaluate()
print(f"fit of Gabor functions to the filters of the first stage: {numbers['gabor_fit']:.2f} (1 is an edge detector)")
print("filters as pictures:", run.report())

version = run.export(lite=("float32",))
encoder = reverie.load(version.folder / "lite" / "encode_float32.tflite")
print({name: values.shape for name, values in encoder.encode(frames[:4, 16:48, 16:48]).items()})
