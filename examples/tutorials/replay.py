"""Five tasks, one after the other, with and without rehearsal: docs/tutorials/replay.md, as one script."""

import numpy as np
import reverie
from reverie import pipelines

train, test = (pipelines.read("mnist_sample", split) for split in ("train", "test"))
data = {"train": (train.pixels, train.labels), "test": (test.pixels, test.labels)}

small = {"train.steps": 200, "model.hidden": (200, 200), "model.gating": 0.1, "train.log_every": 100}
bare = {name: value for name, value in small.items() if name != "model.gating"}
forgetful = reverie.train("replay_split_mnist:none", "runs/none", data=data, overrides=bare)
rehearsing = reverie.train("replay_split_mnist:bir", "runs/bir", data=data, overrides=small)

tasks = test.labels // 2  # With seeds below 10 digits come in their natural order: 0 and 1, then 2 and 3, ...
for name, network in (("none", forgetful), ("bir", rehearsing)):
    right = network.classify(test.pixels)["label"] == test.labels
    shares = [right[tasks == task].mean() for task in range(5)]
    print(name, "of each task, after all five:", np.round(shares, 2), f"mean {np.mean(shares):.1%}")

zeros = rehearsing.generate(8, label=0, seed=0)["images"]  # Seen in the first task only.
assert zeros.shape == (8, 28, 28, 1)

version = rehearsing.export(lite=("float32",))
encoder = reverie.load(version.folder / "lite" / "encode_float32.tflite")
codes = encoder.encode(test.pixels[:100])
print({name: values.shape for name, values in codes.items()})
