"""How well logistic units on the sparse autoencoder name the classes of images (Le et al. 2012, section 6)."""

import numpy as np

from .. import pipelines
from . import pictures
from .codes import over
from .contract import EvaluationData, Headline, Picture

HEADLINES = {
    "accuracy": Headline("test accuracy", "well above one over the number of classes", share=True, better="higher")
}
OPTIONS: dict[str, str] = {}
_SHOWN = 1000


def quick(model, images: pipelines.Images) -> dict[str, float]:
    """{"accuracy"} over labeled images: the unit with the highest answer is the label."""
    found = over(model.classify, images, batch_size=50)["label"]
    labels = images.labels.ravel()
    return {"accuracy": float(np.mean(found[labels >= 0] == labels[labels >= 0]))}


def evaluate(model, data: EvaluationData) -> dict[str, float]:
    """All numbers of the family.

    Returns:
      name -> number: "accuracy" on test images, "train_accuracy", and "chance", the share of the largest class.
    """
    train, test = data.train, data.test
    labels = test.labels[test.labels >= 0]
    return {
        "test_images": len(test),
        "train_images": len(train),
        **quick(model, test),
        "train_accuracy": quick(model, train)["accuracy"],
        "chance": float(np.bincount(labels).max() / len(labels)),
    }


def draw(model, data: EvaluationData, numbers: dict) -> dict[str, Picture]:
    """Which classes are taken for which, and the images that every unit is surest of."""
    del numbers
    images = data.test
    batch = pipelines.drawn(images, _SHOWN)
    sample, labels, count = batch["image"].numpy(), batch["label"].numpy().ravel(), len(batch["label"])
    parts = [model.classify(batch["image"][first : first + 50]) for first in range(0, count, 50)]
    answers = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    names = [str(name) for name in next(iter(images.class_names.values()), ()) or range(model.classes)]
    confusion = np.zeros([model.classes, model.classes])
    for truth, found in zip(labels[labels >= 0], answers["label"][labels >= 0], strict=True):
        confusion[truth, found] += 1
    shares = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    surest = np.argsort(-answers["probabilities"], axis=0)[:8].T
    return {
        "confusion": Picture(
            pictures.heat_map(shares, names, names, "per cent of a class (row) given a label (column)"),
            f"Which classes (rows) are given which labels (columns), of {count} images.",
        ),
        "surest": Picture(
            pictures.grid(sample[surest[: min(model.classes, 20)]]),
            "A class a row: the images its logistic unit is surest of.",
        ),
    }
